"""The task functions: one runs a batch, one an ingest, each from its id; the same on any pool and inline in a test."""

import logging
import math
import shutil
import time
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from fcst import logs
from fcst.compute.forecasting import Backtest, ItemForecast, forecast_item
from fcst.engine.watchdog import Watchdog
from fcst.errors import ComputeError, DatabaseAway, InputError, StaleState, StoreError
from fcst.files import make_home, private_folder
from fcst.ingest.folders import folders_for
from fcst.ingest.weekly import Resources, make_weekly
from fcst.settings import load_settings
from fcst.states import Outcome, Stage
from fcst.store import batches, datasets, ingests, sales

CHECKPOINT_S = 2.0  # how much computed work a death may cost
LOOK_EVERY_S = 0.5  # between looks whether the batch is still this task's
TELL_EVERY_S = 0.5

log = logging.getLogger(__name__)


def run_batch(batch_id: int, attempt: int) -> None:
    """Forecasts the pending items of a batch: reads their sales, computes, saves what is done every two seconds.

    A second attempt saves each item, and names it before it is computed.

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
    saved_at = looked_at = time.monotonic()
    with Watchdog(run) as watchdog:
        for unique_id, y in histories:
            now = time.monotonic()
            if run.is_careful:
                _save(run, unsaved, Stage.PROCESSING, unique_id)
                unsaved = []
            elif unsaved and now - saved_at > CHECKPOINT_S:
                _save(run, unsaved, Stage.PROCESSING)
                unsaved, saved_at, looked_at = [], now, now
            elif now - looked_at > LOOK_EVERY_S:
                batches.check(run)  # where nobody can interrupt this task, it finds out by itself that it is to stop
                looked_at = now
            unsaved.append(_run_item(run, unique_id, y, watchdog))
    batches.move(run, Stage.PROCESSING, Stage.SAVING)
    _save(run, unsaved, Stage.SAVING)


def _save(run: batches.Run, results: list[batches.ItemResult], stage: Stage, item_in_hand: str | None = None) -> None:
    """Saves results; in a careful run, which saves each item by itself, one that the database refuses fails alone."""
    try:
        batches.save(run, results, stage, item_in_hand)
    except (DatabaseAway, StaleState):
        raise
    except StoreError as exc:
        if not (run.is_careful and results):
            raise
        logs.event(log, logging.WARNING, "save_refused", exc.message, **run.ids)
        reason = f"what was computed could not be saved: {exc.message}"
        refused = [batches.ItemResult(r.unique_id, Outcome.FAILED, reason) for r in results]
        batches.save(run, refused, stage, item_in_hand)


def _run_item(run: batches.Run, unique_id: str, y: np.ndarray, watchdog: Watchdog) -> batches.ItemResult:
    """One bad item costs itself, not its batch."""

    def tell(model: str) -> None:
        watchdog.tell(model)
        if run.is_careful:
            batches.set_model_in_hand(run, model)

    watchdog.begin(unique_id)
    try:
        result = forecast_item(y, run.spec, tell)
    except (DatabaseAway, StaleState):
        raise
    except ComputeError as exc:
        return batches.ItemResult(unique_id, Outcome.FAILED, str(exc))
    except Exception as exc:  # noqa: BLE001  whatever an item's numbers provoke, the others are not to suffer
        logs.event(log, logging.ERROR, "item_failed", exc_info=True, item=unique_id, **run.ids)
        return batches.ItemResult(unique_id, Outcome.FAILED, f"{type(exc).__name__}: {exc}")
    finally:
        watchdog.end()
    return batches.ItemResult(
        unique_id,
        Outcome.COMPLETED,
        result.note or None,
        _forecast_rows(run, result),
        [_metric_row(run, backtest) for backtest in result.backtests],
        [_backtest_row(run, backtest) for backtest in result.backtests],
        result.provenance,
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


def _metric_row(run: batches.Run, backtest: Backtest) -> tuple[object, ...]:
    a, forecast = backtest.accuracy, backtest.forecast
    sums = (a.abs_error, a.error, a.sq_error, a.actual, a.pinball)
    by_item = (a.wape, a.bias, a.smape, a.mase, a.rmsse, a.scaled_crps)
    by_level = (a.coverage, a.mean_width, a.msis)
    return (
        *(backtest.model, _cutoff(run, backtest), forecast.is_fallback, forecast.made_by, a.n_weeks),
        *map(_defined, (*sums, *by_item)),
        *([_defined(value) for value in values] for values in by_level),
    )


def _backtest_row(run: batches.Run, backtest: Backtest) -> tuple[object, ...]:
    f = backtest.forecast
    y = [_defined(value) for value in backtest.y.tolist()]
    return (backtest.model, _cutoff(run, backtest), y, f.mean.tolist(), f.lo.tolist(), f.hi.tolist())


def _cutoff(run: batches.Run, backtest: Backtest) -> date:
    return run.last_wk_end_dt - timedelta(weeks=backtest.weeks_ago)


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
            folders=folders_for(spec, settings),
        )
        weekly = make_weekly(spec, dataset_id, resources, tell)
        datasets.insert(dataset_id, weekly, ingest_id, run_token, tell)
    except InputError as exc:
        ingests.fail(ingest_id, attempt, exc)
    discard_files(ingest_id)


def _make_folder(folder: Path) -> None:
    try:
        private_folder(folder, make_home(load_settings().home), exist_ok=False)
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
