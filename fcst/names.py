"""The names of columns and files, as people who forecast know them. One spelling each, used everywhere."""

UNIQUE_ID = "unique_id"
WK_END_DT = "wk_end_dt"
UNIT_SALES = "unit_sales"

WEEKLY_FILE = "wkly_sales_data.csv"

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

SEASON_LENGTH = 52
"""Weeks of a year, as the seasonal models count them."""

HOLDOUT_WEEKS = 13
"""Weeks held out to measure accuracy: a quarter of a year."""

ENDED_AFTER_WEEKS = 26
"""An item without a sale for so many weeks at the end of its dataset is flagged as ended."""


def bound_columns(levels: tuple[int, ...]) -> list[str]:
    """Names of the interval columns of `levels` in order: `lo_80, hi_80, lo_95, hi_95`."""
    return [f"{side}_{level}" for level in levels for side in ("lo", "hi")]
