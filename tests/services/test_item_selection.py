"""Which items of a dataset a run takes."""

import pandas as pd
import pytest

from fcst.services.item_selection import Filter, Take, name_some, parse_keys, take, take_listed

ITEMS = pd.DataFrame(
    {
        "unique_id": ["a1", "a2", "b1", "b,2", "c"],
        "sales_rank": [1, 2, 3, 4, 5],
        "family": ["DAIRY", "LIQUOR,WINE,BEER", "DAIRY", None, None],
        "class": ["10", "20", "20", "10", None],
        "demand_class": ["smooth", "lumpy", "smooth", "smooth", "none"],
    }
)


def keys(frame: pd.DataFrame) -> list[str]:
    return frame["unique_id"].tolist()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), ["a1", "a2", "b1", "b,2", "c"]),
        (Filter(families=("DAIRY",)), ["a1", "b1"]),
        (Filter(families=("LIQUOR,WINE,BEER", "DAIRY")), ["a1", "a2", "b1"]),
        (Filter(classes=("10",), demand_classes=("smooth",)), ["a1", "b,2"]),
        (Filter(search=" B"), ["b1", "b,2"]),
        (Filter(search=".", families=("DAIRY",)), []),
    ],
)
def test_filter_keeps_what_has_all_that_is_asked(wanted: Filter, found: list[str]) -> None:
    assert keys(wanted.apply(ITEMS)) == found


def test_largest_are_the_first_and_all_are_all() -> None:
    assert keys(take(ITEMS, Take.LARGEST, 2, 0)) == ["a1", "a2"]
    assert keys(take(ITEMS, Take.LARGEST, 9, 0)) == keys(take(ITEMS, Take.ALL, 2, 0)) == keys(ITEMS)


def test_random_sample_is_fixed_by_its_seed_and_in_order_of_sales() -> None:
    samples = {tuple(take(ITEMS, Take.RANDOM, 3, seed)["sales_rank"]) for seed in range(20)}
    assert len(samples) > 3
    assert all(list(ranks) == sorted(set(ranks)) and len(ranks) == 3 for ranks in samples)
    assert keys(take(ITEMS, Take.RANDOM, 3, 7)) == keys(take(ITEMS, Take.RANDOM, 3, 7))
    assert keys(take(ITEMS, Take.RANDOM, 9, 7)) == keys(ITEMS)


def test_list_takes_each_key_once_and_names_those_it_does_not_find() -> None:
    found, unknown = take_listed(ITEMS, ["c", "x", "a1", "c", "A2", "x"])
    assert (keys(found), unknown) == (["a1", "c"], ["x", "A2"])


def test_keys_are_read_one_a_line_or_separated() -> None:
    assert parse_keys("a1\n\n  a2 , b1\r\nb,2\nc;x\ty,", ITEMS) == ["a1", "a2", "b1", "b,2", "c", "x", "y"]
    assert parse_keys(" \n,", ITEMS) == []


def test_key_that_was_copied_from_a_table_is_the_items() -> None:
    items = pd.DataFrame({"unique_id": ["=1", "12|-3", ";=a", "@x", "'@x", "b"]})
    pasted = "'=1, 12|'-3\n;'=a\n'@x\n'+9"
    assert parse_keys(pasted, items) == ["=1", "12|-3", ";=a", "'@x", "'+9"]
    assert parse_keys("=1\n;=a", items) == ["=1", ";=a"]


def test_ten_keys_are_named_and_the_rest_counted() -> None:
    assert name_some(["x"] * 10) == ", ".join(["x"] * 10)
    assert name_some([str(n) for n in range(1_212)]).endswith("8, 9 and 1,202 more")
