"""The embedded server, tested by killing real processes."""

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from fcst import logs
from fcst.errors import ConfigError
from fcst.files import FileLock, is_held
from fcst.settings import PROJECT
from fcst.store import embedded_paths
from fcst.store.embedded import ensure_running
from tests.conftest import wait_until

USER = """
import json, sys
from pathlib import Path
from fcst.store.embedded import ensure_running
print(json.dumps(ensure_running(Path(sys.argv[1]))), flush=True)
{then}
sys.stdin.read()
"""
# Programs started by a user and forked children do not count as users.
LEAVE_CHILDREN = """
import os, subprocess, time
program = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
child = os.fork()
if child == 0:
    time.sleep(60)
print(program.pid, child, sep="\\n", flush=True)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")


def ask(connection: dict[str, str], query: str) -> Any:
    with closing(psycopg2.connect(**connection)) as conn, conn.cursor() as cur:
        conn.autocommit = True
        cur.execute(query)
        return cur.fetchone()[0] if cur.description else None


def postmaster(home: Path) -> int:
    data = Path(ask(ensure_running(home), "SHOW data_directory"))
    return int((data / "postmaster.pid").read_text().split()[0])


def is_served(home: Path) -> bool:
    return is_held(home / "pg.server") or is_held(home / "pg.guard")


def guard_of(home: Path) -> int:
    """The guard process of this home."""
    for name in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # ended meanwhile
            words = name.read_bytes().split(b"\0")
            if b"fcst.store.embedded" in words and os.fsencode(home) in words:
                return int(name.parent.name)
    raise AssertionError("no guard")


class User:
    """Another process that uses the server until `end`."""

    def __init__(self, home: Path, then: str = "", umask: int = 0o022) -> None:
        command = [sys.executable, "-c", USER.format(then=then), str(home)]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, umask=umask
        )

    def read(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def end(self, how: signal.Signals | None = None) -> None:
        if how:
            self.process.send_signal(how)
        self.process.communicate()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's OS user can access; all homes in it are deleted with their servers at the end."""
    folder = Path(tempfile.mkdtemp(prefix="test-embedded-"))
    folder.chmod(0o755)
    yield folder
    for home in folder.iterdir():
        discard(home)
    shutil.rmtree(folder)


def discard(home: Path) -> None:
    with (home / "pg.guard").open() as guard, (home / "pg.server").open() as server:
        wait_until(lambda: shutil.rmtree(home, ignore_errors=True) or not home.exists())
        wait_until(lambda: not is_held(server.fileno()) and not is_held(guard.fileno()))


@pytest.fixture(scope="module")
def home(folder: Path) -> Path:
    """A home shared by tests that keep its server running; its name has special characters."""
    home = folder / 'My "Forecasts" it\'s $HOME `é`'
    ensure_running(home)
    return home


@pytest.mark.full
def test_new_home_gets_an_empty_utf8_database(home: Path) -> None:
    connection = ensure_running(home)
    assert ask(connection, "SELECT current_database()") == "fcst"
    assert ask(connection, "SHOW server_version_num").startswith("18")
    assert ask(connection, "SHOW server_encoding") == "UTF8"
    assert ask(connection, "SELECT datcollate FROM pg_database WHERE datname = 'fcst'") == "C"
    assert ask(connection, "SHOW listen_addresses") == ""


def test_only_its_owner_may_enter_the_socket_folder(home: Path) -> None:
    assert Path(ensure_running(home)["host"]).stat().st_mode & 0o777 == 0o700


def test_repeated_call_takes_milliseconds(home: Path) -> None:
    took = []
    for _ in range(20):
        begin = time.perf_counter()
        ensure_running(home)
        took.append(time.perf_counter() - begin)
    assert sorted(took)[10] < 0.1


def test_second_process_uses_the_running_server(home: Path) -> None:
    before = postmaster(home)
    user = User(home)
    assert user.read() == ensure_running(home)
    user.end()
    assert postmaster(home) == before


def test_killed_postmaster_is_replaced(home: Path) -> None:
    killed = postmaster(home)
    ask(ensure_running(home), "CREATE TABLE kept AS SELECT 7 AS x")
    os.kill(killed, signal.SIGKILL)
    assert ask(ensure_running(home), "SELECT x FROM kept") == 7
    assert postmaster(home) != killed


@pytest.mark.full
@needs_proc
def test_query_that_outlives_its_postmaster_does_not_block_a_restart(home: Path) -> None:
    with closing(psycopg2.connect(**ensure_running(home))) as busy:
        busy_pid = busy.get_backend_pid()
        with ThreadPoolExecutor(1) as pool:
            query = "SELECT count(*) FROM generate_series(1, 1000000000000) a"
            running = pool.submit(lambda: busy.cursor().execute(query))
            wait_until(
                lambda: ask(
                    ensure_running(home), f"SELECT state = 'active' FROM pg_stat_activity WHERE pid = {busy_pid}"
                )
            )
            os.kill(postmaster(home), signal.SIGKILL)
            assert ask(ensure_running(home), "SELECT 1") == 1
            assert isinstance(running.exception(), psycopg2.OperationalError)


@pytest.mark.full
def test_stale_pid_file_with_the_pid_of_another_process_is_ignored(folder: Path) -> None:
    home = folder / "stale"
    user = User(home)
    data = Path(ask(user.read(), "SHOW data_directory"))
    stale = (data / "postmaster.pid").read_text()
    user.end()
    wait_until(lambda: not is_served(home))
    owner = data.stat()
    account = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **account) as stranger:
        try:
            text = "\n".join([str(stranger.pid), *stale.split("\n")[1:]])
            (data / "postmaster.pid").write_text(text)
            (data / "postmaster.pid").chmod(0o600)
            shutil.chown(data / "postmaster.pid", owner.st_uid, owner.st_gid)
            user = User(home)
            assert ask(user.read(), "SELECT 1") == 1
            assert stranger.poll() is None
            user.end()
        finally:
            stranger.kill()


def test_concurrent_processes_share_one_server_which_ends_after_they_are_killed(folder: Path) -> None:
    home = folder / "crowd"
    users = [User(home, then=LEAVE_CHILDREN), User(home), User(home)]
    answers = [user.read() for user in users]
    children = [users[0].read(), users[0].read()]
    assert answers[0] == answers[1] == answers[2]
    try:
        for user in users:
            user.process.kill()
        wait_until(lambda: not is_served(home))
        assert not Path(answers[0]["host"]).exists()
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for user in users:
            user.end()


def test_concurrent_threads_share_one_server(folder: Path) -> None:
    home = folder / "threads"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ensure_running, [home] * 4))
    assert all(answer == answers[0] for answer in answers)
    assert ask(answers[0], "SELECT 1") == 1


@needs_proc
def test_killed_guard_is_replaced_by_the_next_call(home: Path) -> None:
    server, killed = postmaster(home), guard_of(home)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not is_held(home / "pg.guard"))
    ensure_running(home)
    assert is_held(home / "pg.guard")
    assert guard_of(home) != killed
    assert postmaster(home) == server


@pytest.mark.full
def test_deleted_home_ends_its_server_and_a_new_one_starts_empty(folder: Path) -> None:
    home = folder / "deleted"
    ask(ensure_running(home), "CREATE TABLE old ()")
    discard(home)
    assert ask(ensure_running(home), "SELECT to_regclass('old')") is None


@pytest.mark.full
@needs_root
def test_root_keeps_the_modes_of_folders_closed_to_the_servers_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    home = tmp_path / "home"
    user = User(home)
    data = Path(ask(user.read(), "SHOW data_directory"))
    assert (home / "pg.location").read_text() == f"{data.parent}\n"
    assert data.is_relative_to(embedded_paths.SHARED)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    user.end()
    again = User(home)
    assert Path(ask(again.read(), "SHOW data_directory")) == data
    discard(home)
    assert not data.parent.exists()
    again.end()


@needs_root
def test_error_names_the_blocking_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(embedded_paths, "SHARED", tmp_path / "shared")
    blocked = next(path for path in (*reversed(tmp_path.parents), tmp_path) if path.stat().st_mode & 0o1 == 0)
    with pytest.raises(ConfigError, match=f"cannot enter {blocked}, .*DATABASE_URL"):
        ensure_running(tmp_path / "home")


@pytest.mark.full
def test_error_has_the_last_log_lines_of_postgres(folder: Path) -> None:
    home = folder / "broken"
    user = User(home)
    data = Path(ask(user.read(), "SHOW data_directory"))
    user.end()
    wait_until(lambda: not is_served(home))
    with (data / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = many\n")
    with pytest.raises(ConfigError, match="shared_buffers.*DATABASE_URL"):
        ensure_running(home)


def test_file_in_place_of_the_home_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="FCST_HOME"):
        ensure_running(tmp_path / "file" / "home")


# Other OS users


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def connects(connection: dict[str, str], role: str, account: embedded_paths.Account) -> str:
    """The output of `SELECT current_user` in psql, run as an OS user (None: the current one)."""
    program = embedded_paths.find_binaries(account) / "psql"
    where = f"host={connection['host']} port={connection['port']} dbname=fcst user={role}"
    done = subprocess.run(
        [program, "--no-psqlrc", "--tuples-only", "--no-align", "--command=SELECT current_user", where],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **embedded_paths.identity(account),
    )
    return done.stdout.strip() or done.stderr


def test_current_user_can_connect_as_every_role(home: Path) -> None:
    connection = ensure_running(home)
    ask(connection, 'CREATE ROLE "of the test" LOGIN')
    assert ask(connection | {"user": "of the test"}, "SELECT current_user") == "of the test"
    assert connects(connection, "fcst", None) == "fcst"


@needs_root
def test_no_other_user_can_connect_not_even_the_servers(home: Path) -> None:
    connection = ensure_running(home)
    owner = pwd.getpwuid(Path(connection["host"]).stat().st_uid)
    assert owner.pw_uid != 0
    assert 'Peer authentication failed for user "fcst"' in connects(connection, "fcst", owner)
    stranger = pwd.getpwnam("daemon")
    assert "Permission denied" in connects(connection, "fcst", stranger)


@pytest.mark.full
def test_data_folder_with_trust_authentication_is_restricted_at_the_next_start(folder: Path) -> None:
    home = folder / "older"
    user = User(home)
    data = Path(ask(user.read(), "SHOW data_directory"))
    user.end()
    wait_until(lambda: not is_served(home))
    (data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
    (data / "pg_ident.conf").write_text("")
    user = User(home)
    connection = user.read()
    rules = "SELECT string_agg(concat_ws(' ', type, database, user_name, auth_method), ';') FROM pg_hba_file_rules"
    assert ask(connection, rules) == "local {all} {all} peer"
    for file in (data / "pg_hba.conf", data / "pg_ident.conf"):
        assert (mode(file), file.stat().st_uid) == (0o600, data.stat().st_uid)
    if os.geteuid() == 0:
        assert "Peer authentication failed" in connects(connection, "fcst", pwd.getpwuid(data.stat().st_uid))
    user.end()


@pytest.mark.full
@needs_root
def test_root_follows_no_symlink_of_the_servers_user(folder: Path) -> None:
    home = folder / "links"
    user = User(home)
    data = Path(ask(user.read(), "SHOW data_directory"))
    user.end()
    wait_until(lambda: not is_served(home))
    (home / "roots").write_text("unchanged")
    for name in ("pg_hba.conf", "pg_hba.conf.new", "pg_ident.conf.new"):
        (data / name).unlink(missing_ok=True)
        (data / name).symlink_to(home / "roots")
    user = User(home)
    assert ask(user.read(), "SELECT 1") == 1
    assert (home / "roots").read_text() == "unchanged" and (home / "roots").stat().st_uid == 0
    user.end()


@pytest.mark.full
def test_server_starts_with_a_strict_umask(folder: Path) -> None:
    home = folder / "strict"
    user = User(home, umask=0o077)
    assert Path(ask(user.read(), "SHOW data_directory")) == home / "pg"
    assert mode(home) == 0o711
    user.end()


@needs_root
def test_copied_programs_are_executable_with_a_strict_umask(monkeypatch: pytest.MonkeyPatch) -> None:
    account = pwd.getpwnam("nobody")
    place = Path(tempfile.mkdtemp(prefix="test-embedded-"))
    place.chmod(0o755)
    monkeypatch.setattr(embedded_paths, "SHARED", place / "shared")
    before = os.umask(0o077)
    try:
        done = subprocess.run(
            [embedded_paths.find_binaries(account) / "postgres", "--version"],
            cwd="/",
            capture_output=True,
            **embedded_paths.identity(account),
        )
    finally:
        os.umask(before)
        shutil.rmtree(place)
    assert done.returncode == 0, done.stderr


# Its log


@pytest.mark.full
def test_log_is_made_private(folder: Path) -> None:
    home = folder / "logs"
    (home / "logs").mkdir(parents=True)
    (home / "logs").chmod(0o755)
    (home / "logs" / "postgres.log").touch()
    (home / "logs" / "postgres.log").chmod(0o644)
    user = User(home)
    user.read()
    assert (mode(home / "logs"), mode(home / "logs" / "postgres.log")) == (0o700, 0o600)
    user.end()


@pytest.mark.full
def test_long_log_is_rotated_while_the_server_writes(home: Path) -> None:
    connection = ensure_running(home)
    log = home / "logs" / "postgres.log"
    for number in range(2):
        with log.open("ab") as more:
            more.write(b"%d of what was logged\n" % number * (logs.MAX_BYTES // 20))
        wait_until(lambda: log.stat().st_size < logs.MAX_BYTES, what="for the guard")
        with pytest.raises(psycopg2.Error):
            ask(connection, f"SELECT after_rotation_{number}")
        wait_until(lambda mark=f"after_rotation_{number}": mark in log.read_text())
    copies = [Path(f"{log}.{number}") for number in (1, 2)]
    assert "1 of what was logged\n" in copies[0].read_text()
    assert "0 of what was logged\n" in copies[1].read_text()
    for file in (log, *copies):
        assert file.stat().st_size <= logs.MAX_BYTES and mode(file) == 0o600
    assert not Path(f"{log}.3").exists()


@pytest.mark.full
def test_lock_on_a_deleted_file_is_not_current(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as lock:
        assert lock.is_current()
        assert is_held(lock.path)
        lock.path.unlink()
        assert not lock.is_current()
        with FileLock(lock.path) as another:
            assert another.is_current()
    assert not is_held(lock.path)
