"""Sentences and tables of the quality report."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from fcst.dataset_records import Dataset
from fcst.ingest.folders import Folders
from fcst.ingest.pipeline import Resources, read_series
from fcst.quality_report import Duplicates, QualityReport
from fcst.specs import IngestSpec
from fcst.ui.reports import (
    class_frame,
    history_frame,
    mapping_frame,
    promo_frame,
    report_lines,
    row_frame,
    rule_frame,
    series_lines,
)

REPORT = QualityReport(
    source="train.csv",
    n_rows=1_000,
    n_items_read=20,
    n_items=20,
    n_weeks=240,
    total_units=5_000.0,
    first_day=date(2013, 1, 1),
    last_day=date(2017, 8, 15),
    first_wk_end_dt=date(2013, 1, 12),
    last_wk_end_dt=date(2017, 8, 12),
    has_promo_column=True,
    n_promo=50,
    promo_share_by_year={"2013": 0.0, "2014": 0.125, "2015": None},
    n_flag_missing=0,
    n_flag_unknown=0,
    n_weeks_emptied=0,
    n_weeks_zero=0,
    n_returns=0,
    n_fractional=0,
)


def dataset_of(report: QualityReport, spec: IngestSpec) -> Dataset:
    return Dataset(
        dataset_id=1,
        name=spec.name,
        version=1,
        week_end=spec.week_end,
        include_promo=spec.include_promo,
        n_items=report.n_items,
        n_weeks=report.n_weeks,
        first_wk_end_dt=report.first_wk_end_dt,
        last_wk_end_dt=report.last_wk_end_dt,
        total_units=report.total_units,
        created_at=datetime(2026, 11, 28, tzinfo=UTC),
        lifecycle=0,
        attribute_change=0,
        spec=spec,
        report=report,
    )


def text_of(include_promo: bool = False, week_end: str = "SAT", **changed: Any) -> str:
    spec = IngestSpec(paths=("train.csv",), name="n", include_promo=include_promo, week_end=week_end)
    return "\n".join(report_lines(dataset_of(replace(REPORT, **changed), spec)))


def test_report_starts_with_the_rows_read() -> None:
    assert text_of().startswith(r"train\.csv: 1,000 rows, 20 items, from 2013-01-01 to 2017-08-15.")


def test_report_has_the_range_of_weeks() -> None:
    assert "Weeks end on Monday." in text_of(week_end="MON")
    assert "2013-01-12 to 2017-08-12." in text_of()


def test_file_name_is_escaped() -> None:
    assert text_of(source="a_*b*.csv").startswith(r"a\_\*b\*\.csv: ")


def test_promotions_left_out_have_their_share_by_year() -> None:
    expected = "50 promotional rows are left out. Share of units left out by year: "
    assert expected + "2013: 0.0 %, 2014: 12.5 %, 2015: not defined." in text_of()


def test_promotions_kept_have_no_share() -> None:
    report = text_of(include_promo=True)
    assert "50 promotional rows are kept in the unit sales." in report
    assert "left out" not in report


@pytest.mark.parametrize("include_promo", [False, True])
def test_file_without_a_promotion_flag(include_promo: bool) -> None:
    report = text_of(include_promo, has_promo_column=False, n_promo=0, n_flag_missing=1_000)
    assert "The file has no promotion flag. All rows are kept." in report
    assert "promotional" not in report
    assert "without a promotion flag count" not in report


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n_flag_missing", "3 rows without a promotion flag count as not promoted."),
        ("n_flag_unknown", "3 rows with an unknown promotion flag count as not promoted."),
        ("n_weeks_emptied", "3 item-weeks with promotional sales only are missing, not zero; models interpolate them."),
        ("n_returns", "3 returns (negative units) netted within their week."),
        ("n_fractional", "3 rows with fractional units, such as goods sold by weight."),
    ],
)
def test_rules_without_effect_are_omitted(name: str, words: str) -> None:
    assert words in text_of(**{name: 3})
    assert words.removeprefix("3 rows ") not in text_of()


def test_zero_weeks_are_always_reported() -> None:
    assert "3 item-weeks without sales within an item's history count as zero." in text_of(n_weeks_zero=3)
    assert "0 item-weeks without sales within" in text_of()


def test_items_without_sales_in_whole_weeks_are_counted() -> None:
    assert "2 items without sales in whole weeks left out." in text_of(n_items=18)
    assert "in whole weeks" not in text_of()


@pytest.mark.parametrize("header", ["date,item_nbr,unit_sales,onpromotion", "date,item_nbr,unit_sales,other"])
@pytest.mark.parametrize("include_promo", [False, True])
def test_report_of_an_ingest_has_all_sentences(tmp_path: Path, header: str, include_promo: bool) -> None:
    days = [f"2020-01-{day:02d},a,{day - 8.5},{'True' if day == 9 else ''}" for day in range(5, 19)]
    (tmp_path / "sales.csv").write_text("\n".join([header, *days]) + "\n")
    dataset = load_dataset_of(tmp_path, include_promo)
    lines = report_lines(dataset)
    assert lines[0] == r"sales\.csv: 14 rows, 1 item, from 2020-01-05 to 2020-01-18."
    assert any("14 rows with fractional units" in line for line in lines)


def load_dataset_of(folder: Path, include_promo: bool = False, **options: Any) -> Dataset:
    """Returns the dataset that an ingest of `sales.csv` in the folder creates."""
    (folder / "out").mkdir()
    spec = IngestSpec(paths=(str(folder / "sales.csv"),), name="n", include_promo=include_promo, **options)
    files = read_series(spec, 1, Resources(folder / "out", "200MB", 1, 10**9, Folders([Path("/")])))
    return dataset_of(files.report, files.spec)


def test_tables_of_the_report_add_up_to_all_rows_and_items(tmp_path: Path) -> None:
    rows = [f"2020-01-{day:02d},{key},{day - 8.5},{day == 9}" for day in range(6, 20) for key in ("a", "=b")]
    (tmp_path / "sales.csv").write_text("\n".join(["date,item_nbr,unit_sales,onpromotion", *rows, "x,a,1,"]) + "\n")
    dataset = load_dataset_of(tmp_path, skip_bad=True, returns="drop")
    report = dataset.report
    account = row_frame(report)
    assert account["Rows"].iloc[0] == 29 == account["Rows"].iloc[1:].sum()
    assert set(account["Outcome"]) >= {"– unreadable", "– returns, left out", "– promotions, left out"}
    rules = rule_frame(dataset).set_index("Rule")
    assert rules.loc["promotions left out", "Affected"] == "2 rows" and rules.loc["promotions left out", "Units"] == 1.0
    assert rules.loc["returns left out", "Units"] == report.units.returned_units < 0
    assert class_frame(report)["Items"].sum() == history_frame(report)["Items"].sum() == report.n_items
    assert promo_frame(report)["Promotional units"].sum() == 1.0
    assert set(mapping_frame(dataset)["Column"]) == {"date", "item_nbr", "unit_sales", "onpromotion"}
    assert len(series_lines(report)) >= 3


def test_duplicates_have_their_treatment() -> None:
    found = Duplicates("item and day", n=3)
    assert "3 duplicate rows (same item and day) added up." in text_of(duplicates=found)
    report = text_of(duplicates=replace(found, n_dropped=3, n_differing=1))
    assert "counted once" in report and "1 of them differs in units: the last one is used." in report
    assert "2 lines repeated within a receipt" in text_of(duplicates=replace(found, n=0, n_repeated=2))


def test_load_without_changes_names_the_equal_version() -> None:
    assert r"No change\: same weekly sales as version 2\." in text_of(same_as_version=2)
    assert "No change" not in text_of(same_as_version=None)
