"""What the store reads of datasets and of their ingests, as records."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from fcst.quality_report import QualityReport, ReadingReport, ReportCounts
from fcst.specs import IngestSpec
from fcst.states import IngestStatus


@dataclass(frozen=True)
class ListedDataset:
    """A version of a dataset, as a list shows it: with the counts of its report.

    Parameters
    ----------
    version
        from 1, among the datasets of the same name.
    week_end
        the weekday on which weeks end, as in `names.WEEKDAYS`.
    include_promo
        promotional sales are part of the unit sales.
    first_wk_end_dt, last_wk_end_dt
        the last days of the first and the last of its `n_weeks` weeks.
    lifecycle
        the last change of its lifecycles, which may have added or removed items; 0: there was none.
    attribute_change
        how often attributes of its items were changed.
    """

    dataset_id: int
    name: str
    version: int
    week_end: str
    include_promo: bool
    n_items: int
    n_weeks: int
    first_wk_end_dt: date
    last_wk_end_dt: date
    total_units: float
    created_at: datetime
    lifecycle: int
    attribute_change: int
    spec: IngestSpec
    report: ReportCounts

    @property
    def key(self) -> tuple[int, int, int]:
        """What changes whenever what is read of its items does."""
        return self.dataset_id, self.lifecycle, self.attribute_change

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        parts = {"spec": IngestSpec.from_json(row["spec"]), "report": ReportCounts.from_json(row["report"])}
        return cls(**{**row, **parts})


@dataclass(frozen=True)
class Dataset(ListedDataset):
    """A version of a dataset with its whole report."""

    report: QualityReport

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        parts = {"spec": IngestSpec.from_json(row["spec"]), "report": QualityReport.from_json(row["report"])}
        return cls(**{**row, **parts})


@dataclass(frozen=True)
class DatasetVersion:
    """One of the versions of a name.

    Parameters
    ----------
    same_as_version
        the version before, where this one holds the same weeks.
    has_promo
        its files have a promotion flag.
    n_jobs
        runs that use it.
    """

    dataset_id: int
    name: str
    version: int
    include_promo: bool
    n_items: int
    n_weeks: int
    last_wk_end_dt: date
    total_units: float
    created_at: datetime
    same_as_version: int | None
    has_promo: bool
    n_jobs: int


@dataclass(frozen=True)
class NewerDataset:
    """The version of a run's dataset that holds weeks which the run forecast."""

    dataset_id: int
    name: str
    version: int
    last_wk_end_dt: date
    include_promo: bool


@dataclass(frozen=True)
class UnusedDataset:
    """A version that no run uses, and of which there is a newer one."""

    dataset_id: int
    name: str
    version: int
    n_items: int
    created_at: datetime


@dataclass(frozen=True)
class Dependents:
    """What is deleted with a dataset: runs, those of them that have not ended, and items forecast."""

    n_jobs: int
    n_open_jobs: int
    n_forecasts: int


@dataclass(frozen=True)
class RankedItem:
    """An item of a dataset as the API lists it, the largest seller first.

    Parameters
    ----------
    total_units
        units sold in all its `n_weeks` weeks.
    price
        what all of them were sold for, divided by them; None where the sales do not say.
    attributes
        name -> value, without those that have a column of their own.
    """

    unique_id: str
    sales_rank: int
    total_units: float
    n_weeks: int
    family: str | None
    item_class: str | None
    description: str | None
    demand_class: str | None
    price: float | None
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class EarlierReading:
    """How the files of a dataset were read."""

    name: str
    version: int
    spec: IngestSpec

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "spec": IngestSpec.from_json(row["spec"])})


@dataclass(frozen=True)
class Ingest:
    """A request to read files, and how far it is.

    Parameters
    ----------
    attempt
        how many times it was begun.
    progress, done_bytes, total_bytes, phase_s
        what it does now, how far it is with it (the bytes are 0 where that is not known), and for how many seconds.
    error, hint
        why it was refused, and what to do.
    report
        of rows that cannot be read, where that is why.
    dataset_id
        what it made.
    """

    ingest_id: int
    spec: IngestSpec
    status: IngestStatus
    attempt: int
    progress: str | None
    done_bytes: int
    total_bytes: int
    phase_s: float
    cancel_requested_at: datetime | None
    error: str | None
    hint: str | None
    report: ReadingReport | None
    dataset_id: int | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        parts = {
            "spec": IngestSpec.from_json(row["spec"]),
            "status": IngestStatus(row["status"]),
            "report": None if row["report"] is None else ReadingReport.from_json(row["report"]),
        }
        return cls(**{**row, **parts})


@dataclass(frozen=True)
class ClaimedIngest:
    """An ingest that a supervisor has claimed, and the number of its attempt, from 1."""

    ingest_id: int
    attempt: int
