"""Specs of runs and ingests: validation, error messages, JSON; and default batch sizes."""

import dataclasses
import json
import math
from typing import Any

import pytest

from fcst.errors import InputError
from fcst.names import WEEKDAYS
from fcst.specs import (
    DECIMALS,
    DRIVER_ROLES,
    DUPLICATES,
    MAX_BATCH_SIZE,
    MAX_HORIZON,
    REQUIRED_ROLES,
    RETURNS,
    ROLES,
    WIDE,
    IngestSpec,
    JobSpec,
    default_batch_size,
)

# Runs


@pytest.mark.parametrize("h", [1, 13, MAX_HORIZON])
def test_horizon_up_to_two_years_is_accepted(h: int) -> None:
    assert JobSpec(h=h).h == h


@pytest.mark.parametrize("h", [0, -1, 105, True, 1.5, 13.0, "13", None, math.nan])
def test_invalid_horizon_is_refused(h: Any) -> None:
    with pytest.raises(InputError, match="horizon") as caught:
        JobSpec(h=h)
    assert repr(h) in caught.value.message
    assert "1 to 104" in caught.value.hint


@pytest.mark.parametrize("level", [0, 100, -5, 80.0, True, "80"])
def test_invalid_level_is_refused(level: Any) -> None:
    with pytest.raises(InputError, match="interval level") as caught:
        JobSpec(level=(80, level))
    assert "1 to 99" in caught.value.hint


def test_levels_are_sorted_and_unique() -> None:
    assert JobSpec(level=(95, 80, 95, 1, 99)).level == (1, 80, 95, 99)


def test_empty_levels_are_accepted() -> None:
    assert JobSpec(level=()).level == ()


def test_no_model_is_refused() -> None:
    with pytest.raises(InputError, match="No model"):
        JobSpec(models=())


def test_model_named_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice: MSTL, AutoETS, MSTL"):
        JobSpec(models=("MSTL", "AutoETS", "MSTL"))


def test_models_keep_the_requested_order() -> None:
    assert JobSpec(models=("MSTL", "AutoETS")).models == ("MSTL", "AutoETS")


@pytest.mark.parametrize("size", [0, -1, MAX_BATCH_SIZE + 1, True, 2.5, None])
def test_batch_size_out_of_range_is_refused(size: Any) -> None:
    with pytest.raises(InputError, match="batch size") as caught:
        JobSpec(batch_size=size)
    assert f"1 to {MAX_BATCH_SIZE}" in caught.value.hint


@pytest.mark.parametrize("size", [1, MAX_BATCH_SIZE])
def test_batch_size_at_the_limits_is_accepted(size: int) -> None:
    assert JobSpec(batch_size=size).batch_size == size


@pytest.mark.parametrize("n_windows", [-1, 13, True, 0.5])
def test_invalid_number_of_windows_is_refused(n_windows: Any) -> None:
    with pytest.raises(InputError, match="backtest windows"):
        JobSpec(n_windows=n_windows)


@pytest.mark.parametrize("level", [(), (80, 95)])
def test_run_spec_survives_a_json_round_trip(level: tuple[int, ...]) -> None:
    spec = JobSpec(models=("MSTL", "Auto"), h=26, level=level, batch_size=7, n_windows=0)
    assert JobSpec.from_json(json.loads(spec.to_json())) == spec


def test_run_of_an_older_version_counts_stock_outs_as_zero_demand() -> None:
    stored = json.loads(JobSpec(skips_stockouts=True).to_json())
    assert JobSpec.from_json(stored).skips_stockouts
    del stored["skips_stockouts"]
    assert not JobSpec.from_json(stored).skips_stockouts


def test_run_spec_from_json_is_validated() -> None:
    with pytest.raises(InputError, match="horizon"):
        JobSpec.from_json({**json.loads(JobSpec().to_json()), "h": 0})


def test_specs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        JobSpec().h = 14  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        IngestSpec(paths=("p",), name="n").name = "m"  # type: ignore[misc]


# Ingests


@pytest.mark.parametrize("name", ["", "  ", "\t"])
def test_dataset_without_a_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no name"):
        IngestSpec(paths=("p",), name=name)


@pytest.mark.parametrize("name", ["x" * 101, "two\nlines", "bell\a", "zero\0"])
def test_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        IngestSpec(paths=("p",), name=name)


@pytest.mark.parametrize("name", ["x" * 100, "Ventas de otoño 🍂", "<b>", "'; --"])
def test_printable_name_is_accepted(name: str) -> None:
    assert IngestSpec(paths=("p",), name=name).name == name


@pytest.mark.parametrize("day", WEEKDAYS)
def test_week_can_end_on_any_day(day: str) -> None:
    assert IngestSpec(paths=("p",), name="n", week_end=day).week_end == day


@pytest.mark.parametrize("day", ["sat", "Saturday", " ", "6"])
def test_unknown_week_end_is_refused_with_the_list_of_days(day: str) -> None:
    with pytest.raises(InputError, match="Weeks end on") as caught:
        IngestSpec(paths=("p",), name="n", week_end=day)
    assert repr(day) in caught.value.message
    assert ", ".join(WEEKDAYS) in caught.value.hint


def test_ingest_without_a_file_is_refused() -> None:
    with pytest.raises(InputError, match="No file was given"):
        IngestSpec(paths=(), name="n")


@pytest.mark.parametrize(
    ("option", "values", "wrong"),
    [
        ("returns", RETURNS, "keep"),
        ("duplicates", DUPLICATES, "net"),
        ("decimal", ("", *DECIMALS), ";"),
    ],
)
def test_option_accepts_only_listed_values(option: str, values: tuple[str, ...], wrong: str) -> None:
    for value in values:
        assert getattr(IngestSpec(paths=("p",), name="n", **{option: value}), option) == value
    with pytest.raises(InputError) as caught:
        IngestSpec(paths=("p",), name="n", **{option: wrong})
    assert repr(wrong) in caught.value.message
    assert ", ".join(value for value in values if value) in caught.value.hint


def test_defaults_of_an_ingest_are_recognised_or_empty() -> None:
    spec = IngestSpec(paths=("p",), name="n")
    assert (spec.mapping, spec.date_format, spec.decimal, spec.encoding, spec.file, spec.week_end) == ({}, *[""] * 5)
    assert (spec.where, spec.include_promo, spec.returns, spec.duplicates) == ((), False, "net", "")
    assert (spec.skip_bad, spec.is_upload) == (False, False)


# Column roles


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_have_a_column(role: str) -> None:
    assert IngestSpec(paths=("p",), name="n", mapping={role: ["x"]}).mapping == {role: ["x"]}


def test_unknown_role_is_refused_with_the_list_of_roles() -> None:
    with pytest.raises(InputError, match="The meaning of a column is 'colour'") as caught:
        IngestSpec(paths=("p",), name="n", mapping={"colour": ["x"]})
    assert ", ".join(ROLES) in caught.value.hint


@pytest.mark.parametrize(
    "mapping",
    [
        {"item": ["x"], "date": ["x"]},
        {"sales": ["x"], "promo": ["x"]},
        {"item": ["x", "x"]},
        {"item": ["y", "x"], "sales": ["x"]},
    ],
)
def test_column_mapped_twice_is_refused(mapping: dict[str, list[str]]) -> None:
    with pytest.raises(InputError, match="The column 'x' is mapped twice"):
        IngestSpec(paths=("p",), name="n", mapping=mapping)


def test_store_can_be_part_of_the_item_key() -> None:
    mapping = {"item": ["store", "sku"], "store": ["store"]}
    assert IngestSpec(paths=("p",), name="n", mapping=mapping).mapping == mapping


def test_dates_and_units_can_be_spread_over_columns() -> None:
    mapping = {"item": ["sku"], "date": [WIDE], "sales": [WIDE]}
    assert IngestSpec(paths=("p",), name="n", mapping=mapping).mapping == mapping


@pytest.mark.parametrize("role", [r for r in ROLES if r not in ("item", "attribute", *DRIVER_ROLES) or r == "price"])
def test_only_some_roles_can_have_several_columns(role: str) -> None:
    """A date can have two or three columns: year and week, or year, month and day."""
    columns = ["w", "x", "y", "z"] if role == "date" else ["x", "y"]
    with pytest.raises(InputError, match=f"{ROLES[role]} is mapped to several columns"):
        IngestSpec(paths=("p",), name="n", mapping={role: columns})
    assert IngestSpec(paths=("p",), name="n", mapping={"date": ["year", "week"]}).mapping == {"date": ["year", "week"]}
    for several in ("item", "attribute", "promo", "event"):
        assert IngestSpec(paths=("p",), name="n", mapping={several: ["x", "y"]}).mapping == {several: ["x", "y"]}


@pytest.mark.parametrize("role", ROLES)
def test_only_optional_roles_can_have_no_column(role: str) -> None:
    if role in REQUIRED_ROLES:
        with pytest.raises(InputError, match=f"No column is mapped to {ROLES[role].lower()}"):
            IngestSpec(paths=("p",), name="n", mapping={role: []})
    else:
        assert IngestSpec(paths=("p",), name="n", mapping={role: []}).mapping == {role: []}


def test_ingest_spec_survives_a_json_round_trip() -> None:
    spec = IngestSpec(
        paths=("/data/é.csv", "/data/2.csv"),
        name="n",
        mapping={"item": ['the "item"', "s"], "date": ["d"], "sales": ["u"], "promo": [], "store": ["s"]},
        date_format="%d/%m/%Y",
        decimal=",",
        encoding="cp1252",
        file="train.csv",
        where=(("city", "Quito"), ("city", "Lima")),
        include_promo=True,
        returns="drop",
        duplicates="drop",
        week_end="MON",
        skip_bad=True,
        is_upload=True,
    )
    assert IngestSpec.from_json(json.loads(spec.to_json())) == spec


def test_ingest_spec_from_json_is_validated() -> None:
    value = json.loads(IngestSpec(paths=("p",), name="n").to_json())
    with pytest.raises(InputError, match="Weeks end on"):
        IngestSpec.from_json({**value, "week_end": "noon"})


# Batches


@pytest.mark.parametrize(
    ("n_items", "processes", "size"),
    [(1, 1, 5), (40, 1, 5), (41, 1, 6), (200, 2, 13), (400, 1, 50), (4_000, 1, 50), (4_100, 16, 33), (1, 64, 5)],
)
def test_default_batch_size_by_hand(n_items: int, processes: int, size: int) -> None:
    assert default_batch_size(n_items, processes) == size


@pytest.mark.parametrize("processes", [1, 2, 3, 8, 64])
def test_default_batch_size_is_an_eighth_of_a_process_share_within_5_to_50(processes: int) -> None:
    for n_items in range(1, 3_000, 7):
        rule = math.ceil(n_items / (8 * processes))
        assert default_batch_size(n_items, processes) == max(5, min(50, rule))


@pytest.mark.parametrize(
    "options", [{"where": (("a", "b\0"),)}, {"mapping": {"item": ["a\0"]}}, {"date_format": "%d\0"}]
)
def test_zero_bytes_in_an_ingest_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="zero byte"):
        IngestSpec(paths=("x",), name="n", **options)
