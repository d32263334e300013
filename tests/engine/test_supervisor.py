"""A real supervisor with a real pool: crashes, takeover, cancel, retry, stop."""

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fcst import supervisor_lock
from fcst.dataset_records import Dataset
from fcst.engine.retry_policy import MAX_TRIES
from fcst.services import jobs, loading
from fcst.settings import load_settings
from fcst.specs import IngestSpec, JobSpec
from fcst.store import attempts, workers
from fcst.store.database import transaction
from tests.conftest import wait_until, write_sales
from tests.engine.helpers import (
    SLOW,
    check_items,
    children,
    finish,
    forecasts_of,
    frozen,
    is_processing,
    is_running,
    reasons_of,
    submit,
    workers_of,
)

SHORT_LEASE = {"FCST_LEASE_S": "2"}


def test_supervisor_loads_runs_and_exits_when_idle(start_supervisor, tmp_path: Path) -> None:
    write_sales(tmp_path / "s.csv", 6, 120)
    supervisor = start_supervisor(FCST_WORKER="auto", FCST_IDLE_EXIT_S="2")
    dataset = loading.wait_for_ingest(loading.request_ingest(IngestSpec(paths=(str(tmp_path / "s.csv"),), name="s")))
    job_id = submit(dataset, 6, JobSpec(batch_size=2))
    assert jobs.wait_for_job(job_id).status == "completed"
    assert check_items(job_id).n_completed == 6
    assert supervisor.wait(30) == 0
    path = supervisor_lock.lock_path(load_settings())
    assert supervisor_lock.holder(path) is None and not supervisor_lock.has_crashed(path)


@pytest.mark.full
def test_bad_file_fails_its_ingest_with_the_reason(start_supervisor, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("date,item_nbr,unit_sales\n2020-01-05,a,1\n2020-01-11,a,many\n")
    start_supervisor()
    with pytest.raises(Exception, match="line 3.*unit_sales"):
        loading.wait_for_ingest(loading.request_ingest(IngestSpec(paths=(str(path),), name="bad")))
    with transaction() as cur:
        cur.execute("SELECT (SELECT count(*) FROM fcst_app.datasets) + (SELECT count(*) FROM fcst_app.items) AS n")
        assert cur.fetchone()["n"] == 0


@pytest.fixture
def faultless(start_supervisor, load_dataset) -> Callable[[int], tuple[dict, list[tuple]]]:
    """Returns a function that loads a dataset and returns it with the forecasts of an undisturbed run of SLOW."""

    def run(n_items: int) -> tuple[dict, list[tuple]]:
        dataset = load_dataset(n_items=n_items)
        supervisor = start_supervisor()
        job_id = submit(dataset, n_items, SLOW)
        finish(job_id)
        supervisor.terminate()
        assert supervisor.wait(30) == 0
        return dataset, forecasts_of(job_id)

    return run


# Crashed processes


def test_killed_worker_loses_no_item(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=20)
    supervisor = start_supervisor()
    job_id = submit(dataset, 20, SLOW)
    wait_until(lambda: jobs.get_job(job_id).batches.get("processing") == 2, what="for both workers to be busy")
    os.kill(workers_of(supervisor.pid)[0], signal.SIGKILL)
    finish(job_id)
    assert check_items(job_id).n_completed == 20
    assert any("the process died (signal 9)" in reason for reason in reasons_of(job_id))


@pytest.mark.full
def test_saved_items_are_not_computed_again_after_a_crash(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=60)
    supervisor = start_supervisor(FCST_PROCESSES="1")
    job_id = submit(dataset, 60, replace(SLOW, batch_size=60))
    wait_until(lambda: jobs.get_job(job_id).n_completed > 0, what="for a checkpoint")
    os.kill(workers_of(supervisor.pid)[0], signal.SIGKILL)
    wait_until(lambda: jobs.list_batches(job_id)[0].attempt == 2, what="for the second attempt")
    finish(job_id)
    check_items(job_id)
    with transaction() as cur:
        cur.execute("SELECT attempt, count(*) AS n FROM fcst_app.job_items GROUP BY attempt ORDER BY attempt")
        by_attempt = {row["attempt"]: row["n"] for row in cur.fetchall()}
    assert by_attempt[1] > 0 and by_attempt[1] + by_attempt[2] == 60


@pytest.mark.full
def test_killed_idle_workers_are_replaced(start_supervisor, load_dataset) -> None:
    dataset = load_dataset()
    supervisor = start_supervisor()
    wait_until(lambda: len(workers_of(supervisor.pid)) == 2, what="for the workers")
    jobs.wait_for_job(submit(dataset, 1, JobSpec()))
    for worker in workers_of(supervisor.pid):
        os.kill(worker, signal.SIGKILL)
    assert jobs.wait_for_job(submit(dataset, 6, JobSpec(batch_size=2))).n_completed == 6


@pytest.mark.full
def test_broken_pool_is_rebuilt(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=40)
    supervisor = start_supervisor()
    job_id = submit(dataset, 40, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    for pid in children(supervisor.pid):  # workers, fork server and resource tracker
        os.kill(pid, signal.SIGKILL)
    finish(job_id)
    assert check_items(job_id).n_completed == 40


@pytest.mark.full
def test_failing_worker_start_is_reported_with_limited_attempts(start_supervisor, load_dataset, tmp_path) -> None:
    dataset = load_dataset()
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'forkserver' in ' '.join(sys.argv + sys.orig_argv): os.register_at_fork("
        "after_in_child=lambda: os._exit(3))\n"
    )
    start_supervisor(PYTHONPATH=str(tmp_path))
    job_id = submit(dataset, 1, JobSpec())
    wait_until(lambda: any(worker.problem for worker in workers.list_live()), what="for the problem to be reported")
    assert jobs.list_batches(job_id)[0].attempt < 10
    assert jobs.get_job(job_id).n_failed == 0


# Supervisors that crash, freeze, or share a database


@pytest.mark.full
def test_killed_supervisor_is_replaced_by_another(start_supervisor, faultless, tmp_path: Path) -> None:
    dataset, expected = faultless(40)
    first = start_supervisor(**SHORT_LEASE)
    job_id = submit(dataset, 40, replace(SLOW, batch_size=40))  # one batch of eight seconds
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    below = children(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    wait_until(lambda: not any(is_running(pid) for pid in below), 4, "for its workers to end, in mid-batch")
    assert supervisor_lock.has_crashed(supervisor_lock.lock_path(load_settings()))
    start_supervisor(**SHORT_LEASE, FCST_HOME=str(tmp_path / "other"))
    finish(job_id)
    assert check_items(job_id).n_completed == 40
    assert forecasts_of(job_id) == expected
    assert "its supervisor was lost" in reasons_of(job_id)


@pytest.mark.full
def test_supervisor_with_an_older_version_stops_without_losing_items(start_supervisor, load_dataset) -> None:
    """A newer version has upgraded the schema in the meantime."""
    dataset = load_dataset(n_items=40)
    old = start_supervisor(**SHORT_LEASE)
    job_id = submit(dataset, 40, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    with transaction() as cur:
        cur.execute("INSERT INTO fcst_app.migrations (version, name) VALUES (9999, 'of a newer program')")
    assert old.wait(20) == 0
    ended = jobs.get_job(job_id)
    assert not ended.is_over and ended.n_failed == 0
    assert "its supervisor has an older version" in reasons_of(job_id)
    assert attempts.claim(str(uuid.uuid4()), 5) == [], "this test process has an older version too"
    with transaction() as cur:
        cur.execute("DELETE FROM fcst_app.migrations WHERE version = 9999")
    start_supervisor()
    finish(job_id)
    assert check_items(job_id).n_completed == 40


@pytest.mark.full
def test_waiting_client_restarts_a_killed_supervisor(load_dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_WORKER", "auto")
    monkeypatch.setenv("FCST_LEASE_S", "2")
    monkeypatch.setenv("FCST_IDLE_EXIT_S", "0")
    dataset = load_dataset(n_items=20)
    job_id = submit(dataset, 20, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    path = supervisor_lock.lock_path(load_settings())
    os.kill(supervisor_lock.holder(path)["pid"], signal.SIGKILL)
    jobs.wait_for_job(job_id)
    assert check_items(job_id).n_completed == 20
    wait_until(lambda: supervisor_lock.holder(path) is None, what="for the second to exit")


@pytest.mark.full
def test_two_supervisors_share_the_work_without_duplication(start_supervisor, faultless, tmp_path: Path) -> None:
    dataset, expected = faultless(60)
    for name in ("one", "two"):
        start_supervisor(FCST_HOME=str(tmp_path / name), FCST_PROCESSES="1")
    wait_until(lambda: len(workers.list_live()) == 2, what="for both")
    job_id = submit(dataset, 60, replace(SLOW, batch_size=5))
    finish(job_id)
    check_items(job_id)
    assert forecasts_of(job_id) == expected
    assert len({batch.worker for batch in jobs.list_batches(job_id)}) == 2
    assert {batch.attempt for batch in jobs.list_batches(job_id)} == {1}


@pytest.mark.full
def test_late_writes_of_a_frozen_supervisor_are_rejected(start_supervisor, faultless, tmp_path: Path) -> None:
    dataset, expected = faultless(30)
    first = start_supervisor(**SHORT_LEASE)
    job_id = submit(dataset, 30, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    with contextlib.ExitStack() as standstill:
        for pid in [first.pid, *children(first.pid)]:
            standstill.enter_context(frozen(pid))
        start_supervisor(**SHORT_LEASE, FCST_HOME=str(tmp_path / "other"))
        wait_until(lambda: is_second_processing(job_id), 30, "for the other to work on a batch of the frozen one")
    finish(job_id)  # the resumed supervisor still has the same batch
    assert check_items(job_id).n_completed == 30
    assert forecasts_of(job_id) == expected
    with transaction() as cur:
        cur.execute(
            "SELECT count(*) AS n FROM fcst_app.job_items i JOIN fcst_app.batch_events e USING (batch_id)"
            " WHERE e.to_stage = 'obtaining_sales' AND i.attempt < e.attempt AND i.finished_at > e.at"
        )
        assert cur.fetchone()["n"] == 0, "an attempt wrote after it was taken over"
    later = submit(dataset, 30, SLOW)  # both supervisors continue
    finish(later)
    assert check_items(later).n_completed == 30 and forecasts_of(later) == expected


def is_second_processing(job_id: int) -> bool:
    return any(b.attempt == 2 and b.stage == "processing" for b in jobs.list_batches(job_id))


@pytest.mark.full
def test_worker_frozen_in_a_transaction_does_not_block_others(start_supervisor, load_dataset, tmp_path: Path) -> None:
    dataset = load_dataset(n_items=10)
    first = start_supervisor(**SHORT_LEASE, FCST_PROCESSES="1")
    job_id = submit(dataset, 10, SLOW)
    wait_until(lambda: is_processing(job_id), what="for the batch to be processed")
    with contextlib.ExitStack() as standstill:
        with transaction() as cur:
            cur.execute("LOCK TABLE fcst_app.forecasts IN ACCESS EXCLUSIVE MODE")
            wait_until(is_waiting_for_a_lock, what="for the worker to write while it locks its batch's row")
            for pid in [first.pid, *children(first.pid)]:
                standstill.enter_context(frozen(pid))
        begin = time.monotonic()
        start_supervisor(**SHORT_LEASE, FCST_HOME=str(tmp_path / "other"))
        wait_until(lambda: jobs.list_batches(job_id)[0].attempt == 2, 15, "for the batch to be taken over")
        print(f"taken over after {time.monotonic() - begin:.1f} s")
        finish(job_id)
        assert check_items(job_id).n_completed == 10


def is_waiting_for_a_lock() -> bool:
    with transaction() as cur:
        cur.execute(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cur.fetchone()["n"] > 0


@pytest.mark.full
def test_frozen_worker_is_detected(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=20)
    supervisor = start_supervisor()
    job_id = submit(dataset, 20, replace(SLOW, item_limit_s=3.0))
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    with frozen(workers_of(supervisor.pid)[0]):
        finish(job_id)
    assert check_items(job_id).n_completed == 20
    assert any("did not respond" in reason for reason in reasons_of(job_id))


# Cancel, retry, stop


@pytest.mark.full
def test_cancel_ends_running_batches_and_retry_finishes_them(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=60)
    start_supervisor()
    job_id = submit(dataset, 60, replace(SLOW, batch_size=25))  # about five seconds per batch
    wait_until(lambda: jobs.get_job(job_id).n_completed > 0, what="for some items")
    begin = time.monotonic()
    assert jobs.cancel_job(job_id)
    assert jobs.get_job(job_id).batches.get("submitted", 0) == 0, "waiting batches end immediately"
    assert not jobs.cancel_job(job_id), "a second cancel has no effect"
    wait_until(lambda: jobs.get_job(job_id).is_over, 10, "for the cancelled run to end")
    print(f"cancelled within {time.monotonic() - begin:.2f} s")
    job = check_items(job_id)
    assert job.status == "cancelled" and job.n_cancelled > 0
    ended = [e.from_stage for e in jobs.list_events(job_id) if e.to_stage == "cancelled"]
    assert "submitted" in ended and "processing" in ended
    assert not jobs.cancel_job(job_id), "cancelling an ended run has no effect"
    assert jobs.get_job(job_id) == job
    kept = forecasts_of(job_id)
    assert len(kept) == job.n_completed
    assert jobs.retry_job(job_id) == job.n_cancelled
    finish(job_id)
    again = check_items(job_id)
    assert (again.status, again.n_completed) == ("completed", 60)
    kept_items = {row[0] for row in kept}
    assert [row for row in forecasts_of(job_id) if row[0] in kept_items] == kept
    assert "cancelled by the user" in reasons_of(job_id), "the events are kept"


@pytest.mark.full
def test_run_of_a_lost_supervisor_can_be_cancelled(start_supervisor, load_dataset, tmp_path: Path) -> None:
    dataset = load_dataset(n_items=40)
    first = start_supervisor(**SHORT_LEASE)
    job_id = submit(dataset, 40, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    os.kill(first.pid, signal.SIGKILL)
    jobs.cancel_job(job_id)
    start_supervisor(**SHORT_LEASE, FCST_HOME=str(tmp_path / "other"))
    wait_until(lambda: jobs.get_job(job_id).is_over, 20, "for the cancelled run to end")
    assert check_items(job_id).status == "cancelled"


@pytest.mark.full
def test_row_rejected_by_the_database_fails_its_item_only(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=6)
    with transaction() as cur:
        cur.execute("ALTER TABLE fcst_app.forecasts ADD CONSTRAINT broken CHECK (unique_id <> 'item6')")
    start_supervisor()
    job_id = submit(dataset, 6, JobSpec(batch_size=2))
    finish(job_id)
    job = check_items(job_id)
    assert (job.status, job.n_completed, job.n_failed) == ("completed", 5, 1)
    (failure,) = jobs.list_failures(job_id)
    assert failure.unique_id == "item6" and "could not be saved" in failure.reason


@pytest.mark.full
def test_failing_batch_does_not_stop_the_others(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=6)
    with transaction() as cur:  # the database rejects the transition of one batch
        cur.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;"
            "CREATE TRIGGER refuse BEFORE UPDATE ON fcst_app.batch_status FOR EACH ROW"
            " WHEN (NEW.batch_no = 1 AND NEW.stage = 'processing') EXECUTE FUNCTION refuse()"
        )
    start_supervisor()
    job_id = submit(dataset, 6, JobSpec(batch_size=2))
    finish(job_id)
    job = check_items(job_id)
    assert (job.status, job.n_completed, job.n_failed) == ("completed", 4, 2)
    failed = next(b for b in jobs.list_batches(job_id) if b.stage == "failed")
    assert failed.attempt == MAX_TRIES and "gave up after 5 tries" in failed.error and "broken" in failed.error
    assert {row.reason for row in jobs.list_failures(job_id)} == {failed.error}


@pytest.mark.full
def test_second_supervisor_in_the_same_home_exits(start_supervisor) -> None:
    start_supervisor()
    path = supervisor_lock.lock_path(load_settings())
    wait_until(lambda: supervisor_lock.holder(path), what="for the first supervisor")
    second: subprocess.Popen = start_supervisor()
    assert second.wait(20) == 0
    assert supervisor_lock.holder(path)["pid"] != second.pid


@pytest.mark.full
def test_stopping_supervisor_finishes_running_batches(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=40)
    supervisor = start_supervisor()
    job_id = submit(dataset, 40, SLOW)
    wait_until(lambda: is_processing(job_id), what="for a batch to be processed")
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(30) == 0
    assert jobs.get_job(job_id).batches == {"completed": 2, "submitted": 2}
    assert reasons_of(job_id) == []
    assert not children(supervisor.pid)


@pytest.mark.full
def test_stopping_supervisor_releases_unfinished_batches(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=30)
    supervisor = start_supervisor(FCST_GRACE_S="2")
    job_id = submit(dataset, 30, replace(SLOW, batch_size=30))
    wait_until(lambda: is_processing(job_id), what="for the batch to be processed")
    below = children(supervisor.pid)
    for pid in below:  # workers and fork server; the supervisor must not wait for them
        os.kill(pid, signal.SIGSTOP)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(40) == 0
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert jobs.get_job(job_id).batches == {"submitted": 1}
    assert "its supervisor was stopped" in reasons_of(job_id)
    path = supervisor_lock.lock_path(load_settings())
    assert supervisor_lock.has_crashed(path), "work is left, so another supervisor must be started"
    start_supervisor()
    finish(job_id)
    assert check_items(job_id).n_completed == 30


@pytest.mark.full
def test_supervisor_stops_during_a_hanging_start(start_supervisor) -> None:
    supervisor = start_supervisor(FCST_GRACE_S="1")
    wait_until(lambda: children(supervisor.pid), what="for the fork server to start")
    with contextlib.ExitStack() as stack:
        for pid in children(supervisor.pid):  # the fork server does not respond
            stack.enter_context(frozen(pid))
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(40) == -signal.SIGALRM


@pytest.mark.full
def test_claim_with_a_lost_response_is_released(start_supervisor, load_dataset) -> None:
    dataset = load_dataset()
    start_supervisor()
    jobs.wait_for_job(submit(dataset, 1, JobSpec()))
    (worker,) = workers.list_live()
    with transaction() as cur:  # one commit: the run and a claim that its supervisor does not know
        cur.execute("LOCK TABLE fcst_app.batch_status IN ACCESS EXCLUSIVE MODE")
        job_id = submit_in(cur, dataset)
        cur.execute(
            "UPDATE fcst_app.batch_status SET stage = 'obtaining_sales', attempt = 1, tries = 1, started_at = now(),"
            " worker_id = %(worker_id)s WHERE job_id = %(job_id)s",
            {"worker_id": worker.worker_id, "job_id": job_id},
        )
    assert jobs.wait_for_job(job_id).n_completed == 1


def submit_in(cur: object, dataset: Dataset) -> int:
    """Insert a run of one item in the caller's transaction."""
    spec = JobSpec().to_json()
    cur.execute(
        "INSERT INTO fcst_app.jobs (dataset_id, name, note, spec, n_items, n_batches)"
        " VALUES (%(dataset_id)s, '', '', %(spec)s, 1, 1) RETURNING job_id",
        {"dataset_id": dataset.dataset_id, "spec": spec},
    )
    job_id = cur.fetchone()["job_id"]
    cur.execute("INSERT INTO fcst_app.batch_status (job_id, batch_no, n_items) VALUES (%(job)s, 1, 1)", {"job": job_id})
    cur.execute(
        "INSERT INTO fcst_app.job_items (job_id, unique_id, batch_id, sales_rank)"
        " SELECT job_id, 'item1', batch_id, 6 FROM fcst_app.batch_status WHERE job_id = %(job)s",
        {"job": job_id},
    )
    return job_id
