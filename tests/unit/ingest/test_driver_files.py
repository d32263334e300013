"""Drivers from sales files and from plans: weekly values, kinds, date ranges, keys, invalid input."""

import math
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fcst.errors import InputError
from fcst.ingest.driver_checks import KeySales
from fcst.ingest.driver_columns import MAX_WORDS
from fcst.ingest.driver_files import DatasetWeeks, DriverFiles
from fcst.ingest.driver_plans import PlanDataset, find_plan_tables, read_plan
from fcst.ingest.folders import Folders
from fcst.ingest.sources import Workspace
from fcst.specs import WIDE, IngestSpec
from tests.unit.ingest.conftest import SATURDAYS, day, filler, make, refusal, write

FIRST, _, LAST = map(date.fromisoformat, SATURDAYS)
DATASET = DatasetWeeks(FIRST, LAST, "SAT")


def values(files: DriverFiles | None) -> dict[tuple[str, str], tuple[str, list[float | None]]]:
    """(key, driver) -> first week and values, rounded to three digits."""
    assert files is not None
    with pa.ipc.open_stream(files.values) as stream:
        rows = stream.read_all().to_pylist()
    return {
        (row["key"], row["name"]): (
            row["first_wk_end_dt"].isoformat(),
            [None if math.isnan(value) else round(value, 3) for value in row["values"]],
        )
        for row in rows
    }


def plan(
    path: Path,
    *rows: str,
    header: str,
    items: Collection[str] = ("a", "b"),
    known: Collection[str] = (),
    sales: Collection[KeySales] = (),
    item_columns: Sequence[str] = ("item",),
    **options: Any,
) -> DriverFiles:
    write(path, *rows, header=header)
    own = path.parent / f"plan {len(list(path.parent.glob('plan *')))}"
    own.mkdir()
    spec = IngestSpec(paths=(str(path),), name="n", plan_of=1, **options)
    workspace = Workspace(own, 10**9)
    parts = find_plan_tables(spec, Folders((Path("/"),)), workspace, {"item": list(item_columns)}).parts(spec)
    dataset = PlanDataset(
        weeks=DATASET,
        item_columns=item_columns,
        driver_names=known,
        find_known=lambda by, columns, keys: set(keys) & set(items),
        find_sales=lambda by, columns, keys: [row for row in sales if row[0] in keys],
    )
    return read_plan(spec, parts, dataset, workspace)


def refused(path: Path, *rows: str, header: str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        plan(path, *rows, header=header, **options)
    assert caught.value.hint
    return caught.value.message


# Drivers in sales files


def test_promotion_is_the_share_of_rows(file: Path) -> None:
    rows = [*filler(21), *(f"{day(n)},a,2,{n < 3 or n == 8}" for n in range(21))]
    found = make(file.parent, write(file, *rows), include_promo=True).drivers
    assert values(found) == {("a", "onpromotion"): ("2020-01-11", [0.429, 0.143, 0.0])}
    assert found is not None and (found.first_day.isoformat(), found.last_day.isoformat()) == (day(0), day(20))


def test_days_without_a_sale_do_not_reduce_a_promotion(file: Path) -> None:
    rows = [*filler(21), *(f"{day(n)},a,2,{n > 6}" for n in (0, 3, 9, 15, 18))]
    assert values(make(file.parent, write(file, *rows), include_promo=True).drivers) == {
        ("a", "onpromotion"): ("2020-01-11", [0.0, 1.0, 1.0])
    }


def test_rows_of_several_stores_are_averaged(file: Path) -> None:
    rows = [f"{day(n)},{store},a,1,{store == 1}" for n in range(21) for store in (1, 2)]
    write(file, *rows, header="date,store_nbr,item_nbr,unit_sales,onpromotion")
    assert values(make(file.parent, file, include_promo=True).drivers) == {
        ("a", "onpromotion"): ("2020-01-11", [0.5, 0.5, 0.5])
    }


def test_promotion_is_not_a_driver_if_its_rows_are_dropped(file: Path) -> None:
    rows = [*filler(21), *(f"{day(n)},a,2,{n < 3}" for n in range(21))]
    assert make(file.parent, write(file, *rows)).drivers is None


def test_open_days_events_and_prices_come_with_the_sales(file: Path) -> None:
    rows = [f"{day(n)},a,{n % 5},{int(n % 7 > 0)},{'x' if n == 9 else '0'},{2 + (n > 6)}" for n in range(21)]
    write(file, *rows, header="date,item,qty,Open,StateHoliday,unit price")
    found = values(make(file.parent, file).drivers)
    assert found[("a", "Open")] == ("2020-01-11", [0.857, 0.857, 0.857])
    assert found[("a", "StateHoliday x")] == ("2020-01-11", [0.0, 0.143, 0.0])
    assert found[("a", "unit price")] == ("2020-01-11", [2.0, 3.0, 3.0])


def test_stock_is_the_share_of_days_in_stock(file: Path) -> None:
    rows = [f"{day(n)},a,1,{0 if n < 7 else n}" for n in range(21)]
    write(file, *rows, header="date,item,qty,on hand")
    assert values(make(file.parent, file).drivers)[("a", "on hand")] == ("2020-01-11", [0.0, 1.0, 1.0])
    write(file, *[f"{day(n)},a,1,{int(n < 7)}" for n in range(21)], header="date,item,qty,out of stock")
    assert values(make(file.parent, file).drivers)[("a", "out of stock")] == ("2020-01-11", [0.0, 1.0, 1.0])


@pytest.mark.parametrize("of_units", ["{0}", "{0} * 2.5", "{0} * (2 if item == 'a' else 3)"])
def test_driver_that_is_a_multiple_of_the_units_is_refused(file: Path, of_units: str) -> None:
    rows = []
    for item, shift in (("a", 0), ("b", 2)):
        for n in range(21):
            units = (n + shift) % 5 + 1
            rows.append(f"{day(n)},{item},{units},{eval(of_units.format(units))}")
    write(file, *rows, header="date,item,qty,demand copy")
    error = refusal(file, mapping={"item": ["item"], "driver": ["demand copy"]})
    assert error.message == (
        "The driver 'demand copy' is the units sold, or a multiple of them. Future units are unknown."
    )
    assert error.hint == "Map another column, or remove this driver."


def test_constant_flag_with_constant_units_is_kept(file: Path) -> None:
    """A flag of an item with one unit per row."""
    rows = [f"{day(n)},a,1,1" for n in range(21) if n % 5]
    write(file, *rows, header="date,item,qty,flag")
    assert make(file.parent, file, mapping={"item": ["item"], "driver": ["flag"]}).drivers is not None


def test_free_text_is_not_a_driver(file: Path) -> None:
    rows = [f"{day(n)},a,1,note {n}" for n in range(MAX_WORDS + 5)]
    write(file, *rows, header="date,item,qty,event")
    found = make(file.parent, file)
    assert found.drivers is None
    assert found.report.warnings == (
        "The column 'event' of sales.csv has over 30 different texts, such as 'note 0': it is not used as a driver.",
    )
    assert "different texts" in refused(file, *rows, header="date,item,qty,event")


# Plans


def test_plan_has_past_and_future_weeks(file: Path) -> None:
    found = plan(file, f"{day(20)},a,1", f"{day(22)},a,1", f"{day(23)},b,1", header="date,item,promo")
    assert values(found) == {
        ("a", "promo"): ("2020-01-25", [1.0, 0.333]),  # it covers three days of the last week
        ("b", "promo"): ("2020-02-01", [0.333]),
    }
    assert (found.first_day.isoformat(), found.last_day.isoformat()) == (day(20), day(23))


def test_row_may_cover_several_days(file: Path) -> None:
    found = plan(file, f"a,{day(19)},{day(23)},1", f"a,{day(26)},{day(34)},1", header="item,from,to,promo")
    assert values(found) == {("a", "promo"): ("2020-01-25", [1.0, 0.714, 1.0])}


def test_overlapping_promotions_are_capped_at_one(file: Path) -> None:
    found = plan(file, f"a,{day(21)},{day(27)},1", f"a,{day(23)},{day(25)},1", header="item,from,to,promo")
    assert values(found) == {("a", "promo"): ("2020-02-01", [1.0])}


def test_promotion_with_end_before_start_is_one_day(file: Path) -> None:
    found = plan(file, f"a,{day(24)},{day(22)},1", f"b,{day(21)},{day(27)},1", header="item,from,to,promo")
    assert values(found)[("a", "promo")] == ("2020-02-01", [0.143])


def test_kinds_of_promotion_are_separate_drivers(file: Path) -> None:
    rows = [f"{day(n)},a,{'Coupon' if n < 23 else 'TPR'}" for n in range(21, 28)]
    found = values(plan(file, *rows, header="date,item,promo"))
    assert found == {
        ("a", "promo coupon"): ("2020-02-01", [0.286]),
        ("a", "promo tpr"): ("2020-02-01", [0.714]),
    }


def test_plan_without_a_kind_sets_it_to_zero(file: Path) -> None:
    found = values(plan(file, f"{day(21)},a,none", header="date,item,promo", known={"promo tpr"}))
    assert found == {("a", "promo tpr"): ("2020-02-01", [0.0])}


def test_weekly_plan_covers_whole_weeks(file: Path) -> None:
    found = plan(file, "2020-02-01,a,1,2.5", "2020-02-08,a,0,", header="wk_end_dt,item,promo,price")
    assert values(found) == {
        ("a", "promo"): ("2020-02-01", [1.0, 0.0]),
        ("a", "price"): ("2020-02-01", [2.5]),
    }
    assert (found.first_day.isoformat(), found.last_day.isoformat()) == ("2020-01-26", "2020-02-08")


def test_rows_without_an_item_apply_to_all_items(file: Path) -> None:
    found = plan(file, f"{day(22)},1", header="date,holiday")
    assert found.grouped_by == "all" and values(found) == {("", "holiday"): ("2020-02-01", [1.0])}


def test_rows_may_be_by_family(file: Path) -> None:
    found = plan(file, f"{day(22)},DAIRY,1", header="date,family,promo", items=["DAIRY"])
    assert found.grouped_by == "family" and list(values(found)) == [("DAIRY", "promo")]


def test_row_filter_of_a_plan(file: Path) -> None:
    """As in Favorita's holidays_events.csv, where transferred holidays are on another day."""
    rows = [f"{day(22)},Holiday,National,True", f"{day(24)},Transfer,National,False", f"{day(26)},Event,Local,False"]
    where = (("locale", "National"), ("transferred", "False"))
    found = plan(file, *rows, header="date,type,locale,transferred", mapping={"event": ["type"]}, where=where)
    assert found.grouped_by == "all"
    assert {name: found for (_, name), (_, found) in values(found).items()}["type transfer"] == [1.0]
    options: dict[str, Any] = {"mapping": {"event": ["type"]}, "where": (("x", "1"),)}
    assert "no column 'x'" in refused(file, *rows, header="date,type,locale,transferred", **options)


def test_unknown_keys_are_counted_and_dropped(file: Path) -> None:
    found = plan(file, f"{day(22)},a,1", f"{day(22)},z,1", header="date,item,promo")
    assert (found.report.n_unknown, found.report.unknown) == (1, ("z",))
    assert [key for key, _ in values(found)] == ["a"]
    assert "none of the keys" in refused(file, f"{day(22)},z,1", header="date,item,promo")


def test_rows_outside_the_weeks_are_counted_and_a_plan_without_others_is_refused(file: Path) -> None:
    found = plan(file, f"{day(22)},a,1", "2019-06-01,a,1", "2031-06-01,a,1", header="date,item,promo")
    assert (found.report.n_rows, found.report.n_outside) == (3, 2)
    assert "No row of sales.csv is between" in refused(file, "2031-06-01,a,1", header="date,item,promo")


def test_bad_values_are_refused_or_skipped(file: Path) -> None:
    rows = [f"{day(22)},a,2.5", f"{day(23)},a,abc", f"{day(24)},a,-1", f"{day(25)},a,0", "someday,a,3"]
    options: dict[str, Any] = {"date_format": "%Y-%m-%d", "mapping": {"price": ["price"]}}
    message = refused(file, *rows, header="date,item,price", **options)
    assert "4 bad rows in sales.csv" in message and "an invalid value in 'price'" in message
    found = plan(file, *rows, header="date,item,price", skip_bad=True, **options)
    assert values(found) == {("a", "price"): ("2020-02-01", [2.5])} and found.report.n_bad == 4


def test_constant_driver_is_reported(file: Path) -> None:
    rows = [f"{day(7 * n)},{item},{price}" for n in range(4) for item, price in (("a", 3.5), ("b", 2))]
    found = plan(file, *rows, header="date,item,price")
    remark = "price does not change over the weeks of the file: its effect cannot be estimated."
    assert found.report.remarks == (remark,)
    assert plan(file, *rows, f"{day(28)},a,4", header="date,item,price").report.remarks == ()


def test_event_in_every_week_and_permanent_promotion_are_reported(file: Path) -> None:
    weeks = [day(7 * n) for n in range(13)]
    found = plan(file, *(f"{week},1" for week in weeks), header="date,holiday")
    assert found.report.remarks == ("holiday is in every week of the file: its effect cannot be estimated.",)
    assert plan(file, *(f"{week},1" for week in weeks[::2]), header="date,holiday").report.remarks == ()
    rows = [*(f"{week},a,1" for week in weeks), f"{weeks[3]},b,1"]
    assert plan(file, *rows, header="wk_end_dt,item,promo").report.remarks == (
        "promo is in every week of the file for 1 of 2 items or groups, such as a: its effect on these cannot be"
        " estimated.",
    )


@pytest.mark.parametrize("factor", [1, 2.5])
def test_plan_of_the_units_sold_is_refused(file: Path, factor: float) -> None:
    sold = [("a", FIRST, [10.0, 12.0, 14.0])]
    rows = [f"{week},a,{units * factor}" for week, units in zip(SATURDAYS, (10, 12, 14), strict=True)]
    options: dict[str, Any] = {"header": "wk_end_dt,item,traffic", "mapping": {"driver": ["traffic"]}}
    assert "'traffic' is the units sold, or a multiple of them" in refused(file, *rows, sales=sold, **options)
    assert plan(file, *rows, sales=[("a", FIRST, [10.0, 12.0, 15.0])], **options)
    assert plan(file, *rows, sales=[("a", FIRST, [10.0, None, 14.0])], **options), "two weeks are not enough evidence"


def test_too_many_columns_are_refused(file: Path) -> None:
    names = [f"x{n}" for n in range(400)]
    row = ",".join([day(22), "a", *("1" for _ in names)])
    message = refused(file, row, header=",".join(["date", "item", *names]), mapping={"driver": names})
    assert message == "The files have 400 drivers."


def test_file_without_a_date_or_a_driver_is_refused(file: Path) -> None:
    assert "no column for the date" in refused(file, "a,1", header="item,promo")
    assert "no driver column" in refused(file, f"{day(22)},a,1", header="date,item,colour")
    assert "header but no rows" in refused(file, header="date,item,promo")


def test_wide_file_is_one_driver(file: Path) -> None:
    days = ["2019-12-28", "2020-01-04", "2020-01-11", "2020-01-18", "2020-01-25", "2020-02-01"]
    header = ",".join(["Store", "Product", *days])
    rows = ["1,a,True,True,True,False,True,True", "1,b,True,True,False,False,True,True"]
    options: dict[str, Any] = {"items": ["1|a", "1|b"], "mapping": {"item": ["Store", "Product"], "stock": [WIDE]}}
    found = plan(file, *rows, header=header, **options)
    assert values(found) == {
        ("1|a", "in stock"): ("2020-01-11", [1.0, 0.0, 1.0, 1.0]),
        ("1|b", "in stock"): ("2020-01-11", [0.0, 0.0, 1.0, 1.0]),
    }
    message = refused(file, *rows, header=header, mapping={"item": ["Store", "Product"]})
    assert "it is unknown what its numbers are" in message


JOINED: dict[str, Any] = {"item_columns": ("store_nbr", "item_nbr"), "items": ["1", "2", "1|a", "2|a"]}


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("date,item_nbr,promo", "1,1", ("item_nbr",)),
        ("date,Item Nbr,promo", "1,1", ("item_nbr",)),
        ("date,store_nbr,open", "2,1", ("store_nbr",)),
    ],
)
def test_rows_may_be_by_a_part_of_the_key(file: Path, header: str, row: str, columns: tuple[str, ...]) -> None:
    found = plan(file, f"{day(22)},{row}", header=header, **JOINED)
    assert (found.grouped_by, found.key_columns) == ("part", columns)
    assert [key for key, _ in values(found)] == [row[0]]


def test_part_of_the_key_may_be_several_columns_in_key_order(file: Path) -> None:
    joined: dict[str, Any] = {"item_columns": ("region", "store_nbr", "item_nbr"), "items": ["7|a"]}
    found = plan(file, f"{day(22)},a,7,1", header="date,item_nbr,store_nbr,promo", **joined)
    assert (found.grouped_by, found.key_columns) == ("part", ("store_nbr", "item_nbr"))
    assert list(values(found)) == [("7|a", "promo")]


def test_whole_keys_are_joined_in_dataset_order(file: Path) -> None:
    rows = [f"{day(22)},a,1,1"]
    for mapping in ({}, {"item": ["item_nbr", "store_nbr"]}):
        found = plan(file, *rows, header="date,item_nbr,store_nbr,promo", mapping=mapping, **JOINED)
        assert (found.grouped_by, found.key_columns) == ("item", ())
        assert list(values(found)) == [("1|a", "promo")]
    options: dict[str, Any] = {"mapping": {"item": ["sku", "store_nbr"]}, **JOINED}
    assert list(values(plan(file, *rows, header="date,sku,store_nbr,promo", **options))) == [("1|a", "promo")]


def test_key_part_column_may_contain_whole_keys(file: Path) -> None:
    found = plan(file, f"{day(22)},1|a,1", header="date,item_nbr,promo", **JOINED)
    assert (found.grouped_by, found.key_columns) == ("item", ())
    assert list(values(found)) == [("1|a", "promo")]


def test_unclear_key_part_is_refused(file: Path) -> None:
    message = refused(file, f"{day(22)},1,a,1", header="date,store_nbr,sku,promo", **JOINED)
    assert message == "sales.csv has 'store_nbr' from the dataset's keys, and also 'sku'."
    three = {**JOINED, "item_columns": ("region", "store_nbr", "item_nbr")}
    message = refused(
        file, f"{day(22)},1,a,1", header="date,store_nbr,sku,promo", mapping={"item": ["store_nbr", "sku"]}, **three
    )
    assert "'sku' is not one of the dataset's key columns" in message
    rows = [f"{day(22)},1,DAIRY,1", f"{day(22)},1,DELI,0"]
    message = refused(file, *rows, header="date,store_nbr,family,promo", **JOINED)
    assert message == (
        "sales.csv has rows of 'store_nbr' '1' with several values of 'family'. A plan is either by a part of the"
        " item key or by family."
    )
    options: dict[str, Any] = {"header": "date,store_nbr,family,promo", **JOINED}
    assert plan(file, rows[0], **options).key_columns == ("store_nbr",)
    assert plan(file, *rows, where=(("family", "DAIRY"),), **options).key_columns == ("store_nbr",)


def test_ambiguous_dates_are_refused(file: Path) -> None:
    assert "are ambiguous" in refused(file, "01/02/2020,a,1", "02/02/2020,a,1", header="date,item,promo")
