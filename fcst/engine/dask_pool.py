"""Pool of workers on a Dask cluster. Each worker is checked before it is used.

All calls to Dask are made in one thread with its own event loop. The pool's methods post callbacks to that thread and
read its state; none of them blocks.

A task is pinned to one worker by address. Otherwise Dask would rerun the task of a dead worker on the next one, until
four workers have died. A pinned task ends with its worker, as soon as the worker is missing.

No address, password or setting is sent to the workers. They have their own settings, and must use the same database.
"""

import asyncio
import contextlib
import functools
import inspect
import logging
import pickle
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from distributed import Client, Future, KilledWorker

from fcst import __version__
from fcst.engine.pool import PoolLost, Task, WorkerDied
from fcst.errors import DatabaseUnreachable, FcstError

CONNECT_S = 5.0  # timeout of one connection attempt to the scheduler
POLL_S = 1.0  # interval between polls of the scheduler
SILENCE_S = 20.0  # timeout of the scheduler, after which it counts as lost; it usually answers within milliseconds
RECHECK_S = (1.0, 10.0)  # first and longest wait before an unusable worker is checked again
BUSY_S = 15.0  # wait for the response to a check, after which a worker is reported as busy
WAIT_S = 600.0  # limit for a task to start, behind other work of the cluster
CLOSE_S = 3.0  # timeout of closing the connection
CHECKING = "The workers of the Dask cluster are being checked."
MAX_NAMED = 3  # maximum number of workers named in a message

log = logging.getLogger(__name__)


class DaskPool:
    """Runs tasks on the workers of the Dask cluster with the scheduler at `address`.

    `worker_id` is the supervisor's row in fcst_app.workers. A worker that does not find it uses another database.
    """

    def __init__(self, address: str, worker_id: str) -> None:
        self._address = address
        self._worker_id = worker_id
        self._away = f"The Dask scheduler {address} cannot be reached; trying again."
        self._problem = f"The Dask scheduler {address} has not answered yet."
        self._cluster: _Cluster | None = None
        self._is_broken = False
        self._is_stopped = False
        _silence_dask_logs()
        self._loop = asyncio.new_event_loop()
        self._main = self._loop.create_task(self._run_connections())
        self._thread = threading.Thread(target=self._run, name="dask", daemon=True)
        self._thread.start()

    @property
    def size(self) -> int:
        cluster = self._cluster
        return cluster.size if cluster is not None and not self._is_broken else 0

    @property
    def wait_s(self) -> float:
        return WAIT_S

    @property
    def problem(self) -> str:
        cluster = self._cluster
        return self._problem if cluster is None else cluster.problem

    @property
    def is_broken(self) -> bool:
        """Whether a scheduler was lost since the last `rebuild`."""
        return self._is_broken

    def submit(self, wake: Callable[[], object], function: Callable[..., None], *args: object) -> Task:
        if self.size == 0:
            raise PoolLost(self.problem or "the Dask cluster has no usable worker")
        task = _DaskTask(wake, lambda task: self._post(self._cancel, task))
        self._post(self._start, task, function, args)
        return task

    def rebuild(self) -> None:
        """Acknowledge the loss. The thread reconnects automatically."""
        self._is_broken = False

    def stop(self) -> None:
        """Abandon running tasks and disconnect. The cluster is not stopped, because the pool does not own it."""
        self._is_stopped = True
        self._post(self._main.cancel)
        self._thread.join(2 * CLOSE_S)

    def _post(self, callback: Callable[..., object], *args: object) -> None:
        """Schedule a callback in the thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and every task has ended
            self._loop.call_soon_threadsafe(callback, *args)

    # The methods below run in the thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._main)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _run_connections(self) -> None:
        """Connect, watch the cluster, and reconnect after a loss, until cancelled."""
        while True:
            try:
                client = await self._connect()
            except Exception as exc:  # noqa: BLE001  any problem of the address or scheduler may be temporary
                is_away = isinstance(exc, OSError)
                text = self._away if is_away else f"The Dask scheduler {self._address} cannot be used: {exc}"
                self._set_problem(text)
                await asyncio.sleep(POLL_S)
                continue
            log.info("connected to the Dask scheduler %s", self._address)
            cluster = _Cluster(client, self._address, self._worker_id)
            self._cluster = cluster
            try:
                await cluster.watch()
            except Exception:  # noqa: BLE001  handled like a lost scheduler
                log.exception("cannot watch the Dask cluster")
            finally:
                # The order matters: when a task is lost, the pool must already be marked as broken.
                self._is_broken = not self._is_stopped
                self._set_problem(self._away)
                self._cluster = None
                await cluster.close(
                    PoolLost("the pool was stopped" if self._is_stopped else "the Dask scheduler was lost")
                )

    async def _connect(self) -> Client:
        client = Client(self._address, asynchronous=True, set_as_default=False, timeout=CONNECT_S, name="fcst")
        try:
            await client
            return client
        except BaseException:
            await _close(client)
            raise

    def _set_problem(self, problem: str) -> None:
        if problem != self._problem and not self._is_stopped:
            log.warning("%s", problem)
        self._problem = problem

    def _start(self, task: "_DaskTask", function: Callable[..., None], args: tuple[object, ...]) -> None:
        if self._cluster is None or self._is_broken:
            task.end(PoolLost(self._problem))
        else:
            self._cluster.start(task, function, args)

    def _cancel(self, task: "_DaskTask") -> None:
        if self._cluster is not None:
            self._cluster.drop(task, PoolLost("it was cancelled"))


class _DaskTask:
    def __init__(self, wake: Callable[[], object], cancel: Callable[["_DaskTask"], None]) -> None:
        self._wake = wake
        self._cancel = cancel
        self._error: BaseException | None = None
        self._is_done = False

    def done(self) -> bool:
        return self._is_done

    def result(self) -> None:
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """Cancel the task. Dask cannot interrupt a running task; it stops at its next check of the database."""
        self._cancel(self)

    def end(self, error: BaseException | None) -> None:
        """Set the result. Called in the thread only; later calls have no effect."""
        if not self._is_done:
            self._error = error
            self._is_done = True
            self._wake()


@dataclass(eq=False)
class _Worker:
    """A worker process of the cluster.

    `scratch` is its folder, which is unique to the process, unlike its address. `problem` is None until its first
    check has ended, and empty if it can be used.
    """

    address: str
    scratch: str
    nthreads: int = 0
    is_running: bool = False
    problem: str | None = None
    check: "asyncio.Task[None] | None" = None
    tasks: "dict[_DaskTask, tuple[Future[Any], asyncio.Task[None]]]" = field(default_factory=dict)

    @property
    def slots(self) -> int:
        return self.nthreads if self.is_running and self.problem == "" else 0


class _Cluster:
    """One connection to a scheduler, with its workers and tasks."""

    def __init__(self, client: Client, address: str, worker_id: str) -> None:
        self.size = 0
        self.problem = CHECKING
        self._client = client
        self._address = address
        self._worker_id = worker_id
        self._workers: dict[str, _Worker] = {}
        self._lost = asyncio.Event()

    async def watch(self) -> None:
        """Poll the scheduler every POLL_S; return when it is lost."""
        scheduler = None
        while self._client.status == "running" and not self._lost.is_set():
            try:
                assert self._client.scheduler is not None  # connected
                info = await asyncio.wait_for(self._client.scheduler.identity(n_workers=-1), SILENCE_S)
            except OSError as exc:  # includes TimeoutError
                log.warning("the Dask scheduler %s was lost: %s", self._address, exc or "it does not answer")
                return
            if info["id"] != (scheduler := scheduler or info["id"]):
                return  # another scheduler replaced it, and Dask connected to that one
            self._update_workers(info["workers"])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), POLL_S)

    def _update_workers(self, found: dict[str, dict[str, Any]]) -> None:
        """Add new workers, remove lost ones, and update the others."""
        for worker in list(self._workers.values()):
            if found.get(worker.address, {}).get("local_directory") != worker.scratch:
                self._remove_worker(worker)
        for address, info in found.items():
            worker = self._workers.get(address) or self._add_worker(address, info["local_directory"])
            worker.nthreads = info["nthreads"]
            worker.is_running = info["status"] == "running"  # otherwise out of memory or shutting down
        self._update_state()

    def _add_worker(self, address: str, scratch: str) -> _Worker:
        worker = self._workers[address] = _Worker(address, scratch)
        self._start_check(worker)
        return worker

    def _remove_worker(self, worker: _Worker) -> None:
        log.warning("Dask worker %s was lost", worker.address)
        del self._workers[worker.address]
        if worker.check is not None:
            worker.check.cancel()
        for task in list(worker.tasks):
            self._finish(worker, task, WorkerDied(f"Dask worker {worker.address} was lost"))

    def _update_state(self) -> None:
        """Update the size of the pool and its problem."""
        workers = list(self._workers.values())
        bad = [worker for worker in workers if worker.problem]
        self.size = sum(worker.slots for worker in workers)
        if not workers:
            problem = f"The Dask cluster has no workers; start one: `dask worker {self._address} --nthreads 1`."
        elif bad:
            problem = " ".join(f"Dask worker {w.address} cannot be used: {w.problem}" for w in bad[:MAX_NAMED])
            problem += f" {len(bad) - MAX_NAMED} more cannot be used either." if len(bad) > MAX_NAMED else ""
        elif self.size == 0 and any(worker.problem is None for worker in workers):
            problem = CHECKING
        elif self.size == 0:
            problem = "No worker of the Dask cluster accepts tasks: they are out of memory or shutting down."
        else:
            problem = ""
        if problem != self.problem:
            log.warning("%s", problem) if problem else log.info("the Dask cluster is ready")
        self.problem = problem

    # Checks of workers

    def _start_check(self, worker: _Worker) -> None:
        if worker.check is None or worker.check.done():
            worker.check = asyncio.create_task(self._check_until_usable(worker))

    async def _check_until_usable(self, worker: _Worker) -> None:
        """Check a worker, with backoff, until it can be used."""
        pause, longest = RECHECK_S
        while worker.problem != "":
            worker.problem = await self._check(worker)
            self._update_state()
            if worker.problem:
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    async def _check(self, worker: _Worker) -> str:
        """Run `find_problem` on a worker and return its message."""
        busy = asyncio.get_running_loop().call_later(BUSY_S, self._mark_busy, worker)
        space = {"source": _SOURCE, "arguments": (self._worker_id, __version__)}
        future = self._submit(worker, "find_problem", "exec(source, globals()) or find_problem(*arguments)", space)
        try:
            return str(await future.result())
        except Exception as exc:  # noqa: BLE001  any error is reported as the problem
            return _sentence(exc)
        finally:
            busy.cancel()
            future.release()

    def _mark_busy(self, worker: _Worker) -> None:
        worker.problem = worker.problem or "it has not answered yet; it may be busy."
        self._update_state()

    def _submit(self, worker: _Worker, name: str, expression: str, space: dict[str, Any]) -> "Future[Any]":
        """Evaluate a Python expression on a worker.

        The scheduler unpickles everything it forwards. An expression contains no objects of fcst, so the scheduler
        does not need fcst or its dependencies.
        """
        return self._client.submit(
            eval,
            expression,
            space,
            key=f"fcst-{name}-{uuid.uuid4().hex}",
            pure=False,
            retries=0,
            workers=[worker.address],
            allow_other_workers=False,
        )

    # Tasks

    def start(self, task: _DaskTask, function: Callable[..., None], args: tuple[object, ...]) -> None:
        """Submit a task to the worker with the most free slots."""
        worker = max(
            (worker for worker in self._workers.values() if worker.slots),
            key=lambda worker: worker.slots - len(worker.tasks),
            default=None,
        )
        if worker is None:
            task.end(PoolLost("the Dask cluster has no usable worker"))
            return
        try:
            space = {"loads": pickle.loads, "call": pickle.dumps(functools.partial(function, *args))}
            future = self._submit(worker, function.__name__, "loads(call)()", space)
        except Exception as exc:  # noqa: BLE001  for example a pickling error, which the task reports
            task.end(exc)
            return
        worker.tasks[task] = future, asyncio.create_task(self._follow(worker, task, future))

    async def _follow(self, worker: _Worker, task: _DaskTask, future: "Future[Any]") -> None:
        error = await future.exception()
        if future.status == "cancelled":
            if self._client.status != "running":
                self._lost.set()  # `close` ends all tasks
                return
            error = PoolLost("it was cancelled on the Dask cluster")
        elif isinstance(error, KilledWorker):
            error = WorkerDied(f"Dask worker {worker.address} died while running it")
        elif error is not None and not isinstance(error, Exception):
            error = RuntimeError(repr(error))  # a BaseException would end the supervisor
        elif isinstance(error, DatabaseUnreachable | ImportError):
            # Do not use this worker until it passes a check; it would fail every batch.
            worker.problem = _sentence(error)
            self._start_check(worker)
            self._update_state()
        self._finish(worker, task, error)

    def drop(self, task: _DaskTask, error: Exception) -> None:
        """End a task with an error, if it has not ended."""
        for worker in self._workers.values():
            if task in worker.tasks:
                self._finish(worker, task, error)

    def _finish(self, worker: _Worker, task: _DaskTask, error: BaseException | None) -> None:
        future, follower = worker.tasks.pop(task)
        if follower is not asyncio.current_task():
            follower.cancel()
        future.release()  # no other reference exists, so Dask cancels it if it has not started
        task.end(error)

    async def close(self, error: Exception) -> None:
        """End all tasks with `error` and close the connection within CLOSE_S."""
        for worker in self._workers.values():
            if worker.check is not None:
                worker.check.cancel()
            for task in list(worker.tasks):
                self._finish(worker, task, error)
        await _close(self._client)


async def _close(client: Client) -> None:
    with contextlib.suppress(OSError):  # includes TimeoutError
        await client.close(timeout=CLOSE_S)


def find_problem(worker_id: str, version: str) -> str:
    """Return what keeps this process from running batches of a supervisor; empty if there is no problem.

    Its source is sent, not its name, so it runs where fcst cannot be imported and on other versions of Python. It uses
    no other name of this module.
    """
    import importlib

    try:
        if (found := importlib.import_module("fcst").__version__) != version:
            return f"it has fcst {found}, and the supervisor {version}."
        for name in ("fcst.engine.task", "fcst.compute.statsforecast_import"):
            importlib.import_module(name)
        from fcst.files import is_held
        from fcst.settings import load_settings
        from fcst.store import workers

        settings = load_settings()
        if settings.database_url is None and not is_held(settings.home / "pg.guard"):
            return "it has no DATABASE_URL."  # a worker must not start its own server
        is_ours = workers.is_known(worker_id)
    except Exception as exc:  # noqa: BLE001  any error is reported as the problem
        return str(exc).rstrip(".") + "."
    return "" if is_ours else "its database is not the supervisor's; set the same DATABASE_URL."


_SOURCE = inspect.getsource(find_problem)


def _sentence(error: BaseException) -> str:
    text = str(error) if isinstance(error, FcstError) else f"{type(error).__name__}: {error}"
    return text.rstrip(".") + "."


def _silence_dask_logs() -> None:
    """Remove the log handlers that Dask installs on import; this module logs lost connections once itself."""
    for name in ["distributed", "tornado", *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado"):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.CRITICAL)
