"""Whether all is well: what `doctor` and the pages tell of disk, database, schema, supervisors and their leases."""

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
from fcst.errors import DatabaseAway, FcstError, StoreError
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
    """What the supervisors of a database are doing."""

    ALIVE = "alive"
    HINDERED = "hindered"
    """One lives and says what hinders it."""
    STARTING = "starting"
    IDLE = "idle"
    """None lives, and none is needed."""
    HANGS = "hangs"
    """The one of this home lives, and does not renew its lease."""
    MISSING = "missing"
    """None lives, and work is waiting."""


@dataclass(frozen=True)
class Check:
    """One thing looked at; `hint` says what to do where it is not well."""

    name: str
    is_ok: bool
    text: str
    hint: str = ""


def run_checks(is_thorough: bool = False) -> list[Check]:
    """Looks at settings, disk, Dask scheduler, database, schema, supervisors and leases.

    The checks of what is in the database are left out where it, or its schema, is not there.

    Parameters
    ----------
    is_thorough
        looks at what the database allows too, for which it opens many connections: not for who asks often.
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
    """Database, supervisor and disk: what is quickly looked at, for a page that asks often."""
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
    """Whether the database stores all texts and gives enough connections."""
    try:
        check_database()
    except DatabaseAway:
        raise
    except StoreError as exc:
        return Check("limits", False, exc.message, exc.hint)
    return Check("limits", True, f"all texts, {LEAST_CONNECTIONS} connections at a time")


def _check_disk(home: Path) -> Check:
    """Not well below 1 GB, or below 5 % where that is more; but 10 GB are always enough."""
    folder = next((path for path in (home, *home.parents) if path.is_dir()), Path("/"))
    try:
        usage = shutil.disk_usage(folder)
    except OSError as exc:
        return Check("disk", False, f"{folder} cannot be looked at: {exc.strerror}", "Check FCST_HOME.")
    text = f"{_size(usage.free)} of {_size(usage.total)} free at {home}"
    least = min(max(1 * GB, usage.total // 20), 10 * GB)
    if usage.total and usage.free < least:
        hint = f"Make room, or set FCST_HOME to a larger file system: {_size(least)} should be free."
        return Check("disk", False, text, hint)
    return Check("disk", True, text)


def _check_files() -> Check:
    """Whether the server may open enough files, as a service manager or this shell allows its processes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_enough = most == resource.RLIM_INFINITY or most >= LEAST_FILES
    text = "as many as it likes" if most == resource.RLIM_INFINITY else f"{most:,}"
    hint = "" if is_enough else f"Allow {LEAST_FILES:,} (ulimit -Hn, LimitNOFILE): an open page takes four."
    return Check("files", is_enough, f"a process may open {text}", hint)


def _check_folders(settings: Settings) -> Iterator[Check]:
    """Whether other OS users may enter what is to be ours alone; without a check where none may."""
    is_open = []
    for folder in (settings.uploads, settings.home / SCRATCH, settings.logs):
        with contextlib.suppress(OSError):  # it is not there, or this user may not enter the home
            if folder.stat().st_mode & 0o077:
                is_open.append(str(folder))
    if is_open:
        text = f"other users of this machine may enter {', '.join(is_open)}"
        yield Check("folders", False, text, f"Run chmod 700 {' '.join(map(shlex.quote, is_open))}.")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / GB:,.1f} GB" if n_bytes >= GB else f"{n_bytes / 1e6:,.0f} MB"


def _check_webhook(settings: Settings) -> Iterator[Check]:
    """Whether notifications are delivered, where a webhook is set."""
    if settings.webhook is None:
        return
    unheard = notifications.list_undelivered(1)
    if not unheard:
        yield Check("webhook", True, "the ends of jobs were heard")
        return
    row = unheard[0]
    what = "given up" if row.is_given_up else f"tried again at {row.due_at.astimezone():%Y-%m-%d %H:%M:%S}"
    text = f"the end of job {row.job_id} was not heard, {row.attempts} times ({row.error}); {what}"
    yield Check("webhook", False, text, "Check the receiver at FCST_WEBHOOK_URL, and that it has the secret.")


def _check_dask(address: str) -> Check:
    try:
        url = urlsplit(address if "://" in address else f"tcp://{address}")
        host, port = url.hostname, url.port
    except ValueError:  # a port that is no number, a bracket that is not closed
        host, port = None, None
    if not host or not port or url.scheme not in ("tcp", "tls") or url.path not in ("", "/"):
        hint = "Set it to the scheduler's address, such as tcp://host:8786, or unset it."
        return Check("dask", False, f"FCST_DASK_SCHEDULER is {address!r}, which is no address", hint)
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
        return Check("schema", False, "the schema is not there yet", "Run `python -m fcst migrate`.")
    if applied < latest:
        text = f"version {applied}; this program has {latest}"
        return Check("schema", False, text, "Run `python -m fcst migrate`.")
    if applied > latest:
        return Check("schema", False, f"version {applied}; this program knows {latest}", "Upgrade this program.")
    return Check("schema", True, f"version {applied}")


# Supervisors


def find_stalls(found: Sequence[Job]) -> dict[int, Stall]:
    """Those of some jobs that are stalled."""
    is_open = [job.job_id for job in found if not job.is_over]
    check = _look_for_supervisors(load_settings()).check if is_open else None
    if check is None or check.is_ok:
        return {}
    text = check.text.rstrip(".")
    is_sentence = not text[:1].islower() or text.startswith("no ")  # else it begins with the name of a machine
    why = f"{text[:1].upper()}{text[1:]}." if is_sentence else f"Supervisor {text}."
    return {job_id: Stall(since, why, check.hint) for job_id, since in stored_jobs.last_changes(is_open).items()}


def why_waiting(job_id: int) -> str:
    """Why an open job that is not stalled does not move; empty where it does. Cheap: a page asks every second."""
    found = _look_for_supervisors(load_settings())
    if not found.check.is_ok:
        return ""
    if found.engine != Engine.ALIVE:
        return "The engine is starting."
    busy = attempts.list_busy_jobs()
    if job_id in busy:
        return ""
    if busy:
        which = f"run {busy[0]}" if len(busy) == 1 else f"runs {', '.join(map(str, busy[:-1]))} and {busy[-1]}"
        whose = "its batches are" if len(busy) == 1 else "their batches are"
        return (
            f"Waiting behind {which}: {whose} all that run now. Runs take turns, a batch each, as processes get free."
        )
    if any(ingest.status == IngestStatus.RUNNING for ingest in ingests.list_open()):
        return "Waiting behind the loading of sales, which takes a process."
    return "Waiting for its turn."


def has_supervisor() -> bool:
    """Whether one lives, here or elsewhere, that uses this database."""
    return bool(_look_for_supervisors(load_settings()).live)


@dataclass(frozen=True)
class _Supervisors:
    """The supervisors of a database: those that live, and those that are dead though their lease holds."""

    engine: Engine
    check: Check
    live: tuple[Supervisor, ...] = ()
    gone: tuple[Supervisor, ...] = ()


def _check_supervisors(settings: Settings) -> list[Check]:
    found = _look_for_supervisors(settings)
    return [found.check, *_check_leases(bool(found.live), found.gone)]


def _look_for_supervisors(settings: Settings) -> _Supervisors:
    rows = workers.list_live()
    gone = tuple(row for row in rows if _is_gone(row, settings))
    live = tuple(row for row in rows if row not in gone)

    def found(engine: Engine, is_ok: bool, text: str, hint: str = "") -> _Supervisors:
        return _Supervisors(engine, Check("supervisor", is_ok, text, hint), live, gone)

    hindered = [row for row in live if row.problem]
    if hindered:
        text = "; ".join(f"{row.problem.rstrip('.')} (says {_place(row)})" for row in hindered)
        return found(Engine.HINDERED, False, text)
    if live:
        places = ", ".join(f"{_place(row)} ({row.processes} processes)" for row in live)
        return found(Engine.ALIVE, True, f"alive: {places}")
    state = supervisor_lock.holder(supervisor_lock.lock_path(settings))
    if state is not None:
        hanging = _find_hanging(int(state.get("pid", 0)))
        if hanging is None:
            return found(Engine.STARTING, True, "starting")
        text = f"{_place(hanging)} hangs: it lives, but {_lapse(hanging)}"
        pid = hanging.pid
        hint = f"If it does not come back: `kill -CONT {pid}` if it was stopped, else `kill -9 {pid}`."
        return found(Engine.HANGS, False, text, hint)
    places = ", ".join(_place(row) for row in gone)
    verb = "is" if len(gone) == 1 else "are"
    if not workers.has_work(is_telling=settings.webhook is not None):
        if gone:
            return found(Engine.IDLE, True, f"none alive ({places} {verb} dead), and nothing to do")
        return found(Engine.IDLE, True, "none alive, and nothing to do: one starts when work comes")
    if gone:
        return found(Engine.MISSING, False, f"{places} {verb} dead, and work is waiting", START_IT)
    return found(Engine.MISSING, False, "no supervisor is alive, and work is waiting", START_IT)


def _find_hanging(pid: int) -> LapsedSupervisor | None:
    """The supervisor of this home, a process that holds its lock, if its lease has run out; None while it starts."""
    lapsed = workers.list_lapsed([], socket.gethostname(), pid)
    own = [row for row in lapsed if (row.host, row.pid) == (socket.gethostname(), pid)]
    return next((row for row in own if _is_this_process(row)), None)


def _check_leases(is_any_alive: bool, gone: Sequence[Supervisor]) -> Iterator[Check]:
    gone_ids = [row.worker_id for row in gone]
    lapsed = workers.list_lapsed(gone_ids, "", 0)
    if not lapsed:
        yield Check("lease", True, "no work is held by a supervisor that is gone")
    for row in lapsed:
        held = [
            f"{n} {noun if n == 1 else plural}"
            for n, noun, plural in ((row.n_batches, "batch", "batches"), (row.n_ingests, "ingest", "ingests"))
            if n
        ]
        if row.lapsed_s < 0 and row.worker_id in gone_ids:
            since = f"is dead; its lease still holds for {-row.lapsed_s:.0f} s"
        else:
            since = f"has not signed off; {_lapse(row)}"
        hint = "A supervisor that lives takes them over when the lease has run out."
        if not is_any_alive:
            hint = "A supervisor takes them over. " + START_IT
        elif row.lapsed_s > 30:
            hint = "The living supervisor cannot take them over: another session may hold them locked (pg_locks)."
        yield Check("lease", False, f"{_place(row)} {since}, and it holds {' and '.join(held)}", hint)


def _place(row: Supervisor | LapsedSupervisor) -> str:
    return f"{row.host}:{row.pid}"


def _lapse(row: LapsedSupervisor) -> str:
    """Why a lease does not hold, by the database's clock."""
    at = f"{row.lease_expires_at.astimezone():%Y-%m-%d %H:%M:%S}"
    if row.lapsed_s < 0:
        return f"its lease, until {at}, is of before the database's clock went back"
    return f"its lease ran out at {at} ({row.lapsed_s:,.0f} s ago)"


def _is_gone(row: Supervisor, settings: Settings) -> bool:
    """Whether a supervisor is known to be dead, of which only its own machine can tell.

    One that holds its lock lives, though a container may not see its process.
    """
    if row.host != socket.gethostname() or _is_this_process(row):
        return False
    holder = supervisor_lock.holder(supervisor_lock.lock_path(settings)) or {}
    return holder.get("pid") != row.pid


def _is_this_process(row: Supervisor | LapsedSupervisor) -> bool:
    """Whether the process that a row of this host names lives, and is not a later one with the same number."""
    start = start_of(row.pid)
    return start is not None and row.process_start in (start, None)
