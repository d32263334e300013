"""Item selection for runs and pages: SQL results compared with Python loops."""

import random
from collections.abc import Callable
from datetime import date

import pytest

from fcst.dataset_records import Dataset
from fcst.filters import ItemFilter, ItemSort, Selection, Take
from fcst.names import DEMAND_CLASSES
from fcst.records import Item
from fcst.services import datasets, jobs
from fcst.services.item_selection import find_missing, find_pasted, join_keys
from fcst.specs import JobSpec
from fcst.store.database import transaction
from tests.random_items import CLASSES, FAMILIES, LAST, SIGNS, folded, insert_dataset, random_items


def matches(item: Item, which: ItemFilter) -> bool:
    """Expected result of a filter for one item."""
    texts = [item.unique_id, item.description, *(item.family for name in which.also_in if name == "family")]
    texts += [item.item_class for name in which.also_in if name == "class"]
    chosen = [
        (which.families, item.family),
        (which.classes, item.item_class),
        (which.demand_classes, item.demand_class),
        (which.lives, item.life),
    ]
    return all(any(folded(word) in folded(text) for text in texts) for word in which.search.split()) and all(
        value in values for values, value in chosen if values
    )


@pytest.fixture
def random_dataset(database: str) -> int:
    return insert_dataset(random_items(400, random.Random(7)))


def found(dataset_id: int, selection: Selection, sort: ItemSort = ItemSort.SALES) -> list[str]:
    return [item.unique_id for item in datasets.list_items(dataset_id, selection, sort)]


def test_filters_match_a_loop(random_dataset: int) -> None:
    items = datasets.list_items(random_dataset)
    source = random.Random(11)
    n_found = []
    for _ in range(300):

        def some(values: tuple[str | None, ...]) -> tuple[str, ...]:
            known = [value for value in values if value is not None]
            return tuple(source.sample(known, source.choice([0, 0, 0, 1, 2])))

        words = ["".join(source.choices(SIGNS, k=source.randint(1, 2))) for _ in range(source.choice([0, 1, 1, 2]))]
        which = ItemFilter(
            f" {' '.join(words)} ",
            some(FAMILIES),
            some(CLASSES),
            some(DEMAND_CLASSES),
            some(("new", "ended")),
            source.choice([(), ("family",), ("family", "class")]),
        )
        expected = [item.unique_id for item in items if matches(item, which)]
        assert found(random_dataset, Selection(which)) == expected, which
        counts = datasets.count_items(random_dataset, Selection(which))
        assert counts.n_items == len(expected)
        assert counts.total_units == sum(item.total_units for item in items if item.unique_id in set(expected))
        n_found.append(len(expected))
    assert len(set(n_found)) > 30


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("search", "keys"),
    [
        ("%", ["a%b"]),
        ("_", ["a_b"]),
        ("\\", ["a\\b"]),
        ("'", ["a'b"]),
        ("Ä", ["ä", "Ä1"]),
        ("A B", ["a%b", "a_b", "a\\b", "a'b", "aXb"]),
        ("ΣΑΣ", ["σασ"]),
        ("x\0b", ["aXb"]),
        ("\0", ["a%b", "a_b", "a\\b", "a'b", "ä", "Ä1", "σασ", "aXb"]),
    ],
)
def test_search_treats_special_characters_literally(database: str, search: str, keys: list[str]) -> None:
    every = ["a%b", "a_b", "a\\b", "a'b", "ä", "Ä1", "σασ", "aXb"]
    dataset_id = insert_dataset([(key, None, None, "smooth", None, LAST, LAST) for key in every])
    assert found(dataset_id, Selection(ItemFilter(search))) == keys


@pytest.mark.few(2)
@pytest.mark.parametrize("sort", ItemSort)
def test_pages_in_any_order_have_each_item_once(random_dataset: int, sort: ItemSort) -> None:
    selection = Selection(ItemFilter("a"))
    whole = found(random_dataset, selection, sort)
    pages = [datasets.list_items(random_dataset, selection, sort, 7, skip) for skip in range(0, len(whole), 7)]
    assert [item.unique_id for page in pages for item in page] == whole
    assert sorted(whole) == sorted(found(random_dataset, selection)) and len(set(whole)) == len(whole) > 20
    items = {item.unique_id: item for item in datasets.list_items(random_dataset)}
    in_order = {
        ItemSort.KEY: lambda item: item.unique_id.encode(),
        ItemSort.SHORTEST: lambda item: (item.n_weeks, item.sales_rank),
        ItemSort.LAST_SALE: lambda item: (item.last_sale_dt or date.min, item.sales_rank),
    }
    if sort in in_order:
        assert whole == sorted(whole, key=lambda key: in_order[sort](items[key]))


def test_take_largest_returns_the_first_items(random_dataset: int) -> None:
    which = ItemFilter(families=("DAIRY",))
    whole = found(random_dataset, Selection(which))
    assert found(random_dataset, Selection(which, Take.LARGEST, 5)) == whole[:5]
    assert found(random_dataset, Selection(which, Take.LARGEST, 999)) == whole


def test_random_sample_is_fixed_by_its_seed(random_dataset: int) -> None:
    samples = {seed: found(random_dataset, Selection(take=Take.RANDOM, n_items=9, seed=seed)) for seed in range(20)}
    ranks = {item.unique_id: item.sales_rank for item in datasets.list_items(random_dataset)}
    assert len(set(map(tuple, samples.values()))) == 20
    assert all(len(set(keys)) == 9 and keys == sorted(keys, key=ranks.__getitem__) for keys in samples.values())
    assert found(random_dataset, Selection(take=Take.RANDOM, n_items=9, seed=7)) == samples[7]
    assert set(samples[7]) < set(found(random_dataset, Selection(take=Take.RANDOM, n_items=50, seed=7)))
    assert len({key for keys in samples.values() for key in keys}) > 100


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "selection",
    [
        Selection(ItemFilter("a", lives=("new", "ended"))),
        Selection(take=Take.RANDOM, n_items=33, seed=3),
        Selection(ItemFilter("%"), Take.LARGEST, 10),
        Selection(ItemFilter("dairy", also_in=("family",))),
    ],
)
def test_run_has_the_selected_items_in_batches_by_sales(random_dataset: int, selection: Selection) -> None:
    wanted = found(random_dataset, selection)
    job_id = jobs.submit_job(random_dataset, selection, JobSpec(batch_size=7))
    assert jobs.list_keys(job_id) == wanted
    batches = jobs.list_batches(job_id)
    assert [row.n_items for row in batches] == [7] * (len(wanted) // 7) + [len(wanted) % 7] * (len(wanted) % 7 > 0)
    with transaction() as cur:
        cur.execute(
            "SELECT unique_id FROM fcst_app.job_items WHERE job_id = %(id)s ORDER BY batch_id, sales_rank",
            {"id": job_id},
        )
        assert [row["unique_id"] for row in cur.fetchall()] == wanted
    assert found(random_dataset, Selection(job_id=job_id)) == wanted


def test_selection_of_an_earlier_run_skips_missing_items(random_dataset: int) -> None:
    job_id = jobs.submit_job(random_dataset, Selection(), JobSpec())
    keys = jobs.list_keys(job_id)
    other = insert_dataset([(key, None, None, "smooth", None, LAST, LAST) for key in reversed(keys[20:])])
    assert found(other, Selection(job_id=job_id)) == keys[:19:-1]
    assert find_missing(other, job_id) == (20, keys[:10]) and find_missing(random_dataset, job_id) == (0, [])


def keyed(*keys: str) -> int:
    return insert_dataset([(key, None, None, "smooth", None, LAST, LAST) for key in keys])


def test_pasted_keys_are_distinct_and_unknown_ones_are_returned(database: str) -> None:
    dataset_id = keyed("a1", "a2", "b1", "b,2", "c")
    keys, unknown = find_pasted(dataset_id, "a1\n\n  a2 , b1\r\nb,2\nc;x\ty,\nA2\na1\nx\nz\0")
    assert (keys, unknown) == (("a1", "a2", "b1", "b,2", "c"), ["x", "y", "A2", "z\0"])
    assert find_pasted(dataset_id, " \n,") == ((), [])
    assert found(dataset_id, Selection(keys=("c", "a1", "nope"))) == ["a1", "c"]


def test_key_copied_from_a_table_is_unescaped(database: str) -> None:
    dataset_id = keyed("=1", "12|-3", ";=a", "@x", "'@x", "b")
    pasted = "'=1, 12|'-3\n;'=a\n'@x\n'+9"
    assert find_pasted(dataset_id, pasted) == (("=1", "12|-3", ";=a", "'@x"), ["'+9"])
    assert find_pasted(dataset_id, "=1\n;=a") == (("=1", ";=a"), [])


def test_options_list_the_values_of_items(random_dataset: int, load_dataset: Callable[..., Dataset]) -> None:
    options = datasets.list_options(random_dataset)
    assert options["family"] == sorted(name for name in FAMILIES if name)
    assert options["class"] == sorted(name for name in CLASSES if name)
    assert options["demand_class"] == list(DEMAND_CLASSES)
    plain = load_dataset(name="plain")
    assert datasets.list_options(plain.dataset_id)["family"] == []


def test_ten_keys_are_listed_and_the_rest_counted() -> None:
    assert join_keys(["x"] * 10) == ", ".join(["x"] * 10)
    assert join_keys([str(n) for n in range(1_212)]).endswith("8, 9 and 1,202 more")
    assert join_keys(["a"] * 10, 25).endswith("a and 15 more")
