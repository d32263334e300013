"""Formats of numbers, times and data."""

import json
import math
import re
import time
from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from fcst.job_records import Job
from fcst.names import safe_file_name
from fcst.specs import JobSpec
from fcst.ui import text

NAN = math.nan


# Text from data

SPECIAL = r"\`*_{}[]()<>#+-.!|~:$&^=" + "\"'@/"

TRICKY = [
    "a*b*c",
    "_under_ and __under__",
    "[link](http://example.com)",
    "<script>alert(1)</script>",
    "`code` and ``code``",
    "costs $5 to $7",
    "a|b|c",
    "~~struck~~",
    "# no heading",
    "1. no list",
    "- no list",
    "> no quote",
    ":red[no colour]",
    "&lt; &#42;",
    r"back\slash\*",
    "www.example.com and a@b.example",
    "![image](x.png)",
    "ends with \\",
]


def shown(markdown: str) -> str:
    """The text that Markdown displays if only backslash escapes have a meaning."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)


def bare(markdown: str) -> set[str]:
    """Special characters that are not escaped."""
    return set(SPECIAL) & set(re.sub(r"\\[!-/:-@\[-`{-~]", "", markdown))


@pytest.mark.parametrize("data", TRICKY)
def test_data_are_displayed_literally(data: str) -> None:
    assert shown(text.plain(data)).replace("\u2060", "") == data
    assert bare(text.plain(data)) == set()


@pytest.mark.parametrize("char", SPECIAL)
def test_special_character_is_escaped(char: str) -> None:
    assert text.plain(f"a{char}b").replace("\u2060", "") == f"a\\{char}b"


@pytest.mark.parametrize("data", ["item 42", "Camisón 😀 漢字", "100 %, or so; yes?"])
def test_text_without_special_characters_is_unchanged(data: str) -> None:
    assert text.plain(data) == data


@pytest.mark.parametrize("data", ["two\nlines", "two\r\n\r\nlines", "two\t lines", "    two lines  "])
def test_white_space_is_collapsed(data: str) -> None:
    assert text.plain(data) == "two lines"


def test_other_types_are_converted_to_text() -> None:
    assert text.plain(None) == "None"
    assert text.plain(-1.5) == r"\-1\.5"


# Numbers


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (5, "5"),
        (5.0, "5"),
        (0.47, "0.47"),
        (0.001, "0.00"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345, "12,345"),
        (12345.6, "12,346"),
        (-0.5, "-0.50"),
        (-1234.5, "-1,234"),
        (None, "not defined"),
        (NAN, "not defined"),
    ],
)
def test_units(value: float | None, words: str) -> None:
    assert text.units(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (9, "9"),
        (9_999, "9,999"),
        (10_000, "10.0 k"),
        (12_345, "12.3 k"),
        (123_456, "123 k"),
        (99_960, "100 k"),
        (999_499, "999 k"),
        (999_999, "1.00 M"),
        (1_234_567, "1.23 M"),
        (9_996_000, "10.0 M"),
        (123_456_789, "123 M"),
        (999_999_999, "1.00 bn"),
        (1_234_567_890, "1.23 bn"),
        (12_345_678_901, "12.3 bn"),
        (-123_456, "-123 k"),
        (-1_234_567, "-1.23 M"),
        (NAN, "not defined"),
    ],
)
def test_large_numbers_have_three_digits(value: float, words: str) -> None:
    assert text.large(value) == words


@pytest.mark.parametrize(
    ("fraction", "signed", "words"),
    [
        (0.1234, False, "12.3 %"),
        (0.0, False, "0.0 %"),
        (-0.05, False, "-5.0 %"),
        (12.5, False, "1,250.0 %"),
        (0.05, True, "+5.0 %"),
        (-0.05, True, "-5.0 %"),
        (None, False, "not defined"),
        (NAN, True, "not defined"),
    ],
)
def test_percent(fraction: float | None, signed: bool, words: str) -> None:
    assert text.percent(fraction, signed) == words


@pytest.mark.parametrize(
    ("n", "words"), [(0, "0 batches"), (1, "1 batch"), (2, "2 batches"), (12_345, "12,345 batches")]
)
def test_count_with_an_irregular_plural(n: int, words: str) -> None:
    assert text.count(n, "batch", "batches") == words


@pytest.mark.parametrize(("n", "words"), [(0, "0 items"), (1, "1 item"), (1_000, "1,000 items")])
def test_count_with_a_regular_plural(n: int, words: str) -> None:
    assert text.count(n, "item") == words


# Times


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0.0 s"),
        (0.03, "under 0.1 s"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7_530, "2 h 05 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_duration(seconds: float | None, words: str) -> None:
    assert text.duration(seconds) == words


@pytest.mark.parametrize(
    ("item_limit_s", "process_memory", "words"),
    [
        (300.0, 4_000_000_000, "limits per item: 5 min, 4 GB"),
        (90.0, 4_294_967_296, "limits per item: 1 min 30 s, 4.29 GB"),
        (0.5, 500_000_000, "limits per item: 0.5 s, 500 MB"),
    ],
)
def test_limits_of_an_item(item_limit_s: float, process_memory: int, words: str) -> None:
    assert text.describe_limits(item_limit_s, process_memory) == words


def test_log_line_omits_empty_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert text.log_line(at, "error", "interrupted", 2, "why: so") == (
        "2026-01-02 03:04:05 error interrupted, attempt 2: why: so"
    )
    assert text.log_line(at, "info", "claimed", None, "") == "2026-01-02 03:04:05 claimed"
    monkeypatch.undo()
    time.tzset()


def test_day_has_iso_format() -> None:
    assert text.day(date(2017, 8, 5)) == "2017-08-05"


@pytest.mark.parametrize(
    ("zone", "words"), [("UTC", "2017-08-12 23:05"), ("XXX-2", "2017-08-13 01:05"), ("XXX+5", "2017-08-12 18:05")]
)
def test_moment_uses_the_time_zone_of_the_server(zone: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        shown_time = text.moment(datetime(2017, 8, 12, 23, 5, tzinfo=UTC))
    time.tzset()
    assert shown_time == words


# Titles


@pytest.mark.parametrize(
    ("n_items", "batch_size", "h", "words"),
    [
        (200, 25, 13, "200 items in 8 batches of 25, 13 weeks ahead"),
        (201, 25, 13, "201 items in 9 batches of up to 25, 13 weeks ahead"),
        (3, 25, 13, "3 items in 1 batch, 13 weeks ahead"),
        (25, 25, 1, "25 items in 1 batch, 1 week ahead"),
        (1, 5, 104, "1 item in 1 batch, 104 weeks ahead"),
        (4_000, 50, 2, "4,000 items in 80 batches of 50, 2 weeks ahead"),
    ],
)
def test_description_of_a_run(n_items: int, batch_size: int, h: int, words: str) -> None:
    assert text.describe_run(n_items, batch_size, h) == words


def test_job_title_has_number_and_name() -> None:
    now = datetime(2017, 8, 12, tzinfo=UTC)
    row = {"job_id": 7, "status": "submitted", "dataset_id": 1, "dataset": "d", "dataset_version": 1, "name": "autumn"}
    row |= {"include_promo": False, "last_wk_end_dt": now.date(), "note": "", "spec": json.loads(JobSpec().to_json())}
    row |= {
        "n_items": 1,
        "n_completed": 0,
        "n_failed": 0,
        "n_cancelled": 0,
        "n_batches": 1,
        "n_attempts": 0,
        "attribute_change": 0,
    }
    row |= {
        "batches": {"submitted": 1},
        "learning": None,
        "submitted_by": None,
        "submitted_at": now,
        "started_at": None,
    }
    row |= {"finished_at": None, "cancel_requested_at": None, "n_done_now": 0, "running_s": None}
    row |= {"worked_s": 0.0, "n_busy": 0}
    job = Job.from_row(row)
    assert text.job_title(job) == "Run 7 · autumn"
    assert text.job_title(replace(job, name="")) == "Run 7"


def test_dataset_title_has_the_version_from_version_2() -> None:
    assert text.dataset_title("sales", 1) == "sales"
    assert text.dataset_title("sales", 2) == "sales (version 2)"


def test_keys_are_escaped_and_shortened_in_file_names() -> None:
    assert safe_file_name("../a b=Käse") == "---a-b-Käse"
    assert len(safe_file_name("x" * 500)) == 60


@pytest.mark.parametrize(
    ("is_kept", "has_flag", "words"), [(True, True, "kept"), (False, True, "left out"), (False, False, "no flag")]
)
def test_treatment_of_promotions(is_kept: bool, has_flag: bool, words: str) -> None:
    assert text.promotions(is_kept, has_flag) == words


def test_units_below_10_have_one_decimal() -> None:
    units = pd.Series([26067.6, 10.4, 9.96, 0.44, 0.0, -3.25, None])
    assert text.round_units(units).dropna().tolist() == [26068, 10, 10, 0.4, 0, -3.2]


@pytest.mark.parametrize(
    "address", ["https://example.com", "www.example.com", "ann@example.com", "WWW.x.org", "ftp://x"]
)
def test_addresses_in_data_are_not_links(address: str) -> None:
    escaped = text.plain(f"see {address} now")
    assert "\u2060" in escaped and address not in escaped.replace("\\", "")
    assert escaped.replace("\u2060", "").replace("\\", "") == f"see {address} now"


@pytest.mark.parametrize(
    ("model", "wape", "benchmark_wape", "words"),
    [
        ("Auto", 0.2512, 0.3333, "Average error 25 %; 33 % for the same weeks last year."),
        ("Auto", 0.0512, None, "Average error 5.1 %; not defined for the same weeks last year."),
        ("SeasonalNaive", 0.33, 0.33, "Average error of the same weeks last year: 33 %."),
        ("Auto", float("nan"), 0.3, "The error is not defined: the measured weeks have no sales."),
    ],
)
def test_description_of_the_error(model: str, wape: float, benchmark_wape: float | None, words: str) -> None:
    assert text.describe_error(model, wape, benchmark_wape).startswith(words)


def test_display_names_of_models() -> None:
    assert [text.model_name(name) for name in ("Naive", "SeasonalNaive", "Auto", "")] == [
        "last week",
        "same weeks last year",
        "Auto",
        "",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (8.4, "8 s"), (43, "45 s"), (58, "1 min"), (240, "4 min"), (7500, "2 h 05 min")],
)
def test_estimated_times_are_rounded(seconds: float, words: str) -> None:
    assert text.about(seconds) == words


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ("Naive", "last week"),
        ("Boosting 52%, SeasonalNaive 5%, 19 more", "Boosting 52%, same weeks last year 5%, 19 more"),
        ("", ""),
    ],
)
def test_models_of_a_forecast_have_display_names(models: str, words: str) -> None:
    assert text.made_by(models) == words
