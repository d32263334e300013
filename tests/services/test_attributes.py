"""What describes items besides their sales: attributes of keys and files, filters by them."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.filters import ItemFilter, RunFilter, Selection, attribute_pairs, attributes_in
from fcst.lifecycles import Lifecycle, Origin, Source
from fcst.services import datasets, forecasts, jobs, lifecycles
from fcst.specs import JobSpec

ITEMS = {"1": ("DAIRY", "10", "1"), "2": ("DAIRY", "20", "0"), "3|4": ("BREAD", "30", "0")}
N_WEEKS = 70
STORES = {"7": ("Quito", "A"), "8": ("Cuenca", "B"), "9": ("Quito", "")}


def write_shop(folder: Path) -> Path:
    """Sales of three items in three stores, with the files beside them that Favorita has."""
    folder.mkdir(exist_ok=True)
    lines = ["date,store_nbr,item_nbr,unit_sales"]
    for week in range(N_WEEKS):
        day = date(2020, 1, 11) + timedelta(weeks=week)
        sold = [(store, item, int(store) + week * len(item) % 7) for store in STORES for item in ITEMS]
        lines += [f"{day},{store},{item},{units}" for store, item, units in sold]
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    rows = [f"{key},{','.join(row)}" for key, row in ITEMS.items()]
    (folder / "items.csv").write_text("\n".join(["item_nbr,family,class,perishable", *rows]) + "\n")
    rows = [f"{key},{','.join(row)},{number}" for number, (key, row) in enumerate(STORES.items())]
    (folder / "stores.csv").write_text("\n".join(["store_nbr,city,type,cluster", *rows]) + "\n")
    return folder


JOINED = {"mapping": {"item": ["store_nbr", "item_nbr"]}}


@pytest.fixture
def shop(load_dataset: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    return load_dataset(write_shop(tmp_path / "shop"), **JOINED)


def attributes_of(dataset_id: int) -> dict[str, dict[str, str]]:
    rows, _ = datasets.list_page(dataset_id, 0, 99)
    return {row.unique_id: dict(row.attributes) for row in rows}


def matching(dataset_id: int, **wanted: str | tuple[str, ...]) -> list[str]:
    pairs = tuple((name, (values,) if isinstance(values, str) else values) for name, values in wanted.items())
    return sorted(i.unique_id for i in datasets.list_items(dataset_id, Selection(ItemFilter(attributes=pairs))))


def test_parts_of_keys_and_files_beside_the_sales_are_attributes(shop: Dataset) -> None:
    found = attributes_of(shop.dataset_id)
    assert found["7|1"] == {"store_nbr": "7", "item_nbr": "1", "city": "Quito", "type": "A", "cluster": "0"}
    assert found["9|3|4"] == {"store_nbr": "9", "item_nbr": "3|4", "city": "Quito", "cluster": "2"}
    assert len(found) == 9
    items = {item.unique_id: item for item in datasets.list_items(shop.dataset_id)}
    assert (items["8|3|4"].family, items["8|3|4"].item_class) == ("BREAD", "30")
    known = {row.name: row for row in datasets.list_attributes(shop.dataset_id)}
    assert list(known) == ["family", "class", "perishable", "store_nbr", "item_nbr", "city", "type", "cluster"]
    assert (known["city"].keyed_by, known["city"].source) == (("store_nbr",), "stores.csv")
    assert (known["family"].keyed_by, known["family"].source) == (("item_nbr",), "items.csv")
    assert (known["type"].n_items, known["type"].n_values, known["type"].values) == (6, 2, ("A", "B"))
    assert known["perishable"].values == ("no", "yes")
    options = datasets.list_options(shop.dataset_id)
    assert options["attr.city"] == ["Cuenca", "Quito"] and "attr.family" not in options


def test_filter_by_attributes(shop: Dataset) -> None:
    number = shop.dataset_id
    assert matching(number, city="Quito") == ["7|1", "7|2", "7|3|4", "9|1", "9|2", "9|3|4"]
    assert matching(number, city="Quito", item_nbr=("1", "3|4")) == ["7|1", "7|3|4", "9|1", "9|3|4"]
    assert matching(number, type="") == ["9|1", "9|2", "9|3|4"]
    assert matching(number, type=("", "B"), item_nbr="1") == ["8|1", "9|1"]
    assert matching(number, family="BREAD", store_nbr="7") == ["7|3|4"]
    assert matching(number, perishable="yes", city="Cuenca") == ["8|1"]
    assert matching(number, **{"no such": "x"}) == [] and len(matching(number, **{"no such": ""})) == 9
    nasty = "x'); DROP TABLE fcst_app.items; --%(a)s{}"
    assert matching(number, **{nasty: nasty}) == []


def test_wanted_attributes_are_parameters_of_an_address() -> None:
    wanted = (("city", ("Quito", "")), ("a.b", ("1",)))
    assert attributes_in([("q", "x"), *attribute_pairs(wanted)]) == wanted
    assert attributes_in([("attr.a", "1"), ("attr.a", "1"), ("attr.\0", "2")]) == (("a", ("1",)),)


def test_command_line_takes_the_largest_that_match(shop: Dataset, capsys: pytest.CaptureFixture) -> None:
    asked = ["submit", "--models", "Naive", "--backtest", "0"]
    assert main([*asked, "--items", "2", "--attribute", "city=Quito", "--attribute", "item_nbr=1"]) == 0
    job = jobs.get_job(int(capsys.readouterr().out))
    assert [row.unique_id for row in forecasts.list_items(job, "Naive")] == ["9|1", "7|1"]
    for wrong, why in ((["--attribute", "city"], "NAME=VALUE"), (["--attribute", "city=Rome"], "No item")):
        assert main([*asked, *wrong]) == 2
        assert why in capsys.readouterr().err


def test_items_of_a_run_match_too(shop: Dataset) -> None:
    job_id = jobs.submit_job(shop.dataset_id, Selection(), JobSpec(models=("Naive",), n_windows=0))
    job, which = jobs.get_job(job_id), RunFilter(attributes=(("city", ("Cuenca",)), ("family", ("DAIRY",))))
    assert sorted(row.unique_id for row in forecasts.list_items(job, "Naive", which)) == ["8|1", "8|2"]
    assert forecasts.count_items(job, "Naive", which) == 2 and not which.is_empty and not which.has_keys_only


def test_store_is_found_by_its_role_where_it_has_another_name(load_dataset, tmp_path: Path) -> None:
    folder = write_shop(tmp_path / "shop")
    text = (folder / "stores.csv").read_text()
    (folder / "stores.csv").write_text(text.replace("store_nbr,city", "Shop ID,all"))
    dataset = load_dataset(folder, **JOINED)
    assert attributes_of(dataset.dataset_id)["7|1"]["all (stores.csv)"] == "Quito"


def test_single_column_keys_have_no_parts(load_dataset, tmp_path: Path) -> None:
    dataset = load_dataset(write_shop(tmp_path / "shop"))
    assert attributes_of(dataset.dataset_id) == {key: {} for key in ITEMS}
    assert [row.name for row in datasets.list_attributes(dataset.dataset_id)] == ["family", "class", "perishable"]


def test_new_item_has_the_parts_of_its_key_and_what_these_decide(shop: Dataset) -> None:
    new = [Lifecycle("8|99", Origin.LIKE, (Source("7|1"),)), Lifecycle("odd", Origin.LIKE, (Source("7|1"),))]
    lifecycles.save_lifecycles(shop.dataset_id, new)
    found = attributes_of(shop.dataset_id)
    assert found["8|99"] == {"store_nbr": "8", "item_nbr": "99", "city": "Cuenca", "type": "B", "cluster": "1"}
    assert found["odd"] == {}
    assert "8|99" in matching(shop.dataset_id, city="Cuenca")
