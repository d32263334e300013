"""Item attributes from keys and files, and filters by attributes."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from fcst.attributes import AttributeFile, Saved
from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.errors import InputError, NotFound
from fcst.filters import ItemFilter, RunFilter, Selection, attribute_pairs, attributes_in
from fcst.ingest import groups
from fcst.lifecycles import Lifecycle, Origin, Source
from fcst.services import attributes, datasets, forecasts, jobs, lifecycles
from fcst.specs import IngestSpec, JobSpec
from tests.shop_with_attributes import ITEMS, JOINED, write_shop


@pytest.fixture
def shop(load_dataset: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    return load_dataset(write_shop(tmp_path / "shop"), **JOINED)


def attributes_of(dataset_id: int) -> dict[str, dict[str, str]]:
    rows, _ = datasets.list_page(dataset_id, 0, 99)
    return {row.unique_id: dict(row.attributes) for row in rows}


def matching(dataset_id: int, **wanted: str | tuple[str, ...]) -> list[str]:
    pairs = tuple((name, (values,) if isinstance(values, str) else values) for name, values in wanted.items())
    return sorted(i.unique_id for i in datasets.list_items(dataset_id, Selection(ItemFilter(attributes=pairs))))


def test_key_parts_and_extra_files_become_attributes(shop: Dataset) -> None:
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
    unsafe = "x'); DROP TABLE fcst_app.items; --%(a)s{}"
    assert matching(number, **{unsafe: unsafe}) == []


def test_attribute_filters_are_url_parameters() -> None:
    wanted = (("city", ("Quito", "")), ("a.b", ("1",)))
    assert attributes_in([("q", "x"), *attribute_pairs(wanted)]) == wanted
    assert attributes_in([("attr.a", "1"), ("attr.a", "1"), ("attr.\0", "2")]) == (("a", ("1",)),)


def test_cli_submits_the_largest_matching_items(shop: Dataset, capsys: pytest.CaptureFixture) -> None:
    command = ["submit", "--models", "Naive", "--backtest", "0"]
    assert main([*command, "--items", "2", "--attribute", "city=Quito", "--attribute", "item_nbr=1"]) == 0
    job = jobs.get_job(int(capsys.readouterr().out))
    assert [row.unique_id for row in forecasts.list_items(job, "Naive")] == ["9|1", "7|1"]
    for wrong, why in ((["--attribute", "city"], "NAME=VALUE"), (["--attribute", "city=Rome"], "No item")):
        assert main([*command, *wrong]) == 2
        assert why in capsys.readouterr().err


def test_filter_run_items_by_attributes(shop: Dataset) -> None:
    job_id = jobs.submit_job(shop.dataset_id, Selection(), JobSpec(models=("Naive",), n_windows=0))
    job, which = jobs.get_job(job_id), RunFilter(attributes=(("city", ("Cuenca",)), ("family", ("DAIRY",))))
    assert sorted(row.unique_id for row in forecasts.list_items(job, "Naive", which)) == ["8|1", "8|2"]
    assert forecasts.count_items(job, "Naive", which) == 2 and not which.is_empty and not which.has_keys_only


def test_store_column_is_found_by_role_under_another_name(load_dataset, tmp_path: Path) -> None:
    folder = write_shop(tmp_path / "shop")
    text = (folder / "stores.csv").read_text()
    (folder / "stores.csv").write_text(text.replace("store_nbr,city", "Shop ID,all"))
    dataset = load_dataset(folder, **JOINED)
    assert attributes_of(dataset.dataset_id)["7|1"]["all (stores.csv)"] == "Quito"


@pytest.mark.parametrize("bytes_per_group", [groups.BYTES_PER_GROUP, 10**12])
def test_mapped_sales_columns_become_attributes(
    load_dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_per_group: int
) -> None:
    """An item gets the value of most of its weeks, also if rows are summed in several groups."""
    monkeypatch.setattr(groups, "BYTES_PER_GROUP", bytes_per_group)
    lines = ["date,sku,units,colour,Brand Name,city"]
    for week in range(5):
        day = date(2020, 1, 11) + timedelta(weeks=week)
        lines += [f"{day},{n},{n + 1},{'red' if week < 2 else 'blue'},B{n % 3},{'' if n else 'x'}" for n in range(3)]
    (tmp_path / "sales.csv").write_text("\n".join(lines) + "\n")
    dataset = load_dataset(tmp_path / "sales.csv", mapping={"attribute": ["colour", "Brand Name", "city"]})
    found = attributes_of(dataset.dataset_id)
    assert found["0"] == {"colour": "blue", "Brand Name": "B0", "city": "x"}
    assert found["1"] == {"colour": "blue", "Brand Name": "B1"}
    assert dataset.spec.mapping["attribute"] == ["colour", "Brand Name", "city"]
    assert [row.name for row in datasets.list_attributes(dataset.dataset_id)] == ["colour", "Brand Name", "city"]


def test_single_column_keys_have_no_parts(load_dataset, tmp_path: Path) -> None:
    dataset = load_dataset(write_shop(tmp_path / "shop"))
    assert attributes_of(dataset.dataset_id) == {key: {} for key in ITEMS}
    assert [row.name for row in datasets.list_attributes(dataset.dataset_id)] == ["family", "class", "perishable"]


def test_new_item_gets_key_parts_and_attributes_that_depend_on_them(shop: Dataset) -> None:
    new = [Lifecycle("8|99", Origin.LIKE, (Source("7|1"),)), Lifecycle("odd", Origin.LIKE, (Source("7|1"),))]
    lifecycles.save_lifecycles(shop.dataset_id, new)
    found = attributes_of(shop.dataset_id)
    assert found["8|99"] == {"store_nbr": "8", "item_nbr": "99", "city": "Cuenca", "type": "B", "cluster": "1"}
    assert found["odd"] == {}
    assert "8|99" in matching(shop.dataset_id, city="Cuenca")


# Files of attributes


def write(folder: Path, text: str) -> str:
    path = folder / "regions.csv"
    path.write_text(text)
    return str(path)


def load_file(dataset: Dataset, path: str) -> tuple[AttributeFile, Saved]:
    spec = IngestSpec(paths=(path,), name="s", plan_of=dataset.dataset_id)
    file = attributes.read_file(spec)
    return file, attributes.save_attributes(dataset.dataset_id, file)


def test_file_keyed_by_a_key_part(shop: Dataset, tmp_path: Path) -> None:
    path = write(tmp_path, "Store Nbr,region,city\n7,North,x\n8,,x\n9,South,x\n99,West,x\n")
    file, saved = load_file(shop, path)
    assert (file.keyed_by, file.names, file.ignored) == (("store_nbr",), ("region",), ("city",))
    assert saved == Saved(3, 6, 1, ("99",))
    assert attributes_of(shop.dataset_id)["9|3|4"]["region"] == "South"
    assert matching(shop.dataset_id, region="") == ["8|1", "8|2", "8|3|4"]
    known = {row.name: row for row in attributes.find_attributes(shop.dataset_id)}["region"]
    assert (known.is_own, known.keyed_by, known.n_items, known.values) == (False, ("store_nbr",), 6, ("North", "South"))
    assert datasets.get_dataset(shop.dataset_id).attribute_change == shop.attribute_change + 1
    load_file(shop, write(tmp_path, "store_nbr,Region\n7,\n8,East\n"))
    assert [row.get("region") for row in attributes_of(shop.dataset_id).values()].count("East") == 3
    assert matching(shop.dataset_id, region="South") == ["9|1", "9|2", "9|3|4"], "other keys keep their values"
    assert "region" not in attributes_of(shop.dataset_id)["7|1"]


def test_file_keyed_by_item_family_or_all_key_parts(shop: Dataset, tmp_path: Path) -> None:
    file, _ = load_file(shop, write(tmp_path, "item,buyer\n7|3|4,Eva\n8|1,Ana\n"))
    assert file.keyed_by == () and matching(shop.dataset_id, buyer="Eva") == ["7|3|4"]
    file, _ = load_file(shop, write(tmp_path, "family,manager\nBREAD,Leo\n"))
    assert file.keyed_by == ("family",)
    assert matching(shop.dataset_id, manager="Leo") == ["7|3|4", "8|3|4", "9|3|4"]
    file, _ = load_file(shop, write(tmp_path, "item_nbr,store_nbr,shelf\n3|4,7,top\n"))
    assert file.keyed_by == ("store_nbr", "item_nbr") and matching(shop.dataset_id, shelf="top") == ["7|3|4"]


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "store_nbr,region\n7,North\n7,South\n,East\n",
            r"2 bad rows in regions.csv. row 2: '7' is in .* row 3: the key is empty",
        ),
        ("store_nbr,region\n77,North\n", "No item of the dataset matches a key in regions.csv, such as '77'"),
        ("town,region\n7,North\n", "has no key column"),
        ("store_nbr,city\n7,North\n", "no attribute column; city came with the sales"),
        ("store_nbr,all\n7,North\n", "'all' is not a valid attribute name"),
        ("store_nbr,region\n", "no rows"),
        (f"store_nbr,region\n7,{'x' * 501}\n", "is not a valid value"),
    ],
)
def test_invalid_file_is_refused_and_nothing_is_saved(shop: Dataset, tmp_path: Path, text: str, why: str) -> None:
    before = attributes_of(shop.dataset_id)
    with pytest.raises(InputError, match=why):
        load_file(shop, write(tmp_path, text))
    assert attributes_of(shop.dataset_id) == before
    assert all(row.is_own for row in attributes.find_attributes(shop.dataset_id))


def test_attribute_keeps_its_key_columns_until_it_is_removed(shop: Dataset, tmp_path: Path) -> None:
    load_file(shop, write(tmp_path, "store_nbr,region\n7,North\n"))
    by_item = write(tmp_path, "item,region\n7|1,South\n")
    with pytest.raises(InputError, match="'region' is keyed by store_nbr"):
        load_file(shop, by_item)
    with pytest.raises(InputError, match="is from the sales file"):
        attributes.remove_attribute(shop.dataset_id, "city")
    attributes.remove_attribute(shop.dataset_id, "region")
    assert "region" not in attributes_of(shop.dataset_id)["7|1"]
    with pytest.raises(NotFound):
        attributes.remove_attribute(shop.dataset_id, "region")
    load_file(shop, by_item)
    assert matching(shop.dataset_id, region="South") == ["7|1"]


def test_new_version_inherits_loaded_attributes(shop: Dataset, load_dataset, tmp_path: Path) -> None:
    load_file(shop, write(tmp_path, "store_nbr,region\n7,North\n10,West\n"))
    load_file(shop, write(tmp_path, "item,buyer\n8|1,Ana\n"))
    sales = tmp_path / "shop" / "train.csv"
    lines = sales.read_text().splitlines()
    sales.write_text("\n".join([*lines, *(line.replace(",7,", ",10,") for line in lines if ",7," in line)]) + "\n")
    newer = load_dataset(tmp_path / "shop", **JOINED)
    assert newer.version == shop.version + 1
    found = attributes_of(newer.dataset_id)
    assert (found["7|1"]["region"], found["10|1"]["region"], found["8|1"]["buyer"]) == ("North", "West", "Ana")
    assert {row.name for row in attributes.find_attributes(newer.dataset_id) if not row.is_own} == {"region", "buyer"}
    (tmp_path / "shop" / "stores.csv").write_text("store_nbr,region\n7,Own\n8,Own\n")
    last = load_dataset(tmp_path / "shop", **JOINED)
    assert attributes_of(last.dataset_id)["7|1"]["region"] == "Own"
    assert "not copied: region." in " ".join(last.report.warnings)
    single = load_dataset(tmp_path / "shop")
    assert "not copied: buyer" not in " ".join(single.report.warnings)


def test_later_added_item_gets_attributes_of_its_key_part(shop: Dataset, tmp_path: Path) -> None:
    load_file(shop, write(tmp_path, "store_nbr,region\n7,North\n8,South\n"))
    lifecycles.save_lifecycles(shop.dataset_id, [Lifecycle("8|99", Origin.LIKE, (Source("7|1"),))])
    assert attributes_of(shop.dataset_id)["8|99"]["region"] == "South"


def test_cli_loads_lists_and_removes_attributes(shop: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = write(tmp_path, "store_nbr,region\n7,North\n99,West\n")
    assert main(["attributes", path, "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["n_unknown"] == 1 and "No item has these keys" in output.err
    assert main(["attributes"]) == 0
    assert "regions.csv" in capsys.readouterr().out
    assert main(["attributes", "--remove", "region"]) == 0
    assert main(["attributes", "--json"]) == 0
    output = capsys.readouterr()
    assert "region" not in [row["name"] for row in json.loads(output.out)]
    assert main(["attributes", path, "--remove", "city"]) == 2
