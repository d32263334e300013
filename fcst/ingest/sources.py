"""From what the user gave (files, folders, archives) to the files that hold sales, and those that describe items.

A `Source` is one table's file: on disk, or inside an archive, or inside an archive of an archive (Kaggle's download).
"""

import fnmatch
import os
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fcst.errors import InputError, NoRoom
from fcst.files import is_full, make_home, no_room, private_folder
from fcst.ingest.archives import (
    PACKED,
    Kind,
    bare_name,
    is_text_name,
    kind_of,
    list_members,
    read_head,
    unpack,
)
from fcst.ingest.folders import Folders

MAX_FILES = 2_000  # of a folder
MAX_DEPTH = 3  # archives in archives
HEAD_BYTES = 1 << 20

OnProgress = Callable[[str, int, int], None]
"""Is called with what is being done, in words, the bytes done and the bytes in all."""


def no_progress(what: str, done: int, total: int) -> None:
    """Does nothing."""


@dataclass(frozen=True)
class Source:
    """One file with a table, or a way that leads to it.

    Parameters
    ----------
    path
        the file on disk, resolved.
    members
        the way into it: the member of the archive, the member of that, …
    sheet
        of a workbook; empty: the first.
    """

    path: Path
    members: tuple[str, ...] = ()
    sheet: str = ""

    @property
    def name(self) -> str:
        """What people call it: x.zip › train.csv."""
        return " › ".join((self.path.name, *self.members, *([self.sheet] if self.sheet else [])))

    def leads_to(self, other: "Source") -> bool:
        """Whether the other is this one, or is in it."""
        return self.path == other.path and self.members == other.members[: len(self.members)]

    @property
    def last(self) -> str:
        return self.members[-1] if self.members else self.path.name

    @property
    def bare(self) -> str:
        return bare_name(self.last)


@dataclass
class Workspace:
    """Where archives are unpacked; each once. Its folder is the caller's, who removes it."""

    folder: Path
    max_bytes: int
    on_progress: OnProgress = no_progress
    _unpacked: dict[Source, Path] = field(default_factory=dict)

    def file_of(self, source: Source) -> Path:
        """The file on disk that has the source's bytes; unpacked first where it is in an archive."""
        source = replace(source, sheet="")
        if not source.members:
            return source.path
        if source not in self._unpacked:
            outer = replace(source, members=source.members[:-1])
            packed = self.file_of(outer)
            target = self.new_file()
            total = packed.stat().st_size
            unpack(
                packed,
                kind_of(packed, outer.last),
                source.last,
                source.name,
                target,
                self.max_bytes,
                lambda done: self.on_progress(f"unpacking {source.bare}", min(done, total), total),
            )
            self._unpacked[source] = target
        return self._unpacked[source]

    def without_wildcards(self, path: Path) -> Path:
        """The file by a name that DuckDB does not take for a pattern."""
        if not set("*?[]{}") & set(str(path)):
            return path
        link = self.new_file()
        link.symlink_to(path)
        return link

    def new_file(self) -> Path:
        """A path in the folder that nobody else has."""
        return self.folder / f"part-{uuid.uuid4().hex}"

    def head_of(self, source: Source, n_bytes: int = HEAD_BYTES) -> bytes:
        """The first bytes of a source, without unpacking more than they need."""
        if source.members and source not in self._unpacked:
            outer = replace(source, members=source.members[:-1])
            packed = self.file_of(outer)
            return read_head(packed, kind_of(packed, outer.last), source.last, source.name, n_bytes)
        with self.file_of(source).open("rb") as file:
            return file.read(n_bytes)

    def kind(self, source: Source) -> Kind:
        """What the source is, by its first bytes."""
        if not source.members:
            return kind_of(source.path, source.last)
        head = self.new_file()
        try:
            head.write_bytes(self.head_of(source, 8))
            is_book = source.last.lower().endswith((".xlsx", ".xlsm", ".xlsb", ".ods"))
            kind = Kind.WORKBOOK if is_book else kind_of(head, source.last)
        finally:
            head.unlink(missing_ok=True)
        return kind_of(self.file_of(source), source.last) if kind == Kind.WORKBOOK else kind

    def open_archives(self, source: Source) -> list[Source]:
        """The source itself, or, where it is an archive, what may hold a table in it."""
        if len(source.members) > MAX_DEPTH:
            raise InputError(f"{source.name} has too many archives in one another.", "Unpack it yourself.")
        kind = self.kind(source)
        if kind not in PACKED:
            return [source]
        inner = [
            replace(source, members=(*source.members, member))
            for member in list_members(self.file_of(source), kind, source.last)
            if kind == Kind.GZIP or is_text_name(member)
        ]
        if not inner:
            raise InputError(f"{source.name} holds no file of sales.", "Give CSV, Excel or Parquet files.")
        return inner


@dataclass(frozen=True)
class Listing:
    """What was found under the paths: every file that may hold a table, and which were named one by one."""

    sources: list[Source]
    named: list[Source]


@contextmanager
def with_file_errors() -> Iterator[None]:
    """Turns errors of files into words: a file that is gone or cannot be opened, no room for what is made."""
    try:
        yield
    except OSError as exc:
        if is_full(exc):
            raise no_room_to_read() from exc
        what = f"The file {exc.filename}" if exc.filename else "A file"
        hint = "Check that it is there and may be read, then load it again."
        raise InputError(f"{what} cannot be read: {exc.strerror or exc}.", hint) from exc


def no_room_to_read() -> NoRoom:
    """The error of a disk that has no room for what a reading makes of the files."""
    return no_room("what is made of the files while they are read", "FCST_HOME")


def make_folder(folder: Path, home: Path) -> None:
    """Makes the folder in FCST_HOME that a reading works in.

    Raises
    ------
    NoRoom
        if the disk is full; InputError, if it cannot be made for another reason, or is there already.
    """
    try:
        private_folder(folder, make_home(home), exist_ok=False)
    except OSError as exc:
        if is_full(exc):
            raise no_room_to_read() from exc
        raise InputError(f"{folder} cannot be made: {exc.strerror}.", "Check the folder FCST_HOME.") from exc


def list_sources(paths: Sequence[str], folders: Folders, workspace: Workspace) -> Listing:
    """Every file under `paths` that may hold a table; archives in archives are opened later, when one is chosen.

    Raises
    ------
    InputError
        if a path is missing, is neither file nor folder, lies outside `folders`, may not be read, or is empty.
    """
    sources: list[Source] = []
    named: list[Source] = []
    for path in paths:
        given = _resolve(path, folders)
        if given.is_dir():
            sources += [Source(file) for file in _files_in(given, folders)]
            continue
        found = workspace.open_archives(_check_file(given))
        sources += found
        if len(found) == 1:
            named += found
    unique = list(dict.fromkeys(sources))
    return Listing(unique, list(dict.fromkeys(named)))


def beside(source: Source, name: str, listing: Listing, folders: Folders) -> Source | None:
    """The file called `name` in the same folder or archive as `source`, packed or not; None if there is none."""
    for other in listing.sources:
        if other.bare.lower() == name and other != source:
            return other
    if source.path.parent.is_dir():
        for other_path in sorted(source.path.parent.glob(f"{name}*")):
            if bare_name(other_path.name) == name and other_path.is_file() and other_path != source.path:
                found = Source(other_path.resolve())
                if folders.allow(found.path):
                    return found
    return None


def named_like(sources: Sequence[Source], wanted: str) -> list[Source]:
    """The sources that `wanted` names: in full, by the last part of the name, or by a pattern such as `2024-*.csv`."""

    def fits(source: Source) -> bool:
        names = {source.last, source.last.rsplit("/", 1)[-1], source.bare, "/".join(source.members)}
        return wanted in names or any(fnmatch.fnmatchcase(name, wanted) for name in names)

    return [source for source in sources if fits(source)]


def fingerprint(sources: Sequence[Source]) -> list[tuple[str, int, int, int]]:
    """What a file's change would change: its inode, size and time."""
    found = []
    for path in sorted({source.path for source in sources}):
        try:
            info = path.stat()
        except OSError as exc:
            raise InputError(f"{path.name} is gone.", "Load it again when it is back.") from exc
        found.append((str(path), info.st_ino, info.st_size, info.st_mtime_ns))
    return found


def _resolve(path: str, folders: Folders) -> Path:
    """The path with its links followed; of one outside `folders` not even whether it is there is told."""
    if not path.strip():
        raise InputError("A path is empty.", "Name a file or a folder.")
    try:
        given = Path(path).expanduser()
        resolved = given.resolve()
        is_allowed = folders.allow(resolved)
        exists = is_allowed and resolved.exists()
    except (OSError, RuntimeError, ValueError) as exc:
        if not folders.has_hidden:  # why it fails may tell what is there
            raise folders.refusal(path) from exc
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise InputError(f"The path {path[:200]!r} cannot be used: {why}.", "Check it.") from exc
    if not is_allowed:
        raise folders.refusal(path)
    if not exists:
        raise InputError(f"There is no file {given}.", "Check the path; it is one of the machine fcst runs on.")
    _check_name(resolved)
    return resolved


def _check_name(path: Path) -> None:
    """The database keeps names, and takes no others."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InputError(f"The name of {str(path)!r} is not text in UTF-8.", "Rename it.") from exc


def _files_in(folder: Path, folders: Folders) -> list[Path]:
    found: list[Path] = []
    for top, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(os.path.realpath(Path(top) / name))  # resolve() would stumble over a link to itself
            if is_text_name(name) and path.is_file() and path.stat().st_size and folders.allow(path):
                _check_name(path)
                found.append(path)
        if len(found) > MAX_FILES:
            raise InputError(f"The folder {folder} holds more than {MAX_FILES:,} files.", "Give a folder with fewer.")
    if not found:
        raise InputError(
            f"The folder {folder} holds no file of sales.", "Give CSV, Excel or Parquet files, or a folder with them."
        )
    return found


def _check_file(path: Path) -> Source:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):  # a pipe or device would block, or never end
            raise InputError(f"{path} is not a file.", "Give a file, or a folder with files.")
        if not info.st_size:  # as are those of /proc, of which some would block too
            raise InputError(f"{path.name} is empty.", "Give a file with a header and rows.")
        path.open("rb").close()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.", "Check its permissions.") from exc
    return Source(path)
