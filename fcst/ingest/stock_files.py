"""Stock settings files: lead times, review periods and service levels.

    item or family or class, lead_time_days or lead_time_weeks, review_period_days, service_level

A row applies to an item, to all items with the same part of the key, to a family or to a class. A service level is
written as 95, 95 % or 0.95. A number in `lead_time` needs a unit: 14d or 2w.
"""

from collections.abc import Mapping, Sequence

from fcst.errors import InputError
from fcst.ingest.folders import Folders
from fcst.ingest.item_files import FileForm, read_item_rows
from fcst.ingest.sources import Workspace, with_file_errors
from fcst.specs import IngestSpec
from fcst.stock import GroupSettings, StockSettings, parse_days, parse_service_level

_FORM = FileForm(
    "list of stock settings",
    {
        "lead_time": ("leadtime",),
        "lead_time_d": ("leadtimedays", "leadtimeindays"),
        "lead_time_w": ("leadtimeweeks", "leadtimeinweeks"),
        "review_period": ("reviewperiod",),
        "review_period_d": ("reviewperioddays", "reviewperiodindays"),
        "review_period_w": ("reviewperiodweeks", "reviewperiodinweeks"),
        "service_level": ("servicelevel",),
    },
    "item, family or class, lead_time_days or lead_time_weeks, review_period_days, service_level",
    groups=("family", "class"),
    takes_parts=True,
)


@with_file_errors()
def read_stock_settings(
    spec: IngestSpec, folders: Folders, workspace: Workspace, key_columns: Sequence[str]
) -> list[GroupSettings]:
    """Reads a file of stock settings.

    Parameters
    ----------
    key_columns
        the columns that form the dataset's item keys.

    Raises
    ------
    InputError
        if the file has unknown columns, too many rows, or bad rows; the message quotes the first ones.
    """
    rows = read_item_rows(spec, folders, workspace, key_columns, _FORM)
    found: dict[str, GroupSettings] = {}

    def add(key: str, cells: Mapping[str, str]) -> None:
        if key in found:
            raise InputError(f"{key[:100]!r} is in several rows.", "Give one row for each key.")
        settings = StockSettings(
            _days(cells, "lead_time"), _days(cells, "review_period"), _service_level(cells.get("service_level", ""))
        )
        if settings.is_empty:
            raise InputError(f"The row of {key[:100]!r} has no settings.", "Give a lead time or a service level.")
        found[key] = GroupSettings(rows.grouped_by, key, settings, rows.key_columns)

    rows.for_each(add)
    return list(found.values())


def _days(cells: Mapping[str, str], name: str) -> float | None:
    """The duration in days from any of its columns (no unit, days or weeks); None if all are empty."""
    words = name.replace("_", " ")
    given = [
        parse_days(text, words, unit)
        for column, unit in ((name, ""), (f"{name}_d", "d"), (f"{name}_w", "w"))
        if (text := cells.get(column, ""))
    ]
    if len(given) > 1:
        raise InputError(f"The {words} is in two columns.", "Fill one of them.")
    return given[0] if given else None


def _service_level(text: str) -> float | None:
    return parse_service_level(text) if text else None
