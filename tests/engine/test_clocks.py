"""Jumps of wall clocks by an hour and a day, and a sleeping laptop: nothing is lost or run twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from fcst.roles import SignIn
from fcst.services import health, jobs, loading, sign_ins
from fcst.settings import PROJECT
from fcst.specs import IngestSpec
from fcst.states import IngestStatus
from fcst.store import workers
from fcst.store.database import transaction
from fcst.store.migrate import migrate
from tests.conftest import wait_until, write_sales
from tests.engine.clocks import START_S, Clock, needs_faketime
from tests.engine.helpers import SLOW, check_items, children, finish, frozen, reasons_of, submit
from tests.engine.outages import OwnServer

pytestmark = needs_faketime

HOUR, DAY = 3600, 86_400
JUMPS = (HOUR, -HOUR, DAY, -DAY)
LEASE_S = 4.0
HEARTBEAT_S = LEASE_S / 3


@dataclass(frozen=True)
class Clocks:
    """Clocks of the database server, and of supervisors with their worker processes."""

    database: Clock
    engine: Clock
    server: OwnServer

    def check(self) -> None:
        """Check that the server's time is that of its clock."""
        with transaction() as cur:
            cur.execute("SELECT EXTRACT(epoch FROM clock_timestamp())::float8 AS now")
            assert cur.fetchone()["now"] == pytest.approx(self.database.now, abs=10)


@pytest.fixture
def clock() -> Iterator[Callable[[], Clock]]:
    """Returns a function that makes clocks; they are removed after the test."""
    with ExitStack() as made:

        def make() -> Clock:
            clock = Clock()
            made.callback(clock.remove)
            return clock

        yield make


@pytest.fixture
def clocks(
    clock: Callable[[], Clock],
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Clocks]:
    """A separate migrated server with its own clock, set as DATABASE_URL."""
    of_database = clock()
    home = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in of_database.env.items():
            patch.setenv(name, value)
        server = OwnServer(home)
    for name, value in {
        "DATABASE_URL": server.url,
        "FCST_HOME": str(tmp_path / "home"),
        "FCST_INGEST_ROOTS": "/",
        "FCST_PROCESSES": "2",
        "FCST_WORKER": "external",
        "FCST_LEASE_S": str(LEASE_S),
    }.items():
        monkeypatch.setenv(name, value)
    migrate()
    clocks = Clocks(of_database, clock(), server)
    yield clocks
    clocks.check()
    server.stop()


@pytest.fixture
def database(clocks: Clocks) -> Clocks:
    """Replaces the shared server that other tests use."""
    return clocks


@pytest.fixture
def start(clocks: Clocks) -> Iterator[Callable[..., subprocess.Popen]]:
    """Returns a function that starts supervisors with the engine's clock; they are stopped after the test."""
    started: list[subprocess.Popen] = []

    def start(**env: str) -> subprocess.Popen:
        environment = {**os.environ, **clocks.engine.env, **env}
        started.append(subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(40)


def watch(job_id: int, until: Callable[[], bool]) -> None:
    """Poll a run as pages do: times are plausible, and it is not stalled for longer than a heartbeat."""
    stalled_since: float | None = None
    deadline = time.monotonic() + 120
    while not until():
        assert time.monotonic() < deadline
        job = jobs.get_job(job_id)
        assert job.seconds is None or job.seconds >= 0
        assert job.items_per_s is None or job.items_per_s > 0
        assert job.time_left_s is None or 0 <= job.time_left_s < 600, job
        assert all(batch.seconds is None or batch.seconds >= 0 for batch in jobs.list_batches(job_id))
        stall = health.find_stalls([job]).get(job_id)
        stalled_since = None if stall is None else stalled_since or time.monotonic()
        assert stalled_since is None or time.monotonic() - stalled_since < HEARTBEAT_S + 1, stall
        time.sleep(0.2)


def watch_to_the_end(job_id: int) -> None:
    """Wait for the run to complete with one attempt per batch."""
    watch(job_id, lambda: jobs.get_job(job_id).is_over)
    job = check_items(job_id)
    assert (job.status, job.n_completed) == ("completed", job.n_items)
    assert reasons_of(job_id) == []
    assert {batch.attempt for batch in jobs.list_batches(job_id)} == {1}


def run_through(clocks: Clocks, clock: Clock, jumps: tuple[int, ...], dataset: Dataset, n_items: int) -> None:
    """Run two batches while a clock jumps, with time after each jump for the engine to react."""
    job_id = submit(dataset, n_items, replace(SLOW, batch_size=n_items // 2))
    wait_until(lambda: jobs.get_job(job_id).batches.get("processing") == 2, 60, "for both batches")
    for seconds in jumps:
        clock.jump(seconds)
        clocks.check()
        since = time.monotonic()
        watch(job_id, lambda since=since: time.monotonic() - since > 2.5)
    assert not jobs.get_job(job_id).is_over, "the run was too short"
    watch_to_the_end(job_id)


@pytest.mark.full
def test_run_keeps_its_batches_when_the_database_clock_jumps(clocks: Clocks, start, load_dataset) -> None:
    dataset = load_dataset(n_items=60)
    start()
    run_through(clocks, clocks.database, (HOUR, -DAY), dataset, 60)


@pytest.mark.full
@pytest.mark.parametrize("whose", ["database", "engine"])
def test_run_keeps_its_batches_through_all_jumps(clocks: Clocks, start, load_dataset, whose: str) -> None:
    dataset = load_dataset(n_items=120)
    start()
    run_through(clocks, getattr(clocks, whose), JUMPS, dataset, 120)


@pytest.mark.full
@pytest.mark.parametrize("seconds", [HOUR, DAY])
def test_supervisors_keep_their_batches_when_the_clock_jumps(
    clocks: Clocks, start, load_dataset, tmp_path: Path, seconds: int
) -> None:
    dataset = load_dataset(n_items=80)
    for name in ("one", "two"):
        start(FCST_HOME=str(tmp_path / name), FCST_PROCESSES="1")
    wait_until(lambda: len(workers.list_live()) == 2, 30, "for both supervisors")
    run_through(clocks, clocks.database, (seconds, -seconds), dataset, 80)


@pytest.mark.full
@pytest.mark.parametrize("seconds", [0, *JUMPS])
def test_dead_supervisor_is_detected_after_any_clock_jump(
    clocks: Clocks, start, load_dataset, tmp_path: Path, seconds: int
) -> None:
    dataset = load_dataset(n_items=20)
    first = start()
    job_id = submit(dataset, 20, SLOW)
    wait_until(lambda: jobs.get_job(job_id).batches.get("processing") == 2, 60, "for both batches")
    for pid in [first.pid, *children(first.pid)]:
        os.kill(pid, signal.SIGKILL)
    clocks.database.jump(seconds)
    clocks.check()
    second = start(FCST_HOME=str(tmp_path / "other"))
    wait_until(lambda: second.pid in [row.pid for row in workers.list_live()], 30, "for the second supervisor")
    since = time.monotonic()
    wait_until(lambda: len(reasons_of(job_id)) == 2, LEASE_S + 6, "for the second to take over")
    print(f"taken over {time.monotonic() - since:.1f} s after the start of the second, clock set by {seconds} s")
    finish(job_id)
    assert check_items(job_id).n_completed == 20
    assert set(reasons_of(job_id)) == {"its supervisor was lost"}


@pytest.mark.full
def test_run_continues_after_ten_minutes_of_sleep(clocks: Clocks, start, load_dataset) -> None:
    dataset = load_dataset(n_items=40)
    supervisor = start()
    job_id = submit(dataset, 40, replace(SLOW, batch_size=20))
    wait_until(lambda: jobs.get_job(job_id).batches.get("processing") == 2, 60, "for both batches")
    with ExitStack() as sleep:
        for pid in [supervisor.pid, *children(supervisor.pid)]:
            sleep.enter_context(frozen(pid))
        clocks.server.freeze()
        time.sleep(LEASE_S + 2)
        clocks.database.jump(600)
        clocks.engine.jump(600)
        clocks.server.freeze(signal.SIGCONT)
    watch_to_the_end(job_id)


@pytest.mark.full
@pytest.mark.parametrize("whose", ["database", "engine"])
@pytest.mark.parametrize("seconds", JUMPS)
def test_load_needs_one_attempt_when_a_clock_jumps(
    clocks: Clocks, start, tmp_path: Path, whose: str, seconds: int
) -> None:
    write_sales(tmp_path / "s.csv", 3000, 200)
    start()
    ingest_id = loading.request_ingest(IngestSpec(paths=(str(tmp_path / "s.csv"),), name="s"))
    wait_until(lambda: (loading.get_ingest(ingest_id).done_bytes or 0) > 0, 60, "for reading progress")
    getattr(clocks, whose).jump(seconds)
    clocks.check()
    while (ingest := loading.get_ingest(ingest_id)).status == IngestStatus.RUNNING:
        assert 0 <= ingest.phase_s < 60, "used for its rate and time left"
        time.sleep(0.1)
    assert loading.wait_for_ingest(ingest_id).n_items == 3000
    assert ingest.attempt == 1


# The app


@pytest.mark.full
def test_status_of_a_run_does_not_depend_on_the_app_clock(
    clocks: Clocks, clock: Callable[[], Clock], start, load_dataset
) -> None:
    dataset = load_dataset(n_items=80)
    start()
    job_id = submit(dataset, 80, replace(SLOW, batch_size=40))
    wait_until(lambda: jobs.get_job(job_id).n_completed > 0, 60, "for the first items")
    app = clock()
    for seconds in JUMPS:
        app.jump(seconds)
        command = [sys.executable, "-m", "fcst", "status", str(job_id), "--json"]
        done = subprocess.run(command, cwd=PROJECT, env={**os.environ, **app.env}, capture_output=True, text=True)
        status = json.loads(done.stdout)
        assert status["status"] == "running" and status["stalled_since"] is None, done
        assert 0 < status["seconds"] < 120 and 0 < status["time_left_s"] < 120, status


COUNT_REQUESTS = """
import sys
from limits import parse
from limits.strategies import MovingWindowRateLimiter
from fcst.api.authentication import RequestCounts
limiter = MovingWindowRateLimiter(RequestCounts())
for line in sys.stdin:
    print(sum(limiter.hit(parse("10/minute"), "ana") for _ in range(int(line))), flush=True)
"""


@pytest.mark.full
@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_rate_limit_is_correct_after_a_clock_jump(clock: Callable[[], Clock], seconds: int) -> None:
    of_app = clock()
    app = subprocess.Popen(
        [sys.executable, "-c", COUNT_REQUESTS],
        cwd=PROJECT,
        env={**os.environ, **of_app.env, "PYTHONPATH": f"{of_app.env['PYTHONPATH']}:{PROJECT}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def n_accepted(n_requests: int) -> int:
        print(n_requests, file=app.stdin, flush=True)
        return int(app.stdout.readline())

    with app:
        assert n_accepted(6) == 6
        of_app.jump(seconds)
        assert n_accepted(20) == 10
        of_app.jump(61)
        assert n_accepted(20) == 10
        app.stdin.close()


@pytest.mark.full
@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_sign_out_uses_the_clock_of_the_app(clocks: Clocks, seconds: int) -> None:
    """The clock of the database may be behind or ahead; it must not keep earlier sign-ins or end later ones."""
    clocks.database.jump(seconds - START_S)
    clocks.check()
    now = datetime.now(UTC)
    sign_ins.sign_out_person("ann@shop.example")
    for minutes, is_over in ((-1, True), (1, False)):
        at = (now + timedelta(minutes=minutes)).replace(microsecond=0)
        assert sign_ins.is_over(SignIn(f"at {minutes}".encode(), at, {"email": "ann@shop.example"})) == is_over
