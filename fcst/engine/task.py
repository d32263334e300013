"""The task functions: one runs a batch, one an ingest, each from its id; the same on a pool and inline in a test."""

import logging
import math
import shutil
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from fcst.compute.forecasting import ItemForecast, forecast_item
from fcst.errors import ComputeError, DatabaseAway, InputError
from fcst.ingest.weekly import Resources, make_weekly
from fcst.settings import load_settings
from fcst.states import Outcome, Stage
from fcst.store import batches, datasets, ingests, sales

CHECKPOINT_S = 2.0  # how much computed work a death may cost
TELL_EVERY_S = 0.5

log = logging.getLogger(__name__)


def run_batch(batch_id: int, attempt: int) -> None:
    """Forecasts the pending items of a batch: reads their sales, computes, saves what is done every two seconds.

    Raises
    ------
    StaleState
        if the batch belongs to somebody else; nothing more is written then.
    DatabaseAway
        if the database cannot be reached; what was saved stays.
    """
    run = batches.begin(batch_id, attempt, str(uuid.uuid4()))
    histories = sales.batch_histories(run.dataset_id, batch_id)
    batches.move(run, Stage.OBTAINING_SALES, Stage.PROCESSING)
    unsaved: list[batches.ItemResult] = []
    saved_at = time.monotonic()
    for unique_id, y in histories:
        if unsaved and time.monotonic() - saved_at > CHECKPOINT_S:
            batches.save(run, unsaved, Stage.PROCESSING)
            unsaved, saved_at = [], time.monotonic()
        unsaved.append(_run_item(run, unique_id, y))
    batches.move(run, Stage.PROCESSING, Stage.SAVING)
    batches.save(run, unsaved, Stage.SAVING)


def _run_item(run: batches.Run, unique_id: str, y: np.ndarray) -> batches.ItemResult:
    """One bad item costs itself, not its batch."""
    try:
        result = forecast_item(y, run.spec)
    except ComputeError as exc:
        return batches.ItemResult(unique_id, Outcome.FAILED, str(exc), [], [])
    except Exception as exc:  # noqa: BLE001  whatever an item's numbers provoke, the others are not to suffer
        log.exception("job %s batch %s: item %r failed", run.job_id, run.batch_id, unique_id)
        return batches.ItemResult(unique_id, Outcome.FAILED, f"{type(exc).__name__}: {exc}", [], [])
    return batches.ItemResult(
        unique_id,
        Outcome.COMPLETED,
        result.note or None,
        _forecast_rows(run, result),
        _metric_rows(run, result),
    )


def _forecast_rows(run: batches.Run, result: ItemForecast) -> list[tuple[object, ...]]:
    weeks = [run.last_wk_end_dt + timedelta(weeks=step) for step in range(1, run.spec.h + 1)]
    return [
        (model, week, mean, lo, hi, forecast.is_fallback, forecast.made_by)
        for model, forecast in result.forecasts.items()
        for week, mean, lo, hi in zip(
            weeks, forecast.mean.tolist(), forecast.lo.T.tolist(), forecast.hi.T.tolist(), strict=True
        )
    ]


def _metric_rows(run: batches.Run, result: ItemForecast) -> list[tuple[object, ...]]:
    return [
        (
            score.model,
            run.last_wk_end_dt - timedelta(weeks=score.h),
            score.n_weeks,
            _defined(score.wape),
            _defined(score.bias),
            score.abs_error,
            score.error,
            score.actual,
            score.is_fallback,
            score.made_by,
        )
        for score in result.scores
    ]


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def run_ingest(ingest_id: int, attempt: int) -> None:
    """Reads a file and writes its dataset, whole or not at all; a file that is refused ends the ingest with the reason.

    Raises
    ------
    StaleState
        if the ingest belongs to somebody else.
    DatabaseAway
        if the database cannot be reached.
    """
    settings = load_settings()
    run_token = str(uuid.uuid4())
    spec = ingests.begin(ingest_id, attempt, run_token)
    folder = _folder(ingest_id)
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    tell = _teller(ingest_id, run_token)
    try:
        _make_folder(folder)
        dataset_id = datasets.reserve_id()
        resources = Resources(
            folder=folder,
            memory=settings.ingest_memory,
            threads=settings.processes,
            unpack_limit=settings.unpack_limit,
            roots=settings.readable_folders,
        )
        weekly = make_weekly(spec, dataset_id, resources, tell)
        datasets.insert(dataset_id, weekly, ingest_id, run_token, tell)
    except InputError as exc:
        ingests.fail(ingest_id, attempt, exc)
    discard_files(ingest_id)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as exc:
        raise InputError(f"There is no room to work in {folder}: {exc.strerror}.", "Make room in FCST_HOME.") from exc


def _teller(ingest_id: int, run_token: str) -> Callable[[str, int, int], None]:
    """Writes progress into the database, a few times a second at most; a database that is away misses some of it."""
    said: tuple[str, float] = ("", 0.0)

    def tell(what: str, done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if what == said[0] and now - said[1] < TELL_EVERY_S:
            return
        said = (what, now)
        try:
            ingests.set_progress(ingest_id, run_token, what, done, total)
        except DatabaseAway as exc:
            log.warning("%s", exc)

    return tell


def discard_files(ingest_id: int) -> None:
    """Removes what an ended ingest leaves on disk: its working folder, and the copies of an upload.

    A refused upload stays for a while, for its good rows may be asked for.
    """
    shutil.rmtree(_folder(ingest_id), ignore_errors=True)
    row = ingests.get(ingest_id)
    if row is not None and row["spec"]["is_upload"] and row["report"] is None:
        for path in row["spec"]["paths"]:
            shutil.rmtree(Path(path).parent, ignore_errors=True)


def _folder(ingest_id: int) -> Path:
    return load_settings().home / "tmp" / f"ingest-{ingest_id}"
