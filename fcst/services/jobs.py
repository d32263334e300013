"""What a user can do with runs: submit, watch, cancel, try again."""

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
from fcst.filters import EVERY_ITEM, ItemFilter, Selection, Take
from fcst.job_records import Batch, BatchEvent, BegunBatch, ItemFailure, Job, Learning, Reason
from fcst.logs import LogLine, last_lines
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.item_selection import name_some
from fcst.services.supervision import ensure_supervisor, keep_alive, log_path, patiently
from fcst.settings import load_settings
from fcst.specs import JobSpec, default_batch_size
from fcst.states import JobStatus, Outcome
from fcst.store import batches, datasets, jobs, learning, submission

POLL_S = 0.2


class BatchSort(StrEnum):
    """In which order batches are listed; those that are alike by their number."""

    NUMBER = "number"
    URGENT = "urgent"
    """What runs, then what failed or has failed items, then the rest."""
    LONGEST = "longest"
    ATTEMPTS = "attempts"
    FAILED = "failed"


def suggest_batch_size(n_items: int) -> int:
    """Items of a batch that keep all processes of this machine busy."""
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
    """A checked spec, with the batch size suggested where none is given.

    Parameters
    ----------
    skips_stockouts
        weeks that look like stock-outs are taken as missing, not as zero demand.

    Raises
    ------
    InputError
        that names the value which cannot be used.
    """
    if n_items < 1:
        raise InputError(f"A run of {n_items} items makes no sense.", "Choose at least one item.")
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


def choose_largest(dataset: Dataset, n_items: int, which: ItemFilter = EVERY_ITEM) -> Selection:
    """The `n_items` largest sellers of those items of a dataset that match.

    Raises
    ------
    InputError
        if the dataset has not so many items, or none matches.
    """
    if not 1 <= n_items <= dataset.n_items:
        raise InputError(
            f"{n_items:,} items were asked for.",
            f"Dataset {dataset.name!r} has 1 to {dataset.n_items:,}.",
        )
    selection = Selection(which, Take.LARGEST, n_items)
    if which != EVERY_ITEM and not count_chosen(dataset.dataset_id, selection):
        raise InputError(f"No item of dataset {dataset.name!r} matches.", "Check the names and values of attributes.")
    return selection


def choose_named(dataset: Dataset, unique_ids: Sequence[str]) -> Selection:
    """The named items of a dataset.

    Raises
    ------
    InputError
        that names those the dataset has not.
    """
    known = datasets.find_items(dataset.dataset_id, list(unique_ids))
    unknown = sorted(set(unique_ids) - set(known))
    if unknown:
        raise InputError(
            f"Dataset {dataset.name!r} has no item {name_some(unknown)}.", "Keys must match to the letter."
        )
    return Selection(keys=tuple(known))


def count_chosen(dataset_id: int, selection: Selection) -> int:
    """How many items of a dataset a run would take."""
    return datasets.count_items(dataset_id, selection).n_items


def submit_job(dataset_id: int, items: Selection, spec: JobSpec, name: str = "", note: str = "") -> int:
    """Submits a run: the job, its batches and its items in one transaction; returns the job's id.

    Parameters
    ----------
    items
        which of the dataset, as `choose_largest` or `choose_named` say it.
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
    """As `submit_job`, for a caller who cannot know whether an earlier call has been heard.

    Parameters
    ----------
    idempotency
        (key, fingerprint): a key that is used again within a day gives the job of the first use, and False.

    Raises
    ------
    Conflict
        if the key was used with another fingerprint.
    """
    who = identity.require(Scope.RUN)
    if not items:
        raise InputError("No item was chosen.", "Choose at least one.")
    spec = submission.with_what_is_known(dataset_id, items, spec, can_learn=AUTO in spec.models)
    ensure_supervisor()  # before: where none can be started, nothing is submitted
    once = None if idempotency is None else (identity.current().own_key, *idempotency)
    job_id, is_new = jobs.insert(dataset_id, items, spec, _clean(name)[:100], _clean(note)[:1000], who, once)
    ensure_supervisor()  # after: one that was about to leave has not seen the job
    return job_id, is_new


def find_learning(job_id: int) -> Learning | None:
    """How the learning of a run is doing; None where it learns nothing."""
    return batches.find_learning(job_id)


def learned_effects(job_id: int) -> list[dict[str, Any]]:
    """What drivers do to all items of a run, as `compute.effects.describe` tells it; empty where it learnt nothing."""
    effects: list[dict[str, Any]] = learning.summary(job_id).get("effects", [])
    return effects


def find_submitted(key: str, fingerprint: str) -> int | None:
    """The job that who acts now has submitted under an idempotency key; None if there is none.

    Raises
    ------
    Conflict
        if the key was used with another fingerprint.
    """
    identity.require(Scope.RUN)
    job_id = jobs.find_of_key(identity.current().own_key, key, fingerprint)
    if job_id is not None:
        ensure_supervisor()  # the first request may have broken off before it did so
    return job_id


def _clean(words: str) -> str:
    return words.replace("\0", "").strip()  # no text in Postgres has a zero byte


@dataclass(frozen=True)
class Filter:
    """Which jobs are looked at: of some states, of a dataset, with words in name or note, or with a number."""

    statuses: tuple[str, ...] = ()
    dataset_id: int | None = None
    words: str = ""


ALL = Filter()
OPEN = Filter((JobStatus.SUBMITTED, JobStatus.RUNNING))


def list_jobs(which: Filter = ALL, limit: int | None = None, skip: int = 0) -> list[Job]:
    """Jobs, the newest first."""
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
    """As `list_jobs`, and how many there are without `limit` and `skip`."""
    return jobs.find(list(which.statuses) or None, which.dataset_id, which.words.strip(), limit, skip)


def get_job(job_id: int) -> Job:
    """One job.

    Raises
    ------
    InputError
        if there is none with this id.
    """
    return jobs.get(job_id)


def choose_model(job: Job, name: str | None) -> str:
    """The model of that name in a run; its first without a name.

    Raises
    ------
    InputError
        if it has no such model.
    """
    if name is None:
        return job.spec.models[0]
    if name not in job.spec.models:
        raise InputError(f"Run {job.job_id} has no model {name[:100]}.", f"Name one of {', '.join(job.spec.models)}.")
    return name


def wait_for_job(job_id: int) -> Job:
    """Waits until a job has ended; returns it. A supervisor that crashes meanwhile is replaced."""
    while not (job := patiently(lambda: get_job(job_id))).is_over:
        keep_alive()
        time.sleep(POLL_S)
    return job


def cancel_job(job_id: int) -> bool:
    """Asks a job to stop: waiting batches end at once, running ones within two seconds, finished ones stay.

    Returns
    -------
    bool
        False if there was nothing to stop: it has ended, or was asked already.
    """
    who = identity.require(Scope.RUN)
    jobs.get(job_id)
    is_new = jobs.request_cancel(job_id, who)
    if is_new:
        ensure_supervisor()
    return is_new


def retry_job(job_id: int, unique_ids: list[str] | None = None) -> int:
    """Runs failed and cancelled items of an ended job again, in the same job; returns how many there are.

    Parameters
    ----------
    unique_ids
        only those of them, if given; the others stay as they ended.
    """
    who = identity.require(Scope.RUN)
    jobs.get(job_id)
    ensure_supervisor()
    n_items = jobs.retry(job_id, unique_ids, who)
    if n_items:
        ensure_supervisor()
    return n_items


def retry_batch(job_id: int, batch_id: int) -> int:
    """Runs the failed and cancelled items of one batch again; returns how many there are.

    Raises
    ------
    InputError
        if there is no such batch; Conflict, if it waits, runs, or is completed.
    """
    who = identity.require(Scope.RUN)
    jobs.get(job_id)
    ensure_supervisor()
    n_items = jobs.retry_batch(job_id, batch_id, who)
    ensure_supervisor()
    return n_items


def retry_reason(job_id: int, outcome: str, reason: str) -> int:
    """Runs again those items of an ended job that ended with this reason; returns how many there are."""
    return retry_job(job_id, batches.list_items_of_reason(job_id, Outcome(outcome), reason))


def n_to_cancel(job: Job) -> int:
    """The items that a cancel would end; 0 if the job has ended, or is to stop already."""
    if job.is_over or job.cancel_requested_at is not None:
        return 0
    return job.n_items - job.n_ended


def n_to_retry(job: Job) -> int:
    """The items that a retry would run again; 0 while the job runs."""
    return job.n_failed + job.n_cancelled if job.is_over else 0


def cancel_jobs(job_ids: list[int]) -> int:
    """Cancels several jobs; returns how many: one that has ended or was deleted meanwhile is none."""
    n_cancelled = 0
    for job_id in job_ids:
        with contextlib.suppress(InputError):
            n_cancelled += cancel_job(job_id)
    return n_cancelled


def retry_jobs(job_ids: list[int]) -> int:
    """Runs the failed and cancelled items of several ended jobs again; returns how many items: those of a job that runs
    again already, or was deleted meanwhile, are none."""
    n_items = 0
    for job_id in job_ids:
        with contextlib.suppress(InputError):
            n_items += retry_job(job_id)
    return n_items


def newest_of_item(dataset_id: int, unique_id: str) -> int | None:
    """The newest job, on any version of a dataset, that has forecast an item; None without one."""
    return jobs.newest_of_item(dataset_id, unique_id)


def list_keys(job_id: int) -> list[str]:
    """The keys of a job's items, the largest sellers first."""
    return jobs.list_keys(job_id)


def list_batches(
    job_id: int,
    limit: int | None = None,
    skip: int = 0,
    stages: Sequence[str] | None = None,
    sort: BatchSort = BatchSort.NUMBER,
) -> list[Batch]:
    """Batches of a job, all or those in some stages."""
    return batches.find(job_id, None if stages is None else list(stages), sort, limit, skip)


def find_batch(job_id: int, batch_no: int | None) -> BegunBatch | None:
    """The batch with a number; without one the batch most worth a look, None if none has begun."""
    return batches.find_one(job_id, batch_no)


def list_events(job_id: int, only_with_reason: bool = False, limit: int | None = None) -> list[BatchEvent]:
    """Changes of stage of a job's batches, the newest first; those with a reason are those where something happened."""
    return batches.list_events(job_id, only_with_reason, limit)


def list_log_lines(job: Job, batch_id: int, n: int = 50) -> list[LogLine]:
    """The last lines that the log in this home has of a batch, the oldest first.

    None where its supervisor is another home's, or was started by hand and writes to stderr.
    """
    since = job.submitted_at - timedelta(minutes=10)  # by the database's clock, which may be fast
    return last_lines(log_path(), batch_id, n, since)


def list_failures(job_id: int, limit: int | None = None, skip: int = 0) -> list[ItemFailure]:
    """The items of a job that failed, with the reason; the largest sellers first."""
    return batches.list_item_failures(job_id, limit, skip)


def count_reasons(job_id: int) -> list[Reason]:
    """Why items of a job failed or were cancelled, the most frequent reason first."""
    return batches.count_reasons(job_id)


def list_attempts(job_id: int, limit: int, skip: int = 0) -> pd.DataFrame:
    """Attempts at the batches of a job, in the order in which they began, packed into lanes.

    A pool has no numbers for its processes: a lane is what one process could have done, one attempt after the other.

    Returns
    -------
    DataFrame
        `batch_no, attempt, started_at, ended_at` (now, while it runs), `to_stage` (None while it runs), `lane` from 1.
    """
    attempts = batches.list_attempts(job_id, limit, skip)
    return attempts.assign(lane=_pack(attempts["started_at"].tolist(), attempts["ended_at"].tolist()))


def _pack(begins: list[datetime], ends: list[datetime]) -> list[int]:
    """The lane of each span: the lowest that is free when it begins. Spans are in the order of their begin."""
    free: list[int] = []
    busy: list[tuple[datetime, int]] = []
    lanes = []
    for begin, end in zip(begins, ends, strict=True):
        while busy and busy[0][0] <= begin:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lanes.append(heapq.heappop(free) if free else len(busy) + 1)
        heapq.heappush(busy, (end, lanes[-1]))
    return lanes
