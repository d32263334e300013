"""Sample data: seeded generator of files in Favorita's layout, for the bundled sample and large test data.

Demand is log-linear: an item's coefficients times the calendar's curves (season, weekday, holidays, trend), a store's
scale, slowly drifting levels and promotions. Sales are negative binomial. Rows are drawn one week at a time, so that
memory grows with items x stores, not with the length of the file.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from dateutil.easter import easter
from numpy.typing import NDArray

from fcst.errors import InputError

FIRST_DAY = np.datetime64("2013-01-01")  # a Tuesday: the first week is partial, as in Favorita
FLAGS_BEGIN = np.datetime64("2014-04-01")
MAX_ITEMS, MAX_STORES, MAX_YEARS = 20_000, 1_000, 20
MAX_SERIES = 1_000_000  # items x stores: about 1 GB of memory
WRITER_MEMORY = "256MB"  # without a limit the writer's queue grows with the file

Days = NDArray[np.datetime64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# name, Favorita's number of items, first class, number of classes, perishable; then by item, as drawn below:
# share sold by weight, relative level, sd of its own yearly wave, log amplitude and peak day of its family's
# wave, and the coefficients of weekend, christmas, school, easter, party
_FAMILIES = (
    ("GROCERY I", 1334, 1002, 67, 0, 0, 1.1, 0.15, 0.17, 320, 0.9, 0.30, 0.04, 0.15, 0.05),
    ("BEVERAGES", 613, 1114, 21, 0, 0, 1.4, 0.15, 0.34, 75, 1.0, 0.40, 0, 0.05, 0.40),
    ("CLEANING", 446, 3004, 26, 0, 0, 0.9, 0.12, 0.14, 250, 0.9, 0.15, 0, 0, 0),
    ("PRODUCE", 306, 2002, 19, 1, 0.5, 1.8, 0.40, 0.17, 30, 0.8, 0.25, 0, 0.25, 0.05),
    ("DAIRY", 242, 2102, 22, 1, 0, 1.3, 0.12, 0.17, 280, 0.8, 0.15, 0.12, 0.15, 0.05),
    ("PERSONAL CARE", 153, 4104, 13, 0, 0, 0.8, 0.15, 0.14, 100, 0.8, 0.25, 0, 0, 0.03),
    ("BREAD/BAKERY", 134, 2702, 15, 1, 0, 1.6, 0.12, 0.14, 300, 0.6, 0.40, 0.10, 0.05, 0.05),
    ("HOME CARE", 108, 3102, 6, 0, 0, 0.9, 0.15, 0.17, 200, 0.9, 0.15, 0, 0, 0),
    ("DELI", 91, 2630, 13, 1, 0.2, 1.1, 0.15, 0.17, 350, 0.9, 0.45, 0.08, -0.10, 0.15),
    ("MEATS", 84, 2302, 5, 1, 0.98, 2.0, 0.15, 0.14, 340, 1.2, 0.35, 0, -0.35, 0.15),
    ("HOME AND KITCHEN I", 77, 6206, 20, 0, 0, 0.5, 0.25, 0.20, 330, 1.1, 0.90, 0, 0, 0.05),
    ("LIQUOR,WINE,BEER", 73, 1302, 19, 0, 0, 1.0, 0.19, 0.26, 350, 1.6, 1.00, 0, -0.10, 0.80),
    ("FROZEN FOODS", 55, 2208, 11, 0, 0.06, 0.9, 0.25, 0.34, 80, 1.0, 0.60, 0, 0.10, 0.10),
    ("POULTRY", 54, 2412, 3, 1, 0.98, 2.6, 0.12, 0.14, 350, 1.2, 0.45, 0, -0.20, 0.10),
    ("HOME AND KITCHEN II", 45, 6301, 12, 0, 0, 0.5, 0.25, 0.26, 340, 1.1, 1.00, 0, 0, 0.05),
    ("EGGS", 41, 2502, 3, 1, 0, 1.7, 0.12, 0.17, 310, 0.9, 0.25, 0, 0.30, 0),
    ("CELEBRATION", 31, 5308, 4, 0, 0, 0.5, 0.19, 0.17, 350, 1.1, 1.20, 0, 0, 0.60),
    ("PREPARED FOODS", 26, 2904, 10, 1, 0.07, 1.2, 0.15, 0.17, 350, 1.0, 0.45, 0, 0, 0.20),
    ("LAWN AND GARDEN", 26, 6918, 7, 0, 0, 0.5, 0.25, 0.34, 330, 1.2, 0.50, 0, 0, 0),
    ("LADIESWEAR", 21, 7780, 1, 0, 0, 0.4, 0.25, 0.26, 130, 1.0, 0.70, 0, 0, 0),
    ("LINGERIE", 20, 7002, 3, 0, 0, 0.4, 0.25, 0.17, 130, 1.0, 0.70, 0, 0, 0),
    ("AUTOMOTIVE", 20, 6806, 5, 0, 0, 0.4, 0.19, 0.14, 210, 1.0, 0.20, 0, 0, 0.10),
    ("BEAUTY", 19, 4210, 9, 0, 0, 0.4, 0.19, 0.17, 130, 0.9, 0.60, 0, 0, 0.05),
    ("PLAYERS AND ELECTRONICS", 17, 5446, 1, 0, 0, 0.4, 0.25, 0.26, 350, 1.0, 1.30, 0, 0, 0.05),
    ("SCHOOL AND OFFICE SUPPLIES", 15, 6404, 6, 0, 0, 0.5, 0.19, 0.17, 250, 0.7, 0.30, 1.90, 0, 0),
    ("GROCERY II", 14, 1236, 1, 0, 0, 0.8, 0.15, 0.17, 320, 0.9, 0.80, 0, 0.10, 0.05),
    ("PET SUPPLIES", 14, 6516, 2, 0, 0, 0.6, 0.12, 0.14, 200, 1.0, 0.10, 0, 0, 0),
    ("SEAFOOD", 8, 2802, 5, 1, 0.4, 1.2, 0.15, 0.17, 80, 1.1, 0.35, 0, 0.80, 0.10),
    ("MAGAZINES", 6, 5222, 4, 0, 0, 0.4, 0.19, 0.17, 200, 0.8, 0.20, 0, 0, 0),
    ("HARDWARE", 4, 6706, 1, 0, 0, 0.3, 0.19, 0.17, 200, 0.9, 0.20, 0, 0, 0),
    ("HOME APPLIANCES", 1, 6155, 1, 0, 0, 0.3, 0.25, 0.26, 340, 1.0, 0.90, 0, 0, 0),
    ("BABY CARE", 1, 6022, 1, 0, 0, 0.4, 0.12, 0.14, 200, 0.9, 0.20, 0, 0, 0),
    ("BOOKS", 1, 5192, 1, 0, 0, 0.3, 0.19, 0.17, 240, 0.9, 0.40, 1.00, 0, 0),
)
_CITIES = (("Quito", "Pichincha"), ("Guayaquil", "Guayas"), ("Cuenca", "Azuay"), ("Manta", "Manabi"))
_WEEKDAY = np.log([1.01, 0.86, 0.86, 0.74, 0.90, 1.24, 1.40])  # Monday to Sunday
_HOLIDAYS = ((5, 1), (5, 24), (8, 10), (10, 9), (11, 2), (11, 3))
_SCHOOL_STARTS = ((4, 22), (9, 3))  # on the coast, in the mountains
_SPELL_DAYS = np.array([1, 2, 3, 5, 7, 7, 14, 14, 28])
_COLUMNS = ("id", "date", "store_nbr", "item_nbr", "unit_sales", "onpromotion")
_TYPES = (pa.int64(), pa.date32(), pa.int64(), pa.int64(), pa.float64(), pa.dictionary(pa.int8(), pa.string()))
_SCHEMA = pa.schema(list(zip(_COLUMNS, _TYPES, strict=True)))


@dataclass(frozen=True)
class SampleSummary:
    """Result of `write_sample`: the sales file, its number of rows, its first and last day."""

    path: Path
    n_rows: int
    first_day: date
    last_day: date


def write_sample(
    folder: Path, *, n_items: int = 200, n_stores: int = 2, years: float = 4.6, seed: int = 1, compress: bool = False
) -> SampleSummary:
    """Write `train.csv`, `items.csv` and `stores.csv` with synthetic sales in Favorita's layout.

    Parameters
    ----------
    folder
        made if missing; must hold none of these files.
    n_items, n_stores
        at least 1, at most 20,000 and 1,000; `n_items * n_stores` at most one million.
    years
        0.5 to 20, from Tuesday 2013-01-01 to the Tuesday on or after; 4.6 ends on 2017-08-15.
    compress
        write `train.csv.gz` in place of `train.csv`.

    Returns
    -------
    SampleSummary

    Raises
    ------
    InputError
        if an argument is out of range, a file exists already, or the folder cannot be written.

    Notes
    -----
    The same arguments give the same bytes. About 10 % of the items have less than a year of history, 15 % start
    later than the file, 8 % end early, and 10 % are intermittent or lumpy. Every item is listed in a store.
    """
    _check(n_items, n_stores, years, seed)
    n_weeks = int(np.ceil(years * 365.25 / 7))
    days = FIRST_DAY + np.arange(7 * n_weeks + 1)
    folder = Path(folder)
    target = folder / ("train.csv.gz" if compress else "train.csv")
    rng = np.random.default_rng(seed)
    shop = _draw_shop(rng, n_items, n_stores, days)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("train.csv", "train.csv.gz", "items.csv", "stores.csv"):
            if (folder / name).exists():
                raise InputError(f"{folder / name} exists already.", "Choose a folder without it.")
        n_rows = _write_train(target, _draw_weeks(rng, shop, days), compress)
        _write_rows(folder / "items.csv", ("item_nbr", "family", "class", "perishable"), shop.items)
        _write_rows(folder / "stores.csv", ("store_nbr", "city", "state", "type", "cluster"), shop.stores)
    except (OSError, duckdb.Error) as exc:
        hint = "Check permissions and free space."
        raise InputError(f"The sample cannot be written to {folder}: {exc}.", hint) from exc
    return SampleSummary(target, n_rows, days[0].item(), days[-1].item())


@dataclass(frozen=True)
class _Shop:
    """Constants while the weeks are drawn. Items and stores are in the order of their numbers."""

    items: list[tuple[int, str, int, int]]
    stores: list[tuple[int, str, str, str, int]]
    curves: Floats  # curve, day
    coefficients: Floats  # item, curve
    log_level: Floats  # item
    dispersion: Floats  # item: shape of the gamma noise on a day's mean
    occurrence: Floats  # item: share of days on which it can sell at all
    pack: Floats  # item: mean weight of one purchase; 0 if sold by the piece
    store_log: Floats  # store, day; -inf when closed
    store_of: Ints  # series (an item in a store), ordered by store and then item
    item_of: Ints
    series_log: Floats
    start: Ints  # series: first day
    end: Ints  # series: the day after the last
    spell_on: NDArray[np.int32]  # item, day: the promotion's index, -1 for none
    spell_reach: Flags  # promotion, store; the last row is 'no promotion'
    spell_log: Floats  # promotion: log uplift


def _check(n_items: int, n_stores: int, years: float, seed: int) -> None:
    limits = (
        ("number of items", n_items, 1, MAX_ITEMS),
        ("number of stores", n_stores, 1, MAX_STORES),
        ("number of years", years, 0.5, MAX_YEARS),
        ("number of items times stores", n_items * n_stores, 1, MAX_SERIES),
        ("seed", seed, 0, 2**63),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise InputError(f"The {name} is {value}.", f"Choose {least:,} to {most:,}.")


def _draw_shop(rng: np.random.Generator, n_items: int, n_stores: int, days: Days) -> _Shop:
    items, drawn = _draw_items(rng, n_items)
    is_weighed, level, own, swing, peak = rng.random(n_items) < drawn[:, 0], *drawn[:, 1:5].T
    item_start, item_end = _draw_spans(rng, n_items, days.size)
    log_level = np.log(level) + rng.normal(np.log(2.5), 1.4, n_items) - 0.7 * (item_start > 0)
    log_level = np.minimum(log_level, 3 + 0.6 * (log_level - 3))  # so that no item has a tenth of a store's sales
    dispersion, occurrence = rng.lognormal(np.log(5), 0.6, n_items), np.ones(n_items)
    rare = rng.permutation(n_items)[: round(0.10 * n_items)]
    occurrence[rare] = rng.uniform(0.02, 0.15, rare.size)
    log_level[rare] = rng.normal(np.log(3), 0.9, rare.size)
    dispersion[rare[::2]] = 0.7  # every second one is lumpy, too

    angle = 2 * np.pi * (peak + rng.normal(0, 12, n_items)) / 365.25
    family_wave = swing * rng.lognormal(0, 0.3, n_items) * np.stack([np.cos(angle), np.sin(angle)])
    wave = family_wave + own * rng.normal(0, 0.7, (2, n_items))
    events = drawn[:, 5:] * rng.lognormal(0, 0.3, (n_items, 5))
    payday, trend = np.full(n_items, 0.07), rng.normal(0.03, 0.10, n_items)

    scale = rng.lognormal(0, 0.45, n_stores)
    weekday = 1 + rng.normal(0, 0.15, (n_stores, 1))
    carried = rng.random((n_stores, n_items)) < np.clip(0.8 + 0.08 * log_level, 0.4, 0.98)
    carried[rng.integers(n_stores, size=n_items), np.arange(n_items)] = True
    store_of, item_of = np.nonzero(carried)
    delay = rng.integers(0, 40, item_of.size) * (item_start > 0)[item_of]
    listed = rng.integers(0, days.size // 2, item_of.size) * (rng.random(item_of.size) < 0.12)
    spell_on, spell_reach, spell_log = _draw_spells(rng, n_items, n_stores, days)
    return _Shop(
        items=items,
        stores=_draw_stores(rng, scale),
        curves=_curves(days),
        coefficients=np.column_stack([wave.T, events, payday, trend]),
        log_level=log_level,
        dispersion=dispersion,
        occurrence=occurrence,
        pack=np.where(is_weighed, rng.lognormal(np.log(0.8), 0.4, n_items), 0),
        store_log=np.log(scale)[:, None] + (weekday - 1) * _weekday(days) + _closed(n_stores, days),
        store_of=store_of,
        item_of=item_of,
        series_log=rng.normal(0, 0.45, item_of.size),
        start=np.maximum(item_start[item_of] + delay, listed),
        end=item_end[item_of],
        spell_on=spell_on,
        spell_reach=spell_reach,
        spell_log=spell_log,
    )


def _draw_items(rng: np.random.Generator, n_items: int) -> tuple[list[tuple[int, str, int, int]], Floats]:
    """The rows of items.csv, and by item its family's columns from 'share sold by weight' on."""
    share = np.array([row[1] for row in _FAMILIES], dtype=float)
    family = rng.choice(len(_FAMILIES), n_items, p=share / share.sum())
    number = 96_000 + np.sort(rng.choice(2_040_000, n_items, replace=False))
    rows = []
    for item, row in zip(number, (_FAMILIES[f] for f in family), strict=True):
        name, _, first_class, n_classes, is_perishable = row[:5]
        rows.append((int(item), name, first_class + int(rng.integers(n_classes)), is_perishable))
    return rows, np.array([row[5:] for row in _FAMILIES], dtype=float)[family]


def _draw_stores(rng: np.random.Generator, scale: Floats) -> list[tuple[int, str, str, str, int]]:
    city = rng.integers(len(_CITIES), size=scale.size)
    size = np.searchsorted([0.6, 0.9, 1.3, 1.9], scale)
    cluster = rng.integers(1, 18, scale.size)
    return [(n + 1, *_CITIES[city[n]], "ECDBA"[size[n]], int(cluster[n])) for n in range(scale.size)]


def _draw_spans(rng: np.random.Generator, n_items: int, n_days: int) -> tuple[Ints, Ints]:
    """By item, its first day and the day after its last; newer items have higher numbers."""
    n_young, n_new, n_ending = (round(share * n_items) for share in (0.10, 0.15, 0.08))
    year = min(350, int(0.8 * n_days))
    young = n_days - rng.integers(min(70, year // 2), year, n_young)
    new = rng.integers(int(0.15 * n_days), int(0.75 * n_days), n_new)
    n_old = n_items - n_young - n_new
    start = np.sort(np.concatenate([np.zeros(n_old, dtype=np.int64), new, young]))
    end = np.full(n_items, n_days)
    end[rng.permutation(n_old)[:n_ending]] = rng.integers(int(0.4 * n_days), int(0.95 * n_days), n_ending)
    return start, end


def _draw_spells(
    rng: np.random.Generator, n_items: int, n_stores: int, days: Days
) -> tuple[NDArray[np.int32], Flags, Floats]:
    """Promotions, more every year: the active one by item and day, the stores it reaches, its log uplift."""
    first = int(np.searchsorted(days, FLAGS_BEGIN))
    length = days.size - first
    a_year = 4.0 * rng.gamma(0.8, 1 / 0.8, n_items)
    item = np.repeat(np.arange(n_items), rng.poisson(a_year * length / 365.25))
    begin = first + (length * np.sqrt(rng.random(item.size))).astype(np.int64)
    lasts = rng.choice(_SPELL_DAYS, item.size)
    spell_on = np.full((n_items, days.size), -1, dtype=np.int32)
    for offset in range(int(_SPELL_DAYS.max())):
        running = np.flatnonzero((lasts > offset) & (begin + offset < days.size))
        spell_on[item[running], begin[running] + offset] = running
    reach = rng.random((item.size + 1, n_stores)) < 0.7
    reach[-1] = False
    uplift = rng.normal(np.log(1.7), 0.25, n_items)[item] + rng.normal(0, 0.15, item.size)
    return spell_on, reach, np.append(np.maximum(uplift, 0.05), 0)


def _weekday(days: Days) -> Floats:
    return _WEEKDAY[(np.arange(days.size) + 1) % 7]


def _closed(n_stores: int, days: Days) -> Floats:
    """Log factor by store and day: all are closed on Christmas Day, all but the first on New Year's Day."""
    new_year = days == days.astype("M8[Y]")
    christmas = days + 7 == (days + 7).astype("M8[Y]")
    factor = np.zeros((n_stores, days.size))
    factor[:, christmas] = -np.inf
    factor[1:, new_year] = -np.inf
    factor[0, new_year] = -0.9
    return factor


def _curves(days: Days) -> Floats:
    """The calendar on the log scale: cos, sin, weekend, christmas, school, easter, party, payday, trend."""
    angle = 2 * np.pi * (days - days.astype("M8[Y]")).astype(int) / 365.25
    month_day = (days - days.astype("M8[M]")).astype(int) + 1
    is_month_end = (days + 1).astype("M8[M]") != days.astype("M8[M]")
    payday = np.isin(month_day, (1, 2, 15, 16)) | is_month_end
    trend = (np.arange(days.size) - days.size / 2) / 365.25
    christmas, school, lent, party = np.zeros((4, days.size))

    def since(event: date) -> Ints:
        return (days - np.datetime64(event)).astype(np.int64)

    for year in range(days[0].item().year - 1, days[-1].item().year + 1):
        eve, paschal = since(date(year, 12, 24)), since(easter(year))
        christmas += 1.7 * np.exp(np.minimum(eve, 0) / 10) * ((eve > -45) & (eve <= 0))
        christmas += 0.4 * ((eve > 4) & (eve <= 7)) - 0.25 * ((eve > 8) & (eve < 40))
        for month, day in _SCHOOL_STARTS:
            school += np.exp(-((since(date(year, month, day)) / 14) ** 2))
        lent += np.exp(-(((paschal + 6) / 7) ** 2)) * (paschal < 0)
        party += np.isin(eve, (6, 7)) | np.isin(paschal, (-50, -49, -48, -47))  # New Year's Eve, carnival
        for month, day in _HOLIDAYS:
            party += np.isin(since(date(year, month, day)), (-1, 0))
    return np.stack([np.cos(angle), np.sin(angle), _weekday(days), christmas, school, lent, party, payday, trend])


def _draw_weeks(rng: np.random.Generator, shop: _Shop, days: Days) -> Iterator[pa.RecordBatch]:
    """The rows in Favorita's order (date, store, item), a week at a time."""
    n_items, n_series, n_rows = len(shop.items), shop.item_of.size, 0
    item_drift, series_drift = rng.normal(0, 0.16, n_items), rng.normal(0, 0.11, n_series)
    item_number, store_number = (np.array([row[0] for row in rows]) for rows in (shop.items, shop.stores))
    for first in range(0, days.size, 7):
        week = np.arange(first, min(first + 7, days.size))
        item_drift = 0.97 * item_drift + rng.normal(0, 0.04, n_items)
        series_drift = 0.90 * series_drift + rng.normal(0, 0.05, n_series)
        active = np.flatnonzero((shop.start <= week[-1]) & (shop.end > first))
        item, store = shop.item_of[active], shop.store_of[active]
        item_log = shop.log_level + item_drift + (shop.coefficients @ shop.curves[:, week]).T
        spell = shop.spell_on[:, week].T[:, item]
        is_promoted = shop.spell_reach[spell, store]
        log_mean = item_log[:, item] + shop.store_log[:, week].T[:, store]
        log_mean += is_promoted * shop.spell_log[spell]
        log_mean += (series_drift + shop.series_log)[active] + _ramp(shop, active, first)
        sales = _draw_sales(rng, shop, item, np.exp(log_mean))

        sold_out = np.where(rng.random(active.size) < 0.006, first + rng.integers(0, 7, active.size), days.size)
        until = np.minimum(shop.end[active], sold_out)  # back on the shelf with the next week
        sales[(week[:, None] < shop.start[active]) | (week[:, None] >= until)] = 0
        day, series = np.nonzero(sales)
        date_ = days[week][day]
        flag = pa.array(is_promoted[day, series].astype(np.int8), mask=date_ < FLAGS_BEGIN)
        columns = [
            pa.array(np.arange(n_rows, n_rows + day.size)),
            pa.array(date_),
            pa.array(store_number[store][series]),
            pa.array(item_number[item][series]),
            pa.array(sales[day, series]),
            pa.DictionaryArray.from_arrays(flag, ["False", "True"]),
        ]
        n_rows += day.size
        yield pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _ramp(shop: _Shop, active: Ints, first: int) -> Floats:
    """Log factor of a series: a new one reaches its level in eight weeks, an ending one declines over twelve."""
    age = np.where(shop.start[active] > 0, (first - shop.start[active] + 7) / 56, 1)
    left = np.where(shop.end[active] < shop.curves.shape[1], (shop.end[active] - first) / 84, 1)
    factor: Floats = np.log(np.clip(age, 0.3, 1) * np.clip(left, 0.1, 1))
    return factor


def _draw_sales(rng: np.random.Generator, shop: _Shop, item: Ints, mean: Floats) -> Floats:
    """Units by day and series: negative binomial counts, weights for weighed items, occasional returns."""
    chance = rng.random(mean.shape)
    mean = mean * (chance < shop.occurrence[item]) * np.where(chance < 6e-4, 5, 1)  # a few buy in bulk
    pack, dispersion = shop.pack[item], shop.dispersion[item]
    purchases = mean * rng.standard_gamma(dispersion, mean.shape) / dispersion / np.where(pack > 0, pack, 1)
    sales = rng.poisson(purchases).astype(float)
    day, series = np.nonzero(sales * (pack > 0))
    count = sales[day, series]
    weight = count * pack[series] * (1 + rng.normal(0, 0.3, count.size) / np.sqrt(count))
    sales[day, series] = np.round(np.maximum(weight, 0.05), 3)
    return np.where(chance < 1e-4, -np.ceil(sales / 3), sales)


def _write_train(target: Path, batches: Iterator[pa.RecordBatch], compress: bool) -> int:
    """Stream the rows through DuckDB's CSV writer, whose gzip header has no time; return the number of rows."""
    part, n_rows = target.with_name(f"{target.name}.part"), 0
    compression = "gzip" if compress else "none"

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal n_rows
        for batch in batches:
            n_rows += batch.num_rows
            yield batch

    try:
        with duckdb.connect(config={"memory_limit": WRITER_MEMORY}) as con:
            reader = pa.RecordBatchReader.from_batches(_SCHEMA, counted())
            con.from_arrow(reader).write_csv(str(part), header=True, compression=compression)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return n_rows


def _write_rows(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
