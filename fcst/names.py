"""The names and numbers that all parts share, as people who forecast know them."""

WEEKLY_FILE = "wkly_sales_data.csv"

EFFECTS = ("baseline", "uplift")
"""What a forecast is without the effects of drivers, in units, and by what these multiply it."""

EXPORT_FORMATS = ("csv", "parquet", "xlsx")
"""What forecasts are given away as."""

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

KEY_JOINT = "|"
"""What stands between the parts of an item's key that is joined of several columns."""

SEASON_LENGTH = 52
"""Weeks of a year, as the seasonal models count them."""

HOLDOUT_WEEKS = 13
"""Weeks of a window of the past on which accuracy is measured: a quarter of a year. Windows do not overlap."""

ENDED_AFTER_WEEKS = 26
"""An item without a sale for so many weeks at the end of its dataset is flagged as ended."""

BENCHMARK = "SeasonalNaive"
"""The model that every other's accuracy is shown against."""

BENCHMARKS = (BENCHMARK, "Naive")
"""The models that are measured in every run, whatever was asked for: forecast value is what is added to these."""

LEAST_ITEMS_TO_LEARN = 50
"""Of a run of Auto: fewer teach each other little."""

NEW_WITHIN_WEEKS = 26
"""An item whose first sale is among so many last weeks of its dataset is flagged as new."""

HISTORY_BOUNDS = (1, 13, 52, 104, 156)
"""Weeks of history by which items are counted: at least so many."""

ADI_CUTOFF, CV2_CUTOFF = 1.32, 0.49
"""Between smooth, erratic, intermittent and lumpy demand (Syntetos, Boylan and Croston, 2005)."""

DEMAND_CLASSES = ("smooth", "erratic", "intermittent", "lumpy", "none")
"""What an item's weeks look like; `none` is an item without a week in which more was sold than returned."""


def in_file_name(name: str) -> str:
    """A key or name as part of a file's name."""
    return "".join(char if char.isalnum() else "-" for char in name)[:60]


SCRATCH = "tmp"
"""The folder of FCST_HOME in which tasks work; what is in it can be made again."""
