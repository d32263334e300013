"""Folders and files for this OS user alone, and locks between processes, on files.

The kernel frees a flock when its holder ends, however it ends. So a held lock is evidence that somebody
lives; a pid file is not, for it outlives its writer and its number may be another process's by now.
"""

import contextlib
import errno
import fcntl
import io
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

from fcst.errors import NoRoom

PRIVATE_UMASK = 0o077
"""For long-lived processes, in which libraries make files too."""

_open_locks: set["FileLock"] = set()


def make_home(home: Path) -> Path:
    """Make FCST_HOME, and what is missing above it; returns it. One that exists stays as it is.

    Whatever the umask, other users may enter it but not list it: root's Postgres runs as one of them.
    """
    if not home.is_dir():
        make_home(home.parent)
        try:
            home.mkdir()
        except FileExistsError:  # another process was faster, or it is a file
            if not home.is_dir():
                raise
        else:
            home.chmod(0o711)
    return home


MOST_RESERVE = 500_000_000
"""Bytes of a disk that are left free, for the database beside all else that is there; of a small disk a twentieth."""


T = TypeVar("T")


def room_in(folder: Path) -> int:
    """Bytes that may be written into a folder, or the nearest one above it that is there; 0 or less: none."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    usage = shutil.disk_usage(there)
    return usage.free - min(MOST_RESERVE, usage.total // 20)


def no_room(what: str, where: Path | str, n_bytes: int = 0, n_free: int = 0) -> NoRoom:
    """The error of a disk that is full, or would be.

    Parameters
    ----------
    what
        has no room: `the upload`.
    where
        a folder on the disk, or the setting that names one.
    n_bytes, n_free
        what it needs, where that is known, and what it may have.
    """
    need = f": it needs about {_in_mb(n_bytes)}, and {_in_mb(max(n_free, 0))} may be used" if n_bytes else ""
    return NoRoom(f"There is no room on disk for {what}{need}.", f"Make room in {where}, then try again.")


def _in_mb(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes > 50_000 or not n_bytes else "0.1 MB"


def is_full(exc: OSError) -> bool:
    """Whether an error tells of a disk, or a share of one, without room."""
    return exc.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def needing_room(what: str, where: Path | str) -> Iterator[None]:
    """Turns the error of a full disk into `no_room`; other errors pass."""
    try:
        yield
    except OSError as exc:
        if is_full(exc):
            raise no_room(what, where) from exc
        raise


def within_reserve(rows: Iterable[T], what: str, home: Path, step: int = 1000) -> Iterator[T]:
    """The rows, of which others make files in FCST_HOME; `no_room` before the reserve is written to.

    Parameters
    ----------
    what
        is made of them.
    step
        rows between two looks at the disk.
    """
    for number, row in enumerate(rows):
        if number % step == 0 and room_in(home) <= 0:
            raise no_room(what, "FCST_HOME")
        yield row


class _WithinReserve(io.FileIO):
    """A file that has a reserve to leave free."""

    def __init__(self, file: int | str, what: str, where: Path | str, folder: Path) -> None:
        super().__init__(file, "w+b")
        self._what, self._where, self._folder = what, where, folder

    def write(self, data: Any, /) -> int:
        if room_in(self._folder) < memoryview(data).nbytes:
            raise no_room(self._what, self._where)
        with needing_room(self._what, self._where):
            return super().write(data)


def open_within_reserve(file: int | Path, what: str, where: Path | str, folder: Path) -> BinaryIO:
    """A new file to be written and read, on the disk of `folder`; to write it raises `no_room` before the reserve is
    written to.

    Parameters
    ----------
    file
        its path, or a descriptor of its own.
    what, where
        as of `no_room`.
    """
    name = file if isinstance(file, int) else str(file)
    return io.BufferedRandom(_WithinReserve(name, what, where, folder), 1 << 18)


def private_folder(folder: Path, home: Path, exist_ok: bool = True) -> Path:
    """Make `folder` in `home`, which exists; returns it. Only its owner may enter it and all between the two.

    That holds whatever the umask, and for those that an older version made open to others.

    Raises
    ------
    FileExistsError
        if `exist_ok` is off and the folder is there.
    """
    path = home
    for name in folder.relative_to(home).parts:
        path /= name
        path.mkdir(0o700, exist_ok=exist_ok or path != folder)
        with contextlib.suppress(PermissionError):  # another user's: `doctor` reports it
            if stat.S_IMODE(path.stat().st_mode) != 0o700:
                path.chmod(0o700)
    return path


def open_private(path: str, flags: int) -> int:
    """A descriptor of a file that from now on only its owner reads and writes; an `opener` of `open`."""
    fd = os.open(path, flags, 0o600)
    with contextlib.suppress(OSError):  # a file that is there already, and another user's
        if stat.S_ISREG(os.fstat(fd).st_mode):  # /dev/null is to stay everybody's
            os.fchmod(fd, 0o600)
    return fd


class FileLock:
    """A flock on `path`, held until `release` or the end of this process.

    A program started from here does not inherit it unless `fd` is passed to it (`pass_fds`): then the lock
    lasts until every process that has it is gone. A forked child drops its copy and holds nothing.

    Parameters
    ----------
    fd : the inherited descriptor of a lock that another process took and passed on to this one.
    """

    def __init__(self, path: Path, fd: int | None = None) -> None:
        self.path = path
        self.fd = fd

    def acquire(self, exclusive: bool = True, blocking: bool = True, create: bool = True) -> bool:
        """Take the lock; False when `blocking` is off and another holder is in the way.

        Raises
        ------
        FileNotFoundError
            if the folder is missing, or the file is and `create` is off.
        """
        if self.fd is not None:
            raise RuntimeError(f"this lock on {self.path} is held already")
        while not self.is_current():  # a lock on a file that was deleted meanwhile keeps nobody out
            self.release()
            self.fd = os.open(self.path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
            _open_locks.add(self)
            try:
                taken = _flock(self.fd, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, blocking)
            except BaseException:
                self.release()
                raise
            if not taken:
                self.release()
                return False
        return True

    def release(self) -> None:
        """Give the lock up, if it is held."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
        _open_locks.discard(self)

    def is_current(self) -> bool:
        """Whether this object holds the lock, and `path` still leads to the locked file."""
        try:
            return self.fd is not None and os.path.samestat(os.fstat(self.fd), self.path.stat())
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(file: Path | int) -> bool:
    """Whether anybody holds an exclusive lock on the file; False if there is no such file.

    An open descriptor serves for a file that may have been deleted.
    """
    if isinstance(file, Path):
        try:
            fd = os.open(file, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return is_held(fd)
        finally:
            os.close(fd)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _flock(fd: int, kind: int, blocking: bool) -> bool:
    if blocking:
        fcntl.flock(fd, kind)
        return True
    for _ in range(5):  # somebody's `is_held` may be in the way for an instant
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False


def _drop_after_fork() -> None:
    for lock in tuple(_open_locks):
        with contextlib.suppress(OSError):
            lock.release()
    _open_locks.clear()


os.register_at_fork(after_in_child=_drop_after_fork)
