"""Operator actions during a torture run, with the same faults: upgrades of copies, backups and restores."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psycopg2

from fcst.settings import PROJECT
from tests.databases import admin, url
from tests.engine.outages import OwnServer

PATIENCE_S = 120.0
LEAVE = "import sys; from tests.store.old_versions import leave; leave(int(sys.argv[1]))"


class Operator:
    """Works on separate databases on the torture's server.

    If a command is killed, its database is as before or as after it. A second try completes it.
    """

    def __init__(self, server: OwnServer, folder: Path, rng: random.Random) -> None:
        self._server, self._folder, self._random = server, folder, rng
        self._old: dict[int, tuple[str, str]] = {}

    def migrate_a_copy(self, version: int) -> bool:
        """Upgrade a copy of a database of an earlier version; return whether the first try was killed."""
        template, expected = self._of_version(version)
        name = self._create(template)
        before = self._digest(name)
        was_killed = self._try(name, "-m", "fcst", "migrate")
        assert self._digest(name) in (before, expected), f"{name} is half upgraded from version {version}"
        self._run(name, "-m", "fcst", "migrate")
        assert self._digest(name) == expected, f"{name} differs from an upgrade of version {version} without faults"
        self._drop(name)
        return was_killed

    def restore_a_copy(self) -> bool:
        """Back up the database of the torture, and restore it twice; return whether a try was killed."""
        file, source = self._folder / f"{uuid.uuid4().hex}.backup", os.environ["DATABASE_URL"]
        was_killed = self._try(source, "-m", "fcst", "backup", str(file))
        if not file.exists():  # killed before it was complete, or its connection was terminated
            self._run(source, "-m", "fcst", "backup", str(file))
        reference, name = self._create(), self._create()
        self._run(reference, "-m", "fcst", "restore", str(file))
        expected = self._digest(reference)
        was_killed |= self._try(name, "-m", "fcst", "restore", str(file))
        if self._digest(name) != expected:
            self._run(name, "-m", "fcst", "restore", str(file))  # refused if the database is not empty
        assert self._digest(name) == expected, f"{name} differs from {reference}"
        file.unlink()
        self._drop(name)
        self._drop(reference)
        return was_killed

    def _of_version(self, version: int) -> tuple[str, str]:
        """A database of a version, and its digest after an upgrade without faults."""
        if version not in self._old:
            template = self._create()
            self._run(template, "-c", LEAVE, str(version))
            name = self._create(template)
            self._run(name, "-m", "fcst", "migrate")
            self._old[version] = template, self._digest(name)
            self._drop(name)
        return self._old[version]

    def _create(self, template: str = "template0") -> str:
        name = f"copy_{uuid.uuid4().hex[:12]}"
        with admin(self._server.where) as cur:
            cur.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _drop(self, name: str) -> None:
        with admin(self._server.where) as cur:
            cur.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _start(self, name: str, *command: str) -> subprocess.Popen:
        address = name if "//" in name else url(self._server.where, name)
        env = os.environ | {
            "DATABASE_URL": address,
            "FCST_HOME": str(self._folder / "operator"),
            "FCST_WORKER": "external",
        }
        return subprocess.Popen(
            (sys.executable, *command),
            cwd=PROJECT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _try(self, name: str, *command: str) -> bool:
        """Run a command and kill it after a moment; return whether it was killed. It may have ended before."""
        process = self._start(name, *command)
        try:
            process.communicate(timeout=self._random.uniform(0.3, 4.0))
            return False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            time.sleep(3.0)  # the server detects the lost client within two seconds
            return True

    def _run(self, name: str, *command: str) -> None:
        """Run a command to its end; retry if the server terminated connections."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            process = self._start(name, *command)
            output, _ = process.communicate(timeout=PATIENCE_S)
            if process.returncode == 0:
                return
            is_away = any(words in output for words in ("went away", "cannot be reached", "terminat", "connection"))
            assert is_away and time.monotonic() < deadline, f"{command} on {name}: {output}"
            time.sleep(1.0)

    def _digest(self, name: str) -> str:
        """Digest of the contents of fcst's tables, without the history of migrations and actions."""
        while True:
            try:
                with psycopg2.connect(url(self._server.where, name)) as con, con.cursor() as cur:
                    return _digest(cur)
            except psycopg2.OperationalError:  # terminated together with all connections
                time.sleep(0.5)


def _digest(cur: psycopg2.extensions.cursor) -> str:
    cur.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = to_regnamespace('fcst_app') AND c.relkind = 'r'"
        " AND c.relname NOT IN ('migrations', 'actions') ORDER BY 1"
    )
    parts = []
    for (table,) in cur.fetchall():
        cur.execute(
            f"SELECT md5(string_agg(row, E'\\n' ORDER BY row)) FROM (SELECT t::text AS row FROM fcst_app.{table} t) r"
        )
        parts.append(f"{table} {cur.fetchone()[0]}")
    return "\n".join(parts)
