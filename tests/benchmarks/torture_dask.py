"""Torture of a Dask cluster: a run of 100,000 items while workers, scheduler and network are lost.

    python tests/benchmarks/torture_dask.py [--items 100000] [--workers 2] [--seed 1] [--pause 5 15]

The run is computed twice: by local processes without faults, and on the cluster, while at random

    a worker is killed and replaced
    the scheduler is killed or frozen, and replaced
    the network between workers and scheduler is cut for up to a minute; workers can still reach the database
    the supervisor is killed and replaced
    the server terminates all connections

At the end all faults stop, and failed items are retried. Then every item must be completed, every forecast must be
bitwise equal to that of the run without faults, all stage transitions of batches must be allowed, and no process may be
left. Prints the actions and results.

Cutting the network needs root and `ip`, because workers run in a separate network namespace. Otherwise this fault is
left out.
"""

import argparse
import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from fcst.dataset_records import Dataset  # noqa: E402
from fcst.errors import FcstError  # noqa: E402
from fcst.services import jobs  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from fcst.store import workers  # noqa: E402
from fcst.store.database import transaction  # noqa: E402
from fcst.store.migrate import migrate  # noqa: E402
from tests.benchmarks.setup_runs import load  # noqa: E402
from tests.conftest import wait_until  # noqa: E402
from tests.engine.dask_cluster import Dask, Network  # noqa: E402
from tests.engine.helpers import check_items, children, finish, is_running  # noqa: E402
from tests.engine.outages import OwnServer  # noqa: E402

N_WEEKS, H = 60, 13
MODELS = ("WindowAverage", "SeasonalNaive")
LEASE_S = 5.0
LONGEST_LOSS_S = 60.0  # maximum duration of a network cut

FAULTS = {
    "kill a worker": 4,
    "kill the scheduler": 2,
    "freeze the scheduler": 1,
    "lose the network": 3,
    "kill the supervisor": 2,
    "end all connections": 2,
}


class DaskTorture:
    """One torture run; `done` counts actions, `found` counts results."""

    def __init__(self, server: OwnServer, folder: Path, seed: int, n_workers: int, network: Network | None) -> None:
        self.server = server
        self.folder = folder
        self.random = random.Random(seed)
        self.n_workers = n_workers
        self.done: collections.Counter[str] = collections.Counter()
        self.found: collections.Counter[str] = collections.Counter()
        self.cluster = Dask(folder, network)
        self.faults = {name: weight for name, weight in FAULTS.items() if network or name != "lose the network"}
        self._network = network
        self._supervisor: subprocess.Popen | None = None
        self._ever: set[int] = set()

    def run(self, n_items: int, pause_s: tuple[float, float]) -> None:
        dataset = load(n_items, N_WEEKS)
        self._start_supervisor()
        begin = time.monotonic()
        expected = self._forecast(dataset, lambda: None)
        self.found["seconds without faults"] = round(time.monotonic() - begin)
        self._end_supervisor(signal.SIGTERM)

        self.cluster.start_scheduler()
        self._fill_up()
        self._start_supervisor(FCST_DASK_SCHEDULER=self.cluster.address)
        wait_until(lambda: [row.problem for row in workers.list_live()] == [""], 60, "for the cluster")
        begin = time.monotonic()
        job_id = self._forecast(dataset, lambda: self._disturb(pause_s))
        self._settle(job_id)
        self.found["seconds with faults"] = round(time.monotonic() - begin)
        self._check(expected, job_id)
        self._end_supervisor(signal.SIGTERM)
        self.cluster.kill()
        wait_until(lambda: not any(is_running(pid) for pid in self._ever), 15, "for all processes to end")

    def _forecast(self, dataset: Dataset, disturb: Callable[[], None]) -> int:
        """Submit a run of all items, and disturb it until it has ended."""
        spec = JobSpec(models=MODELS, h=H, level=(80,), batch_size=100, n_windows=0)
        job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, dataset.n_items), spec)
        while not self._is_over(job_id):
            disturb()
            time.sleep(0.2)
        return job_id

    def _settle(self, job_id: int) -> None:
        """After the faults: retry failed items."""
        job = check_items(job_id)
        self.found["item failed and retried"] += job.n_failed
        for failure in jobs.list_failures(job_id):
            self.found[f"  reason: {failure.reason}"] += 1
        if jobs.retry_job(job_id):
            finish(job_id, 600)

    def _is_over(self, job_id: int) -> bool:
        with contextlib.suppress(FcstError):  # the database may be unreachable now
            return jobs.get_job(job_id).is_over
        return False

    # Faults

    def _disturb(self, pause_s: tuple[float, float]) -> None:
        (fault,) = self.random.choices(list(self.faults), list(self.faults.values()))
        getattr(self, f"_{fault.replace(' ', '_')}")()
        self.done[fault] += 1
        self._restart_dead()
        time.sleep(self.random.uniform(*pause_s))

    def _restart_dead(self) -> None:
        """Restart dead processes, as an operator or process manager does."""
        assert self.cluster.scheduler is not None
        if self.cluster.scheduler.poll() is not None:
            self.cluster.start_scheduler()
        self._fill_up()

    def _fill_up(self) -> None:
        running = [process for process in self.cluster.workers if process.poll() is None]
        self.cluster.workers = running
        for _ in range(self.n_workers - len(running)):
            self.cluster.start_worker()
            self._ever.add(self.cluster.workers[-1].pid)

    def _kill_a_worker(self) -> None:
        process = self.random.choice(self.cluster.workers)
        process.kill()
        process.wait()

    def _kill_the_scheduler(self) -> None:
        assert self.cluster.scheduler is not None
        self.cluster.scheduler.kill()
        self.cluster.scheduler.wait()

    def _freeze_the_scheduler(self) -> None:
        """Freeze it for less or more than the timeout after which the supervisor considers it lost."""
        assert self.cluster.scheduler is not None
        self.cluster.scheduler.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(1.0, 40.0))
        self.cluster.scheduler.send_signal(signal.SIGCONT)

    def _lose_the_network(self) -> None:
        assert self._network is not None
        with self._network.lost():
            time.sleep(self.random.uniform(1.0, LONGEST_LOSS_S))

    def _kill_the_supervisor(self) -> None:
        self._end_supervisor(signal.SIGKILL)
        self._start_supervisor(FCST_DASK_SCHEDULER=self.cluster.address)

    def _end_all_connections(self) -> None:
        self.server.terminate_clients()

    def _start_supervisor(self, **env: str) -> None:
        own = {"FCST_HOME": str(self.folder / "home"), "FCST_PROCESSES": "2", "FCST_LEASE_S": str(LEASE_S)}
        with (self.folder / "supervisor.log").open("ab") as log:
            command = [sys.executable, "-m", "fcst", "worker"]
            self._supervisor = subprocess.Popen(command, cwd=PROJECT, env=os.environ | own | env, stderr=log)

    def _end_supervisor(self, number: int) -> None:
        assert self._supervisor is not None
        self._ever |= {self._supervisor.pid, *children(self._supervisor.pid)}
        self._supervisor.send_signal(number)
        self._supervisor.wait(60)

    # Checks

    def _check(self, expected: int, found: int) -> None:
        job = check_items(found)
        assert (job.status, job.n_completed) == ("completed", job.n_items), job
        with transaction() as cur:
            cur.execute(
                """SELECT count(*) AS n, count(*) FILTER (WHERE e IS DISTINCT FROM f) AS n_other
                   FROM (SELECT unique_id, model, first_wk_end_dt, forecast, lo, hi, is_fallback, made_by
                         FROM fcst_app.forecasts WHERE job_id = %(expected)s) e
                   FULL JOIN (SELECT unique_id, model, first_wk_end_dt, forecast, lo, hi, is_fallback, made_by
                              FROM fcst_app.forecasts WHERE job_id = %(found)s) f USING (unique_id, model)""",
                {"expected": expected, "found": found},
            )
            row = cur.fetchone()
        assert row == {"n": job.n_items * len(MODELS), "n_other": 0}, row
        self.found["item checked"] += job.n_items
        self.found["forecast checked"] += row["n"] * H
        self.found["batch"] += job.n_batches
        for event in jobs.list_events(found, only_with_reason=True):
            self.found["interrupted attempt"] += event.to_stage == "submitted"

    def kill(self) -> None:
        """Kill processes left by a failed run."""
        if self._supervisor is not None:
            for pid in (self._supervisor.pid, *children(self._supervisor.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._supervisor.wait()
        self.cluster.kill()

    def report(self) -> str:
        lines = [f"{n:>8,}  {what}" for what, n in sorted(self.done.items())]
        return "\n".join([*lines, "", *(f"{n:>8,}  {what}" for what, n in sorted(self.found.items()))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2, help="workers of the cluster, with one thread each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, nargs=2, default=(5.0, 15.0), help="seconds between two faults")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture"))
    server = OwnServer(folder / "server")
    os.environ |= {"DATABASE_URL": server.url, "FCST_HOME": str(folder / "home"), "FCST_WORKER": "external"}
    migrate()
    with Network.made() as network:
        torture = DaskTorture(server, folder, args.seed, args.workers, network)
        try:
            torture.run(args.items, tuple(args.pause))
        except BaseException:
            print(f"Its files are in {folder}.", file=sys.stderr)
            torture.kill()
            raise
        finally:
            print(torture.report(), flush=True)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
