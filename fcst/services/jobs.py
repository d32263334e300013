"""What a user can do with runs: submit, watch, cancel, try again."""

import time
from datetime import timedelta
from typing import Any

import pandas as pd

from fcst.compute.models import expected_ms, parse_models
from fcst.errors import InputError
from fcst.logs import LogLine, last_lines
from fcst.services.supervision import ensure_supervisor, keep_alive, log_path, patiently
from fcst.settings import load_settings
from fcst.specs import JobSpec, default_batch_size
from fcst.states import FINAL_STATUSES
from fcst.store import batches, datasets, jobs

POLL_S = 0.2


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
) -> JobSpec:
    """A checked spec, with the batch size suggested where none is given.

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
    )


def choose_largest(dataset: dict[str, Any], n_items: int) -> list[tuple[str, int]]:
    """The `n_items` largest sellers of a dataset with their rank.

    Raises
    ------
    InputError
        if the dataset has not so many.
    """
    if not 1 <= n_items <= dataset["n_items"]:
        raise InputError(
            f"{n_items:,} items were asked for.",
            f"Dataset {dataset['name']!r} has 1 to {dataset['n_items']:,}.",
        )
    frame = datasets.items(dataset["dataset_id"], n_items)
    return list(zip(frame["unique_id"].tolist(), frame["sales_rank"].tolist(), strict=True))


def choose_named(dataset: dict[str, Any], unique_ids: list[str]) -> list[tuple[str, int]]:
    """The named items of a dataset with their rank, the largest sellers first.

    Raises
    ------
    InputError
        that names those the dataset has not.
    """
    rows = datasets.find_items(dataset["dataset_id"], unique_ids)
    unknown = sorted(set(unique_ids) - {row["unique_id"] for row in rows})
    if unknown:
        shown = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise InputError(f"Dataset {dataset['name']!r} has no item {shown}.", "Keys must match to the letter.")
    return [(row["unique_id"], row["sales_rank"]) for row in rows]


def expected_seconds(items: pd.DataFrame, models: tuple[str, ...], n_windows: int) -> float:
    """About how long a run of `items` would take on this machine's processes, if they have nothing else to do.

    Parameters
    ----------
    items
        `n_weeks, demand_class` of each.
    """
    alike = items.groupby(["n_weeks", "demand_class"], dropna=False).size()
    ms = sum(n * expected_ms(models, n_windows, weeks, demand) for (weeks, demand), n in alike.items())
    return ms / 1000 / load_settings().processes


def submit_job(dataset_id: int, items: list[tuple[str, int]], spec: JobSpec, name: str = "", note: str = "") -> int:
    """Submits a run: the job, its batches and its items in one transaction; returns the job's id.

    Parameters
    ----------
    items
        as `choose_largest` or `choose_named` give them.
    """
    if not items:
        raise InputError("No item was chosen.", "Choose at least one.")
    ensure_supervisor()  # before: where none can be started, nothing is submitted
    job_id = jobs.insert(dataset_id, items, spec, name.strip()[:100], note.strip()[:1000])
    ensure_supervisor()  # after: one that was about to leave has not seen the job
    return job_id


def list_jobs() -> list[dict[str, Any]]:
    """All jobs, the newest first, each with status, counts, rate and time left."""
    return [_with_rate(row) for row in jobs.list_all()]


def get_job(job_id: int) -> dict[str, Any]:
    """One job with status, counts, `batches` per stage, rate and time left.

    Raises
    ------
    InputError
        if there is none with this id.
    """
    return _with_rate(jobs.get(job_id))


def _with_rate(job: dict[str, Any]) -> dict[str, Any]:
    """adds `items_per_s` and `time_left_s`, None where they cannot be known."""
    is_over = job["status"] in FINAL_STATUSES
    done, seconds = job.pop("n_done_now"), job.pop("running_s")
    rate = done / seconds if done > 0 and seconds else None
    left = job["n_items"] - job["n_completed"] - job["n_failed"] - job["n_cancelled"]
    seconds_left = left / rate if rate and not is_over else None
    return {**job, "is_over": is_over, "seconds": seconds, "items_per_s": rate, "time_left_s": seconds_left}


def wait_for_job(job_id: int) -> dict[str, Any]:
    """Waits until a job has ended; returns it. A supervisor that crashes meanwhile is replaced."""
    while not (job := patiently(lambda: get_job(job_id)))["is_over"]:
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
    jobs.get(job_id)
    is_new = jobs.request_cancel(job_id)
    if is_new:
        ensure_supervisor()
    return is_new


def retry_job(job_id: int) -> int:
    """Runs the failed and cancelled items of an ended job again, in the same job; returns how many there are."""
    jobs.get(job_id)
    ensure_supervisor()
    n_items = jobs.retry(job_id)
    if n_items:
        ensure_supervisor()
    return n_items


def list_batches(job_id: int, limit: int | None = None) -> list[dict[str, Any]]:
    """The batches of a job, in order; with a limit so many, those first that run or in which something failed."""
    return batches.list_all(job_id, limit)


def list_events(job_id: int, only_with_reason: bool = False, limit: int | None = None) -> list[dict[str, Any]]:
    """Changes of stage of a job's batches, the newest first; those with a reason are those where something happened."""
    return batches.list_events(job_id, only_with_reason, limit)


def list_log_lines(job: dict[str, Any], batch_id: int, n: int = 50) -> list[LogLine]:
    """The last lines that the log in this home has of a batch, the oldest first.

    None where its supervisor is another home's, or was started by hand and writes to stderr.
    """
    since = job["submitted_at"] - timedelta(minutes=10)  # by the database's clock, which may be fast
    return last_lines(log_path(), batch_id, n, since)


def list_failures(job_id: int) -> list[dict[str, Any]]:
    """The items of a job that failed, with the reason."""
    return batches.list_item_failures(job_id)
