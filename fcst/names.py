"""The names and numbers that all parts share, as people who forecast know them."""

WEEKLY_FILE = "wkly_sales_data.csv"

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

SEASON_LENGTH = 52
"""Weeks of a year, as the seasonal models count them."""

HOLDOUT_WEEKS = 13
"""Weeks held out to measure accuracy: a quarter of a year."""

ENDED_AFTER_WEEKS = 26
"""An item without a sale for so many weeks at the end of its dataset is flagged as ended."""

BENCHMARK = "SeasonalNaive"
"""The model that every other's accuracy is shown against."""
