"""Logging: logfmt lines, masking of secrets, rotation, pipes of worker processes, reading of logs."""

import contextlib
import io
import json
import logging
import multiprocessing
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fcst import logs
from fcst.errors import ConfigError
from fcst.escaping import for_terminal
from fcst.settings import PROJECT
from tests.conftest import wait_until

log = logging.getLogger("fcst.test")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The log file of this process during the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(tmp_path / "logs" / "supervisor.log")
    yield tmp_path / "logs" / "supervisor.log"
    for handler in root.handlers:
        with contextlib.suppress(OSError):  # /dev/full
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(path: Path) -> list[dict[str, str]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parsed = [logs.parse(line) for line in text.split("\n")[:-1]]
    assert None not in parsed, text
    return parsed


# Format


def test_event_is_one_line_with_ordered_fields(path: Path) -> None:
    logs.event(log, logging.INFO, "batch_started", "it begins", job=12, batch=340, attempt=2, worker="ab12", more=None)
    assert re.fullmatch(
        r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info event=batch_started job=12 batch=340 attempt=2"
        rf' worker=ab12 pid={os.getpid()} message="it begins"\n',
        path.read_text(),
    )
    assert abs(datetime.fromisoformat(lines(path)[0]["time"]) - datetime.now(UTC)) < timedelta(seconds=10)


def test_standard_logging_is_one_line(path: Path) -> None:
    log.warning("%s was %s", "a", 1)
    (line,) = lines(path)
    assert (line["level"], line["event"], line["message"]) == ("warning", "message", "a was 1")


@pytest.mark.parametrize(
    "text",
    [
        'a "quoted" word',
        "two\nlines\r\nand\ttabs",
        "back\\slash \\n",
        "k=v",
        "",
        "grün 😀",
        "\u2028line\u2029separators\x85\x0b\x0c\x1c",
        "\x00\x1b[31m\x7f\x9b2J",
        "\u202eabc\u2066\u200f\u061c",
        "ends in \\",
        "a\u00a0b",
    ],
)
def test_any_text_is_one_line_and_parses_back(path: Path, text: str) -> None:
    logs.event(log, logging.INFO, "x", "said", what=text)
    assert path.read_text(encoding="utf-8").splitlines() == path.read_text(encoding="utf-8").split("\n")[:-1]
    assert for_terminal(path.read_text(encoding="utf-8")) == path.read_text(encoding="utf-8")
    (line,) = lines(path)
    assert (line["what"], line["message"]) == (text, "said")


def test_forwarded_line_has_no_control_characters(path: Path) -> None:
    logs.forward_line("time=2026-11-24T18:05:07.123Z level=info event=x message=a\x1b[2Jb\u202e\x9b")
    assert path.read_text().endswith("message=a\\x1b[2Jb\\u202e\\x9b\n")


def test_lone_surrogate_does_not_break_the_log(path: Path) -> None:
    root = logging.getLogger()
    for handler in [h for h in root.handlers if type(h).__module__.startswith("_pytest")]:
        root.removeHandler(handler)  # pytest cannot serialize surrogates that its handlers capture
    logs.event(log, logging.INFO, "x", "a\ud800b")
    assert lines(path)[0]["message"] == "a\ud800b"


def test_traceback_is_in_the_line(path: Path) -> None:
    try:
        raise ValueError("why\nnot")
    except ValueError as exc:
        logs.event(log, logging.ERROR, "broke", exc_info=exc, job=1)
        log.exception("again")
    first, second = lines(path)
    assert first["traceback"] == second["traceback"]
    assert first["traceback"].startswith("Traceback") and first["traceback"].endswith("ValueError: why\nnot")


@pytest.mark.few(4)
@pytest.mark.parametrize("letter", ["x", "\n", "é", "😀", '"', "\u2028"])
@pytest.mark.parametrize("n", [3_900, 4_096, 50_000, 3_000_000])
def test_long_line_is_cut_in_the_middle_and_parses(path: Path, letter: str, n: int) -> None:
    logs.event(log, logging.INFO, "x", f"begin{letter * n}end", batch=7, job=1)
    written = path.read_bytes()
    assert 2_000 < len(written) <= 4_096 and written.count(b"\n") == 1
    (line,) = lines(path)
    assert line["batch"] == "7" and re.fullmatch(r"(?s)begin.+end", line["message"])
    assert ("…" in line["message"]) == (len(line["message"]) < n)


# Secrets


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgresql://me:S3cret@host:5432/db?sslmode=require", "@host:5432/db?sslmode=require"),
        ("at postgres://me:S3cret@host", "postgres://me:***@host"),
        ("postgresql+psycopg2://me:S3cret@h/d", "@h/d"),
        ("postgresql://:S3cret@h/d", "@h/d"),
        ("postgresql://me:x@S3cret@h/d", "@h/d"),
        ("postgresql://h/d?user=u&password=S3cret&sslmode=require", "&sslmode=require"),
        ("host=h password=S3cret dbname=d", "dbname=d"),
        ("host=h password = 'S3cret it\\'s S3cret' dbname=d", "dbname=d"),
        ('{"password": "S3cret", "user": "me"}', '"user": "me"'),
        ("{'password': 'S3cret', 'user': 'me'}", "'user': 'me'"),
        ("PGPASSWORD=S3cret psql", "psql"),
        ("two: postgresql://a:S3cret@h/d, postgresql://b:S3cret@h/e", "@h/e"),
    ],
)
def test_passwords_are_masked(path: Path, text: str, kept: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        logs.event(log, logging.ERROR, "x", text, exc_info=True, url=text, password="S3cret", n=[text])
        log.error("%s", {"dsn": text})
    assert "S3cret" not in path.read_text()
    assert kept in lines(path)[0]["message"]


def test_text_about_passwords_is_kept(path: Path) -> None:
    log.error('password authentication failed for user "me"')
    assert lines(path)[0]["message"] == 'password authentication failed for user "me"'


def test_masking_is_fast_on_long_text() -> None:
    assert logs.mask("password" * 20_000 + "a" * 1_000_000) is not None
    assert logs.mask("postgres" * 20_000 + ":" * 100_000) is not None


# Handlers


def test_log_file_is_made_private(tmp_path: Path, path: Path) -> None:
    (tmp_path / "old.log").touch(0o666)
    (tmp_path / "old.log").chmod(0o666)
    logs.configure(tmp_path / "old.log")
    log.info("x")
    for file in (path, tmp_path / "old.log"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_rotated_files_are_private(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 10_000)
    logs.configure(path)
    for number in range(1_000):
        logs.event(log, logging.INFO, "x", "y" * 100, n=number)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["supervisor.log", *(f"supervisor.log.{n}" for n in range(1, 6))]
    assert all(file.stat().st_size <= 10_000 and stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert lines(path)[-1]["n"] == "999"


def test_open_log_of_another_program_is_copied_and_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 10_000)
    file = tmp_path / "other.log"
    file.touch(0o644)
    with open(file, "ab", buffering=0) as other:
        for number in range(10):
            other.write(b"".join(b"%d line %4d\n" % (number, n) for n in range(990 + number)))
            logs.rotate_in_place(file)
            assert file.stat().st_size == 0
        other.write(b"small\n")
        logs.rotate_in_place(file)
    files = sorted(tmp_path.iterdir())
    assert [found.name for found in files] == ["other.log", *(f"other.log.{n}" for n in range(1, 6))]
    assert file.read_bytes() == b"small\n"
    for number, found in zip((9, 8, 7, 6, 5), files[1:], strict=True):
        copied = found.read_text().splitlines()
        assert copied[-1] == f"{number} line {989 + number:4}" and found.stat().st_size == 10_000
    assert {stat.S_IMODE(found.stat().st_mode) for found in files} == {0o600}


def test_log_is_not_rotated_without_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 10_000)
    (tmp_path / "other.log").write_bytes(b"x" * 11_000)
    (tmp_path / "other.log.1").write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        logs.rotate_in_place(tmp_path / "other.log")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {file.name: file.stat().st_size for file in tmp_path.iterdir()} == {"other.log": 11_000, "other.log.1": 3}
    logs.rotate_in_place(tmp_path / "not there")


def test_unwritable_log_file_is_refused(tmp_path: Path, path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        logs.configure(tmp_path / "file" / "x.log")


def test_full_disk_loses_lines_without_errors(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = stat.S_IMODE(Path("/dev/full").stat().st_mode)
    logs.configure(Path("/dev/full"))
    log.error("password=S3cret")
    assert capfd.readouterr().err == ""
    assert stat.S_IMODE(Path("/dev/full").stat().st_mode) == before


def test_log_without_a_file_goes_to_stderr(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(None)
    log.info("a b")
    log.debug("not this")
    assert capfd.readouterr().err.endswith('message="a b"\n')


# Worker processes


@pytest.fixture
def pipe(path: Path) -> Iterator[logs.LinePipe]:
    pipe = logs.LinePipe()
    yield pipe
    pipe.close()


def worker(writer: Connection, number: int, n_lines: int) -> None:
    logs.redirect_stderr(writer.fileno())
    for line in range(n_lines):
        logs.event(log, logging.INFO, "said", "z" * (line % 40 * 100), worker=number, n=line)


def start(target: Callable[..., None], *args: object) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("forkserver").Process(target=target, args=args)
    process.start()
    return process


@pytest.mark.full
def test_lines_of_several_processes_are_complete_and_in_order(path: Path, pipe: logs.LinePipe) -> None:
    processes = [start(worker, pipe.writer, number, 400) for number in range(4)]
    for process in processes:
        process.join()
    pipe.close()
    found = lines(path)
    assert {line["event"] for line in found} == {"said"}
    assert {line["pid"] for line in found} == {str(process.pid) for process in processes}
    for number in range(4):
        assert [int(line["n"]) for line in found if line["worker"] == str(number)] == list(range(400))


@pytest.mark.full
def test_killed_process_does_not_block_others(path: Path, pipe: logs.LinePipe) -> None:
    for _ in range(5):
        victim = start(worker, pipe.writer, 1, 1_000_000)
        size = path.stat().st_size
        wait_until(lambda size=size: sum(file.stat().st_size for file in path.parent.iterdir()) != size)
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    process = start(worker, pipe.writer, 2, 1)
    process.join(20)
    assert process.exitcode == 0
    pipe.close()
    assert lines(path)[-1]["worker"] == "2"


def test_other_output_is_wrapped_as_events(path: Path, pipe: logs.LinePipe) -> None:
    os.write(pipe.writer.fileno(), b"terminate called\n\nFatal \xff error: password=S3cret\nno end")
    pipe.close()
    assert [(line["event"], line["level"], line["message"]) for line in lines(path)] == [
        ("output", "warning", "terminate called"),
        ("output", "warning", "Fatal \\xff error: password=***"),
        ("output", "warning", "no end"),
    ]


def test_line_after_an_incomplete_line_is_separated(path: Path, pipe: logs.LinePipe) -> None:
    line = b"time=2026-01-02T03:04:05.678Z level=error event=x batch=1 pid=2\n"
    os.write(pipe.writer.fileno(), b"Fatal Pyth" + line)
    pipe.close()
    first, second = path.read_bytes().splitlines(keepends=True)
    assert b'message="Fatal Pyth"' in first and second == line


def test_endless_line_is_split(path: Path, pipe: logs.LinePipe) -> None:
    for _ in range(100):
        os.write(pipe.writer.fileno(), b"x" * 4_000)
    wait_until(lambda: path.exists() and len(lines(path)) >= 5)


def test_crash_in_compiled_code_logs_a_traceback(path: Path, pipe: logs.LinePipe) -> None:
    process = start(crash, pipe.writer)
    process.join()
    pipe.close()
    said = [line["message"] for line in lines(path)]
    assert process.exitcode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in said and any("in crash" in line for line in said)


def crash(writer: Connection) -> None:
    import ctypes
    import faulthandler

    logs.redirect_stderr(writer.fileno())
    faulthandler.enable()
    ctypes.string_at(0)


def test_closing_the_pipe_releases_thread_and_descriptors(path: Path) -> None:
    log.info("the file is open")
    before = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        pipe = logs.LinePipe()
        os.write(pipe.writer.fileno(), b"x\n")
        pipe.close()
        pipe.close()
    assert (threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))) == before


def test_surviving_process_does_not_block_closing(path: Path) -> None:
    pipe = logs.LinePipe()
    orphan = subprocess.Popen(["sleep", "60"], stderr=pipe.writer.fileno())
    os.write(pipe.writer.fileno(), b"last words\n")
    try:
        pipe.close()
        assert not pipe._thread.is_alive()
        assert lines(path)[-1]["message"] == "last words"
    finally:
        orphan.kill()
        orphan.wait()


@pytest.mark.full
def test_pool_logs_lines_of_its_workers_also_after_a_rebuild(path: Path) -> None:
    """Runs in a separate process, so descriptors and threads can be counted."""
    program = f"""
import logging, os, sys, threading, time
from pathlib import Path
from fcst import logs
from fcst.engine import pool as module
from tests.unit.test_logs import say
module._PRELOADED = []
logs.configure(Path({str(path)!r}))
def run(pool):
    event = threading.Event()
    task = pool.submit(event.set, say)
    event.wait(30)
    task.result()
if __name__ == "__main__":
    pool = module.LocalPool(1)
    run(pool)
    pool.rebuild()
    run(pool)
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        pool.rebuild()
        run(pool)
    for _ in range(100):  # resources of ended processes are released with a delay
        after = len(os.listdir("/proc/self/fd")), threading.active_count()
        if after == before:
            break
        time.sleep(0.1)
    assert before == after, (before, after)
    pool.stop()
    assert [t.name for t in threading.enumerate() if t.name == "log lines"] == []
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = [line for line in lines(path) if line["event"] == "said"]
    assert len(said) == 5 and len({line["pid"] for line in said}) == 5
    assert sum(line["event"] == "output" and line["message"] == "bare words" for line in lines(path)) == 5


def say() -> None:
    logs.event(log, logging.INFO, "said", "hello", batch=3)
    os.write(2, b"bare words\n")


# Reading the log


def write(path: Path, batches: list[int], start: int = 0) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with path.open("ab") as file:
        for number, batch in enumerate(batches, start):
            begin = f"time={at + timedelta(seconds=number):%Y-%m-%dT%H:%M:%S}.000Z level=info event=e"
            file.write(f"{begin} batch={batch} attempt=1 message={number}\n".encode())


def test_last_lines_of_a_batch_across_rotated_files(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    write(tmp_path / "s.log.2", [34, 340, 34, 3], start=0)
    write(tmp_path / "s.log.1", [340, 34], start=4)
    write(path, [34, 340, 340], start=6)
    write(tmp_path / "other.log", [34] * 9)
    assert [line.text for line in logs.last_lines(path, 34, 10)] == ["0", "2", "5", "6"]
    assert [line.text for line in logs.last_lines(path, 34, 3)] == ["2", "5", "6"]
    assert [line.text for line in logs.last_lines(path, 3, 3)] == ["3"]
    assert logs.last_lines(path, 4, 3) == []
    since = datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert [line.text for line in logs.last_lines(path, 34, 10, since)] == ["2", "5", "6"]
    assert logs.last_lines(tmp_path / "none.log", 34, 3) == []


def test_last_lines_include_all_fields(path: Path) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        logs.event(log, logging.WARNING, "interrupted", "it broke", exc_info=True, batch=5, attempt=2, reason="x y")
    (line,) = logs.last_lines(path, 5, 9)
    assert (line.level, line.event, line.attempt) == ("warning", "interrupted", 2)
    assert line.text.startswith("it broke · reason=x y\nTraceback") and line.text.endswith("ValueError: why")


def test_last_lines_skip_invalid_lines(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    write(path, [7])
    with path.open("ab") as file:
        file.write(b"\xff\xfe batch=7 \x00\n\ntime= batch=7 \ntime=x level=y event=z batch=7 \n")
        file.write(b"time=2026-99-99T99:99:99.000Z level=info event=e batch=7 message=never\n")
        file.write(b'time=2026-01-01T00:00:01.000Z level=info event=e batch=7 message="\xff broke o')
    assert [line.text for line in logs.last_lines(path, 7, 9)][0] == "0"
    assert len(logs.last_lines(path, 7, 9)) == 2


def test_batch_named_in_a_message_does_not_match(path: Path) -> None:
    logs.event(log, logging.INFO, "x", "see batch=9 there", batch=8)
    assert logs.last_lines(path, 9, 9) == [] and len(logs.last_lines(path, 8, 9)) == 1


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 16])
def test_last_lines_do_not_depend_on_the_block_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(logs, "BLOCK", block)
    write(tmp_path / "s.log", [1, 2, 1, 2, 1])
    assert [line.text for line in logs.last_lines(tmp_path / "s.log", 1, 2)] == ["2", "4"]


def test_last_lines_read_few_bytes(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    for name in ("s.log", "s.log.1"):
        write(tmp_path / name, [1] * 60_000)

    def n_read() -> int:
        return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])

    before = n_read()
    assert len(logs.last_lines(path, 1, 50)) == 50
    assert n_read() - before < 300_000 < path.stat().st_size
    before = n_read()
    assert logs.last_lines(path, 2, 50, datetime(2027, 1, 1, tzinfo=UTC)) == []
    assert n_read() - before < 300_000


def test_tail_is_the_last_message(tmp_path: Path, path: Path) -> None:
    err = tmp_path / "x.err"
    assert logs.tail(err) == ""
    err.write_text("Traceback\n  File\nKeyError: 'postgresql://a:S3cret@h'\n\n")
    assert logs.tail(err) == "KeyError: 'postgresql://a:***@h'"
    log.error("the reason")
    size = path.stat().st_size
    assert logs.tail(path) == "the reason" and logs.tail(path, size) == "" and logs.tail(path, size + 1) == "the reason"


def test_quoted_values_are_json_strings(path: Path) -> None:
    """Quoting follows logfmt, so other parsers can read it."""
    logs.event(log, logging.INFO, "x", 'a "b"\n\u2028')
    quoted = path.read_text(encoding="utf-8").split("message=")[1]
    assert json.load(io.StringIO(quoted)) == 'a "b"\n\u2028'
