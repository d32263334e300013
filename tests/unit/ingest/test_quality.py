"""Quality report: row counts, demand classes, gaps, outliers, coverage, flags; by hand and against pandas."""

import json
import random
from dataclasses import astuple
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fcst.names import ENDED_AFTER_WEEKS, HISTORY_BOUNDS, NEW_WITHIN_WEEKS
from fcst.quality_report import (
    AffectedItem,
    DroppedRows,
    Gap,
    ItemList,
    ListedItem,
    Outliers,
    OutlierWeek,
    QualityReport,
    UnitSums,
)
from tests.unit.ingest.conftest import SUNDAY, Weekly, day, filler, load, write
from tests.unit.ingest.random_rows import STORES, random_rows


def weekly_series(**series: list[Any]) -> list[str]:
    """Rows with the units of each series on Saturdays (None: no row), and an item that sells every day."""
    n_weeks = max(map(len, series.values()))
    rows = filler(7 * n_weeks)
    for key, values in series.items():
        rows += [f"{day(7 * n + 6)},{key},{units}," for n, units in enumerate(values) if units is not None]
    return rows


def week(number: int) -> str:
    """The last day of the n-th week of the test files."""
    return day(7 * number + 6)


def date_of(number: int) -> date:
    """The last day of the n-th week as a date."""
    return date.fromisoformat(week(number))


def keys(listed: ItemList) -> list[str]:
    assert listed.n == len(listed.first)
    return [item.unique_id for item in listed.first]


# Row counts


def check_rows(weekly: Weekly) -> None:
    report = weekly.report
    assert report.n_rows == report.n_kept + sum(vars(report.dropped).values())
    assert all(n >= 0 for n in vars(report.dropped).values())
    assert report.n_kept >= 0


@pytest.mark.few(3)
@pytest.mark.parametrize("seed", range(24))
def test_every_row_is_kept_or_dropped_once(file: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = [*(f"{day(n)},1,every day,1,False" for n in range(-2, 39)), *random_rows(chance)]
    weekly = load(
        write(file, *rows, header=STORES),
        skip_bad=True,
        returns=chance.choice(["net", "drop"]),
        duplicates=chance.choice(["keep", "drop"]),
        include_promo=chance.random() < 0.5,
        where=chance.choice([(), tuple(("store_nbr", str(n)) for n in range(1, 12))]),
        week_end=chance.choice(["", "WED"]),
    )
    report = weekly.report
    assert report.n_rows == len(rows)
    check_rows(weekly)
    assert sum(map(len, weekly.weeks.values())) == report.n_item_weeks
    shown = sum(float(units) for weeks in weekly.weeks.values() for units, _ in weeks.values() if units != r"\N")
    assert report.total_units == pytest.approx(shown)
    assert sum(float(row["total_units"]) for row in weekly.items) == pytest.approx(shown)
    json.dumps(report.to_json())


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(4))
def test_every_receipt_line_is_kept_or_dropped_once(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    header = "InvoiceNo,StockCode,Quantity,InvoiceDate"
    rows = [
        f"{chance.randrange(30)},{chance.choice('abc')},{chance.randrange(-2, 5)},{day(chance.randrange(30))} 10:00"
        for _ in range(600)
    ]
    rows[::50] = ["1,,1,yesterday"] * len(rows[::50])
    first = write(tmp_path / "1.csv", *rows[:400], header=header)
    second = write(tmp_path / "2.csv", *rows[200:], header=header)
    for duplicates in ("keep", "drop"):
        weekly = load(first, second, skip_bad=True, duplicates=duplicates, returns=chance.choice(["net", "drop"]))
        assert weekly.report.n_rows == 800
        assert weekly.report.dropped.bad == 16
        assert (weekly.report.dropped.duplicates > 150) is (duplicates == "drop")
        check_rows(weekly)


def test_row_is_counted_for_the_first_reason_that_applies(file: Path) -> None:
    rows = [
        *(f"{day(n)},1,every day,1,False" for n in range(-1, 15)),
        f"{day(-1)},1,a,-1,True",  # a return, on promotion, in the first week
        f"{day(-1)},1,a,1,True",  # its duplicate is kept; on promotion, in the first week
        f"{day(14)},1,a,1,False",  # in the last week
        f"{day(3)},1,a,1,True",
        f"{day(3)},2,a,1,False",  # does not pass the filter
        "yesterday,1,a,1,False",
    ]
    weekly = load(write(file, *rows, header=STORES), returns="drop", where=(("store_nbr", "1"),), skip_bad=True)
    assert weekly.report.dropped == DroppedRows(
        bad=1, filtered=1, duplicates=0, returns=1, promotions=2, first_week=1, last_week=2
    )
    assert weekly.report.n_kept == 14
    check_rows(weekly)


def test_dropped_units_are_reported(file: Path) -> None:
    rows = [f"{day(-1)},a,2,", f"{day(14)},a,4,", f"{day(3)},a,8,True", f"{day(3)},a,-16,", f"{day(4)},a,32,"]
    assert load(write(file, *filler(), *rows)).report.units == UnitSums(
        units_read=14.0 + 2 + 4 + 8 - 16 + 32,
        returned_units=-16.0,
        promo_units=8.0,
        first_week_units=2.0,
        last_week_units=4.0,
    )


# Demand classes

# weekly units -> class, ADI, squared coefficient of variation of the weeks with a sale
SERIES: dict[str, tuple[list[Any], str, str, str]] = {
    "steady": ([4] * 8, "smooth", "1.0", "0.0"),
    "two values": ([2, 4] * 4, "smooth", "1.0", "0.1111"),  # mean 3, variance 1
    "wild": ([1, 9] * 4, "erratic", "1.0", "0.64"),  # mean 5, variance 16
    "every second": ([4, None] * 4, "intermittent", "2.0", "0.0"),
    "wild every second": ([1, None, 9, None] * 2, "lumpy", "2.0", "0.64"),
    "one": ([5, None, None, None], "intermittent", "4.0", "0.0"),
    "zero written": ([4, 0] * 4, "intermittent", "2.0", "0.0"),
    "returned": ([4, -1] * 4, "intermittent", "2.0", "0.0"),
    "returns only": ([-1, -1, -1, -1], "none", r"\N", r"\N"),
}


@pytest.mark.few(4)
@pytest.mark.parametrize(("values", "demand_class", "adi", "cv2"), SERIES.values(), ids=SERIES)
def test_demand_class_by_hand(file: Path, values: list[Any], demand_class: str, adi: str, cv2: str) -> None:
    weekly = load(write(file, *weekly_series(a=values)))
    row = weekly.item("a")
    assert (row["demand_class"], row["adi"], row["cv2"]) == (demand_class, adi, cv2)
    classes = {"smooth": 1}
    classes[demand_class] = classes.get(demand_class, 0) + 1
    assert weekly.report.demand_classes == classes


@pytest.mark.parametrize(("n_sold", "demand_class"), [(26, "smooth"), (25, "intermittent"), (24, "intermittent")])
def test_adi_of_at_least_132_is_intermittent(file: Path, n_sold: int, demand_class: str) -> None:
    """33 weeks: 33 / 26 = 1.269, 33 / 25 = 1.32 at the threshold, 33 / 24 = 1.375."""
    assert load(write(file, *weekly_series(a=[3] * n_sold + [0] * (33 - n_sold)))).item("a")["demand_class"] == (
        demand_class
    )


@pytest.mark.parametrize(
    ("low", "high", "cv2", "demand_class"),
    [(31, 169, "0.4761", "smooth"), (30, 170, "0.49", "erratic"), (29, 171, "0.5041", "erratic")],
)
def test_cv2_of_at_least_049_is_erratic(file: Path, low: int, high: int, cv2: str, demand_class: str) -> None:
    """For two values with a mean of 100, the squared coefficient of variation is ((high - low) / 200)²."""
    row = load(write(file, *weekly_series(a=[low, high] * 4))).item("a")
    assert (row["cv2"], row["demand_class"]) == (cv2, demand_class)


def test_weeks_with_promotions_only_do_not_affect_the_demand_class(file: Path) -> None:
    rows = [*weekly_series(a=[4, None, 4, 4, None]), f"{week(1)},a,9,True", f"{week(4)},a,9,True"]
    row = load(write(file, *rows)).item("a")
    assert (row["demand_class"], row["adi"], row["n_missing"]) == ("smooth", "1.0", "2")


def test_most_frequent_class_is_listed_first(file: Path) -> None:
    found = load(write(file, *weekly_series(a=[4, None] * 4, b=[4, None] * 4, c=[1, 9] * 4))).report
    assert list(found.demand_classes.items()) == [("intermittent", 2), ("erratic", 1), ("smooth", 1)]


# Gaps, new and ended items, history, outliers


def test_gaps_are_consecutive_weeks_without_a_sale_before_the_last_sale(file: Path) -> None:
    rows = weekly_series(a=[1, None, None, 1, None, 1, None, None], b=[None, 1, 1, 0, None, None, 1, 1], c=[1] * 8)
    gaps = load(write(file, *rows)).report.gaps
    assert (gaps.n_item_weeks, gaps.n_items, gaps.longest) == (6, 2, 3)
    assert gaps.longest_runs == (
        Gap("b", 3, date_of(3), date_of(5)),
        Gap("a", 2, date_of(1), date_of(2)),
        Gap("a", 1, date_of(4), date_of(4)),
    )
    assert (gaps.empty_weeks, gaps.n_empty_weeks) == ((), 0)


def test_week_with_promotions_only_is_not_a_gap(file: Path) -> None:
    rows = [*weekly_series(a=[1, None, 1]), f"{week(1)},a,5,True"]
    assert load(write(file, *rows)).report.gaps.n_item_weeks == 0


def test_weeks_without_any_sales_are_listed(file: Path) -> None:
    rows = [row for n, row in enumerate(filler(35)) if not 7 <= n < 21]
    weekly = load(write(file, *rows))
    gaps = weekly.report.gaps
    assert (gaps.empty_weeks, gaps.n_empty_weeks) == ((date_of(1), date_of(2)), 2)
    assert [row.wk_end_dt for row in weekly.report.weeks] == [date_of(0), date_of(3), date_of(4)]
    assert weekly.report.n_weeks == 5


def test_new_and_ended_items_by_first_and_last_sale(file: Path) -> None:
    n = 60
    old = [1] * n
    first_new, last_ended = n - NEW_WITHIN_WEEKS, n - ENDED_AFTER_WEEKS - 1
    rows = weekly_series(
        old=old,
        new=[None] * first_new + [1] * (n - first_new),
        not_new=[None] * (first_new - 1) + [1] * (n - first_new + 1),
        ended=[1] * (last_ended + 1),
        not_ended=[1] * (last_ended + 2),
    )
    report = load(write(file, *rows)).report
    assert keys(report.new_items) == ["new"]
    assert keys(report.ended_items) == ["ended"]
    ended = ListedItem("ended", date_of(0), date_of(last_ended), total_units=float(last_ended + 1))
    assert report.ended_items.first == (ended,)


def test_items_are_counted_by_history_length(file: Path) -> None:
    n = 160
    lengths = [*HISTORY_BOUNDS, 12, 51, 103, 155, 160]
    rows = weekly_series(**{f"a{length}": [None] * (n - length) + [1] * length for length in lengths})
    history = load(write(file, *rows)).report.history
    assert history == {"1": 2, "13": 2, "52": 2, "104": 2, "156": 3}  # including the item that sells every day
    assert sum(history.values()) == len(lengths) + 1


def test_outlier_is_above_the_outer_fence(file: Path) -> None:
    """The quartiles of 10 … 22 and two larger weeks are 13.5 and 20.5: one week is above the fence, one is on it."""
    fence = 20.5 + 3 * (20.5 - 13.5)
    series = [*range(10, 23), fence + 0.5, fence]
    outliers = load(write(file, *weekly_series(a=series, few=[1] * 11 + [99]))).report.outliers
    assert outliers == Outliers(1, 1, (OutlierWeek("a", date_of(13), unit_sales=fence + 0.5, fence=fence),))


def test_outliers_equal_pandas(file: Path) -> None:
    chance = random.Random(2)
    series = {
        f"item {n}": [int(chance.paretovariate(0.9)) if chance.random() < 0.8 else None for _ in range(60)]
        for n in range(12)
    }
    weekly = load(write(file, *weekly_series(**series)))
    expected = set()
    for key, weeks in weekly.weeks.items():
        units = pd.Series({wk: float(text) for wk, (text, _) in weeks.items()})
        units = units[units > 0]
        q1, q3 = units.quantile([0.25, 0.75])
        expected |= {(key, wk) for wk in units[units > q3 + 3 * (q3 - q1)].index} if len(units) >= 13 else set()
    outliers = weekly.report.outliers
    assert outliers.n == len(expected) > 20
    assert {(row.unique_id, str(row.wk_end_dt)) for row in outliers.largest} <= expected
    assert len(outliers.largest) == 20


# Coverage


@pytest.mark.few(2)
@pytest.mark.parametrize(("n_items", "n_weeks"), [(1, 1), (3, 5), (60, 120), (61, 121), (130, 250), (119, 300)])
def test_coverage_is_the_share_of_weeks_with_a_sale_by_band_and_period(file: Path, n_items: int, n_weeks: int) -> None:
    chance = random.Random(n_items)
    items = {f"{n}": [1 if chance.random() < 0.6 else 0 for _ in range(n_weeks)] for n in range(n_items - 1)}
    rows = [f"{day(7 * n + d)},always,1000,False" for n in range(n_weeks) for d in (0, 6)]
    rows += [f"{week(n)},{key},1," for key, sold in items.items() for n, is_sold in enumerate(sold) if is_sold]
    weekly = load(write(file, *rows))
    coverage = weekly.report.coverage
    assert coverage is not None
    n_bands, width = min(n_items, 60), -(-n_weeks // 120)
    assert (len(coverage.first_ranks), len(coverage.shares)) == (n_bands, n_bands)
    assert {len(row) for row in coverage.shares} == {-(-n_weeks // width)}
    assert (coverage.weeks_a_period, coverage.first_wk_end_dt) == (width, date_of(0))
    ranks = [*coverage.first_ranks, n_items + 1]
    assert (ranks[0], ranks[1:-1]) == (1, sorted(set(ranks[1:-1])))
    order = [row["unique_id"] for row in weekly.items]
    sold = {"always": [1] * n_weeks} | items
    for band, shares in enumerate(coverage.shares):
        for period, share in enumerate(shares):
            cells = [
                is_sold
                for key in order[ranks[band] - 1 : ranks[band + 1] - 1]
                for is_sold in sold[key][period * width : (period + 1) * width]
            ]
            assert share == pytest.approx(sum(cells) / len(cells), abs=0.0006)


# Flags


def test_missing_flags_are_counted_by_month_of_the_row(file: Path) -> None:
    """Also in weeks that span two months."""
    first = date(2020, 1, 1)
    chance = random.Random(5)
    rows = [
        (first + timedelta(days=n % 400), f"item {n % 3}", chance.choice(["True", "False", "", "", "2"]))
        for n in range(1_600)
    ]
    for options in ({}, {"week_end": "TUE"}):
        report = load(write(file, *(f"{when},{key},1,{flag}" for when, key, flag in rows)), **options).report
        table = pd.DataFrame(rows, columns=["date", "item", "flag"])
        table = table[~table["flag"].isin(["True", "False"])]
        expected = table.groupby(pd.to_datetime(table["date"]).dt.strftime("%Y-%m")).size().to_dict()
        assert report.flags_missing_by_month == expected
        assert report.n_flag_missing + report.n_flag_unknown == len(table)


def test_missing_flags_of_weekly_data_are_counted_by_month_of_the_row(file: Path) -> None:
    for weekday in range(7):
        days = [date.fromisoformat(day(7 * n + weekday)) for n in range(30)]
        report = load(write(file, *(f"{when},a,1," for when in days))).report
        assert report.is_weekly
        assert (
            report.flags_missing_by_month == pd.Series(days).astype(str).str[:7].value_counts().sort_index().to_dict()
        )


def test_unknown_flags_are_listed_with_row_counts(file: Path) -> None:
    flags = ["maybe"] * 3 + ["2"] * 5 + ["  "] * 2 + ["", "True", "False", "x" * 80]
    report = load(write(file, *filler(), *(f"{day(1)},a,1,{flag}" for flag in flags))).report
    assert report.unknown_flags == {"2": 5, "maybe": 3, "x" * 60: 1}
    assert list(report.unknown_flags) == ["2", "maybe", "x" * 60]
    assert (report.n_flag_unknown, report.n_flag_missing, report.n_promo) == (9, 3, 1)


def test_file_without_a_flag_column_has_no_missing_flags(file: Path) -> None:
    rows = [f"{day(n)},a,1" for n in range(14)]
    report = load(write(file, *rows, header="date,item_nbr,unit_sales")).report
    assert (report.n_flag_missing, report.flags_missing_by_month, report.unknown_flags) == (0, {}, {})


# Promotions and weeks


def test_share_of_promotions_is_reported_by_year_of_the_week(file: Path) -> None:
    rows = [f"2019-12-{n},a,6,False" for n in range(22, 29)] + [f"2019-12-{n},a,1,True" for n in range(22, 29)]
    rows += [f"2019-12-{n},a,1,False" for n in range(29, 32)] + [f"2020-01-0{n},a,1,False" for n in range(1, 5)]
    report = load(write(file, *rows)).report
    assert {year: sums.units for year, sums in report.promo_by_year.items()} == {"2019": 7.0, "2020": 0.0}
    assert {year: sums.share for year, sums in report.promo_by_year.items()} == report.promo_share_by_year
    assert report.promo_share_by_year == {"2019": pytest.approx(1 / 7), "2020": 0.0}


def test_items_with_the_largest_share_of_promotions_come_first(file: Path) -> None:
    rows = [f"{day(1)},a,3,", f"{day(1)},a,1,True", f"{day(1)},b,1,True", f"{day(8)},b,3,True", f"{day(1)},c,5,"]
    path = write(file, *filler(), *rows)
    assert load(path).report.most_affected == (
        AffectedItem("b", units=4.0, share=1.0, n_emptied=2),
        AffectedItem("a", units=1.0, share=0.25, n_emptied=0),
    )
    assert load(path, include_promo=True).report.most_affected == ()


def test_every_week_with_rows_is_listed_dropped_ones_included(file: Path) -> None:
    rows = [f"{day(n)},a,2," for n in range(-2, 16)]
    weeks = load(write(file, *rows, f"{day(8)},b,5,True")).report.weeks
    assert [(str(row.wk_end_dt), *astuple(row)[1:]) for row in weeks] == [
        (day(-1), 4.0, 0.0, 1, 2, True),
        (week(0), 14.0, 0.0, 1, 7, False),
        (week(1), 14.0, 5.0, 2, 8, False),
        (week(2), 4.0, 0.0, 1, 2, True),
    ]


# Content hash and JSON


@pytest.mark.full
def test_content_hash_is_equal_only_for_equal_weeks(tmp_path: Path) -> None:
    rows = [f"{day(n)},{key},{n}.5,{n % 5 == 0}" for n in range(21) for key in ("a", "b")]
    first = load(write(tmp_path / "1.csv", *rows))
    again = load(write(tmp_path / "2.csv", *reversed(rows)))
    assert first.report.content == again.report.content
    for changed in (
        [*rows, f"{day(1)},a,0.000001,False"],
        [row.replace(",a,", ",A,") for row in rows],
        [row.replace(",b,", ",a,") for row in rows],
        rows[14:],
    ):
        assert load(write(tmp_path / "3.csv", *changed)).report.content != first.report.content
    assert load(tmp_path / "1.csv", include_promo=True).report.content != first.report.content


def test_report_survives_a_json_round_trip(file: Path) -> None:
    one = load(write(file, f"{day(0)},a,1,", f"{day(6)},a,1,")).report
    many = load(write(file, *filler(70), *(f"{day(n)},b,1,True" for n in range(7)))).report
    for report in (one, many):
        assert QualityReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert one.first_day == SUNDAY
