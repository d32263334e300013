"""What one row of a run is, as a record with names: the run, its batches and their events, what became of its items."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from fcst.specs import JobSpec
from fcst.states import FINAL_STATUSES, JobStatus, Outcome, Stage


@dataclass(frozen=True)
class Job:
    """A run, and how far it is.

    Parameters
    ----------
    dataset, dataset_version, include_promo, last_wk_end_dt
        name and version of its dataset, whether that keeps promotional sales, and its last week.
    attribute_change
        how often attributes of its dataset were changed.
    has_limits
        its spec says what an item may take; the first versions did not.
    n_attempts
        at all batches together.
    n_ended
        items that have completed, failed or been cancelled.
    batches
        stage -> number of batches in it; without stages that have none.
    learning
        the stage of what it learns across its items; None where it learns nothing.
    seconds
        since it began or was last tried again, up to its end; None before it has begun.
    items_per_s, time_left_s
        None where they cannot be known.
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
        """Items that were forecast or failed: what a cancel ended was not done."""
        return self.n_completed + self.n_failed

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """From a row that has `n_done_now`, the items done in `running_s` seconds, and what its rate follows from.

        The rate of a run that has ended is over its time. Of an open one it is that of its tasks, which have worked
        `worked_s` seconds by their own clocks, `n_busy` of them now: the database's clock may have been set.
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
    """What keeps an open job from going on, until its cause is removed.

    Parameters
    ----------
    since
        the last change of a stage of its batches.
    """

    since: datetime
    why: str
    hint: str


@dataclass(frozen=True)
class EndedJob:
    """A run that has ended, as it is listed before it is deleted."""

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
    """A part of a run's items, and how far it is.

    Parameters
    ----------
    worker
        host and process of the supervisor that has, or had, it.
    seconds
        since its last attempt began, up to its end.
    item_in_hand, model_in_hand
        what is being computed, where the task writes that down.
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
    item_in_hand: str | None
    model_in_hand: str | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "stage": Stage(row["stage"])})


@dataclass(frozen=True)
class BegunBatch:
    """A batch that has begun: its stage, its attempt, and the supervisor that has, or had, it as host and process."""

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
    """What a run took, in seconds.

    Parameters
    ----------
    n_windows
        its backtests.
    start_s, end_s
        from its submission to its first batch, and from its last batch to its end.
    item_s
        of one core for an item: read, forecast, measured, saved.
    """

    job_id: int
    n_windows: int
    start_s: float
    learning_s: float
    item_s: float
    end_s: float


@dataclass(frozen=True)
class Learning:
    """How the learning of a run is doing; `seconds` are those of its last attempt, `error` why one did not complete."""

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
    """An attempt at a batch that a supervisor has claimed; a run's learning is a batch without items."""

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
    """An item of a run that failed, and why."""

    unique_id: str
    batch_no: int
    attempt: int
    reason: str
    finished_at: datetime


@dataclass(frozen=True)
class Reason:
    """Why items of a run failed or were cancelled.

    Parameters
    ----------
    first_ids
        a few of the items.
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
    """What an item of a run has lost to stock-outs in its history.

    Parameters
    ----------
    n_weeks
        weeks out of stock, by a driver or because the run takes them as such.
    units
        about how many units more would have sold in them.
    n_suspected
        weeks that look like stock-outs, whether the run takes them as such or as zero demand.
    sold
        units that it sold in its history; None where its dataset does not have it any more.
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
        """The lost units as a fraction of those sold; None where nothing was."""
        return self.units / self.sold if self.sold and self.sold > 0 else None


@dataclass(frozen=True)
class RunLostSales:
    """What the completed items of a run have lost to stock-outs in their histories.

    Parameters
    ----------
    n_items, n_weeks, units
        items with weeks out of stock, these weeks, and about how many units more would have sold in them.
    n_items_suspected, n_weeks_suspected
        items with weeks that look like stock-outs, and these weeks, whether the run takes them as such or not.
    n_found
        items with weeks of either kind.
    sold
        units that all completed items sold in their histories; None where none has weeks out of stock.
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
        """The lost units as a fraction of those sold; None where nothing was."""
        return self.units / self.sold if self.sold and self.sold > 0 else None


@dataclass(frozen=True)
class Action:
    """An action of a user or program: what it did to which run, dataset, ingest or token."""

    action_id: int
    at: datetime
    who: str
    action: str
    noun: str
    number: int | None
    words: str


@dataclass(frozen=True)
class Adjustment:
    """A change of weeks of the plan of a run by an analyst; it may be undone.

    Parameters
    ----------
    scope
        which items were asked for, in words; `unique_id` is the item's key where it is one.
    units, percent
        to so many units a week, or by so many percent; both None where weeks or items have values of their own.
    carried_from
        the run whose change this one repeats.
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
    """The plan of some items of a run, added up.

    Parameters
    ----------
    units
        by week that is forecast.
    n_items, sold
        how many items they are, and what they sold in as many weeks before.
    """

    units: tuple[float, ...]
    n_items: int
    sold: float


@dataclass(frozen=True)
class AttentionCount:
    """How many items of a run have a reason to be looked at, and how many of them are not reviewed; an empty reason
    stands for any."""

    reason: str
    n_items: int
    n_open: int
