"""Logging: one logfmt line per event, without secrets; and forwarding of the lines of worker processes.

    time=2026-11-24T18:05:07.123Z level=info event=batch_started job=12 batch=340 attempt=2 pid=811 message="…"

Lines are at most PIPE_BUF bytes long, so lines of several processes are never mixed.
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
from fcst.escaping import RAW_IN_JSON, for_terminal, in_json
from fcst.files import open_private

MAX_BYTES = 5_000_000
N_FILES = 5  # rotated files, without the current one
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
    """Log an event: `event(log, logging.INFO, "batch_started", job=12, batch=340, attempt=2)`.

    Parameters
    ----------
    fields
        context, mainly `job`, `batch`, `attempt`, `worker`; None values are left out.
    exc_info
        error whose traceback is logged; True for the current one.
    """
    if logger.isEnabledFor(level):
        logger.log(level, "%s", message, exc_info=exc_info, extra={"event": name, "fields": fields})


def mask(text: str) -> str:
    """Mask passwords of URLs and DSNs, tokens, and signatures of links."""
    return _SECRET.sub(r"\1***", _PASSWORD_IN_DSN.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1***@", text)))


class LogfmtFormatter(logging.Formatter):
    """Formats a record as one line of at most `MAX_LINE` bytes; lines formatted by another process do not change."""

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
    return str(value) if isinstance(value, int) else mask(str(value))  # numbers contain no secrets


def _line(values: dict[str, str]) -> str:
    """Format values as logfmt; cut the longest in the middle until the line is short enough."""
    values = {name: _cut(value, MAX_LINE) for name, value in values.items()}
    while len((line := " ".join(f"{name}={_quote(value)}" for name, value in values.items())).encode()) >= MAX_LINE:
        longest = max(values, key=lambda name: len(_quote(values[name]).encode()))
        value = values[longest]
        too_long = len(line.encode()) + 1 - MAX_LINE
        # The excess in characters is unknown because of escapes: remove at least an eighth of the excess bytes.
        keep = len(value) - max(8, min(len(value) // 2, too_long // 8 + 8))
        values[longest] = _cut(value, keep)
    return line


def _cut(value: str, n: int) -> str:
    """Cut the middle of a value longer than `n` characters; keep more of its end, which usually says more."""
    return value if len(value) <= n else f"{value[: n // 3]}…{value[len(value) - (n - n // 3) :]}"


def _quote(value: str) -> str:
    if not _NEEDS_QUOTES.search(value):
        return value
    return in_json(json.dumps(value, ensure_ascii=False))


def parse(line: str) -> dict[str, str] | None:
    """Parse the fields of a line of this log; None for other lines. Of a truncated line, the complete fields."""
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


# Handlers


class _Stderr(logging.Handler):
    """Writes each line immediately to file descriptor 2, in one call."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(2, (self.format(record) + "\n").encode(errors="backslashreplace"))
        except OSError:
            pass  # a lost supervisor or a closed terminal must not stop the work
        except Exception:  # noqa: BLE001  as in every handler: an unformattable record loses a line, not the work
            self.handleError(record)


class _RotatedFile(RotatingFileHandler):
    def _open(self):  # type: ignore[no-untyped-def]
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=open_private)

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore errors such as a full disk. The inherited method would print the record, including secrets."""


def configure(path: Path | None = None) -> None:
    """Send the log of this process to stderr, or to a rotated file.

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
            hint = "Set FCST_HOME to a writable folder, or --log to another file."
            raise ConfigError(f"The log {path} cannot be written: {exc.strerror}.", hint) from exc
        # Opened with the first line, so a second supervisor, which exits without a line, does not rotate it.
        handler = _RotatedFile(path, maxBytes=MAX_BYTES, backupCount=N_FILES, delay=True)
    handler.setFormatter(LogfmtFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs each URL, with the secrets in its path
    # Lines have no thread or code location, so do not look them up.
    logging.logThreads = logging.logMultiprocessing = False
    logging._srcfile = None


def rotate_in_place(path: Path) -> None:
    """Rotate a log that another program keeps open for appending: copy its last `MAX_BYTES`, then truncate it.

    Lines written between copy and truncation are lost. Without disk space for the copy nothing changes.
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
                shutil.copyfileobj(log, copy)  # lines written in the meantime
                copy.flush()
                log.truncate(0)
        finally:
            draft.unlink(missing_ok=True)


# Lines of worker processes


class LinePipe:
    """Pipe for the stderr of worker processes; a thread of this process writes their lines to its log.

    Writes of up to PIPE_BUF bytes are atomic, so no lock is needed. With a lock, as in a multiprocessing.Queue, a
    worker that is killed while holding it would block the others forever.
    """

    def __init__(self) -> None:
        self._reader, self.writer = multiprocessing.Pipe(duplex=False)
        self._is_closing, self._closing = multiprocessing.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._read, name="log lines", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read the remaining lines and end the thread, without waiting for processes that still have the pipe open."""
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
                break  # closing, and no data is left
            piece = os.read(self._reader.fileno(), BLOCK)
            if not piece:
                break  # all writers have closed the pipe
            for line in lines.add(piece):
                forward_line(line)
        for line in lines.end():
            forward_line(line)
        self._reader.close()
        self._is_closing.close()


def redirect_stderr(writer: int) -> None:
    """Redirect the stderr and the log of this worker process to the pipe with this descriptor."""
    os.dup2(writer, 2)
    configure(None)


class _Lines:
    """Splits data into lines. Splits overlong lines, and separates a line of this log from other text before it."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, piece: bytes) -> Iterator[str]:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            yield from _separate(line)
        while len(self._rest) >= BLOCK:
            yield from _separate(self._rest[:BLOCK])
            self._rest = self._rest[BLOCK:]

    def end(self) -> Iterator[str]:
        yield from _separate(self._rest)
        self._rest = b""


def _separate(line: bytes) -> Iterator[str]:
    """Yield the line, or two lines if a dying process wrote an incomplete line before the line of another process."""
    text = line.decode(errors="backslashreplace").rstrip()
    found = _OURS.search(text)
    if found and found.start():
        yield text[: found.start()]
        text = text[found.start() :]
    if text:
        yield text


def forward_line(line: str) -> None:
    """Pass a line of another process to the handlers: unchanged if it is a log line, otherwise as an `output` event."""
    found = _OURS.match(line)
    if found is None:
        event(logging.getLogger(__name__), logging.WARNING, "output", line)
        return
    level = logging.getLevelNamesMapping().get(found[2].upper(), logging.INFO)
    safe = for_terminal(line)  # the line may come from a library and contain text from data
    record = logging.makeLogRecord({"name": __name__, "levelno": level, "levelname": found[2], "line": safe})
    logging.getLogger().handle(record)


# Reading the log


@dataclass(frozen=True)
class LogLine:
    """A log line for display: `text` is its message, other fields, and the traceback on separate lines."""

    time: datetime
    level: str
    event: str
    attempt: int | None
    text: str


def last_lines(path: Path, batch_id: int, n: int, since: datetime | None = None) -> list[LogLine]:
    """Return the last `n` lines of a batch in a log and its rotated files, oldest first.

    Parameters
    ----------
    since
        ignore earlier lines; they may belong to a batch with the same id in an earlier database.
    """
    mark = b" batch=%d " % batch_id
    earliest = f"time={since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}".encode() if since else b""
    found: list[LogLine] = []
    for raw in _lines_backwards(path, mark.rstrip()):
        if _DATED.match(raw) and raw < earliest:
            break
        if mark not in raw + b" ":  # fast check that skips most lines
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
    known = {"time", "level", "event", "job", "batch", "attempt", "worker", "pid", "message", "traceback"}
    more = " ".join(f"{name}={value}" for name, value in values.items() if name not in known)
    text = " · ".join(part for part in (values.get("message", ""), more) if part)
    if "traceback" in values:
        text = f"{text}\n{values['traceback']}".strip()
    attempt = values.get("attempt", "")
    return LogLine(at, values["level"], values.get("event", ""), int(attempt) if attempt.isdecimal() else None, text)


def _lines_backwards(path: Path, mark: bytes) -> Iterator[bytes]:
    """Yield the lines of a log and its rotated files, newest first.

    Of a block without the mark, only the first complete line is returned, for its time.
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
    """Return the last message of a file without secrets, for an error message; empty if there is none.

    Parameters
    ----------
    since
        bytes at the start of the file to ignore, unless the file has become shorter.
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
