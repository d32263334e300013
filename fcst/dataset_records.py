"""Records of datasets, their versions and ingests, as read from the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from fcst.quality_report import QualityReport, ReadingReport, ReportCounts
from fcst.specs import IngestSpec
from fcst.states import IngestStatus


@dataclass(frozen=True)
class ListedDataset:
    """A version of a dataset in a list, with the counts of its report.

    Parameters
    ----------
    version
        from 1, among the datasets of the same name.
    week_end
        weekday on which weeks end, one of `names.WEEKDAYS`.
    include_promo
        whether unit sales include promotional sales.
    first_wk_end_dt, last_wk_end_dt
        last days of the first and the last of its `n_weeks` weeks.
    lifecycle
        number of the last change of its lifecycles, which may have added or removed items; 0: none.
    attribute_change
        number of changes of its items' attributes.
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
        """Cache key that changes whenever the data of its items change."""
        return self.dataset_id, self.lifecycle, self.attribute_change

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        parts = {"spec": IngestSpec.from_json(row["spec"]), "report": ReportCounts.from_json(row["report"])}
        return cls(**{**row, **parts})


@dataclass(frozen=True)
class Dataset(ListedDataset):
    """A version of a dataset with its full report."""

    report: QualityReport

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        parts = {"spec": IngestSpec.from_json(row["spec"]), "report": QualityReport.from_json(row["report"])}
        return cls(**{**row, **parts})


@dataclass(frozen=True)
class DatasetVersion:
    """A version of a dataset in the list of versions of its name.

    Parameters
    ----------
    same_as_version
        the previous version, if both have the same weeks.
    n_new_weeks, n_revised_items, n_new_items, n_gone_items
        changes since the previous version, as in `VersionChanges`; None for a first version.
    has_promo
        whether its files have a promotion flag.
    n_jobs
        number of runs that use it.
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
    n_new_weeks: int | None
    n_revised_items: int | None
    n_new_items: int | None
    n_gone_items: int | None
    has_promo: bool
    n_jobs: int


@dataclass(frozen=True)
class NewerDataset:
    """A newer version of a run's dataset, with sales of weeks that the run forecast."""

    dataset_id: int
    name: str
    version: int
    last_wk_end_dt: date
    include_promo: bool


@dataclass(frozen=True)
class UnusedDataset:
    """An older version that no run uses."""

    dataset_id: int
    name: str
    version: int
    n_items: int
    created_at: datetime


@dataclass(frozen=True)
class Dependents:
    """Counts of what is deleted with a dataset: runs, runs that have not ended, and item forecasts."""

    n_jobs: int
    n_open_jobs: int
    n_forecasts: int


@dataclass(frozen=True)
class RankedItem:
    """An item of a dataset in the API's list, ordered by sales.

    Parameters
    ----------
    total_units
        units sold in all its `n_weeks` weeks.
    price
        mean price: value sold ÷ units; None if the sales have no value.
    attributes
        name -> value, without attributes that have their own column.
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
    """The settings with which an earlier version of a dataset was loaded."""

    name: str
    version: int
    spec: IngestSpec

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "spec": IngestSpec.from_json(row["spec"])})


@dataclass(frozen=True)
class Ingest:
    """A load of files, with its status and progress.

    Parameters
    ----------
    attempt
        number of attempts started.
    progress, done_bytes, total_bytes, phase_s
        current step, its progress (bytes are 0 if unknown), and its duration in seconds.
    error, hint
        why it failed, and what to do.
    report
        reading report, if it failed because of bad rows.
    dataset_id
        the dataset it created.
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
    """An ingest claimed by a supervisor, and the number of its attempt, from 1."""

    ingest_id: int
    attempt: int
