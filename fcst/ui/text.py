"""Format numbers, dates and data for display. Pure functions."""

import math
import re
from datetime import date, datetime

import pandas as pd

from fcst.job_records import Job, Stall
from fcst.names import BENCHMARK, HOLDOUT_WEEKS

UNDEFINED = "not defined"

_WEEKDAYS = {
    name[:3].upper(): name for name in ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
}

_ADDRESS = re.compile(r":(?=//)|\bwww(?=\.)|@(?=\w)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=\"'@/])")


def plain(text: object) -> str:
    """Escapes text from data, so that Markdown shows it literally and makes no links of addresses."""
    words = _ADDRESS.sub(lambda found: f"{found[0]}\u2060", " ".join(str(text).split()))  # an invisible joiner
    return _PUNCTUATION.sub(r"\\\1", words)


def units(value: float | None) -> str:
    """Units with up to two decimals, fewer for large numbers: 12,345 or 0.47."""
    if value is None or math.isnan(value):
        return UNDEFINED
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def round_units(units: pd.Series) -> pd.Series:
    """Rounds a column of units for a table: whole numbers, one decimal below 10."""
    return units.round(1).where(units.abs() < 10, units.round())


def large(value: float) -> str:
    """Units with three significant digits: 1.23 M."""
    for scale, letter, least in ((1e9, "bn", 0.9995), (1e6, "M", 0.9995), (1e3, "k", 10)):
        size = abs(value / scale)
        if size >= least:
            return f"{value / scale:.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f} {letter}"
    return units(value)


def percent(fraction: float | None, signed: bool = False) -> str:
    """A fraction as a percentage: 12.3 %."""
    if fraction is None or math.isnan(fraction):
        return UNDEFINED
    return f"{fraction * 100:{'+' if signed else ''},.1f} %"


def describe_error(model: str, wape: float | None, benchmark_wape: float | None) -> str:
    """A sentence on the WAPE of a model and of the same weeks last year; both are fractions."""
    if wape is None or math.isnan(wape):
        return "The error is not defined: the measured weeks have no sales."
    if model == BENCHMARK:
        return f"Average error of the same weeks last year: {_whole_percent(wape)}."
    words = f"Average error {_whole_percent(wape)}"
    if benchmark_wape is None or math.isnan(benchmark_wape):
        return f"{words}; not defined for the same weeks last year."
    return f"{words}; {_whole_percent(benchmark_wape)} for the same weeks last year."


def _whole_percent(fraction: float) -> str:
    return f"{100 * fraction:,.0f} %" if fraction >= 0.1 else f"{100 * fraction:.1f} %"


def ratio(value: float | None) -> str:
    """A scaled error: 0.923."""
    return UNDEFINED if value is None or math.isnan(value) else f"{value:,.3f}"


def duration(seconds: float | None) -> str:
    """A time span: 0.4 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if seconds is None:
        return ""
    if 0 < seconds < 0.05:
        return "under 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def about(seconds: float) -> str:
    """A rounded time span, for estimates: 8 s, 40 s, 4 min, 2 h 05 min."""
    if seconds < 10:
        return f"{max(round(seconds), 1)} s"
    if seconds < 55:
        return f"{5 * round(seconds / 5)} s"
    minutes = max(round(seconds / 60), 1)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def weekday(name: str) -> str:
    """Full name of a weekday: Saturday for SAT."""
    return _WEEKDAYS.get(name, name)


def day(value: date) -> str:
    """A date: 2017-08-12."""
    return f"{value:%Y-%m-%d}"


def moment(value: datetime) -> str:
    """Date and time to the minute, in the server's time zone: 2017-08-12 14:05."""
    return f"{value.astimezone():%Y-%m-%d %H:%M}"


def clock(value: datetime | None) -> str:
    """Time of day, in the server's time zone: 14:05:09."""
    return "" if value is None else f"{value.astimezone():%H:%M:%S}"


def log_line(time: datetime, level: str, event: str, attempt: int | None, words: str) -> str:
    """A log line: '2017-08-12 14:05:09 warning broke off, attempt 2: …'."""
    which = f", attempt {attempt}" if attempt else ""
    sign = f" {level}" if level != "info" else ""
    return f"{instant(time)}{sign} {event.replace('_', ' ')}{which}: {words}".rstrip(": ")


def describe_limits(item_limit_s: float, process_memory: int) -> str:
    """Limits of an item: 'limits per item: 5 min, 4 GB'."""
    scale, letter = (1e9, "GB") if process_memory >= 1e9 else (1e6, "MB")
    time = duration(item_limit_s).removesuffix(" 00 s")
    return f"limits per item: {time}, {process_memory / scale:.3g} {letter}"


def instant(value: datetime) -> str:
    """Date and time to the second, in the server's time zone; sorts as text: 2017-08-12 14:05:09."""
    return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """1 item, 200 items, 2 batches."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def describe_run(n_items: int, batch_size: int, h: int) -> str:
    """Size and horizon of a run: '200 items in 8 batches of 25, 13 weeks ahead'."""
    n_batches = -(-n_items // batch_size)
    size = f" of {batch_size}" if n_batches > 1 else ""
    if n_batches > 1 and n_items % batch_size:
        size = f" of up to {batch_size}"
    return f"{count(n_items, 'item')} in {count(n_batches, 'batch', 'batches')}{size}, {count(h, 'week')} ahead"


def describe_backtests(n_windows: int) -> str:
    """Number and length of backtests: '3 backtests of 13 weeks'."""
    return f"{count(n_windows, 'backtest')} of {HOLDOUT_WEEKS} weeks"


_MODEL_NAMES = {"Naive": "last week", "SeasonalNaive": "same weeks last year"}


def model_name(model: str) -> str:
    """Display name of a model: 'same weeks last year' for SeasonalNaive; most have their own name.

    URLs, files and the API use the model's own name.
    """
    return _MODEL_NAMES.get(model, model)


def weeks_ending(first: date, last: date) -> str:
    """One or several weeks, by their last days."""
    return f"week ending {day(first)}" if first == last else f"weeks ending {day(first)} – {day(last)}"


def made_by(models: str) -> str:
    """Models behind a forecast, with display names: `Boosting 52%, same weeks last year 5%, 3 more`."""
    parts = (part.partition(" ") for part in models.split(", "))
    return ", ".join(f"{model_name(model)}{space}{share}" for model, space, share in parts)


def stalled(stall: Stall) -> str:
    """When and why a run stalled, and what to do."""
    return plain(f"Stalled since {moment(stall.since)}. {stall.why} {stall.hint}".strip())


def job_title(job: Job) -> str:
    """A run's number and name."""
    return f"Run {job.job_id}" + (f" · {job.name}" if job.name else "")


def dataset_title(name: str, version: int) -> str:
    """A dataset's name, with its version from version 2 on."""
    return name if version == 1 else f"{name} (version {version})"


def promotions(is_kept: bool, has_flag: bool) -> str:
    """How promotional sales of a dataset are treated."""
    return "no flag" if not has_flag else "kept" if is_kept else "left out"
