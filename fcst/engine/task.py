"""Task functions for batches, learning and ingests. Each takes an id, and runs on any pool or inline in a test."""

import logging
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial, wraps
from pathlib import Path

from threadpoolctl import threadpool_limits

from fcst import logs
from fcst.compute.forecasting import Backtest, Forecast, forecast_item
from fcst.compute.learning import Learned, learn
from fcst.compute.models import AUTO
from fcst.compute.series import Series
from fcst.data_sources import SourceKind
from fcst.engine.series_reading import read_series
from fcst.engine.watchdog import LEARNING, Watchdog
from fcst.errors import (
    ComputeError,
    ConfigError,
    DatabaseFull,
    DatabaseUnreachable,
    DiskFull,
    InputError,
    StaleState,
    StoreError,
)
from fcst.fetch.limits import Fetching
from fcst.fetch.sources import fetch
from fcst.files import free_space, private_folder
from fcst.ingest.driver_files import DatasetWeeks, DriverFiles
from fcst.ingest.driver_plans import PlanDataset, find_plan_tables, read_plan
from fcst.ingest.folders import Folders, folders_for
from fcst.ingest.pipeline import Resources, SeriesFiles
from fcst.ingest.pipeline import read_series as read_sales
from fcst.ingest.sources import OnProgress, Workspace, disk_full_while_reading, make_folder
from fcst.names import SCRATCH
from fcst.records import BacktestRecord, ForecastRecord, ItemResult, LearnedRecord
from fcst.settings import Settings, load_settings
from fcst.specs import IngestSpec
from fcst.states import Outcome, Stage
from fcst.store import attempts, data_sources, datasets, drivers, ingests, learning, sales, submission
from fcst.store.attempts import BatchAttempt
from fcst.store.database import check_disk_space

CHECKPOINT_S = 2.0  # interval of saves; a crash loses at most this much work
CHECK_EVERY_S = 0.5  # interval of checks that the batch is still this task's
PROGRESS_EVERY_S = 0.5
BYTES_STORED = 3
"""Bytes in the database per byte of the loaded files: tables, indexes and write-ahead log."""
LEARNING_LIMIT_S = 1_800.0
MAX_LEARNING_ITEMS = 2_000
"""Maximum number of items to learn from: more change little, and the cost stays constant for larger runs."""

UNLEARNED = "learning across items failed, so only the item's own history is used"

log = logging.getLogger(__name__)


def in_one_thread(task: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Decorate a task to run numpy's libraries in one thread, because the order of sums changes their last bits."""

    @wraps(task)
    def run(batch_id: int, attempt: int) -> None:
        with threadpool_limits(1):
            task(batch_id, attempt)

    return run


@in_one_thread
def run_batch(batch_id: int, attempt: int) -> None:
    """Forecast the pending items of a batch: read their sales, compute, save results every two seconds.

    A second attempt saves after each item, and records the item before computing it.

    Raises
    ------
    StaleState
        if another supervisor has taken over the batch; nothing more is written then.
    DatabaseUnreachable
        if the database cannot be reached; saved results stay.
    """
    held = attempts.begin(batch_id, attempt, str(uuid.uuid4()))
    series = read_series(held, sales.batch_series(held.dataset_id, batch_id))
    learned = {weeks_ago: Learned.from_bytes(content) for weeks_ago, content in learning.contents(held.job_id).items()}
    attempts.move(held, Stage.OBTAINING_SALES, Stage.PROCESSING)
    unsaved: list[ItemResult] = []
    saved_at = checked_at = time.monotonic()
    with Watchdog(held, held.spec.item_limit_s) as watchdog:
        for item in series:
            now = time.monotonic()
            if held.is_careful:
                _save(held, unsaved, Stage.PROCESSING, item.unique_id)
                unsaved = []
            elif unsaved and now - saved_at > CHECKPOINT_S:
                _save(held, unsaved, Stage.PROCESSING)
                unsaved, saved_at, checked_at = [], now, now
            elif now - checked_at > CHECK_EVERY_S:
                attempts.check(held)  # stops the task on a pool that cannot interrupt it
                checked_at = now
            unsaved.append(_run_item(held, item, learned, watchdog))
    attempts.move(held, Stage.PROCESSING, Stage.SAVING)
    _save(held, unsaved, Stage.SAVING)


@in_one_thread
def run_learning(batch_id: int, attempt: int) -> None:
    """Learn across the items of a run, at the end of their histories and at the backtest cutoffs.

    Raises
    ------
    StaleState
        if another supervisor has taken over the learning; nothing is written then.
    DatabaseUnreachable
        if the database cannot be reached.
    """
    held = attempts.begin(batch_id, attempt, str(uuid.uuid4()))
    with Watchdog(held, LEARNING_LIMIT_S) as watchdog:
        watchdog.begin(LEARNING)
        series = read_series(held, sales.learning_series(held.dataset_id, held.job_id, MAX_LEARNING_ITEMS))
        spec = held.spec
        learned = learn(series, spec.n_windows, spec.h, AUTO in spec.models, lambda: attempts.touch(held))
        records = {w: LearnedRecord(found.summary(), found.to_bytes()) for w, found in learned.items()}
        watchdog.end()
    attempts.save_learned(held, records)


def _save(attempt: BatchAttempt, results: list[ItemResult], stage: Stage, current_item: str | None = None) -> None:
    """Save results. In a careful attempt, which saves single items, an item that cannot be saved fails alone."""
    try:
        attempts.save(attempt, results, stage, current_item)
    except (DatabaseUnreachable, StaleState):
        raise
    except StoreError as exc:
        if not (attempt.is_careful and results):
            raise
        logs.event(log, logging.WARNING, "save_rejected", exc.message, **attempt.ids)
        reason = f"its results could not be saved: {exc.message}"
        refused = [ItemResult(r.unique_id, Outcome.FAILED, reason) for r in results]
        attempts.save(attempt, refused, stage, current_item)


def _run_item(attempt: BatchAttempt, series: Series, learned: Mapping[int, Learned], watchdog: Watchdog) -> ItemResult:
    """Forecast one item; an error fails the item, not its batch."""
    unique_id = series.unique_id

    def on_progress(model: str) -> None:
        watchdog.set_model(model)
        if attempt.is_careful:
            attempts.set_current_model(attempt, model)

    watchdog.begin(unique_id)
    try:
        result = forecast_item(series, attempt.spec, learned, on_progress)
    except (DatabaseUnreachable, StaleState):
        raise
    except ComputeError as exc:
        return ItemResult(unique_id, Outcome.FAILED, str(exc))
    except Exception as exc:  # noqa: BLE001  any error of one item must not stop the others
        logs.event(log, logging.ERROR, "item_failed", exc_info=True, item=unique_id, **attempt.ids)
        return ItemResult(unique_id, Outcome.FAILED, f"{type(exc).__name__}: {exc}")
    finally:
        watchdog.end()
    has_effects = bool(series.drivers) and any(found.effects.columns for found in learned.values())
    return ItemResult(
        unique_id,
        Outcome.COMPLETED,
        "; ".join(filter(None, [result.note, UNLEARNED if attempt.spec.learns and not learned else ""])) or None,
        [
            _forecast_record(model, result.first_wk_end_dt, forecast, has_effects)
            for model, forecast in result.forecasts.items()
        ],
        [_backtest_record(backtest) for backtest in result.backtests],
        result.provenance,
        result.lost,
        result.signals,
    )


def _forecast_record(model: str, first_wk_end_dt: date, f: Forecast, has_effects: bool) -> ForecastRecord:
    effects = (f.baseline, f.uplift) if has_effects else ()
    return ForecastRecord(model, first_wk_end_dt, f.mean, f.lo, f.hi, f.is_fallback, f.made_by, f.heaviest, *effects)


def _backtest_record(backtest: Backtest) -> BacktestRecord:
    a, f = backtest.accuracy, backtest.forecast
    return BacktestRecord(
        model=backtest.model,
        cutoff=backtest.cutoff,
        actual=backtest.y,
        forecast=f.mean,
        lo=f.lo,
        hi=f.hi,
        is_fallback=f.is_fallback,
        made_by=f.made_by,
        n_weeks=a.n_weeks,
        sums=(a.abs_error, a.error, a.sq_error, a.actual, a.pinball),
        scores=(a.wape, a.bias, a.smape, a.mase, a.rmsse, a.scaled_crps),
        coverage=a.coverage,
        mean_width=a.mean_width,
        msis=a.msis,
    )


def run_ingest(ingest_id: int, attempt: int) -> None:
    """Read files and write their dataset in one transaction; a refused file fails the ingest with the reason.

    Raises
    ------
    StaleState
        if another supervisor has taken over the ingest.
    DatabaseUnreachable
        if the database cannot be reached.
    """
    settings = load_settings()
    run_token = str(uuid.uuid4())
    spec = ingests.begin(ingest_id, attempt, run_token)
    folder = _folder(ingest_id)
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed attempt
    on_progress = _progress_writer(ingest_id, run_token)
    try:
        make_folder(folder, settings.home)
        resources = Resources(
            folder=folder,
            memory=settings.ingest_memory,
            threads=settings.processes,
            unpack_limit=settings.unpack_limit,
            folders=folders_for(spec, settings),
        )
        if spec.plan_of:
            plan = _read_plan(spec, resources, on_progress)
            drivers.insert_of_ingest(spec.plan_of, plan, spec.requested_by, ingest_id, run_token)
        else:
            dataset_id = datasets.reserve_id()
            if spec.from_source:
                files = _read_source(spec, dataset_id, resources, settings, on_progress)
            else:
                files = read_sales(spec, dataset_id, resources, on_progress)
            sizes = (path.stat().st_size for path in (files.items_csv, files.sales, files.totals_csv))
            check_disk_space("the weekly sales in the database", BYTES_STORED * sum(sizes))
            datasets.insert(dataset_id, files, ingest_id, run_token, on_progress)
            if spec.then_run:
                submission.submit_after_load(ingest_id, dataset_id, spec.requested_by, settings)
    except (InputError, ConfigError, DiskFull, DatabaseFull) as exc:  # a retry would fail in the same way
        ingests.fail(ingest_id, attempt, exc)
    discard_files(ingest_id)


def _read_source(
    spec: IngestSpec, dataset_id: int, resources: Resources, settings: Settings, on_progress: OnProgress
) -> SeriesFiles:
    """Fetch the source of a dataset into the working folder, and read it."""
    stored = data_sources.find(spec.name)
    if stored is None:
        raise InputError(f"The source of {spec.name!r} was removed.", "Load it from a source again.")
    folder = private_folder(resources.folder / "fetched", resources.folder)
    fetching = Fetching(folder, settings.unpack_limit, settings.private_hosts, on_progress)
    paths = fetch(stored.source, fetching, resources.folders)
    if stored.source.kind != SourceKind.FILES:
        resources = replace(resources, folders=Folders((folder.resolve(),)))
    files = read_sales(replace(spec, paths=paths), dataset_id, resources, on_progress)
    return replace(files, spec=replace(files.spec, paths=()))


def _read_plan(spec: IngestSpec, resources: Resources, on_progress: OnProgress) -> DriverFiles:
    dataset = datasets.get(spec.plan_of)
    weeks = DatasetWeeks(dataset.first_wk_end_dt, dataset.last_wk_end_dt, dataset.week_end)
    workspace = Workspace(resources.folder, resources.unpack_limit, on_progress)
    parts = find_plan_tables(spec, resources.folders, workspace, dataset.spec.mapping).parts(spec)
    item_columns = dataset.spec.mapping["item"]
    plan_dataset = PlanDataset(
        weeks=weeks,
        driver_names={column.name for load in drivers.list_loads(spec.plan_of) for column in load.columns},
        item_columns=item_columns,
        find_known=partial(drivers.find_known, spec.plan_of, item_columns),
        find_sales=partial(sales.find_sales, spec.plan_of, item_columns),
    )
    return read_plan(spec, parts, plan_dataset, workspace)


def _progress_writer(ingest_id: int, run_token: str) -> Callable[[str, int, int], None]:
    """Return a progress callback that writes to the database at most every PROGRESS_EVERY_S.

    Progress is lost while the database is unreachable; a warning is logged.
    """
    last_step, written_at, since = "", 0.0, 0.0
    home = load_settings().home

    def on_progress(what: str, done: int, total: int) -> None:
        nonlocal last_step, written_at, since
        now = time.monotonic()
        if what == last_step and now - written_at < PROGRESS_EVERY_S:
            return
        since = since if what == last_step else now
        last_step, written_at = what, now
        if free_space(home) <= 0:
            raise disk_full_while_reading()
        try:
            ingests.set_progress(ingest_id, run_token, what, now - since, done, total)
        except DatabaseUnreachable as exc:
            log.warning("%s", exc)

    return on_progress


def discard_files(ingest_id: int) -> None:
    """Delete the files of an ended ingest: its working folder, and the copies of an upload.

    A refused upload is kept for a while, because the user may load its valid rows.
    """
    shutil.rmtree(_folder(ingest_id), ignore_errors=True)
    ingest = ingests.get(ingest_id)
    if ingest is not None and ingest.spec.is_upload and ingest.report is None:
        for path in ingest.spec.paths:
            shutil.rmtree(Path(path).parent, ignore_errors=True)


def _folder(ingest_id: int) -> Path:
    return load_settings().home / SCRATCH / f"ingest-{ingest_id}"
