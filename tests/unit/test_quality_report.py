"""Stored quality reports, including those of older versions."""

import json
from datetime import date
from typing import Any

from fcst.quality_report import (
    BadRow,
    BadRowCount,
    Coverage,
    DroppedRows,
    Duplicates,
    FileRead,
    Gap,
    Gaps,
    ListedItem,
    PromoYear,
    QualityReport,
    ReadingReport,
    ReportCounts,
)
from tests.store.old_versions import REPORT

FILE: dict[str, Any] = {
    "name": "train.csv",
    "kind": "text",
    "n_bytes": 99,
    "columns": ["item", "d_1", "d_2"],
    "encoding": "utf-8",
    "delimiter": ",",
    "mapping": {"item": ["item"]},
    "date_format": "%Y-%m-%d",
    "decimal": ".",
    "periods": [["d_1", "2020-01-05"], ["d_2", "2020-01-06"]],
}
UNVERSIONED = REPORT | {
    "files": [FILE],
    "other_files": ["notes.txt"],
    "bad_rows": {
        "n": 1,
        "is_at_least": False,
        "first": [{"file": "train.csv", "line": 2, "column": "date", "value": "x", "reason": "is not a date"}],
    },
    "duplicates": {"key": "item and day", "n": 2, "n_dropped": 0, "n_differing": None, "n_repeated": None},
    "dropped": {"bad": 1, "returns": 2},
    "promo_by_year": {"2020": {"share": 0.25, "units": 1.0}},
    "gaps": {
        "n_item_weeks": 2,
        "n_items": 1,
        "longest": 2,
        "longest_runs": [
            {"unique_id": "a", "n_weeks": 2, "first_wk_end_dt": "2020-01-18", "last_wk_end_dt": "2020-01-25"}
        ],
        "empty_weeks": ["2020-01-18"],
        "n_empty_weeks": 1,
    },
    "ended_items": {
        "n": 1,
        "first": [{"unique_id": "b", "first_wk_end_dt": "2020-01-11", "last_sale_dt": None, "total_units": 0.0}],
    },
    "coverage": {
        "first_ranks": [1],
        "weeks_a_period": 1,
        "first_wk_end_dt": "2020-01-11",
        "shares": [[1.0, 0.5]],
    },
}
"""Parts of a stored report with files and lists, but without a version."""


def test_report_of_version_1_has_counts_without_lists() -> None:
    report = QualityReport.from_json(REPORT)
    assert (report.version, report.n_rows, report.total_units) == (1, 3, 3.0)
    assert (report.first_day, report.last_wk_end_dt) == (date(2020, 1, 5), date(2021, 7, 17))
    assert report.promo_share_by_year == {"2020": 0.25, "2021": None}
    assert (report.files, report.weeks, report.coverage, report.same_as_version) == ((), (), None, None)
    assert (report.bad_rows, report.dropped, report.gaps) == (BadRowCount(), DroppedRows(), Gaps())


def test_report_without_a_version_is_parsed() -> None:
    report = QualityReport.from_json(UNVERSIONED)
    assert report.version == 2
    periods = (("d_1", date(2020, 1, 5)), ("d_2", date(2020, 1, 6)))
    columns = ("item", "d_1", "d_2")
    assert report.files == (FileRead(**{**FILE, "columns": columns, "periods": periods}),)
    assert not report.files[0].is_day_first_assumed
    assert report.other_files == ("notes.txt",)
    assert report.bad_rows == BadRowCount(1, False, (BadRow("train.csv", 2, "date", "x", "is not a date"),))
    assert report.duplicates == Duplicates("item and day", n=2)
    assert report.dropped == DroppedRows(bad=1, returns=2)
    assert report.promo_by_year == {"2020": PromoYear(share=0.25, units=1.0)}
    gap = Gap("a", 2, date(2020, 1, 18), date(2020, 1, 25))
    assert report.gaps == Gaps(2, 1, 2, (gap,), (date(2020, 1, 18),), 1)
    assert report.ended_items.first == (ListedItem("b", date(2020, 1, 11), None, 0.0),)
    assert report.coverage == Coverage((1,), 1, date(2020, 1, 11), ((1.0, 0.5),))


def test_report_survives_a_json_round_trip() -> None:
    for stored, version in ((REPORT, 1), (UNVERSIONED, 2)):
        report = QualityReport.from_json(stored)
        value = report.to_json()
        assert value["version"] == version
        assert QualityReport.from_json(json.loads(json.dumps(value))) == report


def test_shorter_reports_parse_the_same_value() -> None:
    value = QualityReport.from_json(UNVERSIONED).to_json()
    assert ReportCounts.from_json(value).promo_by_year == {"2020": PromoYear(share=0.25, units=1.0)}
    assert set(ReadingReport.from_json(value).to_json()) == {
        "source",
        "files",
        "other_files",
        "n_rows",
        "n_filtered",
        "totals",
        "n_totals",
        "no_records",
        "n_no_records",
        "cancelled",
        "n_odd_dates",
        "bad_rows",
    }
