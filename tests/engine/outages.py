"""Database outages: a separate server that tests can stop and start, and PgBouncer in front of it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from fcst.store.embedded import ensure_running
from fcst.store.migrate import migrate
from tests.conftest import wait_until
from tests.databases import admin, url
from tests.engine.helpers import children

PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"

needs_pgbouncer = pytest.mark.skipif(not Path(PGBOUNCER).exists(), reason="PgBouncer is not installed")


class OwnServer:
    """A Postgres server that a test can stop and start; its data are kept."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.where = ensure_running(home)
        self.url = url(self.where, "postgres")
        if os.geteuid() == 0:
            self._allow_server_user()

    def _allow_server_user(self) -> None:
        """Allow connections of the server's OS user, also after restarts; under root PgBouncer runs as this user."""
        rules = self._data("pg_ident_of_the_test.conf")
        rules.write_text(f'fcst root all\nfcst "{self._data("base").owner()}" all\n')
        rules.chmod(0o644)
        with admin(self.where) as cur:
            cur.execute("ALTER SYSTEM SET ident_file = %(path)s", {"path": str(rules)})
        self.stop()
        self.start()

    def stop(self) -> None:
        """Stop it in fast mode, which disconnects clients; return when it is down."""
        os.kill(self.pid, signal.SIGINT)
        wait_until(lambda: not self._data("postmaster.pid").exists(), 30, "for the server to stop")

    def freeze(self, number: int = signal.SIGSTOP) -> None:
        """Stop all its processes with a signal; call it with SIGCONT to continue them."""
        pid = self.pid
        for process in (pid, *children(pid)):
            os.kill(process, number)

    def start(self) -> None:
        assert ensure_running(self.home) == self.where

    def terminate_clients(self) -> int:
        """Terminate all client connections, as a suspending hosted database does; return their number."""
        with admin(self.where) as cur:
            cur.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return cur.fetchone()[0]

    def count_clients(self) -> int:
        with admin(self.where) as cur:
            cur.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return cur.fetchone()[0]

    @property
    def pid(self) -> int:
        return int(self._data("postmaster.pid").read_text().splitlines()[0])

    def _data(self, name: str) -> Path:
        with_data = self.home / "pg.location"
        base = Path(with_data.read_text().strip()) if with_data.exists() else self.home
        (found,) = [path.parent for path in base.rglob("PG_VERSION") if (path.parent / "base").is_dir()]
        return found / name


@contextlib.contextmanager
def pgbouncer(server: OwnServer, folder: Path, settings: str = "") -> Iterator[str]:
    """Run PgBouncer in transaction mode in front of the server; yields its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "users.txt").write_text(f'"{server.where["user"]}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        "[databases]\n"
        f"* = host={server.where['host']} port={server.where['port']}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {folder / 'users.txt'}\n"
        "pool_mode = transaction\ndefault_pool_size = 10\nmax_client_conn = 200\n"
        "server_idle_timeout = 2\n"  # so tests can detect remaining connections
        f"{settings}"
    )
    for path in [folder, *folder.parents]:  # PgBouncer reads its files as another user
        with contextlib.suppress(OSError):
            if path.stat().st_uid == os.geteuid() and path.is_relative_to("/tmp/"):
                path.chmod(path.stat().st_mode | 0o055)
    # The server's OS user, who can enter the folder of its socket.
    owner = (Path(server.where["host"]) / f".s.PGSQL.{server.where['port']}").owner()
    user = ["-u", owner] if os.geteuid() == 0 else []
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([PGBOUNCER, *user, str(folder / "pgbouncer.ini")], stderr=log, stdout=log)
    address = f"postgresql://{server.where['user']}@127.0.0.1:{port}/postgres"
    try:
        wait_until(lambda: _answers(address), 20, "for PgBouncer")
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _answers(address: str) -> bool:
    try:
        psycopg2.connect(address, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


@pytest.fixture
def own_server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[OwnServer]:
    """A separate migrated server, set as DATABASE_URL."""
    home = tmp_path_factory.mktemp("own")
    server = OwnServer(home)
    for name, value in {
        "DATABASE_URL": server.url,
        "FCST_HOME": str(tmp_path / "home"),
        "FCST_INGEST_ROOTS": "/",
        "FCST_PROCESSES": "2",
        "FCST_WORKER": "external",
    }.items():
        monkeypatch.setenv(name, value)
    migrate()
    yield server
    shutil.rmtree(home, ignore_errors=True)
