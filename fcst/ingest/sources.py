"""Source files of a load: lists the files under the given paths, opens archives, unpacks members to disk.

A `Source` is the file of one table: on disk, in an archive, or in a nested archive (such as a Kaggle download).
"""

import fnmatch
import os
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fcst.errors import DiskFull, InputError
from fcst.files import disk_full_error, is_full, make_home, private_folder
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

MAX_FILES = 2_000  # in a folder
MAX_DEPTH = 3  # nested archives
HEAD_BYTES = 1 << 20

OnProgress = Callable[[str, int, int], None]
"""Progress callback: the current step as text, bytes done, total bytes."""


def no_progress(what: str, done: int, total: int) -> None:
    """No-op progress callback."""


@dataclass(frozen=True)
class Source:
    """A file with one table, or an archive that contains it.

    Parameters
    ----------
    path
        the file on disk, resolved.
    members
        path inside the archives: the member of the archive, the member of that member, …
    sheet
        sheet of a workbook; empty: the first.
    """

    path: Path
    members: tuple[str, ...] = ()
    sheet: str = ""

    @property
    def name(self) -> str:
        """Display name: x.zip › train.csv."""
        return " › ".join((self.path.name, *self.members, *([self.sheet] if self.sheet else [])))

    def contains(self, other: "Source") -> bool:
        """Whether the other source is this one or inside it."""
        return self.path == other.path and self.members == other.members[: len(self.members)]

    @property
    def last(self) -> str:
        return self.members[-1] if self.members else self.path.name

    @property
    def bare(self) -> str:
        return bare_name(self.last)


@dataclass
class Workspace:
    """Folder for unpacked archives; unpacks each member once. The caller owns and deletes the folder."""

    folder: Path
    max_bytes: int
    on_progress: OnProgress = no_progress
    _unpacked: dict[Source, Path] = field(default_factory=dict)

    def file_of(self, source: Source) -> Path:
        """The file on disk with the source's bytes. Unpacks it first if it is in an archive."""
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
        """A path to the file that DuckDB does not read as a glob pattern."""
        if not set("*?[]{}") & set(str(path)):
            return path
        link = self.new_file()
        link.symlink_to(path)
        return link

    def new_file(self) -> Path:
        """A new unique path in the folder."""
        return self.folder / f"part-{uuid.uuid4().hex}"

    def head_of(self, source: Source, n_bytes: int = HEAD_BYTES) -> bytes:
        """The first bytes of a source. Unpacks no more than needed."""
        if source.members and source not in self._unpacked:
            outer = replace(source, members=source.members[:-1])
            packed = self.file_of(outer)
            return read_head(packed, kind_of(packed, outer.last), source.last, source.name, n_bytes)
        with self.file_of(source).open("rb") as file:
            return file.read(n_bytes)

    def kind(self, source: Source) -> Kind:
        """The file type of the source, from its first bytes."""
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
        """The source itself; for an archive, its members that may hold a table."""
        if len(source.members) > MAX_DEPTH:
            raise InputError(f"{source.name} has too many nested archives.", "Unpack it and give the files.")
        kind = self.kind(source)
        if kind not in PACKED:
            return [source]
        inner = [
            replace(source, members=(*source.members, member))
            for member in list_members(self.file_of(source), kind, source.last)
            if kind == Kind.GZIP or is_text_name(member)
        ]
        if not inner:
            raise InputError(f"{source.name} contains no data file.", "Give CSV, Excel or Parquet files.")
        return inner


@dataclass(frozen=True)
class Listing:
    """Files found under the given paths.

    Parameters
    ----------
    sources
        every file that may hold a table.
    named
        files that were given by their own path, not through a folder.
    """

    sources: list[Source]
    named: list[Source]


@contextmanager
def with_file_errors() -> Iterator[None]:
    """Converts OSError into InputError, or into DiskFull if the disk is full."""
    try:
        yield
    except OSError as exc:
        if is_full(exc):
            raise disk_full_while_reading() from exc
        what = f"The file {exc.filename}" if exc.filename else "A file"
        hint = "Check that it exists and is readable, then load it again."
        raise InputError(f"{what} cannot be read: {exc.strerror or exc}.", hint) from exc


def disk_full_while_reading() -> DiskFull:
    """The error for a disk without free space for the temporary files of a load."""
    return disk_full_error("the temporary files of the load", "FCST_HOME")


def make_folder(folder: Path, home: Path) -> None:
    """Creates the working folder of a load in FCST_HOME.

    Raises
    ------
    DiskFull
        if the disk is full.
    InputError
        if the folder exists already or cannot be created for another reason.
    """
    try:
        private_folder(folder, make_home(home), exist_ok=False)
    except OSError as exc:
        if is_full(exc):
            raise disk_full_while_reading() from exc
        raise InputError(f"{folder} cannot be created: {exc.strerror}.", "Check the folder FCST_HOME.") from exc


def list_sources(paths: Sequence[str], folders: Folders, workspace: Workspace) -> Listing:
    """Lists every file under `paths` that may hold a table. Nested archives are opened later, when one is chosen.

    Raises
    ------
    InputError
        if a path does not exist, is neither file nor folder, is outside `folders`, is not readable, or is empty.
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


def find_sibling(source: Source, name: str, listing: Listing, folders: Folders) -> Source | None:
    """The file `name` in the same folder or archive as `source`, compressed or not; None if there is none."""
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


def match_name(sources: Sequence[Source], wanted: str) -> list[Source]:
    """The sources that match `wanted`: a full name, the last part of a name, or a pattern such as `2024-*.csv`."""

    def matches(source: Source) -> bool:
        names = {source.last, source.last.rsplit("/", 1)[-1], source.bare, "/".join(source.members)}
        return wanted in names or any(fnmatch.fnmatchcase(name, wanted) for name in names)

    return [source for source in sources if matches(source)]


def fingerprint(sources: Sequence[Source]) -> list[tuple[str, int, int, int]]:
    """Path, inode, size and modification time of each file, to detect changes."""
    found = []
    for path in sorted({source.path for source in sources}):
        try:
            info = path.stat()
        except OSError as exc:
            raise InputError(f"{path.name} no longer exists.", "Restore it, then load it again.") from exc
        found.append((str(path), info.st_ino, info.st_size, info.st_mtime_ns))
    return found


def _resolve(path: str, folders: Folders) -> Path:
    """Resolves a path and its links. For a path outside `folders` the error does not reveal whether it exists."""
    if not path.strip():
        raise InputError("A path is empty.", "Name a file or a folder.")
    try:
        given = Path(path).expanduser()
        resolved = given.resolve()
        is_allowed = folders.allow(resolved)
        exists = is_allowed and resolved.exists()
    except (OSError, RuntimeError, ValueError) as exc:
        if not folders.has_hidden:  # the reason could reveal what exists
            raise folders.refusal(path) from exc
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise InputError(f"The path {path[:200]!r} cannot be used: {why}.", "Check the path.") from exc
    if not is_allowed:
        raise folders.refusal(path)
    if not exists:
        raise InputError(f"There is no file {given}.", "Check the path. It must be on the fcst server.")
    _check_name(resolved)
    return resolved


def _check_name(path: Path) -> None:
    """Refuses names that are not valid UTF-8: the database stores names as UTF-8."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InputError(f"The name of {str(path)!r} is not valid UTF-8.", "Rename the file.") from exc


def _files_in(folder: Path, folders: Folders) -> list[Path]:
    found: list[Path] = []
    for top, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(os.path.realpath(Path(top) / name))  # resolve() fails on a link to itself
            if is_text_name(name) and path.is_file() and path.stat().st_size and folders.allow(path):
                _check_name(path)
                found.append(path)
        if len(found) > MAX_FILES:
            raise InputError(
                f"The folder {folder} contains more than {MAX_FILES:,} files.", "Give a folder with fewer files."
            )
    if not found:
        raise InputError(
            f"The folder {folder} contains no data file.", "Give CSV, Excel or Parquet files, or a folder with them."
        )
    return found


def _check_file(path: Path) -> Source:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):  # reading a pipe or device could block or never end
            raise InputError(f"{path} is not a file.", "Give a file, or a folder with files.")
        if not info.st_size:  # files in /proc have size 0; reading some of them blocks
            raise InputError(f"{path.name} is empty.", "Give a file with a header and rows.")
        path.open("rb").close()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.", "Check its permissions.") from exc
    return Source(path)
