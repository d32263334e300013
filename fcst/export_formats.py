"""The file formats of downloads, and the columns of a run's exported forecasts.

Pages, API, command line and documentation offer these formats; the CSV, Parquet and Excel writers use these columns.
"""

from dataclasses import dataclass
from enum import StrEnum

from fcst.errors import InputError
from fcst.specs import JobSpec


@dataclass(frozen=True)
class FileFormat:
    """A file format.

    Parameters
    ----------
    name
        its file extension, which also names it in URLs and on the command line.
    has_forecasts, has_plans
        whether exports of forecasts, and final plans and scenarios, are offered in this format.
    """

    name: str
    label: str
    media_type: str
    has_forecasts: bool = True
    has_plans: bool = False


_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE_FORMATS = {
    found.name: found
    for found in (
        FileFormat("xlsx", "Excel", _EXCEL, has_plans=True),
        FileFormat("csv", "CSV", "text/csv; charset=utf-8", has_plans=True),
        FileFormat("parquet", "Parquet", "application/vnd.apache.parquet"),
        FileFormat("json", "JSON", "application/json", has_forecasts=False),
    )
}
EXPORT_FORMATS = tuple(found.name for found in FILE_FORMATS.values() if found.has_forecasts)
"""File formats of exported forecasts."""
PLAN_FORMATS = tuple(found.name for found in FILE_FORMATS.values() if found.has_plans)
"""File formats of the final plan and of scenarios."""


def check_format(name: str, offered: tuple[str, ...]) -> None:
    """Raises InputError if a format is not offered."""
    if name not in offered:
        raise InputError(f"There is no format {name!r} of this file.", f"Choose one of {', '.join(offered)}.")


def media_types(names: tuple[str, ...]) -> list[str]:
    """The media types without parameters, for the description of a route."""
    return [FILE_FORMATS[name].media_type.partition(";")[0] for name in names]


class Cell(StrEnum):
    """The type of a column's cells."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"
    FLAG = "true or false"


@dataclass(frozen=True)
class ExportColumn:
    """A column of exported forecasts; `width` is in characters."""

    name: str
    cell: Cell
    about: str
    width: int = 12


def export_columns(spec: JobSpec) -> list[ExportColumn]:
    """The columns of exported forecasts of a run, in order."""
    bounds = [
        ExportColumn(f"{side}_{level}", Cell.NUMBER, f"{bound} bound of the {level} % interval, in units")
        for level in spec.level
        for side, bound in (("lo", "lower"), ("hi", "upper"))
    ]
    effects = [
        ExportColumn("baseline", Cell.NUMBER, "forecast without the effects of drivers, in units"),
        ExportColumn("uplift", Cell.NUMBER, "factor of the drivers; baseline times uplift is the forecast"),
    ]
    return [
        ExportColumn("unique_id", Cell.TEXT, "key of the item", 22),
        ExportColumn("wk_end_dt", Cell.DATE, "last day of the week"),
        ExportColumn("model", Cell.TEXT, "model", 20),
        ExportColumn("forecast", Cell.NUMBER, "forecast of the model, in units"),
        *bounds,
        ExportColumn("is_fallback", Cell.FLAG, "whether a fallback model made the forecast", 11),
        ExportColumn("made_by", Cell.TEXT, "the model that made the forecast", 22),
        ExportColumn("adjusted", Cell.NUMBER, "final plan, in units: the forecast where no analyst changed it"),
        *(effects if spec.driver_load else []),
    ]
