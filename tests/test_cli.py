"""The command line for scripts: exit codes, stdout, stderr."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psycopg2
import pytest

from fcst import supervisor_lock
from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.services import jobs, loading
from fcst.settings import PROJECT, load_settings
from fcst.specs import JobSpec
from tests.conftest import SHARED, wait_until, write_sales


def fcst(*args: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "fcst", *args],
        cwd=PROJECT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def command_line(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands start a supervisor automatically; it ends soon after."""
    monkeypatch.setenv("FCST_WORKER", "auto")
    monkeypatch.setenv("FCST_IDLE_EXIT_S", "1")
    yield
    path = supervisor_lock.lock_path(load_settings())
    wait_until(lambda: supervisor_lock.holder(path) is None, what="for the supervisor to leave")


def table_sizes() -> dict[str, int]:
    from fcst.store.database import transaction

    names = ("datasets", "items", "sales", "jobs", "batch_status", "job_items", "forecasts")
    with transaction() as cur:
        sizes = {}
        for name in names:
            cur.execute(f"SELECT count(*) AS n FROM fcst_app.{name}")
            sizes[name] = cur.fetchone()["n"]
        return sizes


@pytest.mark.full
def test_complete_workflow_without_the_app(command_line: None, tmp_path: Path) -> None:
    write_sales(tmp_path / "mine.csv", 6, 60)
    done = fcst("ingest", str(tmp_path / "mine.csv"), "--json")
    assert done.returncode == 0, done.stderr
    dataset = json.loads(done.stdout)
    assert (dataset["name"], dataset["n_items"], dataset["n_weeks"]) == ("mine", 6, 60)
    assert dataset["report"]["n_rows"] == 6 * 60 * 2
    assert json.loads(fcst("datasets", "--json").stdout)[0]["name"] == "mine"
    done = fcst("submit", "--dataset", "mine", "--items", "5", "--models", "auto,autoets", "--horizon", "4", "--wait")
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    assert job_id.isdigit() and "5 of 5 items" in done.stderr
    status = json.loads(fcst("status", job_id, "--json").stdout)
    assert (status["job_id"], status["status"], status["n_completed"]) == (int(job_id), "completed", 5)
    assert {"n_items", "n_failed", "n_cancelled", "items_per_s", "time_left_s"} <= set(status)
    assert status["batches"] == {"completed": 1}
    (batch,) = json.loads(fcst("batches", job_id, "--json").stdout)
    assert (batch["stage"], batch["attempt"], batch["n_completed"], batch["error"]) == ("completed", 1, 5, None)
    measured = {row["model"]: row for row in json.loads(fcst("metrics", job_id, "--json").stdout)}
    assert set(measured) == {"Auto", "AutoETS", "SeasonalNaive", "Naive"}
    assert measured["Naive"]["fva_naive"] == 0 and measured["Auto"]["n_windows"] == 5 * 3
    by_horizon = fcst("metrics", job_id, "--by", "horizon").stdout.splitlines()
    assert by_horizon[0].split()[:4] == ["model", "step", "n_weeks", "wape"] and len(by_horizon) == 1 + 4 * 13
    assert fcst("metrics", job_id, "--by", "colour").returncode == 2
    rows = pd.read_csv(io.StringIO(fcst("export", job_id).stdout))
    assert len(rows) == 5 * 4 * 2 and set(rows["model"]) == {"Auto", "AutoETS"}
    for file in ("out.csv", "out.parquet", "out.xlsx"):
        assert fcst("export", job_id, "-o", str(tmp_path / file)).returncode == 0
    assert (tmp_path / "out.csv").read_text().splitlines()[0].startswith("unique_id,wk_end_dt,model,forecast,lo_80")
    typed = pd.read_parquet(tmp_path / "out.parquet")
    assert len(typed) == 40 and typed["is_fallback"].dtype == bool
    pd.testing.assert_frame_equal(
        pd.read_excel(tmp_path / "out.xlsx").drop(columns="wk_end_dt"), typed.drop(columns="wk_end_dt")
    )
    for text in (fcst("status"), fcst("status", job_id), fcst("batches", job_id), fcst("datasets")):
        assert text.returncode == 0 and ("completed" in text.stdout or "mine" in text.stdout)
    assert fcst("cancel", job_id).returncode == 0
    assert fcst("retry", job_id).returncode == 0


@pytest.mark.full
def test_status_reports_a_stalled_run(database: str, load_dataset: Callable[..., Dataset]) -> None:
    dataset = load_dataset()
    job_id = str(jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 3), JobSpec()))
    said = fcst("status", job_id).stdout
    since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.search(rf"^Stalled since {since}\. No supervisor is running, .* fcst worker\.$", said, re.M)
    assert "left" not in said
    status = json.loads(fcst("status", job_id, "--json").stdout)
    assert status["stalled_why"] == "No supervisor is running, and work is waiting." and status["time_left_s"] is None
    assert "stalled_since" in fcst("status").stdout.splitlines()[0]
    jobs.cancel_job(int(job_id))


@pytest.mark.few(6)
@pytest.mark.parametrize(
    "args",
    [
        ("submit", "--items", "0"),
        ("submit", "--items", "7"),
        ("submit", "--horizon", "0"),
        ("submit", "--models", "Oracle"),
        ("submit", "--models", ","),
        ("submit", "--level", "0"),
        ("submit", "--level", "x"),
        ("submit", "--batch-size", "0"),
        ("submit", "--item", "nobody"),
        ("submit", "--dataset", "nothing"),
        ("status", "99"),
        ("batches", "99"),
        ("export", "99"),
        ("cancel", "99"),
        ("retry", "99"),
        ("status", "x"),
        ("ingest", "{tmp}/missing.csv"),
        ("ingest", "{tmp}/empty.csv"),
        ("ingest", "{tmp}/folder"),
        ("ingest", "{tmp}/good.csv", "{tmp}/missing.csv"),
        ("ingest", "{tmp}/good.csv", "--map", "item=none"),
        ("ingest", "{tmp}/good.csv", "--map", "item="),
        ("ingest", "{tmp}/good.csv", "--map", "price=x"),
        ("ingest", "{tmp}/good.csv", "--week-end", "DAY"),
        ("ingest", "{tmp}/good.csv", "--file", "other.csv"),
        ("ingest", "{tmp}/good.csv", "--where", "city"),
        ("ingest", "{tmp}/good.csv", "--returns", "refund"),
        ("ingest", "{tmp}/good.csv", "--duplicates", "many"),
        ("delete", "nothing", "--yes"),
        ("export", "1", "--format", "xlsx"),
        ("nonsense",),
        (),
    ],
)
def test_bad_input_exits_with_two_and_changes_nothing(
    load_dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...]
) -> None:
    (tmp_path / "empty.csv").write_text("")
    write_sales(tmp_path / "good.csv", 2, 4)
    (tmp_path / "folder").mkdir()
    load_dataset()
    before = table_sizes()
    try:
        code = main([arg.replace("{tmp}", str(tmp_path)) for arg in args])
    except SystemExit as exc:  # raised by argparse
        code = exc.code
    said = capsys.readouterr()
    assert code == 2 and said.out == ""
    assert said.err.strip() and "Traceback" not in said.err
    assert table_sizes() == before


@pytest.mark.full
def test_file_with_bad_rows_is_refused(command_line: None, tmp_path: Path) -> None:
    head = "date,item_nbr,unit_sales\n2020-01-05,a,1\n2020-01-06,a,1\n"
    for name, row, what in (
        ("header", None, "no rows"),
        ("date", "yesterday,a,1", "date.csv, line 4: date is not a valid date: 'yesterday'"),
        ("text", "2020-01-11,a,one", "text.csv, line 4: unit_sales is not a number: 'one'"),
    ):
        file = tmp_path / f"{name}.csv"
        file.write_text(head + row if row else head.splitlines()[0])
        done = fcst("ingest", str(file))
        assert (done.returncode, done.stdout) == (2, "") and what in done.stderr, done.stderr
    assert not any(table_sizes().values())


def start_fcst(*args: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "fcst", *args],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )


def test_ctrl_c_cancels_the_running_statement(load_dataset: Callable[..., Dataset], database: str) -> None:
    load_dataset()
    holder = psycopg2.connect(database)
    holder.cursor().execute("SELECT FROM fcst_app.datasets FOR UPDATE")
    deleting = start_fcst("delete", "s", "--yes")
    wait_until(lambda: count_waiting() == 1, what="for the command to wait for the lock")
    deleting.send_signal(signal.SIGINT)
    _, said = deleting.communicate(timeout=30)
    assert deleting.returncode == 1 and "Stopped." in said and "Traceback" not in said, said
    assert count_waiting() == 0, "the statement is still running"
    holder.close()
    assert table_sizes()["datasets"] == 1


def count_waiting() -> int:
    """The number of statements that wait for a lock."""
    from fcst.store.database import transaction

    with transaction() as cur:
        cur.execute(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cur.fetchone()["n"]


def test_ctrl_c_cancels_the_ingest_it_waits_for(database: str, tmp_path: Path) -> None:
    write_sales(tmp_path / "s.csv", 2, 6)
    waiting = start_fcst("ingest", str(tmp_path / "s.csv"))  # no supervisor takes it
    assert waiting.stderr is not None
    assert any("queued" in line for line in iter(waiting.stderr.readline, ""))
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 1 and "nothing was loaded" in said
    assert loading.get_ingest(1).status == "cancelled"


def test_unreachable_database_exits_with_two(tmp_path: Path) -> None:
    done = fcst("status", DATABASE_URL="postgresql://u:secret@127.0.0.1:1/d", FCST_HOME=str(tmp_path))
    assert done.returncode == 2 and "cannot be reached" in done.stderr
    assert "secret" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.full
def test_doctor_lists_all_checks_and_marks_failed_ones(command_line: None, tmp_path: Path) -> None:
    done = fcst("doctor", "--json")
    assert done.returncode == 0
    assert [check["name"] for check in json.loads(done.stdout)["checks"]] == [
        "settings",
        "disk",
        "files",
        "database",
        "limits",
        "schema",
        "supervisor",
        "lease",
    ]
    done = fcst("doctor", DATABASE_URL="postgresql://u:secret@127.0.0.1:1/d")
    assert done.returncode == 1 and "WRONG" in done.stdout and "secret" not in done.stdout


@pytest.mark.full
def test_doctor_suggests_migrate_without_a_schema(empty_database: str) -> None:
    assert "migrate" in fcst("doctor").stdout
    assert fcst("migrate").returncode == 0
    assert fcst("doctor").returncode == 0


@pytest.mark.full
def test_every_command_has_help() -> None:
    names = "sample ingest datasets submit status batches cancel retry metrics lost-sales export"
    for name in f"{names} migrate backup restore prune delete worker doctor".split():
        done = fcst(name, "--help")
        assert done.returncode == 0 and "usage:" in done.stdout


@pytest.mark.full
def test_ingest_loads_the_sample(command_line: None, tmp_path: Path) -> None:
    made = fcst("sample", str(tmp_path / "made"), "--items", "12", "--stores", "2", "--years", "1.2", "--seed", "3")
    assert made.returncode == 0, made.stderr
    done = fcst("ingest", str(tmp_path / "made"), "--json")
    assert done.returncode == 0, done.stderr
    dataset = json.loads(done.stdout)
    assert (dataset["name"], dataset["n_items"]) == ("made", 12)
    assert fcst("sample", str(tmp_path / "made")).returncode == 2


@pytest.mark.full
@pytest.mark.parametrize(
    ("file", "n_items", "n_weeks"),
    [
        ("guayas_35items_2013_2014.csv", 35, 64),
        pytest.param("train_10stores_200items_2016.csv", 200, 17, marks=pytest.mark.full),
    ],
)
def test_real_sales_end_to_end(command_line: None, tmp_path: Path, file: str, n_items: int, n_weeks: int) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"no real data in {SHARED}")
    done = fcst("ingest", str(SHARED / "favorita" / file), "--json")
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["n_items"], json.loads(done.stdout)["n_weeks"]) == (n_items, n_weeks)
    done = fcst("submit", "--all", "--wait")
    assert done.returncode == 0, done.stderr
    assert fcst("export", done.stdout.strip(), "-o", str(tmp_path / "out.csv")).returncode == 0
    rows = pd.read_csv(tmp_path / "out.csv", dtype={"unique_id": str})
    assert len(rows) == n_items * 13 and rows["unique_id"].nunique() == n_items
    assert not rows.isna().any().any() and (rows.select_dtypes("number") >= 0).all().all()
