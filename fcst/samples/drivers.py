"""Driver sample data: seeded generator of weekly sales with known driver effects, for tests and demos.

sales.csv    week_ending, item, family, units, promo, display, price, in_stock, holiday
plan.csv     the same without units, for the following quarter
actual.csv   week_ending, item, units of that quarter
truth.csv    per item: effects on log units, week of its launch, units lost while out of stock
"""

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fcst.errors import InputError
from fcst.names import HOLDOUT_WEEKS

FIRST_WEEK = date(2020, 1, 11)  # a Saturday
FAMILIES = ("DAIRY", "BEVERAGES", "CLEANING")
FILES = ("sales.csv", "plan.csv", "actual.csv", "truth.csv")
MAX_RATIO_BEFORE = 0.03
"""Share of its level that an item sells before a late launch."""
MAX_ITEMS, MAX_WEEKS = 20_000, 520
LEAST_WEEKS = 30

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effects:
    """Effects on one item's log units: promotion, display, log of the price ratio to its usual price, holiday.

    `launch` is the number of low-sales weeks before the launch.
    """

    promo: float
    display: float
    price: float
    holiday: float
    launch: int


def write_driver_sample(folder: Path, *, n_items: int = 40, n_weeks: int = 156, seed: int = 1) -> list[Effects]:
    """Writes the files; returns the true effects of each item.

    The same arguments give the same bytes. One item in eight is launched late, after weeks of low sales.

    Raises
    ------
    InputError
        if an argument is out of range, a file exists already, or the folder cannot be written.
    """
    _check("items", n_items, 1, MAX_ITEMS)
    _check("weeks", n_weeks, LEAST_WEEKS, MAX_WEEKS)
    for name in FILES:
        if (folder / name).exists():
            raise InputError(f"{folder / name} exists already.", "Choose a folder without it.")
    rng = np.random.default_rng(seed)
    weeks = [FIRST_WEEK + timedelta(weeks=n) for n in range(n_weeks + HOLDOUT_WEEKS)]
    holiday = _holidays(weeks)
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in FILES}
    truth = []
    for number in range(n_items):
        name, family = f"item{number:05}", FAMILIES[number % len(FAMILIES)]
        effects = _draw_effects(rng, number, n_weeks)
        item = _draw_item(rng, effects, weeks, holiday)
        truth.append(effects)
        for n, week in enumerate(weeks):
            known = (week, name, family)
            flags = (int(item.in_stock[n]), int(holiday[n]))
            drivers = (int(item.promo[n]), int(item.display[n]), round(item.price[n], 2), *flags)
            units = int(item.sold[n])
            if n < n_weeks:
                rows["sales.csv"].append((*known, units, *drivers))
            else:
                rows["plan.csv"].append((*known, *drivers))
                rows["actual.csv"].append((week, name, units))
        lost = int((item.demand - item.sold)[:n_weeks].sum())
        values = (effects.promo, effects.display, effects.price, effects.holiday)
        rows["truth.csv"].append((name, *(round(value, 4) for value in values), weeks[effects.launch], lost))
    drivers_of = ("promo", "display", "price", "in_stock", "holiday")
    headers = {
        "sales.csv": ("week_ending", "item", "family", "units", *drivers_of),
        "plan.csv": ("week_ending", "item", "family", *drivers_of),
        "actual.csv": ("week_ending", "item", "units"),
        "truth.csv": ("item", "promo", "display", "price", "holiday", "launch", "lost_units"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, header in headers.items():
            with (folder / file).open("w", encoding="utf-8", newline="") as out:
                csv.writer(out, lineterminator="\n").writerows([header, *rows[file]])
    except OSError as exc:
        hint = "Check permissions and free space."
        raise InputError(f"The sample cannot be written to {folder}: {exc}.", hint) from exc
    return truth


def _check(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(f"The number of {what} is {value}.", f"Choose {least:,} to {most:,}.")


@dataclass(frozen=True)
class _Item:
    """One item by week: its drivers, the demand, and the units sold."""

    promo: Floats
    display: Floats
    price: Floats
    in_stock: Floats
    demand: Floats
    sold: Floats


def _holidays(weeks: list[date]) -> Floats:
    """1 in the weeks of Christmas and of a holiday that moves by up to four weeks from year to year."""
    moving = {year: date(year, 3, 20) + timedelta(days=(year * 11) % 28) for year in range(2019, 2035)}
    days = [*moving.values(), *(date(year, 12, 25) for year in moving)]
    is_holiday = [any(week - timedelta(days=6) <= day <= week for day in days) for week in weeks]
    return np.array(is_holiday, float)


def _draw_effects(rng: np.random.Generator, number: int, n_weeks: int) -> Effects:
    launch = int(rng.integers(n_weeks // 4, n_weeks // 2)) if number % 8 == 7 else 0
    return Effects(
        promo=rng.normal(0.5, 0.1),
        display=rng.normal(0.3, 0.1),
        price=rng.normal(-1.5, 0.3),
        holiday=rng.normal(0.4, 0.1),
        launch=launch,
    )


def _draw_item(rng: np.random.Generator, effects: Effects, weeks: list[date], holiday: Floats) -> _Item:
    n = len(weeks)
    promo = (rng.random(n) < 0.2).astype(float)
    display = (rng.random(n) < np.where(promo > 0, 0.4, 0.03)).astype(float)
    usual = float(rng.uniform(1.5, 20))
    cut = np.where(promo > 0, rng.choice([1.0, 0.9, 0.8], n), 1.0)
    in_stock = (rng.random(n) >= 0.03).astype(float)
    angle = 2 * np.pi * (np.array([week.timetuple().tm_yday for week in weeks]) / 365.25 - rng.random())
    level = rng.lognormal(np.log(60), 0.8) * np.exp(0.2 * np.cos(angle) + np.cumsum(rng.normal(0, 0.01, n)))
    lift = effects.promo * promo + effects.display * display + effects.price * np.log(cut) + effects.holiday * holiday
    launched = np.where(np.arange(n) < effects.launch, MAX_RATIO_BEFORE, 1.0)
    mean = level * np.exp(lift) * launched
    demand = rng.poisson(mean * rng.standard_gamma(60, n) / 60).astype(float)
    return _Item(promo, display, usual * cut, in_stock, demand, demand * in_stock)
