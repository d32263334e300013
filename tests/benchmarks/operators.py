"""What an operator does beside a torture, with the same faults: upgrades copies, backs up and restores."""

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
from tests.conftest import admin, url
from tests.engine.outages import OwnServer

PATIENCE_S = 120.0
LEAVE = "import sys; from tests.store.old_versions import leave; leave(int(sys.argv[1]))"


class Operator:
    """Works on databases of its own beside the one of the torture, on the same server.

    Whatever command is killed in the middle, what it worked on is as before or as after; tried again, it is as after.
    """

    def __init__(self, server: OwnServer, folder: Path, rng: random.Random) -> None:
        self._server, self._folder, self._random = server, folder, rng
        self._old: dict[int, tuple[str, str]] = {}

    def migrate_a_copy(self, version: int) -> bool:
        """Upgrades a copy of a database of an earlier version; whether the first try was killed in the middle."""
        template, expected = self._of_version(version)
        name = self._create(template)
        before = self._digest(name)
        was_killed = self._try(name, "-m", "fcst", "migrate")
        assert self._digest(name) in (before, expected), f"{name} is half upgraded from version {version}"
        self._run(name, "-m", "fcst", "migrate")
        assert self._digest(name) == expected, f"{name} is not what version {version} becomes without a fault"
        self._drop(name)
        return was_killed

    def restore_a_copy(self) -> bool:
        """Backs up the database of the torture as it is now, and restores that twice; whether a try was killed."""
        file, source = self._folder / f"{uuid.uuid4().hex}.backup", os.environ["DATABASE_URL"]
        was_killed = self._try(source, "-m", "fcst", "backup", str(file))
        if not file.exists():  # killed before it was whole, or the server ended its connection
            self._run(source, "-m", "fcst", "backup", str(file))
        reference, name = self._create(), self._create()
        self._run(reference, "-m", "fcst", "restore", str(file))
        expected = self._digest(reference)
        was_killed |= self._try(name, "-m", "fcst", "restore", str(file))
        if self._digest(name) != expected:
            self._run(name, "-m", "fcst", "restore", str(file))  # refused, were there anything in it
        assert self._digest(name) == expected, f"{name} is not what {reference} is"
        file.unlink()
        self._drop(name)
        self._drop(reference)
        return was_killed

    def _of_version(self, version: int) -> tuple[str, str]:
        """A database of a version, and what is in it after an upgrade without a fault."""
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
        """Runs a command, and kills it after a moment; whether it was killed. It may have ended before, well or not."""
        process = self._start(name, *command)
        try:
            process.communicate(timeout=self._random.uniform(0.3, 4.0))
            return False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            time.sleep(3.0)  # the server notices within two seconds that its client is gone
            return True

    def _run(self, name: str, *command: str) -> None:
        """Runs a command to its end; once more, where the server ended connections meanwhile."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            process = self._start(name, *command)
            said, _ = process.communicate(timeout=PATIENCE_S)
            if process.returncode == 0:
                return
            is_away = any(words in said for words in ("cannot be reached", "terminat", "connection"))
            assert is_away and time.monotonic() < deadline, f"{command} on {name}: {said}"
            time.sleep(1.0)

    def _digest(self, name: str) -> str:
        """What the tables of fcst hold, and when they were made or upgraded does not count."""
        while True:
            try:
                with psycopg2.connect(url(self._server.where, name)) as con, con.cursor() as cur:
                    return _digest(cur)
            except psycopg2.OperationalError:  # ended this instant, with all others
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
