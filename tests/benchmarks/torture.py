"""Torture: runs are submitted, cancelled and retried while everything they depend on fails at random.

    python tests/benchmarks/torture.py [--minutes 20] [--seed 1] [--pgbouncer]

Two supervisors with separate homes share a Postgres server. Workers, fork servers and supervisors are killed, stopped,
or frozen beyond their lease; the server terminates connections and is restarted; for a while everything is ten times
slower. Files are loaded, datasets and runs are deleted, databases of earlier versions are upgraded, backups are made
and restored, and many of these commands are killed. At the end all faults stop, failed and cancelled items are retried,
and then these conditions must hold:

    every run is final, every item is completed, and each has exactly its forecasts: horizon x models rows
    every forecast is bitwise equal to that of a run without faults
    all stage transitions of every batch are allowed
    every load has ended with a complete dataset; nothing is left of deleted objects
    every killed upgrade and restore has changed nothing, or everything
    no process and no connection is left

The same seed makes the same plan; timing decides the effect of each fault. Prints the actions and results.
"""

import argparse
import collections
import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from fcst.dataset_records import Dataset  # noqa: E402
from fcst.engine import task  # noqa: E402
from fcst.errors import FcstError  # noqa: E402
from fcst.services import datasets, drivers, jobs, loading, pruning  # noqa: E402
from fcst.specs import IngestSpec, JobSpec  # noqa: E402
from fcst.states import FINAL_INGEST_STATUSES, IngestStatus  # noqa: E402
from fcst.store import ingests, workers  # noqa: E402
from fcst.store.database import transaction  # noqa: E402
from fcst.store.migrate import migrate  # noqa: E402
from tests.benchmarks.operators import Operator  # noqa: E402
from tests.conftest import wait_until, write_sales  # noqa: E402
from tests.engine.helpers import check_items, children, finish, forecasts_of, is_running, workers_of  # noqa: E402
from tests.engine.outages import OwnServer, pgbouncer  # noqa: E402
from tests.engine.slow import slowed  # noqa: E402

N_ITEMS, N_WEEKS, H = 40, 120, 4
MODELS = ("AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL")
MOST_OPEN = 4  # open runs
MOST_LOADS = 2  # open loads
OLD_VERSIONS = (1, 6, 10, 13, 18, 21)
LEAST_DONE = 11  # minimum number of actions, also on a slow machine
LEASE_S, GRACE_S = 2.0, 1.0

FAULTS = {
    "kill a worker": 6,
    "freeze a worker": 2,
    "kill a fork server": 1,
    "kill a supervisor": 2,
    "end a supervisor": 2,
    "freeze a supervisor": 2,
    "freeze a supervisor with all its processes": 2,
    "end all connections": 3,
    "restart the server": 1,
    "slow everything down": 1,
    "cancel a job": 3,
    "try a job again": 3,
    "delete a job": 1,
    "load a file": 2,
    "delete a dataset": 1,
    "migrate a copy": 1,
    "restore a copy": 1,
}


class Torture:
    """One torture run; `done` counts actions, `found` counts results."""

    def __init__(self, server: OwnServer, folder: Path, seed: int) -> None:
        self.server = server
        self.folder = folder
        self.random = random.Random(seed)
        self.done: collections.Counter[str] = collections.Counter()
        self.found: collections.Counter[str] = collections.Counter()
        self.jobs: list[int] = []
        self.loads: list[int] = []
        self.deleted_jobs: list[int] = []
        self.operator = Operator(server, folder, self.random)
        self._supervisors: dict[str, subprocess.Popen] = {}
        self._ever: set[int] = set()
        self._undo: list[tuple[float, Callable[[], None]]] = []  # due time and action: resume, restart

    def run(self, seconds: float) -> None:
        """Prepare, inject faults for at least `seconds` and LEAST_DONE actions, wait for all ends, and check."""
        dataset = self._load()
        self._start("one")
        self._start("two")
        wait_until(lambda: len(workers.list_live()) == 2, 60, "for both supervisors")
        expected = self._run_undisturbed(dataset)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline or self.done.total() < LEAST_DONE:
            self._undo_due()
            self._submit(dataset)
            (fault,) = self.random.choices(list(FAULTS), list(FAULTS.values()))
            with contextlib.suppress(FcstError):  # the database may be unreachable now; then nothing was done
                getattr(self, f"_{fault.replace(' ', '_')}")()
                self.done[fault] += 1
            time.sleep(self.random.uniform(0.1, 2.0))
        self._undo_due(is_over=True)
        self._settle()
        self._check(expected)
        self._check_loads()
        self._leave()

    # Setup

    def _load(self) -> Dataset:
        write_sales(self.folder / "sales.csv", N_ITEMS, N_WEEKS)
        ingest_id = loading.request_ingest(
            IngestSpec(paths=(str(self.folder / "sales.csv"),), name="s", is_from_shell=True)
        )
        claimed = ingests.claim(str(uuid.uuid4()))
        assert claimed is not None
        task.run_ingest(claimed.ingest_id, claimed.attempt)
        dataset = loading.wait_for_ingest(ingest_id)
        out = io.BytesIO()
        datasets.write_weekly_file(dataset.dataset_id, out)
        self._weekly_file = out.getvalue()
        drivers.add_holidays(dataset.dataset_id, "EC")  # with drivers, every run learns first
        return dataset

    def _start(self, name: str) -> None:
        home = self.folder / name
        env = os.environ | {
            "FCST_HOME": str(home),
            "FCST_WORKER": "external",
            "FCST_PROCESSES": "2",
            "FCST_LEASE_S": str(LEASE_S),
            "FCST_GRACE_S": str(GRACE_S),
        }
        command = [sys.executable, "-m", "fcst", "worker", "--log", str(home / "log")]
        home.mkdir(exist_ok=True)
        with (home / "err").open("ab") as err:
            self._supervisors[name] = subprocess.Popen(command, cwd=PROJECT, env=env, stderr=err)

    def _run_undisturbed(self, dataset: Dataset) -> dict[tuple, tuple]:
        spec = JobSpec(models=MODELS, h=H, level=(80,), batch_size=5, n_windows=0)
        job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, N_ITEMS), spec)
        jobs.wait_for_job(job_id)
        check_items(job_id)
        return {row[:3]: row for row in forecasts_of(job_id)}

    # Actions and faults

    def _submit(self, dataset: Dataset) -> None:
        with contextlib.suppress(FcstError):
            if sum(not job.is_over for job in jobs.list_jobs()) >= MOST_OPEN:
                return
            models = tuple(self.random.sample(MODELS, self.random.randint(1, 3)))
            items = jobs.choose_largest(dataset, N_ITEMS)  # all items, because a run learns from its items
            size = self.random.randint(2, 12)
            spec = JobSpec(models=models, h=H, level=(80,), batch_size=size, n_windows=0, item_limit_s=10.0)
            self.jobs.append(jobs.submit_job(dataset.dataset_id, items, spec))
            self.done["submit a job"] += 1

    def _later(self, do: Callable[[], None]) -> None:
        self._undo.append((time.monotonic() + self.random.uniform(0.5, 3 * LEASE_S), do))

    def _undo_due(self, is_over: bool = False) -> None:
        for due, do in list(self._undo):
            if is_over or due <= time.monotonic():
                do()
                self._undo.remove((due, do))

    def _any_supervisor(self) -> str:
        return self.random.choice(sorted(self._supervisors))

    def _signal(self, pids: list[int], number: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _freeze(self, pids: list[int]) -> None:
        self._signal(pids, signal.SIGSTOP)
        self._later(lambda: self._signal(pids, signal.SIGCONT))

    def _any_worker(self) -> list[int]:
        found = workers_of(self._supervisors[self._any_supervisor()].pid)
        return [self.random.choice(found)] if found else []

    def _kill_a_worker(self) -> None:
        self._signal(self._any_worker(), signal.SIGKILL)

    def _freeze_a_worker(self) -> None:
        self._freeze(self._any_worker())

    def _kill_a_fork_server(self) -> None:
        parents = [pid for pid in children(self._supervisors[self._any_supervisor()].pid) if children(pid)]
        self._signal(parents, signal.SIGKILL)

    def _replace(self, name: str, number: int) -> None:
        process = self._supervisors[name]
        self._ever |= {process.pid, *children(process.pid)}
        self._signal([process.pid], signal.SIGCONT)
        process.send_signal(number)
        process.wait(60)
        self._start(name)

    def _kill_a_supervisor(self) -> None:
        self._replace(self._any_supervisor(), signal.SIGKILL)

    def _end_a_supervisor(self) -> None:
        self._replace(self._any_supervisor(), signal.SIGTERM)

    def _freeze_a_supervisor(self) -> None:
        self._freeze([self._supervisors[self._any_supervisor()].pid])

    def _freeze_a_supervisor_with_all_its_processes(self) -> None:
        pid = self._supervisors[self._any_supervisor()].pid
        self._freeze([pid, *children(pid)])

    def _end_all_connections(self) -> None:
        self.server.terminate_clients()

    def _restart_the_server(self) -> None:
        self.server.stop()
        time.sleep(self.random.uniform(0.0, 2.0))
        self.server.start()

    def _any_job(self, is_over: bool) -> int | None:
        found = [job.job_id for job in jobs.list_jobs() if job.is_over == is_over and job.job_id in self.jobs]
        return self.random.choice(sorted(found)) if found else None

    def _cancel_a_job(self) -> None:
        if (job_id := self._any_job(is_over=False)) is not None:
            jobs.cancel_job(job_id)

    def _try_a_job_again(self) -> None:
        if (job_id := self._any_job(is_over=True)) is not None:
            jobs.retry_job(job_id)

    def _slow_everything_down(self) -> None:
        with slowed(self.server.pid, *(process.pid for process in self._supervisors.values())):
            time.sleep(self.random.uniform(2.0, 8.0))

    def _delete_a_job(self) -> None:
        if (job_id := self._any_job(is_over=True)) is not None:
            (row,) = (row for row in pruning.list_runs(None, 0) if row.job_id == job_id)
            if pruning.delete_runs([row]):
                self.jobs.remove(job_id)
                self.deleted_jobs.append(job_id)

    def _load_a_file(self) -> None:
        if sum(ingest.ingest_id in self.loads for ingest in loading.list_open_ingests()) < MOST_LOADS:
            spec = IngestSpec(paths=(str(self.folder / "sales.csv"),), name="loaded", is_from_shell=True)
            self.loads.append(loading.request_ingest(spec))

    def _delete_a_dataset(self) -> None:
        if found := datasets.list_versions("loaded"):
            datasets.delete_dataset(self.random.choice(found).dataset_id)

    def _migrate_a_copy(self) -> None:
        self.found["upgrade that was killed"] += self.operator.migrate_a_copy(self.random.choice(OLD_VERSIONS))

    def _restore_a_copy(self) -> None:
        self.found["backup or restore that was killed"] += self.operator.restore_a_copy()

    # Checks

    def _settle(self) -> None:
        """After the faults: wait for every run to end, and retry failed and cancelled items."""
        for name, process in self._supervisors.items():
            self._signal([process.pid, *children(process.pid)], signal.SIGCONT)
            if process.poll() is not None:
                self.found[f"supervisor that exited with {process.returncode}"] += 1
                self._start(name)
        begin = time.monotonic()
        for job_id in self.jobs:
            finish(job_id, 300)
        self.found["seconds to the end of the last run"] = round(time.monotonic() - begin)
        for job_id in self.jobs:
            job = check_items(job_id)
            self.found[f"run {job.status}"] += 1
            self.found["item cancelled"] += job.n_cancelled
            self.found["item failed"] += job.n_failed
            for failure in jobs.list_failures(job_id):
                self.found[f"  reason: {failure.reason}"] += 1
            if jobs.retry_job(job_id):
                finish(job_id, 300)

    def _check_loads(self) -> None:
        for ingest_id in self.loads:
            wait_until(lambda i=ingest_id: loading.get_ingest(i).status in FINAL_INGEST_STATUSES, 300, "for a load")
            ingest = loading.get_ingest(ingest_id)
            self.found[f"load {ingest.status}"] += 1
            if ingest.status == IngestStatus.FAILED:
                assert "interrupted" in (ingest.error or ""), ingest
        for row in datasets.list_versions("loaded"):
            out = io.BytesIO()
            datasets.write_weekly_file(row.dataset_id, out)
            assert out.getvalue() == self._weekly_file, row
            self.found["loaded dataset checked"] += 1
        with transaction() as cur:
            cur.execute(
                "SELECT (SELECT count(*) FROM fcst_app.sales s WHERE NOT EXISTS (SELECT FROM fcst_app.datasets d"
                "        WHERE d.dataset_id = s.dataset_id))"
                " + (SELECT count(*) FROM fcst_app.job_items WHERE job_id = ANY (%(jobs)s))"
                " + (SELECT count(*) FROM fcst_app.forecasts WHERE job_id = ANY (%(jobs)s)) AS n",
                {"jobs": self.deleted_jobs},
            )
            assert cur.fetchone()["n"] == 0, "rows of deleted objects are left"

    def _check(self, expected: dict[tuple, tuple]) -> None:
        for job_id in self.jobs:
            job = check_items(job_id)
            assert (job.status, job.n_completed) == ("completed", job.n_items), job
            for row in forecasts_of(job_id):
                assert row == expected[row[:3]], row
            self.found["forecast checked"] += job.n_items * H * len(job.spec.models)
            self.found["item checked"] += job.n_items
            self.found["attempt"] += sum(batch.attempt for batch in jobs.list_batches(job_id))
            self.found["batch"] += job.n_batches
            for event in jobs.list_events(job_id, only_with_reason=True):
                self.found["interrupted attempt"] += event.to_stage == "submitted"

    def _leave(self) -> None:
        for process in self._supervisors.values():
            self._ever |= {process.pid, *children(process.pid)}
            process.send_signal(signal.SIGTERM)
        for process in self._supervisors.values():
            assert process.wait(60) == 0
        wait_until(lambda: not any(is_running(pid) for pid in self._ever), 15, "for all processes to end")
        # This process has two: the load of the sales used a second one for its progress.
        wait_until(lambda: self.server.count_clients() <= 2, 15, "for all other connections to close")

    def kill(self) -> None:
        """Kill processes left by a failed run."""
        for process in self._supervisors.values():
            self._signal([process.pid, *children(process.pid)], signal.SIGKILL)
            process.wait()

    def report(self) -> str:
        lines = [f"{n:>8,}  {what}" for what, n in sorted(self.done.items())]
        return "\n".join([*lines, "", *(f"{n:>8,}  {what}" for what, n in sorted(self.found.items()))])


@contextlib.contextmanager
def database(folder: Path, is_pooled: bool) -> Iterator[OwnServer]:
    """A separate migrated server, set as DATABASE_URL, optionally through PgBouncer."""
    server = OwnServer(folder / "server")
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(pgbouncer(server, folder / "pgbouncer")) if is_pooled else server.url
        os.environ |= {"DATABASE_URL": address, "FCST_HOME": str(folder / "home"), "FCST_WORKER": "external"}
        migrate()
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pgbouncer", action="store_true", help="connect through PgBouncer in transaction mode")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture"))
    with database(folder, args.pgbouncer) as server:
        torture = Torture(server, folder, args.seed)
        try:
            torture.run(60 * args.minutes)
        except BaseException:
            print(f"Its files are in {folder}.", file=sys.stderr)
            torture.kill()
            raise
        finally:
            print(torture.report(), flush=True)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
