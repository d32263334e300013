"""Batches on a Dask cluster: a pool of workers on other machines, none of which is used before it was looked at.

All that has to do with Dask happens in one thread with an event loop of its own. The pool's methods leave notes for
that thread and read what it has found out; none of them waits for anything.

A task is meant for one worker, by its address. Dask would run the task of a dead worker again on the next, until four
are dead; a task that may go to one worker only dies with it, and is known to be dead as soon as the worker is missed.

No address, password or setting is sent to the workers: they have their own, and must come to the same database.
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
from fcst.errors import DatabaseAway, FcstError

CONNECT_S = 5.0  # for one try to reach the scheduler
LOOK_S = 1.0  # between two looks at the cluster
SILENCE_S = 20.0  # of a scheduler, after which it is lost; it answers within milliseconds
EXAMINE_S = (1.0, 10.0)  # before a worker that cannot be used is looked at again: at first, and at most
BUSY_S = 15.0  # without an answer, after which a worker is said to be busy
WAIT_S = 600.0  # for a task to begin, behind other work of the cluster
CLOSE_S = 3.0  # for a farewell
MAX_NAMED = 3  # workers in one sentence

log = logging.getLogger(__name__)


class DaskPool:
    """Runs tasks on the workers of the Dask cluster whose scheduler is at `address`.

    `worker_id` is the supervisor's row in fcst_app.workers: a worker that does not find it has another database.
    """

    def __init__(self, address: str, worker_id: str) -> None:
        self._address = address
        self._worker_id = worker_id
        self._away = f"The Dask scheduler {address} cannot be reached; trying again."
        self._problem = f"The Dask scheduler {address} has not answered yet."
        self._cluster: _Cluster | None = None
        self._is_broken = False
        self._is_stopped = False
        _quieten_dask()
        self._loop = asyncio.new_event_loop()
        self._life = self._loop.create_task(self._live())
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
            raise PoolLost(self.problem or "the Dask cluster has no worker left")
        task = _DaskTask(wake, lambda task: self._post(self._cancel, task))
        self._post(self._start, task, function, args)
        return task

    def rebuild(self) -> None:
        """Takes note of the loss; the thread has been trying to connect ever since."""
        self._is_broken = False

    def stop(self) -> None:
        """Gives up what runs, and leaves the cluster alone: it is not this pool's own."""
        self._is_stopped = True
        self._post(self._life.cancel)
        self._thread.join(2 * CLOSE_S)

    def _post(self, callback: Callable[..., object], *args: object) -> None:
        """Has the thread call something, soon."""
        with contextlib.suppress(RuntimeError):  # it has ended, and every task with it
            self._loop.call_soon_threadsafe(callback, *args)

    # What follows happens in the thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._life)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _live(self) -> None:
        """Connects and looks after the cluster, again and again, until cancelled."""
        while True:
            try:
                client = await self._connect()
            except Exception as exc:  # noqa: BLE001  whatever is wrong with the address or the scheduler, it may be mended
                is_away = isinstance(exc, OSError)
                self._tell(self._away if is_away else f"The Dask scheduler {self._address} cannot be used: {exc}")
                await asyncio.sleep(LOOK_S)
                continue
            log.info("connected to the Dask scheduler %s", self._address)
            cluster = _Cluster(client, self._address, self._worker_id)
            self._cluster = cluster
            try:
                await cluster.watch()
            except Exception:  # noqa: BLE001  as with a lost scheduler
                log.exception("the Dask cluster cannot be looked after")
            finally:
                # In this order: whoever sees one of its tasks lost must find the pool broken.
                self._is_broken = not self._is_stopped
                self._tell(self._away)
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

    def _tell(self, problem: str) -> None:
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
        """Dask cannot interrupt what runs: the task stops at its next look at the database."""
        self._cancel(self)

    def end(self, error: BaseException | None) -> None:
        """Called in the thread only; the first end counts."""
        if not self._is_done:
            self._error = error
            self._is_done = True
            self._wake()


@dataclass(eq=False)
class _Worker:
    """A process of the cluster; `scratch` is a folder that no other process has had, unlike the address.

    `problem` is None until it has answered for the first time, and empty when it can be used.
    """

    address: str
    scratch: str
    nthreads: int = 0
    is_running: bool = False
    problem: str | None = None
    examination: "asyncio.Task[None] | None" = None
    tasks: "dict[_DaskTask, tuple[Future[Any], asyncio.Task[None]]]" = field(default_factory=dict)

    @property
    def slots(self) -> int:
        return self.nthreads if self.is_running and self.problem == "" else 0


class _Cluster:
    """One connection to a scheduler, from when it was made until it is lost, with the workers and the tasks there."""

    def __init__(self, client: Client, address: str, worker_id: str) -> None:
        self.size = 0
        self.problem = "The workers of the Dask cluster are being looked at."
        self._client = client
        self._address = address
        self._worker_id = worker_id
        self._workers: dict[str, _Worker] = {}
        self._lost = asyncio.Event()

    async def watch(self) -> None:
        """Looks at the cluster every second; returns when its scheduler is lost."""
        scheduler = None
        while self._client.status == "running" and not self._lost.is_set():
            try:
                assert self._client.scheduler is not None  # it is connected
                info = await asyncio.wait_for(self._client.scheduler.identity(n_workers=-1), SILENCE_S)
            except OSError as exc:  # a timeout too
                log.warning("the Dask scheduler %s is lost: %s", self._address, exc or "it does not answer")
                return
            if info["id"] != (scheduler := scheduler or info["id"]):
                return  # another one took its place, and Dask connected to that
            self._note(info["workers"])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), LOOK_S)

    def _note(self, found: dict[str, dict[str, Any]]) -> None:
        """Takes note of the workers that there are now."""
        for worker in list(self._workers.values()):
            if found.get(worker.address, {}).get("local_directory") != worker.scratch:
                self._bury(worker)
        for address, info in found.items():
            worker = self._workers.get(address) or self._welcome(address, info["local_directory"])
            worker.nthreads = info["nthreads"]
            worker.is_running = info["status"] == "running"  # else it is full, or about to leave
        self._tell()

    def _welcome(self, address: str, scratch: str) -> _Worker:
        worker = self._workers[address] = _Worker(address, scratch)
        self._begin_examination(worker)
        return worker

    def _bury(self, worker: _Worker) -> None:
        log.warning("Dask worker %s is gone", worker.address)
        del self._workers[worker.address]
        if worker.examination is not None:
            worker.examination.cancel()
        for task in list(worker.tasks):
            self._forget(worker, task, WorkerDied(f"Dask worker {worker.address} is gone"))

    def _tell(self) -> None:
        """Says how large the pool is, and what is wrong with it."""
        workers = list(self._workers.values())
        bad = [worker for worker in workers if worker.problem]
        self.size = sum(worker.slots for worker in workers)
        if not workers:
            problem = f"The Dask cluster has no workers; start one: `dask worker {self._address} --nthreads 1`."
        elif bad:
            problem = " ".join(f"Dask worker {w.address} cannot be used: {w.problem}" for w in bad[:MAX_NAMED])
            problem += f" {len(bad) - MAX_NAMED} more cannot be used either." if len(bad) > MAX_NAMED else ""
        elif self.size == 0 and any(worker.problem is None for worker in workers):
            problem = "The workers of the Dask cluster are being looked at."
        elif self.size == 0:
            problem = "No worker of the Dask cluster takes tasks now: their memory is full, or they are leaving."
        else:
            problem = ""
        if problem != self.problem:
            log.warning("%s", problem) if problem else log.info("all is well with the Dask cluster")
        self.problem = problem

    # The examination of a worker

    def _begin_examination(self, worker: _Worker) -> None:
        if worker.examination is None or worker.examination.done():
            worker.examination = asyncio.create_task(self._examine(worker))

    async def _examine(self, worker: _Worker) -> None:
        """Looks at a worker until it can be used."""
        pause, longest = EXAMINE_S
        while worker.problem != "":
            worker.problem = await self._ask(worker)
            self._tell()
            if worker.problem:
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    async def _ask(self, worker: _Worker) -> str:
        """What keeps the worker from being used, in its own words."""
        busy = asyncio.get_running_loop().call_later(BUSY_S, self._call_busy, worker)
        space = {"source": _SOURCE, "arguments": (self._worker_id, __version__)}
        future = self._submit(worker, "find_problem", "exec(source, globals()) or find_problem(*arguments)", space)
        try:
            return str(await future.result())
        except Exception as exc:  # noqa: BLE001  whatever it is, it is said
            return _sentence(exc)
        finally:
            busy.cancel()
            future.release()

    def _call_busy(self, worker: _Worker) -> None:
        worker.problem = worker.problem or "it has not answered yet; it may be busy."
        self._tell()

    def _submit(self, worker: _Worker, name: str, expression: str, space: dict[str, Any]) -> "Future[Any]":
        """Has a worker evaluate a Python expression.

        The scheduler unpickles all that it passes on. There is nothing of this project in an expression, so that the
        scheduler can do without the project and what it needs.
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

    # The tasks

    def start(self, task: _DaskTask, function: Callable[..., None], args: tuple[object, ...]) -> None:
        """Gives a task to the worker that has most room."""
        worker = max(
            (worker for worker in self._workers.values() if worker.slots),
            key=lambda worker: worker.slots - len(worker.tasks),
            default=None,
        )
        if worker is None:
            task.end(PoolLost("the Dask cluster has no worker left"))
            return
        try:
            space = {"loads": pickle.loads, "call": pickle.dumps(functools.partial(function, *args))}
            future = self._submit(worker, function.__name__, "loads(call)()", space)
        except Exception as exc:  # noqa: BLE001  as when it cannot be pickled: told where the task's end is told
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
            error = WorkerDied(f"Dask worker {worker.address} died of it")
        elif error is not None and not isinstance(error, Exception):
            error = RuntimeError(repr(error))  # one that would end the supervisor
        elif isinstance(error, DatabaseAway | ImportError):
            # Or it would be given one batch after the other, to fail them all.
            worker.problem = _sentence(error)
            self._begin_examination(worker)
            self._tell()
        self._forget(worker, task, error)

    def drop(self, task: _DaskTask, error: Exception) -> None:
        """Ends a task before its time, if it has not ended."""
        for worker in self._workers.values():
            if task in worker.tasks:
                self._forget(worker, task, error)

    def _forget(self, worker: _Worker, task: _DaskTask, error: BaseException | None) -> None:
        future, follower = worker.tasks.pop(task)
        if follower is not asyncio.current_task():
            follower.cancel()
        future.release()  # nobody else wants it: Dask cancels what has not begun, and forgets it
        task.end(error)

    async def close(self, error: Exception) -> None:
        """Ends all tasks, and the connection within bounded time."""
        for worker in self._workers.values():
            if worker.examination is not None:
                worker.examination.cancel()
            for task in list(worker.tasks):
                self._forget(worker, task, error)
        await _close(self._client)


async def _close(client: Client) -> None:
    with contextlib.suppress(OSError):  # a timeout too
        await client.close(timeout=CLOSE_S)


def find_problem(worker_id: str, version: str) -> str:
    """What keeps this process from running the batches of a supervisor, in words; empty if nothing does.

    Its text is sent, not its name: it must run where fcst cannot be imported, and on another version of Python. It
    uses nothing of this module.
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
            return "it has no DATABASE_URL."  # and is not to start a server of its own
        is_ours = workers.is_known(worker_id)
    except Exception as exc:  # noqa: BLE001  whatever it is, it is said
        return str(exc).rstrip(".") + "."
    return "" if is_ours else "its database is not the supervisor's; set DATABASE_URL to the same."


_SOURCE = inspect.getsource(find_problem)


def _sentence(error: BaseException) -> str:
    text = str(error) if isinstance(error, FcstError) else f"{type(error).__name__}: {error}"
    return text.rstrip(".") + "."


def _quieten_dask() -> None:
    """What Dask has to say of lost connections is said here, once. Its import has made handlers for its own log."""
    for name in ["distributed", "tornado", *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado"):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.CRITICAL)
