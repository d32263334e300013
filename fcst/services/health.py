"""Health checks of settings, disk, database, schema, supervisors and leases, for `doctor` and the pages."""

import contextlib
import resource
import shlex
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fcst import __version__, supervisor_lock
from fcst.errors import DatabaseUnreachable, FcstError, StoreError
from fcst.job_records import Job, Stall
from fcst.names import SCRATCH
from fcst.processes import start_of
from fcst.settings import Settings, load_settings
from fcst.states import IngestStatus
from fcst.store import attempts, ingests, notifications, workers
from fcst.store import jobs as stored_jobs
from fcst.store.database import database_label, encryption, server_version
from fcst.store.migrate import applied_version, latest_version
from fcst.store.server_checks import LEAST_CONNECTIONS, check_database
from fcst.store.workers import LapsedSupervisor, Supervisor

GB = 1_000_000_000
LEAST_FILES = 4_096
CONNECT_LIMIT_S = 2.0
START_IT = "Start one with the command: python -m fcst worker."


class Engine(StrEnum):
    """State of the supervisors of a database."""

    RUNNING = "running"
    PROBLEM = "problem"
    """A running supervisor reports a problem."""
    STARTING = "starting"
    IDLE = "idle"
    """No supervisor is running, and none is needed."""
    HUNG = "hung"
    """The supervisor of this FCST_HOME is running but does not renew its lease."""
    MISSING = "missing"
    """No supervisor is running, and work is waiting."""


@dataclass(frozen=True)
class Check:
    """Result of one check; `hint` says what to do if it failed."""

    name: str
    is_ok: bool
    text: str
    hint: str = ""


def run_checks(is_thorough: bool = False) -> list[Check]:
    """Checks settings, disk, Dask scheduler, database, schema, supervisors and leases.

    Skips the checks that need the database or its schema if these are not available.

    Parameters
    ----------
    is_thorough
        also check the limits of the database. This opens many connections, so do not use it for frequent checks.
    """
    try:
        settings = load_settings()
        label = database_label()
    except FcstError as exc:
        return [Check("settings", False, exc.message, exc.hint)]
    checks = [Check("settings", True, f"fcst {__version__}, home {settings.home}, {settings.processes} processes")]
    checks.append(_check_disk(settings.home))
    checks.append(_check_files())
    checks += _check_folders(settings)
    if settings.dask_scheduler is not None:
        checks.append(_check_dask(settings.dask_scheduler))
    try:
        checks.append(_check_database(label))
        if is_thorough:
            checks.append(_check_limits())
        checks.append(_check_schema())
        if checks[-1].is_ok:
            checks += [*_check_supervisors(settings), *_check_webhook(settings)]
    except FcstError as exc:
        checks.append(Check("database", False, f"{label}: {exc.message}", exc.hint))
    return checks


def brief_checks() -> list[Check]:
    """Quick checks of database, supervisor and disk, for frequent refreshes of a page."""
    settings = load_settings()
    return [_check_database(database_label()), _look_for_supervisors(settings).check, _check_disk(settings.home)]


def as_dict(checks: list[Check]) -> dict[str, Any]:
    return {"is_ok": all(check.is_ok for check in checks), "checks": [asdict(check) for check in checks]}


def _check_database(label: str) -> Check:
    version = server_version()
    protocol = encryption()
    safety = "" if protocol is None else f", encrypted ({protocol})" if protocol else ", not encrypted"
    return Check("database", True, f"{label}, PostgreSQL {version}{safety}")


def _check_limits() -> Check:
    """Checks that the database stores any Unicode text and allows enough connections."""
    try:
        check_database()
    except DatabaseUnreachable:
        raise
    except StoreError as exc:
        return Check("limits", False, exc.message, exc.hint)
    return Check("limits", True, f"any Unicode text, {LEAST_CONNECTIONS} concurrent connections")


def _check_disk(home: Path) -> Check:
    """Fails below max(1 GB, 5 %) of free space, capped at 10 GB."""
    folder = next((path for path in (home, *home.parents) if path.is_dir()), Path("/"))
    try:
        usage = shutil.disk_usage(folder)
    except OSError as exc:
        return Check("disk", False, f"{folder} cannot be read: {exc.strerror}", "Check FCST_HOME.")
    text = f"{_size(usage.free)} of {_size(usage.total)} free at {home}"
    least = min(max(1 * GB, usage.total // 20), 10 * GB)
    if usage.total and usage.free < least:
        hint = f"Free disk space, or set FCST_HOME to a larger file system: at least {_size(least)} must be free."
        return Check("disk", False, text, hint)
    return Check("disk", True, text)


def _check_files() -> Check:
    """Checks the open-file limit that the service manager or shell sets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_enough = most == resource.RLIM_INFINITY or most >= LEAST_FILES
    text = "unlimited" if most == resource.RLIM_INFINITY else f"{most:,}"
    hint = (
        "" if is_enough else f"Raise it to {LEAST_FILES:,} (ulimit -Hn, LimitNOFILE): each open page uses four files."
    )
    return Check("files", is_enough, f"open-file limit per process: {text}", hint)


def _check_folders(settings: Settings) -> Iterator[Check]:
    """Fails if other OS users can access private folders; yields no check otherwise."""
    is_open = []
    for folder in (settings.uploads, settings.home / SCRATCH, settings.logs):
        with contextlib.suppress(OSError):  # it does not exist, or this user cannot access the home
            if folder.stat().st_mode & 0o077:
                is_open.append(str(folder))
    if is_open:
        text = f"other users of this machine can access {', '.join(is_open)}"
        yield Check("folders", False, text, f"Run chmod 700 {' '.join(map(shlex.quote, is_open))}.")


def _processes(n: int) -> str:
    return f"{n:,} process{'es' if n != 1 else ''}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / GB:,.1f} GB" if n_bytes >= GB else f"{n_bytes / 1e6:,.0f} MB"


def _check_webhook(settings: Settings) -> Iterator[Check]:
    """Checks that notifications are delivered, if a webhook is set."""
    if settings.webhook is None:
        return
    undelivered = notifications.list_undelivered(1)
    if not undelivered:
        yield Check("webhook", True, "all notifications were delivered")
        return
    row = undelivered[0]
    what = "gave up" if row.is_given_up else f"next attempt at {row.due_at.astimezone():%Y-%m-%d %H:%M:%S}"
    text = f"job.ended of run {row.job_id} was not delivered, attempts: {row.attempts} ({row.error}); {what}"
    yield Check("webhook", False, text, "Check the receiver at FCST_WEBHOOK_URL, and that it has the secret.")


def _check_dask(address: str) -> Check:
    try:
        url = urlsplit(address if "://" in address else f"tcp://{address}")
        host, port = url.hostname, url.port
    except ValueError:  # a port that is not a number, an unclosed bracket
        host, port = None, None
    if not host or not port or url.scheme not in ("tcp", "tls") or url.path not in ("", "/"):
        hint = "Set it to the scheduler's address, such as tcp://host:8786, or unset it."
        return Check("dask", False, f"FCST_DASK_SCHEDULER is {address!r}, which is not an address", hint)
    try:
        socket.create_connection((host, port), CONNECT_LIMIT_S).close()
    except OSError as exc:
        reason = exc.strerror or str(exc)
        hint = "Start it (`dask scheduler`), or unset FCST_DASK_SCHEDULER to use this machine's processes."
        return Check("dask", False, f"the scheduler at {address} cannot be reached: {reason}", hint)
    return Check("dask", True, f"the scheduler at {address} answers")


def _check_schema() -> Check:
    latest, applied = latest_version(), applied_version()
    if applied is None:
        return Check("schema", False, "the schema does not exist", "Run `python -m fcst migrate`.")
    if applied < latest:
        text = f"version {applied}; this fcst needs {latest}"
        return Check("schema", False, text, "Run `python -m fcst migrate`.")
    if applied > latest:
        return Check(
            "schema",
            False,
            f"version {applied}; this fcst supports up to {latest}",
            "Upgrade this installation of fcst.",
        )
    return Check("schema", True, f"version {applied}")


# Supervisors


def find_stalls(found: Sequence[Job]) -> dict[int, Stall]:
    """Finds the stalled ones among some runs: job id -> stall."""
    is_open = [job.job_id for job in found if not job.is_over]
    check = _look_for_supervisors(load_settings()).check if is_open else None
    if check is None or check.is_ok:
        return {}
    text = check.text.rstrip(".")
    is_sentence = not text[:1].islower() or text.startswith("no ")  # otherwise it begins with a host name
    why = f"{text[:1].upper()}{text[1:]}." if is_sentence else f"Supervisor {text}."
    return {job_id: Stall(since, why, check.hint) for job_id, since in stored_jobs.last_changes(is_open).items()}


def waiting_reason(job_id: int) -> str:
    """Explains why an open run that is not stalled makes no progress; empty if it does. Pages call it every second."""
    found = _look_for_supervisors(load_settings())
    if not found.check.is_ok:
        return ""
    if found.engine != Engine.RUNNING:
        return "The supervisor is starting."
    busy = attempts.list_busy_jobs()
    if job_id in busy:
        return ""
    if busy:
        which = f"run {busy[0]}" if len(busy) == 1 else f"runs {', '.join(map(str, busy[:-1]))} and {busy[-1]}"
        return (
            f"Waiting behind {which}, whose batches are running now. "
            "Runs take turns, one batch each, as worker processes become free."
        )
    if any(ingest.status == IngestStatus.RUNNING for ingest in ingests.list_open()):
        return "Waiting behind a load of sales, which uses a worker process."
    return "Queued."


def has_supervisor() -> bool:
    """Whether a supervisor of this database is running, on this or another machine."""
    return bool(_look_for_supervisors(load_settings()).running)


@dataclass(frozen=True)
class _Supervisors:
    """Supervisors of a database: running ones, and crashed ones with an unexpired lease."""

    engine: Engine
    check: Check
    running: tuple[Supervisor, ...] = ()
    crashed: tuple[Supervisor, ...] = ()


def _check_supervisors(settings: Settings) -> list[Check]:
    found = _look_for_supervisors(settings)
    return [found.check, *_check_leases(bool(found.running), found.crashed)]


def _look_for_supervisors(settings: Settings) -> _Supervisors:
    rows = workers.list_live()
    crashed = tuple(row for row in rows if _has_crashed(row, settings))
    running = tuple(row for row in rows if row not in crashed)

    def found(engine: Engine, is_ok: bool, text: str, hint: str = "") -> _Supervisors:
        return _Supervisors(engine, Check("supervisor", is_ok, text, hint), running, crashed)

    with_problem = [row for row in running if row.problem]
    if with_problem:
        text = "; ".join(f"{row.problem.rstrip('.')} (reported by {_place(row)})" for row in with_problem)
        return found(Engine.PROBLEM, False, text)
    if running:
        places = ", ".join(f"{_place(row)} ({_processes(row.processes)})" for row in running)
        return found(Engine.RUNNING, True, f"running: {places}")
    state = supervisor_lock.holder(supervisor_lock.lock_path(settings))
    if state is not None:
        hung = _find_hung(int(state.get("pid", 0)))
        if hung is None:
            return found(Engine.STARTING, True, "starting")
        text = f"{_place(hung)} hangs: its process is running, but {_lapse(hung)}"
        pid = hung.pid
        hint = f"If it does not recover: `kill -CONT {pid}` if it was stopped, otherwise `kill -9 {pid}`."
        return found(Engine.HUNG, False, text, hint)
    places = ", ".join(_place(row) for row in crashed)
    verb = "has" if len(crashed) == 1 else "have"
    if not workers.has_work(include_notifications=settings.webhook is not None):
        if crashed:
            return found(Engine.IDLE, True, f"none running ({places} {verb} crashed), no work waiting")
        return found(Engine.IDLE, True, "none running, no work waiting; one starts when there is work")
    if crashed:
        return found(Engine.MISSING, False, f"{places} {verb} crashed, and work is waiting", START_IT)
    return found(Engine.MISSING, False, "no supervisor is running, and work is waiting", START_IT)


def _find_hung(pid: int) -> LapsedSupervisor | None:
    """Returns the supervisor that holds the lock of this FCST_HOME if its lease expired; None while it starts."""
    lapsed = workers.list_lapsed([], socket.gethostname(), pid)
    own = [row for row in lapsed if (row.host, row.pid) == (socket.gethostname(), pid)]
    return next((row for row in own if _is_this_process(row)), None)


def _check_leases(is_any_running: bool, crashed: Sequence[Supervisor]) -> Iterator[Check]:
    crashed_ids = [row.worker_id for row in crashed]
    lapsed = workers.list_lapsed(crashed_ids, "", 0)
    if not lapsed:
        yield Check("lease", True, "no work is held by a crashed supervisor")
    for row in lapsed:
        held = [
            f"{n} {noun if n == 1 else plural}"
            for n, noun, plural in ((row.n_batches, "batch", "batches"), (row.n_ingests, "ingest", "ingests"))
            if n
        ]
        if row.lapsed_s < 0 and row.worker_id in crashed_ids:
            since = f"has crashed; its lease is valid for another {-row.lapsed_s:.0f} s"
        else:
            since = f"did not sign off; {_lapse(row)}"
        hint = "A running supervisor takes them over when the lease has expired."
        if not is_any_running:
            hint = "A supervisor takes them over. " + START_IT
        elif row.lapsed_s > 30:
            hint = "The running supervisor cannot take them over: another database session may lock them (pg_locks)."
        yield Check("lease", False, f"{_place(row)} {since}, and it holds {' and '.join(held)}", hint)


def _place(row: Supervisor | LapsedSupervisor) -> str:
    return f"{row.host}:{row.pid}"


def _lapse(row: LapsedSupervisor) -> str:
    """Explains why a lease is not valid, by the database's clock."""
    at = f"{row.lease_expires_at.astimezone():%Y-%m-%d %H:%M:%S}"
    if row.lapsed_s < 0:
        return f"its lease, valid until {at}, is from before the database clock was set back"
    return f"its lease expired at {at} ({row.lapsed_s:,.0f} s ago)"


def _has_crashed(row: Supervisor, settings: Settings) -> bool:
    """Whether a supervisor of this machine is known to have crashed; False for other machines.

    One that holds its lock is running, even if a container cannot see its process.
    """
    if row.host != socket.gethostname() or _is_this_process(row):
        return False
    holder = supervisor_lock.holder(supervisor_lock.lock_path(settings)) or {}
    return holder.get("pid") != row.pid


def _is_this_process(row: Supervisor | LapsedSupervisor) -> bool:
    """Whether the process of a row of this host is running, and is not a later process with the same id."""
    start = start_of(row.pid)
    return start is not None and row.process_start in (start, None)
