"""Text files: encoding, line ends, and the line numbers of records."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from charset_normalizer import from_bytes

from fcst.errors import InputError

MAX_LINE = 1_000_000
CHUNK = 1 << 20
SPREAD = 400  # sampled positions of a large file: enough to find each of a hundred stores
SPREAD_BYTES = 1 << 11
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = "cp1252 cp1250 cp1251 cp1253 cp1254 cp932 gb18030 big5 euc_kr".split()
_EASTERN = ["cp1250"]
_WESTERN = ["cp1252", "cp1254", *_EASTERN]
_WORDS = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_BREAK = re.compile(rb"\r\n|\n|\r")
_SAMPLE_BYTES = 200_000


def is_plain(encoding: str) -> bool:
    """Whether DuckDB can read this encoding directly."""
    return encoding in ("utf-8", "utf-8-sig")


def detect_encoding(pieces: Iterable[bytes]) -> str:
    """Detects the encoding of a text from pieces that are cut at line ends; `utf-8` if nothing contradicts it.

    A text with some valid and some invalid UTF-8 lines counts as UTF-8 with broken lines.
    """
    foreign = bytearray()
    first = True
    for piece in pieces:
        if first:
            for bom, name in _BOMS:
                if piece.startswith(bom):
                    return name
            zeros = [piece[start:CHUNK:2].count(0) for start in (0, 1)]
            if max(zeros) > len(piece[:CHUNK]) * 0.2 > min(zeros) * 2:
                return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
            first = False
        if piece.isascii():
            continue
        try:
            piece.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return "utf-8"
        for line in piece.splitlines(keepends=True):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                if len(foreign) < _SAMPLE_BYTES:
                    foreign += line
            else:
                return "utf-8"
    if not foreign:
        return "utf-8"
    return _detect_foreign(bytes(foreign))


def _detect_foreign(lines: bytes) -> str:
    """Detects the encoding of lines that are not UTF-8; Western if a few accented letters do not decide it."""
    words = _WORDS.findall(lines)
    is_latin = sum(byte > 127 for word in words for byte in word) * 2 < sum(map(len, words))
    is_western = is_latin and all(map(_is_western, words))
    candidates = _WESTERN if is_western else _EASTERN if is_latin else _CANDIDATES
    best = from_bytes(lines, cp_isolation=candidates).best()
    return "cp1252" if best is None or (is_western and not best.coherence) else best.encoding


def _is_western(word: bytes) -> bool:
    text = word.decode("cp1252", errors="replace").strip("«»‹›‚„“”‘’…–—").rstrip("°²³®™©")
    return text.isalpha() or not any(char.isascii() for char in text)


def pieces_of(path: Path) -> Iterator[bytes]:
    """Yields the file in pieces of about one megabyte, cut at line ends if there are any."""
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            whole, newline, after = (rest + chunk).rpartition(b"\n")
            if not newline and len(after) < 8 * CHUNK:
                rest = after
                continue
            yield whole + newline or after
            rest = after if newline else b""
    if rest:
        yield rest


def spread_pieces(path: Path, head: bytes) -> list[bytes]:
    """Whole lines from later positions of a large file, because the head of a file sorted by date has only few days."""
    size = path.stat().st_size
    found = []
    with path.open("rb") as file:
        for number in range(1, SPREAD + 1):
            start = len(head) + (size - len(head)) * number // (SPREAD + 1)
            if size - start < SPREAD_BYTES:
                break
            file.seek(start)
            piece = file.read(SPREAD_BYTES)
            found.append(piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1])
    return found


def begins_with_another_break(head: bytes, quote: str) -> bool:
    """Whether the first line break is in a quoted cell and breaks differ: DuckDB takes the first as the line end."""
    first = _BREAK.search(head)
    if first is None or head[: first.start()].count(quote.encode()) % 2 == 0:
        return False
    return len(set(_BREAK.findall(head))) > 1


def normalise(path: Path, encoding: str, target: Path, name: str) -> None:
    """Rewrites a text file as UTF-8 with uniform line ends.

    Raises
    ------
    InputError
        if it is not valid in that encoding.
    """
    try:
        with (
            path.open(encoding=encoding, newline=None) as text,
            target.open("w", encoding="utf-8", newline="\n") as out,
        ):
            while part := text.read(CHUNK):
                out.write(part)
    except (UnicodeError, LookupError) as exc:
        target.unlink(missing_ok=True)
        line = _first_foreign_line(path, encoding)
        where = f"{name}, line {line}: the line" if line else name
        raise InputError(
            f"{where} is not valid in the encoding {encoding}.", "Save the file as UTF-8, or choose its encoding."
        ) from exc


def _first_foreign_line(path: Path, encoding: str) -> int | None:
    """The number of the first line that cannot be decoded; None for encodings whose lines cannot be split undecoded."""
    if encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        return None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except (UnicodeError, LookupError):
                return number
    return None


def line_numbers(path: Path, records: set[int], rejected: set[int], before: int, quote: str) -> dict[int, int]:
    """Maps record numbers (from 1, good lines only, as DuckDB counts) to the line on which each record starts.

    Parameters
    ----------
    rejected
        lines that DuckDB rejected and does not count.
    before
        number of lines up to and including the header.
    """
    found: dict[int, int] = {}
    last = max(records, default=0)
    record, is_open = 0, False
    with path.open(encoding="latin-1", newline=None) as file:
        for number, line in enumerate(file, 1):
            if not is_open and number > before and number not in rejected and line.strip("\n"):
                record += 1
                if record in records:
                    found[record] = number
                if record >= last:
                    break
            if quote and line.count(quote) % 2:
                is_open = not is_open
    return found


def parse_rows(lines: Sequence[str], delimiter: str, quote: str) -> list[list[str]]:
    """Parses lines into rows; a line that cannot be parsed becomes an empty row."""
    try:
        return list(csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, quotechar=quote, strict=False))
    except csv.Error:  # a cell above csv's size limit
        kept = (f"{line if len(line) < csv.field_size_limit() else ''}\n" for line in lines)
        return list(csv.reader(kept, delimiter=delimiter, quotechar=quote))
