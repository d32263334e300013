"""Archives and packed files: what is in them, and how one part of them reaches the disk.

A part is always written to a file that the caller names, whatever it is called in the archive, and never more of
it than the caller allows: what an archive says of its sizes is not believed.
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
from fcst.files import is_full, no_room

CHUNK = 1 << 20
MAX_MEMBERS = 10_000
FREE_RATIO_BYTES = 100 << 20  # below this any ratio will do
MAX_RATIO = 250  # of unpacked to packed: sales pack 5 to 30 times, a bomb a thousand times
MOST_DECODING = 256 << 20
"""Bytes that the decoder of a 7z file may keep: a quarter of what reading may take by default. 7-Zip's best setting is
64 MB, an archive may ask for 4 GB."""
_LZMA, _LZMA2, _PPMD = b"\x03\x01\x01", b"!", b"\x03\x04\x01"

OnProgress = Callable[[int], None]
"""Is called with the bytes that have been read of the packed file."""


class Kind(StrEnum):
    """What a file is, by its first bytes."""

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
    b"\xd0\xcf\x11\xe0": Kind.WORKBOOK,  # of Excel before 2007
}
_MAGIC[b"PAR1"] = Kind.PARQUET
_REFUSED = {
    b"BZh": ("packed with bzip2", "Unpack it first, or pack it as .gz."),
    b"\xfd7zXZ": ("packed with xz", "Unpack it first, or pack it as .gz."),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "Unpack it first, or pack it as .gz."),
    b"Rar!": ("a RAR archive", "Pack it as .zip or .7z."),
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
    ".ods": Kind.WORKBOOK,  # not .xls: what is called so is often text
    ".parquet": Kind.PARQUET,
}


_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*(\"|$)")  # records, one by one or in a list


def kind_of(path: Path, name: str) -> Kind:
    """What the file is; `name` is what messages call it.

    Raises
    ------
    InputError
        if it is something that cannot be read, or not what its ending says.
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
    said = _BY_ENDING.get(Path(name).suffix.lower())
    if said is not None and said != kind:
        hint = "Check that it is whole." if kind == Kind.TEXT else f"It is {_WORDS[kind]}; give it that ending."
        raise InputError(f"{name} is not {_WORDS[said]}, whatever its ending says.", hint)
    return kind


def _is_workbook(path: Path) -> bool:
    with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as file:
        names = set(file.namelist())
        is_excel = "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names)
        is_open_document = {"mimetype", "content.xml"} <= names
        return is_excel or is_open_document
    return False


def list_members(path: Path, kind: Kind, name: str) -> list[str]:
    """The names of the files in an archive, in its order; a gzip file has one, called as it is without `.gz`."""
    if kind == Kind.GZIP:
        inner = Path(name).name
        return [inner[:-3] if inner.lower().endswith(".gz") else inner]
    with _readable(name):
        if kind == Kind.ZIP:
            with zipfile.ZipFile(path) as archive:
                found = [
                    m.filename for m in archive.infolist() if not m.is_dir() and not stat.S_ISLNK(m.external_attr >> 16)
                ]
        else:
            with _open_7z(path) as archive:
                found = [m.filename for m in archive.list() if not m.is_directory]
    if len(found) > MAX_MEMBERS:
        raise InputError(f"{name} holds {len(found):,} files.", f"Give an archive of at most {MAX_MEMBERS:,}.")
    return found


def unpack(
    path: Path, kind: Kind, member: str, name: str, target: Path, max_bytes: int, on_progress: OnProgress
) -> None:
    """Writes one member of an archive to `target`.

    Raises
    ------
    InputError
        if the archive is broken, encrypted, or unpacks to more than allowed; `target` is gone then.
    """
    packed = path.stat().st_size
    try:
        with _readable(name), target.open("wb") as out:
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
    """The first `n_bytes` of a member, as far as it has them."""
    head = bytearray()
    with _readable(name):
        if kind == Kind.SEVEN_ZIP:
            out = _Head(head, n_bytes)
            with contextlib.suppress(_Enough):
                _unpack_7z(path, member, out, lambda _: None)
        else:
            for chunk, _ in _chunks(path, kind, member):
                head += chunk
                if len(head) >= n_bytes:
                    break
    return bytes(head[:n_bytes])


def _chunks(path: Path, kind: Kind, member: str) -> Iterator[tuple[bytes, int]]:
    """The content of a member in pieces, each with how far the packed file has been read."""
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


class _Enough(Exception):
    """The head has been read."""


class _Bounded:
    """Writes until a limit is reached."""

    def __init__(self, out: BinaryIO, name: str, max_bytes: int, packed: int) -> None:
        self.out, self.name, self.done = out, name, 0
        self.ratio_limit = max(FREE_RATIO_BYTES, MAX_RATIO * packed)
        self.most = min(max_bytes, self.ratio_limit)

    def write(self, data: bytes | bytearray) -> int:
        self.done += len(data)
        if self.done > self.most:
            why = f"{MAX_RATIO} times its size" if self.most == self.ratio_limit else "FCST_UNPACK_LIMIT allows"
            raise InputError(
                f"{self.name} unpacks to more than {why} ({self.most / 1e9:,.1f} GB).",
                "It looks like an archive made to fill a disk. If it is not, unpack it yourself and give the file.",
            )
        return self.out.write(data)


class _Head:
    def __init__(self, head: bytearray, n_bytes: int) -> None:
        self.head, self.n_bytes = head, n_bytes

    def write(self, data: bytes | bytearray) -> int:
        self.head += data
        if len(self.head) >= self.n_bytes:
            raise _Enough
        return len(data)


def _open_7z(path: Path) -> Any:
    import py7zr  # here: it brings half a dozen decoders, which few files need

    try:
        archive = py7zr.SevenZipFile(path)
    except py7zr.PasswordRequired as exc:  # for the list of its files already
        raise RuntimeError("encrypted") from exc
    if archive.needs_password():
        archive.close()
        raise RuntimeError("encrypted")
    coders = [coder for folder in _folders(archive) for coder in folder.coders]
    if (most := max(map(_memory_of, coders), default=0)) > MOST_DECODING:
        archive.close()
        raise InputError(
            f"{path.name} needs {most / 1e6:,.0f} MB of memory to be unpacked, and {MOST_DECODING / 1e6:,.0f} MB are "
            "allowed.",
            "Pack it with a smaller dictionary (-md=64m), or as .zip.",
        )
    return archive


def _folders(archive: Any) -> list[Any]:
    """The parts of an archive that were packed together."""
    streams = archive.header.main_streams
    return list(streams.unpackinfo.folders) if streams is not None else []


def _memory_of(coder: Mapping[str, Any]) -> int:
    """Bytes that a method of 7z says its decoder keeps: the dictionary, or the model of PPMd. 0 of others, which keep
    little."""
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
            """Nothing is held back."""

        def size(self) -> int:
            return self.done

    class Factory(WriterFactory):
        def create(self, filename: str, mode: str = "wb") -> Py7zIO:
            return Writer(size)

    with _open_7z(path) as archive:
        size = next(info.uncompressed for info in archive.list() if info.filename == member)
        archive.extract(targets=[member], factory=Factory())


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    """Tells in words what is wrong with an archive."""
    try:
        yield
    except (FcstError, _Enough):
        raise
    except OSError as exc:
        if is_full(exc):
            raise no_room(f"what {name} unpacks to", "FCST_HOME") from exc
        if exc.errno is None:  # gzip's words for a broken file
            raise InputError(f"{name} is broken: {exc}.", "Get the file again; it may have been cut off.") from exc
        raise InputError(f"{name} cannot be unpacked: {exc.strerror}.", "Check the file and the disk.") from exc
    except NotImplementedError as exc:
        raise InputError(f"{name} is packed in a way that is not known: {exc}.", "Pack it as .zip or .gz.") from exc
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, KeyError, ValueError) as exc:
        raise InputError(f"{name} is broken: {exc}.", "Get the file again; it may have been cut off.") from exc
    except RuntimeError as exc:
        raise InputError(f"{name} is encrypted.", "Unpack it with its password and give the file.") from exc
    except Exception as exc:  # noqa: BLE001  py7zr's errors have no common ancestor
        if not type(exc).__module__.startswith("py7zr"):
            raise
        raise InputError(
            f"{name} is broken: {exc or type(exc).__name__}.", "Get the file again; it may have been cut off."
        ) from exc


def is_text_name(name: str) -> bool:
    """Whether a file of a folder or archive may hold a table, by its ending."""
    endings = (".csv", ".tsv", ".txt", ".tab", ".dat", ".json", ".jsonl", ".ndjson", ".xls", *_BY_ENDING)
    return Path(name).suffix.lower() in endings and not Path(name).name.startswith((".", "~$"))


def bare_name(name: str) -> str:
    """A file's name without folder and without the endings of packing: train.csv for x/train.csv.7z."""
    bare = name.replace("\\", "/").rsplit("/", 1)[-1]
    while Path(bare).suffix.lower() in (".gz", ".zip", ".7z"):
        bare = bare[: -len(Path(bare).suffix)]
    return bare
