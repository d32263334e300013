"""The log: one line an event, in logfmt, without secrets; and the way of worker processes' lines into it.

    time=2026-11-24T18:05:07.123Z level=info event=batch_started job=12 batch=340 attempt=2 pid=811 message="…"

No line is longer than what a pipe takes in one piece, so lines of several processes never mix.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import re
import select
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from fcst.errors import ConfigError
from fcst.files import open_private
from fcst.harmless import RAW_IN_JSON, for_terminal, in_json

MAX_BYTES = 5_000_000
N_FILES = 5  # besides the one that is written
MAX_LINE = select.PIPE_BUF  # bytes, with the newline
BLOCK = 1 << 16
DRAIN_S = 1.0

_OURS = re.compile(r"time=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) level=(\w+) event=")
_DATED = re.compile(rb"time=\d{4}-\d\d-\d\dT")
_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?= |$)')
_NEEDS_QUOTES = re.compile(rf'[\s"=\\\x00-\x1f{RAW_IN_JSON}]|^$')
_PASSWORD_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:@/]*:)\S+@", re.IGNORECASE)
_SECRET = re.compile(r"\b(fcst_(?=[\w-]{43}\b)|whsec_|(?i:Bearer )|signature=)[\w+/=.-]{8,}")
_PASSWORD_IN_DSN = re.compile(
    r"""(passw(?:or)?d["']?\s*[=:]\s*)('(?>[^'\\]|\\++.)*+'|"(?>[^"\\]|\\++.)*+"|[^\s&,;"')}]+)""", re.IGNORECASE
)


def event(
    logger: logging.Logger,
    level: int,
    name: str,
    message: str = "",
    /,
    *,
    exc_info: bool | BaseException = False,
    **fields: object,
) -> None:
    """Logs that something happened: `event(log, logging.INFO, "batch_started", job=12, batch=340, attempt=2)`.

    Parameters
    ----------
    fields
        what it happened to, above all `job`, `batch`, `attempt`, `worker`; those that are None are left out.
    exc_info
        the error whose traceback goes with it; True for the one in hand.
    """
    if logger.isEnabledFor(level):
        logger.log(level, "%s", message, exc_info=exc_info, extra={"event": name, "fields": fields})


def mask(text: str) -> str:
    """The text without the passwords of URLs and DSNs, tokens, and signatures of links."""
    return _SECRET.sub(r"\1***", _PASSWORD_IN_DSN.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1***@", text)))


class LogfmtFormatter(logging.Formatter):
    """One line a record, of at most `MAX_LINE` bytes; a line that was formatted elsewhere stays as it is."""

    def format(self, record: logging.LogRecord) -> str:
        line: str | None = getattr(record, "line", None)
        if line is not None:
            return line
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        values: dict[str, str] = {
            "time": f"{at}.{int(record.created % 1 * 1000):03d}Z",
            "level": record.levelname.lower(),
            "event": str(getattr(record, "event", "message")),
        }
        for name, value in getattr(record, "fields", {}).items():
            if value is not None:
                values.setdefault(name, "***" if "passw" in name.lower() else _text(value))
        values.setdefault("pid", str(record.process))
        if message := record.getMessage():
            values.setdefault("message", mask(message))
        if record.exc_info and record.exc_info[0] is not None:
            values.setdefault("traceback", mask(self.formatException(record.exc_info)))
        return _line(values)


def _text(value: object) -> str:
    return str(value) if isinstance(value, int) else mask(str(value))  # a number has no secret


def _line(values: dict[str, str]) -> str:
    """The values as logfmt; the longest are cut in their middle until the line is short enough."""
    values = {name: _cut(value, MAX_LINE) for name, value in values.items()}
    while len((line := " ".join(f"{name}={_quote(value)}" for name, value in values.items())).encode()) >= MAX_LINE:
        longest = max(values, key=lambda name: len(_quote(values[name]).encode()))
        value = values[longest]
        too_long = len(line.encode()) + 1 - MAX_LINE
        # What an excess of escaped bytes is in characters is not known: at least an eighth of them is taken off.
        keep = len(value) - max(8, min(len(value) // 2, too_long // 8 + 8))
        values[longest] = _cut(value, keep)
    return line


def _cut(value: str, n: int) -> str:
    """The value if it has up to `n` characters, else its beginning and, as it mostly tells more, its end."""
    return value if len(value) <= n else f"{value[: n // 3]}…{value[len(value) - (n - n // 3) :]}"


def _quote(value: str) -> str:
    if not _NEEDS_QUOTES.search(value):
        return value
    return in_json(json.dumps(value, ensure_ascii=False))


def parse(line: str) -> dict[str, str] | None:
    """The fields of a line in our form; None for any other. Of a line that broke off, what is whole."""
    if not _OURS.match(line):
        return None
    values = {}
    for name, value in _FIELD.findall(line):
        if value.startswith('"'):
            try:
                value = json.loads(value, strict=False)
            except ValueError:
                value = value.strip('"')
        values[name] = value
    return values


# Where lines go


class _Stderr(logging.Handler):
    """Writes each line at once and in one piece, to whatever descriptor 2 is."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(2, (self.format(record) + "\n").encode(errors="backslashreplace"))
        except OSError:
            pass  # a supervisor that is gone, or a terminal that was closed, is no reason to stop working
        except Exception:  # noqa: BLE001  as every handler does: what cannot be formatted costs a line, not the work
            self.handleError(record)


class _RotatedFile(RotatingFileHandler):
    def _open(self):  # type: ignore[no-untyped-def]
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=open_private)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk costs lines, never work. The inherited way would print the record, secrets and all."""


def configure(path: Path | None = None) -> None:
    """All that is logged in this process goes to stderr, or to a file that is rotated.

    Raises
    ------
    ConfigError
        if the file cannot be written.
    """
    handler: logging.Handler = _Stderr()
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(open_private(str(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        except OSError as exc:
            hint = "Set FCST_HOME to a folder that can be written, or --log to another file."
            raise ConfigError(f"The log {path} cannot be written: {exc.strerror}.", hint) from exc
        # Opened with the first line: a second supervisor, which says nothing and leaves, must not rotate it.
        handler = _RotatedFile(path, maxBytes=MAX_BYTES, backupCount=N_FILES, delay=True)
    handler.setFormatter(LogfmtFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else it names each address, with the secrets in its path
    # A line has no thread and no place in the code: each would be looked up for every line.
    logging.logThreads = logging.logMultiprocessing = False
    logging._srcfile = None


def rotate_in_place(path: Path) -> None:
    """Rotate a log that another program keeps open for appending: copy its last `MAX_BYTES`, then empty it.

    What is written between the copy and the cut is lost. Without room for the copy all stays as it is.
    """
    draft = Path(f"{path}.new")
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        if size <= MAX_BYTES:
            return
        try:
            with open(path, "r+b", opener=open_private) as log, open(draft, "wb", opener=open_private) as copy:
                log.seek(size - MAX_BYTES)
                shutil.copyfileobj(log, copy)
                copy.flush()
                for number in range(N_FILES - 1, 0, -1):
                    with contextlib.suppress(FileNotFoundError):
                        Path(f"{path}.{number}").replace(f"{path}.{number + 1}")
                draft.replace(f"{path}.1")
                shutil.copyfileobj(log, copy)  # what was written meanwhile
                copy.flush()
                log.truncate(0)
        finally:
            draft.unlink(missing_ok=True)


# Lines of worker processes


class LinePipe:
    """The stderr of worker processes: what they write there, a thread of this process puts into its log.

    Workers write to a pipe, in pieces that the kernel takes whole. There is no lock in it that a worker could hold
    while it is killed and so keep the others waiting for ever, as there is in a multiprocessing.Queue.
    """

    def __init__(self) -> None:
        self._reader, self.writer = multiprocessing.Pipe(duplex=False)
        self._is_closing, self._closing = multiprocessing.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._read, name="log lines", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Takes in what has been written and ends the thread, at once even if a process still holds the pipe."""
        self.writer.close()
        self._closing.close()
        self._thread.join(2 * DRAIN_S)

    def _read(self) -> None:
        ends = select.poll()
        ends.register(self._reader, select.POLLIN)
        ends.register(self._is_closing, select.POLLIN)
        lines = _Lines()
        deadline = float("inf")
        while time.monotonic() < deadline:
            ready = {fd for fd, _ in ends.poll()}
            if self._is_closing.fileno() in ready and deadline == float("inf"):
                deadline = time.monotonic() + DRAIN_S
            if self._reader.fileno() not in ready:
                break  # told to close, and nothing is left
            piece = os.read(self._reader.fileno(), BLOCK)
            if not piece:
                break  # all writers are gone
            for line in lines.add(piece):
                hand_on(line)
        for line in lines.end():
            hand_on(line)
        self._reader.close()
        self._is_closing.close()


def write_into(writer: int) -> None:
    """A worker's part: from now on its stderr, and with it its log, is the pipe with this descriptor."""
    os.dup2(writer, 2)
    configure(None)


class _Lines:
    """Makes lines of pieces. One that never ends is cut, and one of ours within another's is freed."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, piece: bytes) -> Iterator[str]:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            yield from _apart(line)
        while len(self._rest) >= BLOCK:
            yield from _apart(self._rest[:BLOCK])
            self._rest = self._rest[BLOCK:]

    def end(self) -> Iterator[str]:
        yield from _apart(self._rest)
        self._rest = b""


def _apart(line: bytes) -> Iterator[str]:
    """The line; or in two, where a dying process wrote the beginning of one and another process its own behind it."""
    text = line.decode(errors="backslashreplace").rstrip()
    found = _OURS.search(text)
    if found and found.start():
        yield text[: found.start()]
        text = text[found.start() :]
    if text:
        yield text


def hand_on(line: str) -> None:
    """A line of another process goes to this process's handlers: unchanged if in our form, else as `output`."""
    found = _OURS.match(line)
    if found is None:
        event(logging.getLogger(__name__), logging.WARNING, "output", line)
        return
    level = logging.getLevelNamesMapping().get(found[2].upper(), logging.INFO)
    safe = for_terminal(line)  # it may have the form and yet be a library's, with text from data
    record = logging.makeLogRecord({"name": __name__, "levelno": level, "levelname": found[2], "line": safe})
    logging.getLogger().handle(record)


# Reading it again


@dataclass(frozen=True)
class LogLine:
    """A line for people: `text` is its message, what else it tells, and its traceback on lines of their own."""

    time: datetime
    level: str
    event: str
    attempt: int | None
    text: str


def last_lines(path: Path, batch_id: int, n: int, since: datetime | None = None) -> list[LogLine]:
    """The last `n` lines of a batch in a log and its rotated files, the oldest first.

    Parameters
    ----------
    since
        earlier lines are not looked at: they are of another batch with this number, in a database before this one.
    """
    mark = b" batch=%d " % batch_id
    earliest = f"time={since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}".encode() if since else b""
    found: list[LogLine] = []
    for raw in _lines_backwards(path, mark.rstrip()):
        if _DATED.match(raw) and raw < earliest:
            break
        if mark not in raw + b" ":  # by far the most lines; the others are looked at more closely
            continue
        values = parse(raw.decode(errors="replace"))
        if values and values.get("batch") == str(batch_id) and (line := _shown(values)):
            found.append(line)
            if len(found) == n:
                break
    return found[::-1]


def _shown(values: dict[str, str]) -> LogLine | None:
    try:
        at = datetime.fromisoformat(values["time"])
    except ValueError:
        return None
    told = {"time", "level", "event", "job", "batch", "attempt", "worker", "pid", "message", "traceback"}
    more = " ".join(f"{name}={value}" for name, value in values.items() if name not in told)
    text = " · ".join(part for part in (values.get("message", ""), more) if part)
    if "traceback" in values:
        text = f"{text}\n{values['traceback']}".strip()
    attempt = values.get("attempt", "")
    return LogLine(at, values["level"], values.get("event", ""), int(attempt) if attempt.isdecimal() else None, text)


def _lines_backwards(path: Path, mark: bytes) -> Iterator[bytes]:
    """The lines of a log, the last one first, then those of the files it was rotated to.

    Of a block without the mark, as most are, only its first line, which tells its time.
    """
    for name in (path, *(Path(f"{path}.{number}") for number in range(1, N_FILES + 1))):
        with contextlib.suppress(OSError), open(name, "rb") as file:
            position, rest = file.seek(0, os.SEEK_END), b""
            while position:
                size = min(BLOCK, position)
                position = file.seek(position - size)
                rest, newline, lines = (file.read(size) + rest).partition(b"\n")
                if mark in lines:
                    yield from reversed(lines.split(b"\n"))
                elif newline:
                    yield lines.partition(b"\n")[0]
            yield rest


def tail(path: Path, since: int = 0) -> str:
    """The last thing a file says, for a message; empty if it says nothing. Without secrets.

    Parameters
    ----------
    since
        bytes at its beginning that do not count, if it has not become shorter.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = since if since <= size else 0
            file.seek(max(begin, size - BLOCK))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    if not lines:
        return ""
    values = parse(lines[-1])
    last = lines[-1] if values is None else values.get("message") or values.get("event", "")
    if values and not values.get("message") and "traceback" in values:
        last = values["traceback"].splitlines()[-1]
    return mask(last)[:300]
