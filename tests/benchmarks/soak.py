"""Soak test: sessions that view pages and programs that call the API, while runs are computed.

    python tests/benchmarks/soak.py [--minutes 30] [--sessions 100] [--clients 50]

There is a run of 4,000 items × 13 weeks × 3 models, one of 10,000 batches, an open one, and a supervisor that computes
small runs submitted by clients. Sessions open a page, keep it open for a while with its automatic refreshes, and go to
another. Clients use persistent connections, with pauses close to the idle timeouts of both sides.

Prints, for every tenth of the time, the number of page runs, refreshes and calls, their p95, the app's memory and open
files, and the connections of the database. Exits with 1 if a session was interrupted, or a call was lost or got an
error response.
"""

import argparse
import asyncio
import collections
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx  # noqa: E402

from fcst.store.database import transaction  # noqa: E402
from tests.benchmarks.setup_runs import fresh_home, spin_share, supervisor  # noqa: E402
from tests.benchmarks.ui import make_runs  # noqa: E402
from tests.benchmarks.visitors import App, running_app, visit  # noqa: E402

SESSIONS_OF_ADDRESS = 25
AFTER_LOSS_S = 10.0
LOOK_S, LONGEST_PAUSE_S = (20.0, 180.0), 60.0
CALL_LIMIT_S = 60.0
N_ROWS = 10  # of the printed table


@dataclass
class Seen:
    """Measurements since the last printed row: seconds of each page run, refresh and call."""

    runs: list[float] = field(default_factory=list)
    refreshes: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    n_submitted: int = 0


class Soak:
    """All sessions and clients of one app; `lost` counts failures by kind."""

    def __init__(self, app: App, made: dict[str, int], seconds: float) -> None:
        self.app = app
        self.base = app.url("").rstrip("/?")
        self.deadline = time.monotonic() + seconds
        self.seen = Seen()
        self.lost: collections.Counter[str] = collections.Counter()
        one, working = f"job={made['job']}", f"job={made['open']}"
        dataset = f"dataset={made['newer']}"
        self.pages = [
            ("home", ""),
            ("data", ""),
            ("dataset", f"{dataset}&view=items"),
            ("runs", ""),
            ("runs", f"job={made['many']}"),
            ("runs", working),
            ("forecasts", one),
            ("forecasts", f"{one}&item=item{2000:06}"),
            ("accuracy", one),
            ("compare", f"{one}&other={made['other']}"),
        ]
        self.paths = [
            "/api/jobs",
            f"/api/jobs/{made['job']}",
            f"/api/jobs/{made['open']}/batches",
            f"/api/jobs/{made['job']}/forecasts?limit=100",
            f"/api/datasets/{made['newer']}/items?limit=100",
            "/healthz",
            "/metrics",
        ]
        self.small = {"items": 5, "models": ["Naive"]}

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.deadline

    async def session(self, number: int) -> None:
        """Open pages in a loop."""
        rng = random.Random(number)
        await asyncio.sleep(rng.uniform(0, LOOK_S[1]))  # spread out the starts
        while not self.is_over:
            page, query = rng.choice(self.pages)
            try:
                async with visit(self.app, page, query, f"127.0.0.{1 + number // SESSIONS_OF_ADDRESS}") as visitor:
                    self.seen.runs.append(await visitor.run())
                    self.seen.refreshes += await visitor.look(rng.uniform(*LOOK_S))
            except Exception as exc:  # noqa: BLE001  any failure is counted
                self.lost[f"session at {page}: {type(exc).__name__}: {str(exc)[:200]}"] += 1
                await asyncio.sleep(AFTER_LOSS_S)

    async def client(self, number: int) -> None:
        """Call the API on persistent connections; every fifth client also submits small runs."""
        rng = random.Random(1000 + number)
        async with httpx.AsyncClient(base_url=self.base, timeout=CALL_LIMIT_S) as client:
            while not self.is_over:
                await asyncio.sleep(rng.uniform(0, LONGEST_PAUSE_S))
                path = rng.choice(self.paths)
                is_submit = number % 5 == 0 and rng.random() < 0.05
                begin = time.perf_counter()
                try:
                    if is_submit:
                        path = "/api/jobs"
                        answer = await client.post(path, json=self.small)
                    else:
                        answer = await client.get(path)
                except httpx.HTTPError as exc:
                    self.lost[f"call of {path}: {type(exc).__name__}: {exc}"] += 1
                    continue
                self.seen.calls.append(time.perf_counter() - begin)
                self.seen.n_submitted += is_submit
                if answer.status_code >= 400:
                    self.lost[f"call of {path}: {answer.status_code}: {answer.text[:200]}"] += 1

    async def watch(self, seconds: float) -> None:
        """Print a row for each part of the time."""
        print(
            "minute  page runs (p95 ms)   refreshes (p95 ms)     calls (p95 ms)  runs submitted"
            "  memory MB  open files  connections",
            flush=True,
        )
        for number in range(N_ROWS):
            await asyncio.sleep(seconds / N_ROWS)
            seen, self.seen = self.seen, Seen()
            n_connections = await asyncio.to_thread(count_connections)
            print(
                f"{(number + 1) * seconds / N_ROWS / 60:6.1f}"
                f"  {format_times(seen.runs):>18}   {format_times(seen.refreshes):>18}"
                f" {format_times(seen.calls):>18}  {seen.n_submitted:14,}"
                f"  {self.app.process.memory_info().rss / 1e6:9,.0f}  {self.app.process.num_fds():10,}"
                f"  {n_connections:11,}",
                flush=True,
            )

    async def run(self, n_sessions: int, n_clients: int, seconds: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.watch(seconds))
            for number in range(n_sessions):
                tasks.create_task(self.session(number))
            for number in range(n_clients):
                tasks.create_task(self.client(number))


def format_times(seconds: list[float]) -> str:
    p95 = 1e3 * statistics.quantiles(seconds, n=20)[18] if len(seconds) > 1 else float("nan")
    return f"{len(seconds):,} ({p95:,.0f})"


def count_connections() -> int:
    with transaction() as cur:
        cur.execute("SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return int(cur.fetchone()["n"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--clients", type=int, default=50)
    args = parser.parse_args()
    with fresh_home() as folder:
        made = make_runs(folder)
        print(f"Busy loops get {spin_share():.0%} of the CPUs.", flush=True)
        with supervisor(folder), running_app(folder, FCST_API_RATE="1000000/second") as app:
            soak = Soak(app, made, 60 * args.minutes)
            asyncio.run(soak.run(args.sessions, args.clients, 60 * args.minutes))
    for what, n in soak.lost.most_common():
        print(f"{n:>8,}  LOST: {what}")
    print("Nothing was lost." if not soak.lost else f"{soak.lost.total():,} were lost.")
    return 1 if soak.lost else 0


if __name__ == "__main__":
    sys.exit(main())
