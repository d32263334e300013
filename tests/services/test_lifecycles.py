"""Lifecycles of a dataset: save, read files, refuse invalid ones, carry over to the next version, keep in runs."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from fcst.errors import InputError, NotFound
from fcst.filters import Selection, by_keys
from fcst.lifecycles import Lifecycle, Origin, Source
from fcst.services import accuracy, datasets, forecasts, jobs, lifecycles
from fcst.specs import IngestSpec, JobSpec
from tests.conftest import write_sales
from tests.engine.learning_runs import run, submit
from tests.engine.tasks import exported

FAR = date(2021, 12, 31)


@contextmanager
def in_threads() -> Iterator[Callable[..., None]]:
    """Runs functions concurrently and waits until all have ended."""
    threads: list[threading.Thread] = []
    yield lambda call, *args: threads.append(threading.Thread(target=call, args=args))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset]) -> Dataset:
    return load_dataset(n_items=3, n_weeks=60)


def like(item: str, source: str = "item1", factor: float = 1.0, **days: date) -> Lifecycle:
    return Lifecycle(item, Origin.LIKE, (Source(source, factor),), **days)


def replaces(item: str, *sources: str, **days: date) -> Lifecycle:
    return Lifecycle(item, Origin.PREDECESSOR, tuple(map(Source, sources)), **days)


def saved(dataset: Dataset) -> list[Lifecycle]:
    return [row.lifecycle for row in lifecycles.find_lifecycles(dataset.dataset_id)[0]]


def keys_of(dataset: Dataset) -> list[str]:
    return [item.unique_id for item in datasets.list_items(dataset.dataset_id, Selection())]


def test_new_items_are_added_last_and_deleted_with_their_lifecycle(dataset: Dataset) -> None:
    lifecycles.save_lifecycles(dataset.dataset_id, [like("new"), replaces("item3", "item2")])
    assert keys_of(dataset) == ["item3", "item2", "item1", "new"]
    assert datasets.get_dataset(dataset.dataset_id).n_items == 4
    assert [row.has_sales for row in lifecycles.find_lifecycles(dataset.dataset_id)[0]] == [True, False]
    (item,) = [item for item in datasets.list_items(dataset.dataset_id, Selection()) if item.unique_id == "new"]
    assert (item.total_units, item.n_weeks, item.n_missing, item.life) == (0, 1, 1, "new")
    lifecycles.remove_lifecycle(dataset.dataset_id, "new")
    assert keys_of(dataset) == ["item3", "item2", "item1"]
    assert datasets.get_dataset(dataset.dataset_id).n_items == 3
    with pytest.raises(NotFound, match="'new' has no lifecycle"):
        lifecycles.remove_lifecycle(dataset.dataset_id, "new")
    assert saved(dataset) == [replaces("item3", "item2")]


def test_later_lifecycle_replaces_the_earlier_one(dataset: Dataset) -> None:
    lifecycles.save_lifecycles(dataset.dataset_id, [like("new")])
    lifecycles.save_lifecycles(dataset.dataset_id, [replaces("new", "item1", "item2")])
    assert saved(dataset) == [replaces("new", "item1", "item2")]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "found, words",
    [
        ([like("new", "nothing")], "has no item nothing"),
        ([like("new"), like("newer", "new")], "has no item new"),
        ([Lifecycle("nothing", last_day=date(2021, 1, 1))], "'nothing' has no sales"),
        ([replaces("item1", "item2"), replaces("item2", "item1")], "item1 → item2 → item1"),
        ([like("new"), like("new", "item2")], "occur twice: new"),
        ([like("new", launch=date(2030, 1, 1))], "launch day of item 'new', 2030-01-01"),
        ([like("new", launch=date(1, 1, 1))], "launch day of item 'new', 0001-01-01"),
        ([replaces("item2", "item1"), replaces("new", "item1", "item2")], "'item1' would count twice in item 'new'"),
        ([Lifecycle("item1", launch=date(2022, 1, 1))], "after all sales"),
        ([], "No items were given"),
    ],
)
def test_invalid_lifecycles_are_refused_and_nothing_is_saved(
    dataset: Dataset, found: list[Lifecycle], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        lifecycles.save_lifecycles(dataset.dataset_id, [like("good"), *found] if found else found)
    assert saved(dataset) == [] and "good" not in keys_of(dataset)


def test_history_of_an_item_without_sales_cannot_be_borrowed(dataset: Dataset) -> None:
    lifecycles.save_lifecycles(dataset.dataset_id, [like("new")])
    with pytest.raises(InputError, match="items without sales: new"):
        lifecycles.save_lifecycles(dataset.dataset_id, [like("newer", "new")])


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: like("a", "a"), "its own source"),
        (lambda: like("a", factor=0.0), "factor of item 'a' is 0"),
        (lambda: like("a", factor=float("nan")), "factor"),
        (lambda: replaces("a", "b", "b"), "named twice"),
        (lambda: Lifecycle("a"), "is empty"),
        (lambda: Lifecycle("a", last_day=date(2020, 1, 1), launch=date(2020, 2, 1)), "before its launch"),
        (lambda: Lifecycle("a\n", last_day=date(2020, 1, 1)), "is not a valid item key"),
        (lambda: Lifecycle("", last_day=date(2020, 1, 1)), "is not a valid item key"),
        (lambda: Lifecycle("a", Origin.LIKE, (Source("b"), Source("c"))), "2 source items"),
    ],
)
def test_invalid_lifecycle_raises(make: Callable[[], Lifecycle], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()


def read(dataset: Dataset, path: Path, text: str) -> list[Lifecycle]:
    path.write_text(text)
    return lifecycles.read_file(IngestSpec((str(path),), "n", is_from_shell=True, plan_of=dataset.dataset_id))


def test_file_has_one_row_per_item_or_predecessor(dataset: Dataset, tmp_path: Path) -> None:
    found = read(
        dataset,
        tmp_path / "items.csv",
        "Item;Predecessor;Like;Factor;Launch;Last day\nnew;;item1;0,8;2021-03-01;\nmerged;item1;;;;\n"
        "merged;item2;;0.5;;\n;;;;;\nitem3;;;;;2021-02-28\n",
    )
    assert found == [
        like("new", factor=0.8, launch=date(2021, 3, 1)),
        Lifecycle("merged", Origin.PREDECESSOR, (Source("item1"), Source("item2", 0.5))),
        Lifecycle("item3", last_day=date(2021, 2, 28)),
    ]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "text, words",
    [
        ("item,like,factor\nnew,item1,much\nnewer,item1,1\n", "row 1: 'much' is not a valid factor"),
        ("item,like,launch\nnew,item1,31.03.2021\n", "row 1: '31.03.2021' is not a valid date"),
        ("item,like,predecessor\nnew,item1,item2\n", "a predecessor and a like item"),
        ("item,like\nnew,item1\nnew,item2\n", "row 2: Item 'new' is in several rows"),
        ("item,like,factor\nnew,,2\n", "a factor but no predecessor"),
        ("item,like,colour\nnew,item1,red\n", "an unknown column 'colour'"),
        ("item,colour\nnew,red\n", "is not a list of lifecycles"),
        ("item,like,like item\nnew,a,b\n", "two columns for like"),
        ("item,like\n", "no rows"),
        ("", "empty"),
    ],
)
def test_invalid_file_is_refused(dataset: Dataset, tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(dataset, tmp_path / "items.csv", text)


def test_next_version_inherits_lifecycles_and_new_items(
    dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    lifecycles.save_lifecycles(dataset.dataset_id, [like("item4"), like("new", "item2")])
    write_sales(tmp_path / "more.csv", 4, 62)
    later = load_dataset(tmp_path / "more.csv", name=dataset.name)
    rows = lifecycles.find_lifecycles(later.dataset_id)[0]
    assert [(row.lifecycle.unique_id, row.has_sales) for row in rows] == [("item4", True), ("new", False)]
    assert sorted(keys_of(later)) == ["item1", "item2", "item3", "item4", "new"]


def test_concurrent_saves_create_no_cycle(dataset: Dataset) -> None:
    refused = []

    def save(item: str, source: str) -> None:
        try:
            lifecycles.save_lifecycles(dataset.dataset_id, [replaces(item, source)])
        except InputError as exc:
            refused.append(exc.message)

    with in_threads() as start:
        start(save, "item1", "item2")
        start(save, "item2", "item1")
    assert len(refused) == 1 and len(saved(dataset)) == 1


def test_lifecycles_of_items_missing_in_a_new_version_are_dropped_and_reported(
    dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    found = [replaces("item3", "item2"), like("new", "item3"), like("other", "item1"), Lifecycle("item2", last_day=FAR)]
    lifecycles.save_lifecycles(dataset.dataset_id, found)
    write_sales(tmp_path / "fewer.csv", 2, 62)
    later = load_dataset(tmp_path / "fewer.csv", name=dataset.name)
    assert sorted(keys_of(later)) == ["item1", "item2", "other"] and later.n_items == 3
    assert {row.unique_id for row in saved(later)} == {"item2", "other"}
    assert any("The lifecycles of item3, new were dropped" in doubt for doubt in later.report.warnings)


def test_weekly_file_has_no_items_without_sales(dataset: Dataset) -> None:
    lifecycles.save_lifecycles(dataset.dataset_id, [like("new")])
    out = io.BytesIO()
    datasets.write_weekly_file(dataset.dataset_id, out)
    assert b"item1" in out.getvalue() and b"new" not in out.getvalue()


def test_file_with_joined_keys_has_all_key_columns(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    days = [date(2020, 1, 5) + timedelta(days=n) for n in range(70)]
    (tmp_path / "sales.csv").write_text("\n".join(["date,store,sku,qty", *(f"{day},s1,a,5" for day in days)]))
    dataset = load_dataset(tmp_path / "sales.csv", mapping={"item": ["store", "sku"]})
    found = read(dataset, tmp_path / "items.csv", "Store,SKU,like\ns1,b,s1|a\n,,\n")
    assert found == [like("s1|b", "s1|a")]
    with pytest.raises(InputError, match="row 1: The item is empty"):
        read(dataset, tmp_path / "items.csv", "store,sku,like\ns1,,s1|a\n")


def test_new_item_is_forecast_like_its_source_item(dataset: Dataset) -> None:
    launch = dataset.last_wk_end_dt + timedelta(days=8)  # first day of the second week
    ended = dataset.last_wk_end_dt + timedelta(days=14)
    lifecycles.save_lifecycles(
        dataset.dataset_id,
        [
            like("new", factor=2.0, launch=launch),
            replaces("successor", "item2", launch=launch),
            Lifecycle("item3", last_day=ended),
        ],
    )
    job_id = submit(datasets.get_dataset(dataset.dataset_id), JobSpec(h=4, level=(80,)))
    lifecycles.remove_lifecycle(dataset.dataset_id, "successor")  # the run keeps it
    assert "successor" not in keys_of(dataset) and datasets.get_dataset(dataset.dataset_id).n_items == 4
    with pytest.raises(InputError, match="no item successor"):
        jobs.choose_named(dataset, ["successor"])
    run(job_id)
    found = {str(key): rows.set_index("wk_end_dt") for key, rows in exported(job_id).groupby("unique_id")}
    mean = {key: rows["forecast"].to_numpy(float) for key, rows in found.items()}
    assert jobs.get_job(job_id).n_completed == 5
    assert mean["new"][0] == 0 and mean["new"][1:] == pytest.approx(2 * mean["item1"][1:], rel=1e-4)
    assert mean["successor"][0] == 0 and (mean["successor"][1:] > 0).all()
    assert mean["item2"][0] > 0 and not mean["item2"][1:].any(), "it is replaced"
    assert (mean["item3"][:2] > 0).all() and not mean["item3"][2:].any()
    width = {key: (rows["hi_80"] - rows["lo_80"]).to_numpy(float) for key, rows in found.items()}
    assert width["new"][1:].mean() > 2.5 * width["item1"][1:].mean(), "the level of a new item is uncertain"
    notes = {item.unique_id: item.reason or "" for item in forecasts.list_items(jobs.get_job(job_id), "Auto")}
    assert "its history up to" in notes["new"] and "the like item item1" in notes["new"]
    assert f"sold from {launch}" in notes["new"] and f"sold until {ended}" in notes["item3"]
    assert "its predecessor item2" in notes["successor"]
    (ahead,) = [item for item in forecasts.list_items(jobs.get_job(job_id), "Auto") if item.unique_id == "new"]
    borrowed = forecasts.borrowed_history(jobs.get_job(job_id), "new")
    history = datasets.item_history(dataset.dataset_id, "item1")
    assert not ahead.has_sales and borrowed is not None
    assert borrowed["wk_end_dt"].tolist() == [week.wk_end_dt for week in history]
    assert borrowed["unit_sales"].tolist() == [2 * (week.unit_sales or 0) for week in history]
    assert forecasts.borrowed_history(jobs.get_job(job_id), "item1") is None
    own = accuracy.measure(jobs.get_job(job_id), "model", by_keys("new"), "Auto")
    assert own.empty, "the new item has no own weeks to measure"
