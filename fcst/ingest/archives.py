"""Archives and compressed files: lists their members and unpacks one member to disk.

A member is always written to a file that the caller names, never to its path in the archive. The caller limits its
size: the sizes that an archive declares are not trusted.
"""

import contextlib
import gzip
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from fcst.errors import FcstError, InputError
from fcst.files import disk_full_error, is_full

CHUNK = 1 << 20
MAX_MEMBERS = 10_000
FREE_RATIO_BYTES = 100 << 20  # below this size any ratio is allowed
MAX_RATIO = 250  # unpacked to packed size: 5 to 30 for sales files, a thousand for a zip bomb
MAX_DECODER_MEMORY = 256 << 20
"""Memory limit of a 7z decoder in bytes: a quarter of the default memory limit of a load. 7-Zip's best setting needs
64 MB; an archive can require 4 GB."""
_LZMA, _LZMA2, _PPMD = b"\x03\x01\x01", b"!", b"\x03\x04\x01"

OnProgress = Callable[[int], None]
"""Progress callback: bytes read of the packed file."""


class Kind(StrEnum):
    """File type, from the first bytes."""

    TEXT = "text"
    PARQUET = "parquet"
    WORKBOOK = "workbook"
    JSON = "JSON"
    GZIP = "gzip"
    ZIP = "zip"
    SEVEN_ZIP = "7z"


PACKED = (Kind.GZIP, Kind.ZIP, Kind.SEVEN_ZIP)

_MAGIC = {
    b"\x1f\x8b": Kind.GZIP,
    b"PK\x03\x04": Kind.ZIP,
    b"PK\x05\x06": Kind.ZIP,
    b"7z\xbc\xaf\x27\x1c": Kind.SEVEN_ZIP,
    b"\xd0\xcf\x11\xe0": Kind.WORKBOOK,  # Excel before 2007
}
_MAGIC[b"PAR1"] = Kind.PARQUET
_REFUSED = {
    b"BZh": ("compressed with bzip2", "Decompress it, or compress it as .gz."),
    b"\xfd7zXZ": ("compressed with xz", "Decompress it, or compress it as .gz."),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "Decompress it, or compress it as .gz."),
    b"Rar!": ("a RAR archive", "Convert it to .zip or .7z."),
    b"%PDF": ("a PDF document", "Give the sales as CSV, Excel or Parquet."),
}
_WORDS = {
    Kind.TEXT: "text",
    Kind.PARQUET: "a Parquet file",
    Kind.WORKBOOK: "a workbook",
    Kind.JSON: "JSON",
    Kind.GZIP: "a gzip file",
    Kind.ZIP: "a zip file",
    Kind.SEVEN_ZIP: "a 7z file",
}
_BY_ENDING = {
    ".gz": Kind.GZIP,
    ".zip": Kind.ZIP,
    ".7z": Kind.SEVEN_ZIP,
    ".xlsx": Kind.WORKBOOK,
    ".xlsm": Kind.WORKBOOK,
    ".xlsb": Kind.WORKBOOK,
    ".ods": Kind.WORKBOOK,  # not .xls: files with this ending are often text
    ".parquet": Kind.PARQUET,
}


_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*(\"|$)")  # records, one per line or in a list


def kind_of(path: Path, name: str) -> Kind:
    """The file type; `name` is the name used in messages.

    Raises
    ------
    InputError
        if the type is not supported, or does not match the file name's ending.
    """
    with path.open("rb") as file:
        head = file.read(8)
    for magic, (what, hint) in _REFUSED.items():
        if head.startswith(magic):
            raise InputError(f"{name} is {what}.", hint)
    text = Kind.JSON if _JSON.match(head) else Kind.TEXT
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), text)
    if kind == Kind.ZIP and _is_workbook(path):
        kind = Kind.WORKBOOK
    expected = _BY_ENDING.get(Path(name).suffix.lower())
    if expected is not None and expected != kind:
        hint = "Check that the file is complete." if kind == Kind.TEXT else f"It is {_WORDS[kind]}. Rename it."
        raise InputError(f"{name} is not {_WORDS[expected]}, although its name ends so.", hint)
    return kind


def _is_workbook(path: Path) -> bool:
    with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as file:
        names = set(file.namelist())
        is_excel = "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names)
        is_open_document = {"mimetype", "content.xml"} <= names
        return is_excel or is_open_document
    return False


def list_members(path: Path, kind: Kind, name: str) -> list[str]:
    """The names of the files in an archive, in its order. A gzip file has one member: its own name without `.gz`."""
    if kind == Kind.GZIP:
        inner = Path(name).name
        return [inner[:-3] if inner.lower().endswith(".gz") else inner]
    with _converted_errors(name):
        if kind == Kind.ZIP:
            with zipfile.ZipFile(path) as archive:
                found = [
                    m.filename for m in archive.infolist() if not m.is_dir() and not stat.S_ISLNK(m.external_attr >> 16)
                ]
        else:
            with _open_7z(path) as archive:
                found = [m.filename for m in archive.list() if not m.is_directory]
    if len(found) > MAX_MEMBERS:
        raise InputError(f"{name} contains {len(found):,} files.", f"Give an archive of at most {MAX_MEMBERS:,} files.")
    return found


def unpack(
    path: Path, kind: Kind, member: str, name: str, target: Path, max_bytes: int, on_progress: OnProgress
) -> None:
    """Writes one member of an archive to `target`.

    Raises
    ------
    InputError
        if the archive is broken, encrypted, or unpacks to more than allowed; `target` is deleted then.
    """
    packed = path.stat().st_size
    try:
        with _converted_errors(name), target.open("wb") as out:
            bounded = _Bounded(out, name, max_bytes, packed)
            if kind == Kind.SEVEN_ZIP:
                _unpack_7z(path, member, bounded, on_progress)
            else:
                for chunk, position in _chunks(path, kind, member):
                    bounded.write(chunk)
                    on_progress(position)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def read_head(path: Path, kind: Kind, member: str, name: str, n_bytes: int) -> bytes:
    """The first `n_bytes` of a member, or fewer if it is shorter."""
    head = bytearray()
    with _converted_errors(name):
        if kind == Kind.SEVEN_ZIP:
            out = _Head(head, n_bytes)
            with contextlib.suppress(_HeadComplete):
                _unpack_7z(path, member, out, lambda _: None)
        else:
            for chunk, _ in _chunks(path, kind, member):
                head += chunk
                if len(head) >= n_bytes:
                    break
    return bytes(head[:n_bytes])


def _chunks(path: Path, kind: Kind, member: str) -> Iterator[tuple[bytes, int]]:
    """The content of a member in pieces, each with the read position in the packed file."""
    if kind == Kind.GZIP:
        with path.open("rb") as raw, gzip.open(raw) as file:
            while chunk := file.read(CHUNK):
                yield chunk, raw.tell()
        return
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
        if info.flag_bits & 1:
            raise RuntimeError("encrypted")
        with archive.open(info) as part:
            done = 0
            while chunk := part.read(CHUNK):
                done += len(chunk)
                share = min(done / info.file_size, 1) if info.file_size else 1
                yield chunk, int(share * info.compress_size)


class _HeadComplete(Exception):
    """Raised when the head has been read."""


class _Bounded:
    """Writer that raises InputError beyond a size limit."""

    def __init__(self, out: BinaryIO, name: str, max_bytes: int, packed: int) -> None:
        self.out, self.name, self.done = out, name, 0
        self.ratio_limit = max(FREE_RATIO_BYTES, MAX_RATIO * packed)
        self.limit = min(max_bytes, self.ratio_limit)

    def write(self, data: bytes | bytearray) -> int:
        self.done += len(data)
        if self.done > self.limit:
            why = f"{MAX_RATIO} times its size" if self.limit == self.ratio_limit else "FCST_UNPACK_LIMIT allows"
            raise InputError(
                f"{self.name} unpacks to more than {why} ({self.limit / 1e9:,.1f} GB).",
                "It looks like a zip bomb. If it is not, unpack it and give the file.",
            )
        return self.out.write(data)


class _Head:
    def __init__(self, head: bytearray, n_bytes: int) -> None:
        self.head, self.n_bytes = head, n_bytes

    def write(self, data: bytes | bytearray) -> int:
        self.head += data
        if len(self.head) >= self.n_bytes:
            raise _HeadComplete
        return len(data)


def _open_7z(path: Path) -> Any:
    import py7zr  # imported here: it loads six decoders, and few files need it

    try:
        archive = py7zr.SevenZipFile(path)
    except py7zr.PasswordRequired as exc:  # encrypted list of files
        raise RuntimeError("encrypted") from exc
    if archive.needs_password():
        archive.close()
        raise RuntimeError("encrypted")
    coders = [coder for folder in _folders(archive) for coder in folder.coders]
    if (needed := max(map(_memory_of, coders), default=0)) > MAX_DECODER_MEMORY:
        archive.close()
        raise InputError(
            f"{path.name} needs {needed / 1e6:,.0f} MB of memory to be unpacked;"
            f" the limit is {MAX_DECODER_MEMORY / 1e6:,.0f} MB.",
            "Pack it with a smaller dictionary (-md=64m), or as .zip.",
        )
    return archive


def _folders(archive: Any) -> list[Any]:
    """The folders of a 7z archive: groups of members that were compressed together."""
    streams = archive.header.main_streams
    return list(streams.unpackinfo.folders) if streams is not None else []


def _memory_of(coder: Mapping[str, Any]) -> int:
    """Memory in bytes that a 7z coder declares for its decoder: the dictionary, or the PPMd model. 0 for other methods,
    which need little."""
    method, properties = coder["method"], coder.get("properties") or b""
    if method == _LZMA2 and properties:
        bits = properties[0] & 0x3F
        return 2**32 - 1 if bits >= 40 else (2 | bits & 1) << (bits // 2 + 11)
    if method in (_LZMA, _PPMD):
        return int.from_bytes(properties[1:5], "little")
    return 0


def _unpack_7z(path: Path, member: str, out: Any, on_progress: OnProgress) -> None:
    from py7zr.io import Py7zIO, WriterFactory

    packed = path.stat().st_size

    class Writer(Py7zIO):
        def __init__(self, n_bytes: int) -> None:
            self.done, self.n_bytes = 0, n_bytes

        def write(self, s: bytes | bytearray) -> int:
            self.done += len(s)
            written: int = out.write(s)
            on_progress(int(min(self.done / max(self.n_bytes, 1), 1) * packed))
            return written

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def flush(self) -> None:
            """Nothing is buffered."""

        def size(self) -> int:
            return self.done

    class Factory(WriterFactory):
        def create(self, filename: str, mode: str = "wb") -> Py7zIO:
            return Writer(size)

    with _open_7z(path) as archive:
        size = next(info.uncompressed for info in archive.list() if info.filename == member)
        archive.extract(targets=[member], factory=Factory())


@contextlib.contextmanager
def _converted_errors(name: str) -> Iterator[None]:
    """Converts the errors of the archive libraries into InputError, or DiskFull if the disk is full."""
    try:
        yield
    except (FcstError, _HeadComplete):
        raise
    except OSError as exc:
        if is_full(exc):
            raise disk_full_error(f"the unpacked {name}", "FCST_HOME") from exc
        if exc.errno is None:  # an error of gzip for a broken file
            raise InputError(f"{name} is broken: {exc}.", "Get the file again; it may be incomplete.") from exc
        raise InputError(f"{name} cannot be unpacked: {exc.strerror}.", "Check the file and the disk.") from exc
    except NotImplementedError as exc:
        raise InputError(
            f"{name} uses an unsupported compression method: {exc}.", "Compress it as .zip or .gz."
        ) from exc
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, KeyError, ValueError) as exc:
        raise InputError(f"{name} is broken: {exc}.", "Get the file again; it may be incomplete.") from exc
    except RuntimeError as exc:
        raise InputError(f"{name} is encrypted.", "Unpack it with its password and give the file.") from exc
    except Exception as exc:  # noqa: BLE001  py7zr's errors have no common ancestor
        if not type(exc).__module__.startswith("py7zr"):
            raise
        raise InputError(
            f"{name} is broken: {exc or type(exc).__name__}.", "Get the file again; it may be incomplete."
        ) from exc


def is_text_name(name: str) -> bool:
    """Whether a file in a folder or archive may hold a table, by its ending."""
    endings = (".csv", ".tsv", ".txt", ".tab", ".dat", ".json", ".jsonl", ".ndjson", ".xls", *_BY_ENDING)
    return Path(name).suffix.lower() in endings and not Path(name).name.startswith((".", "~$"))


def bare_name(name: str) -> str:
    """A file's name without folder and compression endings: train.csv for x/train.csv.7z."""
    bare = name.replace("\\", "/").rsplit("/", 1)[-1]
    while Path(bare).suffix.lower() in (".gz", ".zip", ".7z"):
        bare = bare[: -len(Path(bare).suffix)]
    return bare
