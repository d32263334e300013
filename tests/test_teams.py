"""Runs the examples of docs/how-to for teams: systemd units, commands, database roles."""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.errors import NotAllowed, StoreError
from fcst.filters import Selection, by_keys
from fcst.roles import Scope, SignIn
from fcst.services import adjustments, backups, jobs, sign_ins
from fcst.services.adjustments import Change
from fcst.services.tokens import check_token
from fcst.settings import PROJECT, load_settings
from fcst.store import workers
from fcst.store.database import transaction
from tests.computed_runs import run
from tests.conftest import copy_database, wait_until
from tests.databases import admin
from tests.docs import examples
from tests.restoring import restored_from
from tests.store.old_versions import tables

UNITS_AND_SETTINGS = [*examples("how-to/services.md", "ini"), *examples("how-to/backup.md", "ini")]


# Tokens


def test_tokens_are_created_listed_and_revoked(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = examples("how-to/teams.md", "sh")
    create, listed, actions, revoke = (shlex.split(line)[3:] for line in block.splitlines())
    assert main(create) == 0
    token = capsys.readouterr().out.strip()
    shown = check_token(token)
    assert (shown.name, shown.scope, shown.is_known) == ("token nightly-load", Scope.RUN, True)
    assert main(revoke) == main(listed) == main(actions) == 0
    said = capsys.readouterr().out
    assert "revoked" in said and "nightly-load, run" in said and token not in said
    with pytest.raises(NotAllowed, match="was revoked"):
        check_token(token)
    assert main(revoke) == 2


def test_sign_out_command_ends_all_sign_ins_of_a_person(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    signed_in = SignIn(b"ann", at, {"email": "Ann@shop.example", "sub": "1"})
    other = SignIn(b"bob", at, {"email": "bob@shop.example", "sub": "2"})
    assert not sign_ins.is_over(signed_in)
    sign_ins._checked.clear()
    assert main(["sign-out", "ann@SHOP.example"]) == 0
    assert "Ended all sign-ins of ann@shop.example." in capsys.readouterr().err
    assert sign_ins.is_over(signed_in) and not sign_ins.is_over(other)
    assert main(["sign-out", " "]) == 2 and main(["sign-out", "x" * 201]) == 2


# Services


def read_unit(text: str) -> dict[str, dict[str, list[str]]]:
    """section -> name -> values; a name may occur several times."""
    unit: dict[str, dict[str, list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = unit.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            section.setdefault(name, []).append(value)
    return unit


UNITS = {text.split("\n", 1)[0].rpartition("/")[2]: text for text in UNITS_AND_SETTINGS if text.startswith("# /etc")}


def commands(unit: str, folder: Path) -> list[list[str]]:
    """The commands of a unit, adapted to this Python, this project and a test folder."""
    return [
        shlex.split(
            command.replace("%%", "%")
            .replace("$$", "$")
            .replace("/srv/backups", str(folder))
            .replace("/srv/fcst/.venv/bin/streamlit", f"{sys.executable} -m streamlit")
            .replace("/srv/fcst/.venv/bin/python", sys.executable)
            .replace(".venv/bin/python", sys.executable)
        )
        for command in read_unit(UNITS[unit])["Service"]["ExecStart"]
    ]


def test_units_have_the_required_settings() -> None:
    assert set(UNITS) == {"fcst-app.service", "fcst-worker.service", "fcst-nightly.service", "fcst-nightly.timer"}
    for name, text in UNITS.items():
        unit = read_unit(text)
        if name.endswith(".service"):
            service = unit["Service"]
            assert {"User", "WorkingDirectory", "EnvironmentFile", "ExecStart"} <= set(service), name
    worker = read_unit(UNITS["fcst-worker.service"])["Service"]
    assert worker["KillMode"] == ["mixed"]
    assert float(worker["TimeoutStopSec"][0]) > load_settings().grace_s + 10


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for name, text in UNITS.items():
        here = text.replace("/srv/fcst/.venv/bin/streamlit", "/bin/true").replace(
            "/srv/fcst/.venv/bin/python", "/bin/true"
        )
        (tmp_path / name).write_text(here)
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
    assert [line for line in done.stderr.splitlines() if "fcst-" in line] == []


@pytest.mark.full
def test_services_run_as_documented(load_dataset: Callable[..., Dataset], tmp_path: Path, monkeypatch) -> None:
    (settings,) = [text for text in UNITS_AND_SETTINGS if not text.startswith("# /etc")]
    names = dict(line.split("=", 1) for line in settings.splitlines())
    assert set(names) == {"DATABASE_URL", "FCST_HOME", "FCST_WORKER"} and names["FCST_WORKER"] == "external"
    monkeypatch.setenv("FCST_WORKER", "external")
    dataset = load_dataset()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (app,) = commands("fcst-app.service", tmp_path)
    (worker,) = commands("fcst-worker.service", tmp_path)
    with (
        service([*app, "--server.port", str(port)]) as pages,
        service(worker) as supervisor,
    ):
        wait_until(lambda: answers(port), 60, "for the pages")
        job_id = jobs.submit_job(dataset.dataset_id, Selection(keys=("item1",)), jobs.make_spec(1, ["Naive"], 4, [80]))
        pages.terminate()
        pages.wait(20)  # the run continues
        assert jobs.wait_for_job(job_id).status == "completed"
        supervisor.terminate()
        assert supervisor.wait(30) == 0
    for command in commands("fcst-nightly.service", tmp_path):
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert backups.read_contents(tmp_path / f"fcst-{date.today()}.backup").n_runs == 1


@contextlib.contextmanager
def service(command: list[str]) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.full
def test_commands_run_as_documented(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    run(load_dataset(), 2, models=("Naive",), n_windows=0)
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.jobs SET finished_at = finished_at - interval '91 days'")
    (script,) = examples("how-to/backup.md", "sh")
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    output = []
    for line in script.splitlines():
        done = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stderr)
        output.append(done.stderr)
    assert [text.split(":")[0].split()[0] for text in output[:3]] == ["Wrote", "fcst.backup", "Would"]
    assert "Deleted: 1 run " in output[3] and jobs.list_jobs() == []


# Roles


@pytest.fixture
def roles(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URLs of the two roles of docs/how-to/postgres.md, in a database without other rights; first in use."""
    (statements,) = examples("how-to/postgres.md", "sql")
    owner, reader = (f"{name}_{uuid.uuid4().hex[:8]}" for name in ("owner", "reader"))
    statements = statements.replace("fcst_reader", reader)
    # The test server already has a role fcst: its administrator.
    for place in ("ROLE fcst ", "AUTHORIZATION fcst;"):
        assert place in statements
        statements = statements.replace(place, place.replace("fcst", owner))
    for address in copy_database(server, monkeypatch, tmp_path, "template1"):
        with contextlib.closing(psycopg2.connect(address)) as con, con, con.cursor() as cur:
            cur.execute(
                f"REVOKE ALL ON DATABASE {con.info.dbname} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC"
            )
            cur.execute(statements)
            cur.execute(f"GRANT CONNECT ON DATABASE {con.info.dbname} TO {owner}, {reader}")
        monkeypatch.setenv("DATABASE_URL", address.replace("fcst@", f"{owner}@"))
        yield address.replace("fcst@", f"{owner}@"), address.replace("fcst@", f"{reader}@")
    with admin(server) as cur:
        cur.execute(f"DROP ROLE {owner}, {reader}")


def test_product_needs_rights_on_its_schema_only(
    load_dataset: Callable[..., Dataset], roles: tuple[str, str], tmp_path: Path, monkeypatch, capsys
) -> None:
    owner, reader = roles
    with pytest.raises(StoreError, match="permission denied"), transaction() as cur:
        cur.execute("CREATE SCHEMA other")
    assert main(["migrate"]) == 0
    job = run(load_dataset(), 3, models=("SeasonalNaive",), n_windows=1)
    assert (job.status, job.n_completed) == ("completed", 3)
    week = job.last_wk_end_dt + timedelta(weeks=1)
    adjustments.adjust(job, "SeasonalNaive", by_keys("item6"), Change(week, week, units=7), "a fair", "Ana")
    workers.register(str(uuid.uuid4()), "here", 1, "0", 1, -1)
    assert main(["export", "1", "-o", str(tmp_path / "f.csv")]) == 0
    file = tmp_path / "fcst.backup"
    assert main(["backup", str(file)]) == 0
    before = tables()
    assert main(["prune", "--keep", "0", "--yes"]) == 0
    assert main(["delete", "s", "--yes"]) == 0
    assert jobs.list_jobs() == []
    assert main(["restore", str(file), "--replace"]) == 0
    restored = tables()
    assert restored_from(before, restored) == file.name
    assert main(["doctor"]) == 0
    # The reader can read all tables, including those created after the grants and those restored.
    monkeypatch.setenv("DATABASE_URL", reader)
    assert tables() == restored
    capsys.readouterr()
    assert main(["export", "1"]) == 0
    assert main(["status", "1"]) == 0
    for table in before:
        for statement in (f"DELETE FROM fcst_app.{table}", f"INSERT INTO fcst_app.{table} DEFAULT VALUES"):
            with pytest.raises(StoreError, match="permission denied"), transaction() as cur:
                cur.execute(statement)
    with pytest.raises(StoreError, match="permission denied"), transaction() as cur:
        cur.execute("CREATE TABLE fcst_app.mine (n integer)")
    for command in (["delete", "s", "--yes"], ["prune", "--keep", "0", "--yes"], ["cancel", "1"]):
        assert main(command) == 2
    assert "permission denied" in capsys.readouterr().err
    monkeypatch.setenv("DATABASE_URL", owner)
    assert tables() == restored
