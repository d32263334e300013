"""Records of runs: a run, its batches and their events, results by item, plans and actions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from fcst.specs import JobSpec
from fcst.states import FINAL_STATUSES, JobStatus, Outcome, Stage


@dataclass(frozen=True)
class Job:
    """A run, with its status and progress.

    Parameters
    ----------
    dataset, dataset_version, include_promo, last_wk_end_dt
        name and version of its dataset, whether it includes promotional sales, and its last week.
    attribute_change
        number of changes of the dataset's attributes.
    has_limits
        whether its spec has limits per item; runs of the first versions have none.
    n_attempts
        total attempts of all batches.
    n_ended
        items that are completed, failed or cancelled.
    batches
        stage -> number of batches; without empty stages.
    learning
        stage of its learning across items; None if it does not learn.
    seconds
        time since its start or last retry, up to its end; None before its start.
    items_per_s, time_left_s
        None if unknown.
    """

    job_id: int
    status: JobStatus
    dataset_id: int
    dataset: str
    dataset_version: int
    include_promo: bool
    last_wk_end_dt: date
    attribute_change: int
    name: str
    note: str
    spec: JobSpec
    has_limits: bool
    n_items: int
    n_completed: int
    n_failed: int
    n_cancelled: int
    n_ended: int
    n_batches: int
    n_attempts: int
    batches: Mapping[Stage, int]
    learning: Stage | None
    is_over: bool
    seconds: float | None
    items_per_s: float | None
    time_left_s: float | None
    submitted_by: str | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None

    @property
    def n_done(self) -> int:
        """Number of items that are completed or failed, without cancelled ones."""
        return self.n_completed + self.n_failed

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Build a run from a row with `n_done_now` items done in `running_s` seconds.

        The rate of an ended run is items ÷ time. The rate of an open run uses the `worked_s` seconds that its tasks
        measured by their own clocks, and the `n_busy` tasks running now, because the database's clock may jump.
        """
        stored = dict(row)
        n_done, seconds = stored.pop("n_done_now"), stored.pop("running_s")
        worked_s, n_busy = stored.pop("worked_s"), stored.pop("n_busy")
        status = JobStatus(stored.pop("status"))
        batches = {Stage(stage): n for stage, n in stored.pop("batches").items()}
        learning = stored.pop("learning")
        n_ended = row["n_completed"] + row["n_failed"] + row["n_cancelled"]
        is_over = status in FINAL_STATUSES
        rate = None
        if n_done > 0 and is_over and seconds:
            rate = n_done / seconds
        elif n_done > 0 and not is_over and worked_s:
            rate = (row["n_completed"] + row["n_failed"]) / worked_s * max(n_busy, 1)
        return cls(
            **stored | {"spec": JobSpec.from_json(row["spec"]), "has_limits": "item_limit_s" in row["spec"]},
            status=status,
            n_ended=n_ended,
            batches=batches,
            learning=None if learning is None else Stage(learning),
            is_over=is_over,
            seconds=seconds,
            items_per_s=rate,
            time_left_s=(row["n_items"] - n_ended) / rate if rate and not is_over else None,
        )


@dataclass(frozen=True)
class Stall:
    """The cause of a stalled run, and what to do.

    Parameters
    ----------
    since
        time of the last stage change of its batches.
    """

    since: datetime
    why: str
    hint: str


@dataclass(frozen=True)
class EndedJob:
    """An ended run, as listed before it is deleted."""

    job_id: int
    name: str
    dataset: str
    status: JobStatus
    n_items: int
    finished_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "status": JobStatus(row["status"])})


@dataclass(frozen=True)
class Batch:
    """A batch of a run's items, with its stage and progress.

    Parameters
    ----------
    worker
        host and process of the supervisor that runs it, or ran it last.
    seconds
        duration of its last attempt so far.
    current_item, current_model
        item and model being computed, if the task records them.
    """

    batch_id: int
    batch_no: int
    stage: Stage
    attempt: int
    worker: str | None
    n_items: int
    n_completed: int
    n_failed: int
    n_cancelled: int
    seconds: float | None
    error: str | None
    current_item: str | None
    current_model: str | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "stage": Stage(row["stage"])})


@dataclass(frozen=True)
class BegunBatch:
    """A started batch: stage, attempt, and host and process of the supervisor that runs it, or ran it last."""

    batch_id: int
    batch_no: int
    stage: Stage
    attempt: int
    worker: str | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "stage": Stage(row["stage"])})


@dataclass(frozen=True)
class Pace:
    """Durations of a run in seconds.

    Parameters
    ----------
    n_windows
        its number of backtest windows.
    start_s, end_s
        from its submission to its first batch, and from its last batch to its end.
    item_s
        core time per item, from reading to saving.
    """

    job_id: int
    n_windows: int
    start_s: float
    learning_s: float
    item_s: float
    end_s: float


@dataclass(frozen=True)
class Learning:
    """State of a run's learning: `seconds` of its last attempt, `error` of an attempt that did not complete."""

    stage: Stage
    attempt: int
    worker: str | None
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "stage": Stage(row["stage"])})


@dataclass(frozen=True)
class ClaimedBatch:
    """An attempt of a batch claimed by a supervisor; a run's learning is a batch without items."""

    batch_id: int
    job_id: int
    batch_no: int
    attempt: int
    is_learning: bool


@dataclass(frozen=True)
class BatchEvent:
    """A change of stage of a batch."""

    event_id: int
    batch_id: int
    batch_no: int
    from_stage: Stage | None
    to_stage: Stage
    attempt: int
    worker: str | None
    reason: str | None
    at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        before = row["from_stage"]
        stages = {"from_stage": None if before is None else Stage(before), "to_stage": Stage(row["to_stage"])}
        return cls(**{**row, **stages})


@dataclass(frozen=True)
class ItemFailure:
    """A failed item of a run, with the reason."""

    unique_id: str
    batch_no: int
    attempt: int
    reason: str
    finished_at: datetime


@dataclass(frozen=True)
class Reason:
    """A reason why items of a run failed or were cancelled, with counts.

    Parameters
    ----------
    first_ids
        keys of a few of the items.
    """

    outcome: Outcome
    reason: str
    n_items: int
    n_batches: int
    first_ids: tuple[str, ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "outcome": Outcome(row["outcome"]), "first_ids": tuple(row["first_ids"])})


@dataclass(frozen=True)
class ItemLostSales:
    """Lost sales of an item of a run through stock-outs in its history.

    Parameters
    ----------
    n_weeks
        weeks out of stock, from a driver, or suspected if the run skips suspected stock-outs.
    units
        estimated units lost in them.
    n_suspected
        weeks that look like stock-outs, skipped by the run or not.
    sold
        units sold in its history; None if its dataset no longer has the item.
    """

    unique_id: str
    family: str | None
    description: str | None
    n_weeks: int
    units: float
    n_suspected: int
    sold: float | None

    @property
    def share(self) -> float | None:
        """Lost units as a fraction of units sold; None if nothing was sold."""
        return self.units / self.sold if self.sold and self.sold > 0 else None


@dataclass(frozen=True)
class RunLostSales:
    """Lost sales of a run's completed items through stock-outs in their histories.

    Parameters
    ----------
    n_items, n_weeks, units
        items with weeks out of stock, number of these weeks, and estimated units lost in them.
    n_items_suspected, n_weeks_suspected
        items with weeks that look like stock-outs, and number of these weeks, skipped by the run or not.
    n_found
        items with weeks of either kind.
    sold
        units that all completed items sold in their histories; None if no item has weeks out of stock.
    """

    n_items: int
    n_weeks: int
    units: float
    n_items_suspected: int
    n_weeks_suspected: int
    n_found: int
    sold: float | None

    @property
    def share(self) -> float | None:
        """Lost units as a fraction of units sold; None if nothing was sold."""
        return self.units / self.sold if self.sold and self.sold > 0 else None


@dataclass(frozen=True)
class Action:
    """An entry of the action log: an action of a user or program on a run, dataset, ingest or token."""

    action_id: int
    at: datetime
    who: str
    action: str
    noun: str
    number: int | None
    words: str


@dataclass(frozen=True)
class Adjustment:
    """An adjustment of weeks of a run's plan by an analyst; it can be undone.

    Parameters
    ----------
    scope
        description of the items; `unique_id` is the item's key for a single item.
    units, percent
        set to units per week, or change in percent; both None if weeks or items have individual values.
    carried_from
        the run that this adjustment was copied from.
    """

    adjustment_id: int
    model: str
    scope: str
    n_items: int
    first_wk_end_dt: date
    last_wk_end_dt: date
    units: float | None
    percent: float | None
    reason: str
    made_by: str
    made_at: datetime
    undone_by: str | None
    undone_at: datetime | None
    carried_from: int | None
    unique_id: str | None


@dataclass(frozen=True)
class PlanTotals:
    """Sum of the plans of some items of a run.

    Parameters
    ----------
    units
        by forecast week.
    n_items, sold
        number of items, and their units sold in as many weeks before.
    """

    units: tuple[float, ...]
    n_items: int
    sold: float


@dataclass(frozen=True)
class AttentionCount:
    """Number of items of a run with an attention reason, and how many are not reviewed; an empty reason means any."""

    reason: str
    n_items: int
    n_open: int
