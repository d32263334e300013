"""Names and constants shared by all parts."""

WEEKLY_FILE = "wkly_sales_data.csv"

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

KEY_JOINT = "|"
"""Separator of the parts of an item key that is joined from several columns."""

SEASON_LENGTH = 52
"""Season length of the models: weeks in a year."""

HOLDOUT_WEEKS = 13
"""Length of a backtest window: a quarter. Windows do not overlap."""

ENDED_AFTER_WEEKS = 26
"""Items without a sale in this many last weeks of their dataset are flagged as ended."""

BENCHMARK = "SeasonalNaive"
"""Model that the accuracy of all others is compared with."""

BENCHMARKS = (BENCHMARK, "Naive")
"""Models measured in every run in addition to the requested ones; forecast value added is relative to these."""

LEAST_ITEMS_TO_LEARN = 50
"""Minimum number of items of an Auto run for learning across items; fewer items gain little."""

NEW_WITHIN_WEEKS = 26
"""Items with their first sale in this many last weeks of their dataset are flagged as new."""

HISTORY_BOUNDS = (1, 13, 52, 104, 156)
"""Minimum weeks of history by which items are counted."""

ADI_CUTOFF, CV2_CUTOFF = 1.32, 0.49
"""Limits between smooth, erratic, intermittent and lumpy demand (Syntetos, Boylan and Croston, 2005)."""

DEMAND_CLASSES = ("smooth", "erratic", "intermittent", "lumpy", "none")
"""Demand classes of items; `none` is an item without a week with more sales than returns."""


def safe_file_name(name: str) -> str:
    """Convert a key or name for use in a file name."""
    return "".join(char if char.isalnum() else "-" for char in name)[:60]


SCRATCH = "tmp"
"""Folder in FCST_HOME for temporary files of tasks."""
