"""Runs: submit, list, cancel, retry; their batches, attempts, events and log lines."""

import contextlib
import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pandas as pd

from fcst.compute.models import AUTO, parse_models
from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.filters import ALL_DATASET_ITEMS, ItemFilter, Selection, Take
from fcst.job_records import Batch, BatchEvent, BegunBatch, ItemFailure, Job, Learning, Reason
from fcst.logs import LogLine, last_lines
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.item_selection import join_keys
from fcst.services.supervision import ensure_supervisor, log_path, restart_crashed_supervisor, retry_while_database_away
from fcst.settings import load_settings
from fcst.specs import JobSpec, default_batch_size
from fcst.states import JobStatus, Outcome
from fcst.store import batches, datasets, jobs, learning, submission

POLL_S = 0.2


class BatchSort(StrEnum):
    """Sort orders of batches; ties by batch number."""

    NUMBER = "number"
    URGENT = "urgent"
    """Running batches first, then failed ones and those with failed items, then the rest."""
    LONGEST = "longest"
    ATTEMPTS = "attempts"
    FAILED = "failed"


def suggest_batch_size(n_items: int) -> int:
    """Batch size that keeps all worker processes of this machine busy."""
    return default_batch_size(n_items, load_settings().processes)


def make_spec(
    n_items: int,
    models: list[str],
    h: int,
    level: list[int],
    batch_size: int | None = None,
    n_windows: int = JobSpec.n_windows,
    skips_stockouts: bool = JobSpec.skips_stockouts,
) -> JobSpec:
    """Returns a validated spec; `suggest_batch_size` gives the batch size if None.

    Parameters
    ----------
    skips_stockouts
        treat suspected stock-out weeks as missing instead of zero demand.

    Raises
    ------
    InputError
        if a value is invalid; the message names it.
    """
    if n_items < 1:
        raise InputError(f"A run needs at least one item, not {n_items}.", "Choose at least one item.")
    settings = load_settings()
    return JobSpec(
        models=parse_models(models),
        h=h,
        level=tuple(level),
        batch_size=suggest_batch_size(n_items) if batch_size is None else batch_size,
        n_windows=n_windows,
        item_limit_s=settings.item_limit_s,
        process_memory=settings.process_memory,
        skips_stockouts=skips_stockouts,
    )


def choose_largest(dataset: Dataset, n_items: int, which: ItemFilter = ALL_DATASET_ITEMS) -> Selection:
    """Selects the `n_items` largest sellers among the items that match `which`.

    Raises
    ------
    InputError
        if the dataset has fewer items, or none match.
    """
    if not 1 <= n_items <= dataset.n_items:
        raise InputError(
            f"{n_items:,} items were requested.",
            f"Choose 1 to {dataset.n_items:,} items of dataset {dataset.name!r}.",
        )
    selection = Selection(which, Take.LARGEST, n_items)
    if which != ALL_DATASET_ITEMS and not count_chosen(dataset.dataset_id, selection):
        raise InputError(f"No items of dataset {dataset.name!r} match.", "Check attribute names and values.")
    return selection


def choose_named(dataset: Dataset, unique_ids: Sequence[str]) -> Selection:
    """Selects items of a dataset by key.

    Raises
    ------
    InputError
        if the dataset lacks some of them; the message names them.
    """
    known = datasets.find_items(dataset.dataset_id, list(unique_ids))
    unknown = sorted(set(unique_ids) - set(known))
    if unknown:
        raise InputError(f"Dataset {dataset.name!r} has no item {join_keys(unknown)}.", "Keys must match exactly.")
    return Selection(keys=tuple(known))


def count_chosen(dataset_id: int, selection: Selection) -> int:
    """Number of items of a dataset that are selected."""
    return datasets.count_items(dataset_id, selection).n_items


def submit_job(dataset_id: int, items: Selection, spec: JobSpec, name: str = "", note: str = "") -> int:
    """Submits a run: job, batches and items in one transaction. Returns the job id.

    Parameters
    ----------
    items
        items of the dataset, from `choose_largest` or `choose_named`.
    """
    return submit_once(dataset_id, items, spec, name, note, None)[0]


def submit_once(
    dataset_id: int,
    items: Selection,
    spec: JobSpec,
    name: str,
    note: str,
    idempotency: tuple[str, str] | None,
) -> tuple[int, bool]:
    """Submits a run idempotently; returns the job id and whether the job is new.

    Parameters
    ----------
    idempotency
        (key, fingerprint). A key reused within a day returns the job of its first use, and False. None always submits.

    Raises
    ------
    Conflict
        if the key was used with a different fingerprint.
    """
    who = identity.require(Scope.RUN)
    if not items:
        raise InputError("No items are selected.", "Select at least one.")
    spec = submission.complete_spec(dataset_id, items, spec, can_learn=AUTO in spec.models)
    ensure_supervisor()  # before: submit nothing if no supervisor can start
    key = None if idempotency is None else (identity.current().own_key, *idempotency)
    job_id, is_new = jobs.insert(dataset_id, items, spec, _clean(name)[:100], _clean(note)[:1000], who, key)
    ensure_supervisor()  # after: a supervisor that was exiting has not seen the job
    return job_id, is_new


def find_learning(job_id: int) -> Learning | None:
    """Progress of the learning step of a run; None if the run has none."""
    return batches.find_learning(job_id)


def learned_effects(job_id: int) -> list[dict[str, Any]]:
    """Learned driver effects of a run, as `compute.effects.describe` returns them; empty if none were learned."""
    effects: list[dict[str, Any]] = learning.summary(job_id).get("effects", [])
    return effects


def find_submitted(key: str, fingerprint: str) -> int | None:
    """Returns the job that the current actor submitted with an idempotency key; None if there is none.

    Raises
    ------
    Conflict
        if the key was used with a different fingerprint.
    """
    identity.require(Scope.RUN)
    job_id = jobs.find_by_idempotency_key(identity.current().own_key, key, fingerprint)
    if job_id is not None:
        ensure_supervisor()  # the first request may have failed before this step
    return job_id


def _clean(text: str) -> str:
    return text.replace("\0", "").strip()  # Postgres text cannot contain a zero byte


@dataclass(frozen=True)
class Filter:
    """Filter of the run list.

    Parameters
    ----------
    statuses
        empty: all.
    words
        searched in name and note; a number also matches the run id.
    """

    statuses: tuple[str, ...] = ()
    dataset_id: int | None = None
    words: str = ""


ALL = Filter()
OPEN = Filter((JobStatus.SUBMITTED, JobStatus.RUNNING))


def list_jobs(which: Filter = ALL, limit: int | None = None, skip: int = 0) -> list[Job]:
    """Runs, newest first."""
    return find_jobs(which, limit, skip)[0]


def has_any() -> bool:
    """Whether there is a run."""
    return jobs.has_any()


def has_open() -> bool:
    """Whether a run is open."""
    return jobs.has_open()


def has_forecasts() -> bool:
    """Whether any run has forecasts."""
    return jobs.has_forecasts()


def find_jobs(which: Filter = ALL, limit: int | None = None, skip: int = 0) -> tuple[list[Job], int]:
    """A page of `list_jobs`, and the total number of matches."""
    return jobs.find(list(which.statuses) or None, which.dataset_id, which.words.strip(), limit, skip)


def get_job(job_id: int) -> Job:
    """Returns a run.

    Raises
    ------
    InputError
        if no run has this id.
    """
    return jobs.get(job_id)


def choose_model(job: Job, name: str | None) -> str:
    """Returns the model called `name`, or the first model of the run if None.

    Raises
    ------
    InputError
        if the run has no such model.
    """
    if name is None:
        return job.spec.models[0]
    if name not in job.spec.models:
        raise InputError(f"Run {job.job_id} has no model {name[:100]}.", f"Choose one of {', '.join(job.spec.models)}.")
    return name


def wait_for_job(job_id: int) -> Job:
    """Waits until a run has ended and returns it. Restarts a supervisor that crashes meanwhile."""
    while not (job := retry_while_database_away(lambda: get_job(job_id))).is_over:
        restart_crashed_supervisor()
        time.sleep(POLL_S)
    return job


def cancel_job(job_id: int) -> bool:
    """Cancels a run: waiting batches end at once, running ones within two seconds; finished ones are kept.

    Returns
    -------
    bool
        False if the run has ended or was cancelled before.
    """
    who = identity.require(Scope.RUN)
    jobs.get(job_id)
    is_new = jobs.request_cancel(job_id, who)
    if is_new:
        ensure_supervisor()
    return is_new


def retry_job(job_id: int, unique_ids: list[str] | None = None) -> int:
    """Retries failed and cancelled items of an ended run, within the run; returns their number.

    Parameters
    ----------
    unique_ids
        retry only these; the other items keep their outcome.
    """
    who = identity.require(Scope.RUN)
    jobs.get(job_id)
    ensure_supervisor()
    n_items = jobs.retry(job_id, unique_ids, who)
    if n_items:
        ensure_supervisor()
    return n_items


def retry_batch(job_id: int, batch_id: int) -> int:
    """Retries the failed and cancelled items of one batch; returns their number.

    Raises
    ------
    InputError
        if there is no such batch.
    Conflict
        if the batch is waiting, running or completed.
    """
    who = identity.require(Scope.RUN)
    jobs.get(job_id)
    ensure_supervisor()
    n_items = jobs.retry_batch(job_id, batch_id, who)
    ensure_supervisor()
    return n_items


def retry_reason(job_id: int, outcome: str, reason: str) -> int:
    """Retries the items of an ended run that ended with this reason; returns their number."""
    return retry_job(job_id, batches.list_items_of_reason(job_id, Outcome(outcome), reason))


def n_to_cancel(job: Job) -> int:
    """Number of items that a cancel would end; 0 if the run has ended or was cancelled before."""
    if job.is_over or job.cancel_requested_at is not None:
        return 0
    return job.n_items - job.n_ended


def n_to_retry(job: Job) -> int:
    """Number of items that a retry would run; 0 while the run is open."""
    return job.n_failed + job.n_cancelled if job.is_over else 0


def cancel_jobs(job_ids: list[int]) -> int:
    """Cancels several runs; returns how many. Skips runs that have ended or were deleted meanwhile."""
    n_cancelled = 0
    for job_id in job_ids:
        with contextlib.suppress(InputError):
            n_cancelled += cancel_job(job_id)
    return n_cancelled


def retry_jobs(job_ids: list[int]) -> int:
    """Retries the failed and cancelled items of several ended runs; returns the number of items. Skips runs that were
    retried or deleted meanwhile."""
    n_items = 0
    for job_id in job_ids:
        with contextlib.suppress(InputError):
            n_items += retry_job(job_id)
    return n_items


def newest_of_item(dataset_id: int, unique_id: str) -> int | None:
    """Returns the newest run, on any version of a dataset, with a forecast of an item; None if there is none."""
    return jobs.newest_of_item(dataset_id, unique_id)


def list_keys(job_id: int) -> list[str]:
    """Item keys of a run, largest sellers first."""
    return jobs.list_keys(job_id)


def list_batches(
    job_id: int,
    limit: int | None = None,
    skip: int = 0,
    stages: Sequence[str] | None = None,
    sort: BatchSort = BatchSort.NUMBER,
) -> list[Batch]:
    """Batches of a run, optionally only those in some stages."""
    return batches.find(job_id, None if stages is None else list(stages), sort, limit, skip)


def find_batch(job_id: int, batch_no: int | None) -> BegunBatch | None:
    """Returns a batch by number; without one the first failed, otherwise the first begun batch. None if not found."""
    return batches.find_one(job_id, batch_no)


def list_events(job_id: int, only_with_reason: bool = False, limit: int | None = None) -> list[BatchEvent]:
    """Stage changes of a run's batches, newest first; optionally only those with a reason, such as a retry."""
    return batches.list_events(job_id, only_with_reason, limit)


def list_log_lines(job: Job, batch_id: int, n: int = 50) -> list[LogLine]:
    """Last log lines about a batch, oldest first, from the supervisor log in this FCST_HOME.

    Empty if the supervisor uses another FCST_HOME, or was started by hand and logs to stderr.
    """
    since = job.submitted_at - timedelta(minutes=10)  # submitted_at is by the database's clock, which may be ahead
    return last_lines(log_path(), batch_id, n, since)


def list_failures(job_id: int, limit: int | None = None, skip: int = 0) -> list[ItemFailure]:
    """Failed items of a run with their reasons, largest sellers first."""
    return batches.list_item_failures(job_id, limit, skip)


def count_reasons(job_id: int) -> list[Reason]:
    """Reasons why items of a run failed or were cancelled, most frequent first."""
    return batches.count_reasons(job_id)


def list_attempts(job_id: int, limit: int, skip: int = 0) -> pd.DataFrame:
    """Batch attempts of a run, by start time, packed into lanes for a timeline.

    The pool does not number its processes. A lane holds consecutive attempts that one process could have run.

    Returns
    -------
    DataFrame
        `batch_no, attempt, started_at, ended_at` (now, while it runs), `to_stage` (None while it runs), `lane` from 1.
    """
    attempts = batches.list_attempts(job_id, limit, skip)
    return attempts.assign(lane=_pack(attempts["started_at"].tolist(), attempts["ended_at"].tolist()))


def _pack(starts: list[datetime], ends: list[datetime]) -> list[int]:
    """Returns the lane of each span: the lowest one that is free at its start. Spans are sorted by start."""
    free: list[int] = []
    busy: list[tuple[datetime, int]] = []
    lanes = []
    for start, end in zip(starts, ends, strict=True):
        while busy and busy[0][0] <= start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lanes.append(heapq.heappop(free) if free else len(busy) + 1)
        heapq.heappush(busy, (end, lanes[-1]))
    return lanes
