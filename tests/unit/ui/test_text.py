"""Numbers, times and data in words."""

import json
import math
import re
import time
from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from fcst.job_records import Job
from fcst.names import in_file_name
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
    """What Markdown shows of text in which nothing but backslash escapes has a meaning."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)


def bare(markdown: str) -> set[str]:
    """The special characters that are not escaped."""
    return set(SPECIAL) & set(re.sub(r"\\[!-/:-@\[-`{-~]", "", markdown))


@pytest.mark.parametrize("data", TRICKY)
def test_data_is_shown_to_the_letter(data: str) -> None:
    assert shown(text.plain(data)).replace("\u2060", "") == data
    assert bare(text.plain(data)) == set()


@pytest.mark.parametrize("char", SPECIAL)
def test_special_character_is_escaped(char: str) -> None:
    assert text.plain(f"a{char}b").replace("\u2060", "") == f"a\\{char}b"


@pytest.mark.parametrize("data", ["item 42", "Camisón 😀 漢字", "100 %, or so; yes?"])
def test_plain_words_stay_as_they_are(data: str) -> None:
    assert text.plain(data) == data


@pytest.mark.parametrize("data", ["two\nlines", "two\r\n\r\nlines", "two\t lines", "    two lines  "])
def test_white_space_makes_no_paragraph_and_no_code(data: str) -> None:
    assert text.plain(data) == "two lines"


def test_what_is_no_text_is_made_one() -> None:
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
def test_large_number_has_three_digits(value: float, words: str) -> None:
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
def test_count_with_a_plural_of_its_own(n: int, words: str) -> None:
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
        (300.0, 4_000_000_000, "an item may take 5 min and 4 GB"),
        (90.0, 4_294_967_296, "an item may take 1 min 30 s and 4.29 GB"),
        (0.5, 500_000_000, "an item may take 0.5 s and 500 MB"),
    ],
)
def test_limits_of_an_item(item_limit_s: float, process_memory: int, words: str) -> None:
    assert text.limits(item_limit_s, process_memory) == words


def test_line_of_the_log_tells_only_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert text.log_line(at, "error", "broke_off", 2, "why: so") == (
        "2026-01-02 03:04:05 error broke off, attempt 2: why: so"
    )
    assert text.log_line(at, "info", "claimed", None, "") == "2026-01-02 03:04:05 claimed"
    monkeypatch.undo()
    time.tzset()


def test_day_is_written_as_in_files() -> None:
    assert text.day(date(2017, 8, 5)) == "2017-08-05"


@pytest.mark.parametrize(
    ("zone", "words"), [("UTC", "2017-08-12 23:05"), ("XXX-2", "2017-08-13 01:05"), ("XXX+5", "2017-08-12 18:05")]
)
def test_moment_is_told_in_the_servers_zone(zone: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        told = text.moment(datetime(2017, 8, 12, 23, 5, tzinfo=UTC))
    time.tzset()
    assert told == words


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
def test_run_in_words(n_items: int, batch_size: int, h: int, words: str) -> None:
    assert text.run_in_words(n_items, batch_size, h) == words


def test_job_title_has_the_name_where_there_is_one() -> None:
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


def test_dataset_title_has_the_version_where_it_is_not_the_first() -> None:
    assert text.dataset_title("sales", 1) == "sales"
    assert text.dataset_title("sales", 2) == "sales (version 2)"


def test_any_key_may_be_part_of_a_file_name() -> None:
    assert in_file_name("../a b=Käse") == "---a-b-Käse"
    assert len(in_file_name("x" * 500)) == 60


@pytest.mark.parametrize(
    ("is_kept", "has_flag", "words"), [(True, True, "kept"), (False, True, "left out"), (False, False, "no flag")]
)
def test_promotions_are_told_in_a_word(is_kept: bool, has_flag: bool, words: str) -> None:
    assert text.promotions(is_kept, has_flag) == words


def test_units_of_a_table_are_whole_but_small_ones_have_a_decimal() -> None:
    units = pd.Series([26067.6, 10.4, 9.96, 0.44, 0.0, -3.25, None])
    assert text.round_units(units).dropna().tolist() == [26068, 10, 10, 0.4, 0, -3.2]


@pytest.mark.parametrize(
    "address", ["https://example.com", "www.example.com", "ann@example.com", "WWW.x.org", "ftp://x"]
)
def test_address_in_data_is_broken_for_who_would_make_a_link_of_it(address: str) -> None:
    said = text.plain(f"see {address} now")
    assert "\u2060" in said and address not in said.replace("\\", "")
    assert said.replace("\u2060", "").replace("\\", "") == f"see {address} now"


@pytest.mark.parametrize(
    ("model", "wape", "yardstick", "words"),
    [
        ("Auto", 0.2512, 0.3333, "On average 25 % off; the same weeks of last year would be 33 % off."),
        ("Auto", 0.0512, None, "On average 5.1 % off; how far the same weeks of last year would be is not defined."),
        ("SeasonalNaive", 0.33, 0.33, "The same weeks of last year are on average 33 % off."),
        ("Auto", float("nan"), 0.3, "How far off the forecasts are is not defined: nothing was sold in the weeks that"),
    ],
)
def test_error_is_told_in_a_sentence(model: str, wape: float, yardstick: float | None, words: str) -> None:
    assert text.how_far_off(model, wape, yardstick).startswith(words)


def test_simple_models_are_called_by_what_they_repeat() -> None:
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
def test_time_that_is_not_known_exactly_is_rounded(seconds: float, words: str) -> None:
    assert text.about(seconds) == words


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ("Naive", "last week"),
        ("Boosting 52%, SeasonalNaive 5%, 19 more", "Boosting 52%, same weeks last year 5%, 19 more"),
        ("", ""),
    ],
)
def test_models_behind_a_forecast_are_called_as_planners_do(models: str, words: str) -> None:
    assert text.made_by(models) == words
