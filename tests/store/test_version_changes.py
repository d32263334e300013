"""What changed between two versions of a dataset, as the load of the second one reports it."""

import csv
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from fcst.services import datasets
from fcst.store.version_changes import MAX_LISTED
from fcst.version_changes import RevisedItem, VersionChanges

FIRST = date(2020, 1, 5)  # a Sunday

Sales = dict[tuple[str, int], float]
"""(item, week from 0) -> units."""


def write(path: Path, sales: Sales, header: str = "date,item_nbr,unit_sales") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        n_more = header.count(",") - 2
        for (item, week), units in sales.items():
            for day in (0, 6):  # whole weeks
                row = [FIRST + timedelta(days=7 * week + day), item, units / 2]
                writer.writerow([*row, *["x"] * n_more])
    return path


def regular(n_items: int, n_weeks: int) -> Sales:
    """Constant sales; no item equals the sum of the others, which would make it a total."""
    return {(f"i{item}", week): 10.0 + 4 * item**2 for item in range(n_items) for week in range(n_weeks)}


def changes_of(load_dataset: Callable, path: Path, before: Sales, after: Sales, **options: object) -> VersionChanges:
    load_dataset(write(path, before), **options)
    changes = load_dataset(write(path, after), **options).report.changes
    assert changes is not None
    return changes


def test_a_first_version_has_no_changes(load_dataset: Callable, tmp_path: Path) -> None:
    report = load_dataset(write(tmp_path / "s.csv", regular(2, 60))).report
    assert report.changes is None
    assert report.change_lines() == []


def test_new_weeks_alone_revise_nothing(load_dataset: Callable, tmp_path: Path) -> None:
    changes = changes_of(load_dataset, tmp_path / "s.csv", regular(3, 60), regular(3, 62))
    assert changes == VersionChanges(1, n_new_weeks=2)
    assert changes.lines() == ["2 new weeks since version 1.", "The history is that of version 1."]


def test_revised_new_gone_and_ended_items_are_counted_and_named(load_dataset: Callable, tmp_path: Path) -> None:
    before = regular(4, 60)
    after = regular(4, 61) | {("new", 60): 5.0, ("i0", 10): 12.0, ("i0", 11): 4.0, ("i1", 3): 15.0}
    after = {key: units for key, units in after.items() if key[0] != "i2" and not (key[0] == "i3" and key[1] > 33)}
    changes = changes_of(load_dataset, tmp_path / "s.csv", before, after)
    assert changes.n_new_weeks == 1
    assert (changes.n_new_items, changes.new_items) == (1, ("new",))
    assert (changes.n_gone_items, changes.gone_items) == (1, ("i2",))
    assert (changes.n_ended_items, changes.ended_items) == (1, ("i3",))
    assert (changes.n_revised_items, changes.n_revised_weeks) == (3, 26 + 2 + 1)
    assert changes.revised_units == pytest.approx(26 * 46 + 2 + 6 + 1)
    assert changes.revised_items == (
        RevisedItem("i3", 26, -1196.0),
        RevisedItem("i0", 2, -4.0),
        RevisedItem("i1", 1, 1.0),
    )
    assert changes.lines() == [
        "1 new week since version 1.",
        "3 items of version 1 revised: 29 item-weeks, 1,205 units (i3, i0, i1).",
        "1 new item (new).",
        "1 item is no longer in the data (i2).",
        "1 item without a sale in the last 26 weeks, unlike before (i3).",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_random_revisions_are_those_of_a_comparison_week_by_week(
    load_dataset: Callable, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    before = {key: units for key, units in regular(30, 70).items() if chance.random() < 0.7}
    after = {key: units for key, units in regular(30, 74).items() if key in before or key[1] > 69}
    dropped = {key for key in after if chance.random() < 0.02}  # also first weeks of items
    after = {key: units + (chance.random() < 0.02) for key, units in after.items() if key not in dropped}
    after = {key: units for key, units in after.items() if key[1] >= seed}  # the file may begin later
    changes = changes_of(load_dataset, tmp_path / "s.csv", before, after)
    both = {key for key in before.keys() | after.keys() if seed <= key[1] < 70}
    differs = {key: after.get(key, 0) - before.get(key, 0) for key in both if after.get(key, 0) != before.get(key, 0)}
    assert changes.n_revised_weeks == len(differs) > 20
    assert changes.n_revised_items == len({item for item, _ in differs})
    assert changes.revised_units == pytest.approx(sum(map(abs, differs.values())))
    assert len(changes.revised_items) == min(MAX_LISTED, changes.n_revised_items)
    for item in changes.revised_items:
        own = [units for (key, _), units in differs.items() if key == item.unique_id]
        assert (item.n_weeks, item.units) == (len(own), pytest.approx(sum(own)))


def test_other_weeks_are_not_compared(load_dataset: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", regular(2, 60))
    load_dataset(path, week_end="SAT")
    report = load_dataset(path, week_end="WED").report
    assert report.changes == VersionChanges(1, is_comparable=False)
    assert report.change_lines() == ["Not comparable with version 1: its weeks or its rule for promotions differ."]


def test_new_and_missing_columns_are_named_also_where_no_sales_changed(load_dataset: Callable, tmp_path: Path) -> None:
    load_dataset(write(tmp_path / "s.csv", regular(2, 60), "date,item_nbr,unit_sales,city"))
    report = load_dataset(write(tmp_path / "s.csv", regular(2, 60), "date,item_nbr,unit_sales,town,zip")).report
    assert report.change_lines() == [
        "No change: same weekly sales as version 1.",
        "New columns: town, zip.",
        "Gone column: city.",
    ]


def test_versions_list_their_changes(load_dataset: Callable, tmp_path: Path) -> None:
    changes_of(load_dataset, tmp_path / "s.csv", regular(2, 60), regular(3, 61))
    second, first = datasets.list_versions("s")
    assert (second.n_new_weeks, second.n_new_items, second.n_gone_items, second.n_revised_items) == (1, 1, 0, 0)
    assert (first.n_new_weeks, first.n_revised_items) == (None, None)
