"""A real supervisor with a real pool, and what it does when things die."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fcst import presence
from fcst.services import jobs, loading
from fcst.settings import load_settings
from fcst.specs import IngestSpec, JobSpec
from fcst.store import workers
from fcst.store.database import transaction
from tests.conftest import wait_until, write_sales

SLOW = JobSpec(models=("AutoCES",), h=13, level=(80,), batch_size=10)  # some 0.2 s an item


def children(pid: int) -> list[int]:
    """All processes below `pid`."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


def workers_of(pid: int) -> list[int]:
    """The pool's worker processes: children of the fork server."""
    return [child for server in children(pid) for child in children(server)]


def is_processing(job_id: int) -> bool:
    return jobs.get_job(job_id)["batches"].get("processing", 0) > 0


def submit(dataset: dict, n_items: int, spec: JobSpec) -> int:
    return jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, n_items), spec)


def forecast_rows(job_id: int) -> int:
    with transaction() as cur:
        cur.execute("SELECT count(*) AS n FROM fcst_app.forecasts WHERE job_id = %(job_id)s", {"job_id": job_id})
        return cur.fetchone()["n"]


def test_ingest_and_run_then_leave_when_nothing_is_left(start_supervisor, tmp_path: Path) -> None:
    write_sales(tmp_path / "s.csv", 6, 120)
    supervisor = start_supervisor(FCST_WORKER="auto", FCST_IDLE_EXIT_S="2")
    dataset = loading.wait_for_ingest(loading.request_ingest(IngestSpec(paths=(str(tmp_path / "s.csv"),), name="s")))
    job_id = submit(dataset, 6, JobSpec(batch_size=2))
    assert jobs.wait_for_job(job_id)["status"] == "completed"
    assert forecast_rows(job_id) == 6 * 13
    assert supervisor.wait(30) == 0
    path = presence.lock_path(load_settings())
    assert presence.holder(path) is None and not presence.has_crashed(path)


def test_bad_file_ends_its_ingest_with_the_reason(start_supervisor, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("date,item_nbr,unit_sales\n2020-01-05,a,1\n2020-01-11,a,many\n")
    start_supervisor()
    with pytest.raises(Exception, match="line 3.*unit_sales"):
        loading.wait_for_ingest(loading.request_ingest(IngestSpec(paths=(str(path),), name="bad")))
    with transaction() as cur:
        cur.execute("SELECT (SELECT count(*) FROM fcst_app.datasets) + (SELECT count(*) FROM fcst_app.items) AS n")
        assert cur.fetchone()["n"] == 0


def test_a_killed_worker_costs_time_and_no_item(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=20)
    supervisor = start_supervisor()
    job_id = submit(dataset, 20, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    killed = workers_of(supervisor.pid)
    assert killed
    os.kill(killed[0], signal.SIGKILL)
    job = jobs.wait_for_job(job_id)
    assert (job["status"], job["n_completed"], job["n_failed"]) == ("completed", 20, 0)
    assert forecast_rows(job_id) == 20 * 13
    assert any("signal 9" in (event["reason"] or "") for event in jobs.list_events(job_id))


def test_a_killed_idle_worker_does_not_stop_the_engine(start_supervisor, load_dataset) -> None:
    dataset = load_dataset()
    supervisor = start_supervisor()
    wait_until(lambda: len(workers_of(supervisor.pid)) == 2, what="for the workers")
    jobs.wait_for_job(submit(dataset, 1, JobSpec()))
    for worker in workers_of(supervisor.pid):
        os.kill(worker, signal.SIGKILL)
    assert jobs.wait_for_job(submit(dataset, 6, JobSpec(batch_size=2)))["n_completed"] == 6


def test_cancel_ends_running_batches_and_retry_finishes_them(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=60)
    start_supervisor()
    job_id = submit(dataset, 60, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    begin = time.monotonic()
    assert jobs.cancel_job(job_id)
    wait_until(lambda: jobs.get_job(job_id)["is_over"], 10, "for the cancelled job to end")
    job = jobs.get_job(job_id)
    assert job["status"] == "cancelled" and job["n_cancelled"] > 0
    print(f"cancelled within {time.monotonic() - begin:.2f} s")
    assert job["n_completed"] + job["n_cancelled"] == 60
    assert forecast_rows(job_id) == 13 * job["n_completed"]
    assert jobs.retry_job(job_id) == job["n_cancelled"]
    again = jobs.wait_for_job(job_id)
    assert (again["status"], again["n_completed"]) == ("completed", 60)
    assert forecast_rows(job_id) == 60 * 13


def test_a_batch_that_fails_as_a_whole_does_not_stop_the_others(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=6)
    with transaction() as cur:  # the database refuses what one batch wants to write
        cur.execute("ALTER TABLE fcst_app.forecasts ADD CONSTRAINT broken CHECK (unique_id <> 'item6')")
    start_supervisor()
    job_id = submit(dataset, 6, JobSpec(batch_size=2))
    job = jobs.wait_for_job(job_id)
    assert (job["status"], job["n_completed"], job["n_failed"]) == ("completed", 4, 2)
    failed = next(b for b in jobs.list_batches(job_id) if b["stage"] == "failed")
    assert failed["attempt"] == 3 and "gave up after 3 tries" in failed["error"] and "broken" in failed["error"]
    assert {row["reason"] for row in jobs.list_failures(job_id)} == {failed["error"]}


def test_another_supervisor_takes_over_from_a_killed_one(start_supervisor, load_dataset, tmp_path: Path) -> None:
    dataset = load_dataset(n_items=40)
    first = start_supervisor(FCST_LEASE_S="2")
    job_id = submit(dataset, 40, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    below = children(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), 10, "for its workers to end")
    assert presence.has_crashed(presence.lock_path(load_settings()))
    start_supervisor(FCST_LEASE_S="2", FCST_HOME=str(tmp_path / "other"))
    job = jobs.wait_for_job(job_id)
    assert (job["status"], job["n_completed"]) == ("completed", 40)
    assert forecast_rows(job_id) == 40 * 13
    assert any(e["reason"] == "its supervisor was lost" for e in jobs.list_events(job_id))


def test_a_second_supervisor_in_one_home_steps_back(start_supervisor) -> None:
    start_supervisor()
    path = presence.lock_path(load_settings())
    wait_until(lambda: presence.holder(path), what="for the first supervisor")
    second: subprocess.Popen = start_supervisor()
    assert second.wait(20) == 0
    assert presence.holder(path)["pid"] != second.pid


def test_told_to_end_it_gives_back_what_it_cannot_finish(
    start_supervisor, load_dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(n_items=60)
    supervisor = start_supervisor()
    spec = JobSpec(models=("AutoCES",), batch_size=60, level=tuple(range(1, 100)))  # one batch of half a minute
    job_id = submit(dataset, 60, spec)
    wait_until(lambda: is_processing(job_id), what="for the batch to be processed")
    os.kill(workers_of(supervisor.pid)[0], signal.SIGSTOP)  # or it may finish within the grace period
    os.kill(workers_of(supervisor.pid)[1], signal.SIGSTOP)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(60) == 0
    assert jobs.get_job(job_id)["batches"] == {"submitted": 1}
    assert "its supervisor was told to end" in [event["reason"] for event in jobs.list_events(job_id)]
    path = presence.lock_path(load_settings())
    assert presence.has_crashed(path), "work is left, so whoever watches starts another"
    start_supervisor()
    assert jobs.wait_for_job(job_id)["n_completed"] == 60


def test_a_claim_whose_answer_was_lost_is_given_back(start_supervisor, load_dataset) -> None:
    dataset = load_dataset()
    start_supervisor()
    jobs.wait_for_job(submit(dataset, 1, JobSpec()))
    (worker,) = workers.list_live()
    with transaction() as cur:  # one commit: the job and a claim that its supervisor has not heard of
        cur.execute("LOCK TABLE fcst_app.batch_status IN ACCESS EXCLUSIVE MODE")
        job_id = submit_in(cur, dataset)
        cur.execute(
            "UPDATE fcst_app.batch_status SET stage = 'obtaining_sales', attempt = 1, tries = 1, started_at = now(),"
            " worker_id = %(worker_id)s WHERE job_id = %(job_id)s",
            {"worker_id": worker["worker_id"], "job_id": job_id},
        )
    assert jobs.wait_for_job(job_id)["n_completed"] == 1


def submit_in(cur: object, dataset: dict) -> int:
    """A job of one item, written in the caller's transaction."""
    spec = JobSpec().to_json()
    cur.execute(
        "INSERT INTO fcst_app.jobs (dataset_id, name, note, spec, n_items, n_batches)"
        " VALUES (%(dataset_id)s, '', '', %(spec)s, 1, 1) RETURNING job_id",
        {"dataset_id": dataset["dataset_id"], "spec": spec},
    )
    job_id = cur.fetchone()["job_id"]
    cur.execute("INSERT INTO fcst_app.batch_status (job_id, batch_no, n_items) VALUES (%(job)s, 1, 1)", {"job": job_id})
    cur.execute(
        "INSERT INTO fcst_app.job_items (job_id, unique_id, batch_id, sales_rank)"
        " SELECT job_id, 'item1', batch_id, 6 FROM fcst_app.batch_status WHERE job_id = %(job)s",
        {"job": job_id},
    )
    return job_id
