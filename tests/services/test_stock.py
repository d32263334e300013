"""Safety stocks of runs on a real database: figures, settings of items and groups, files, pages, versions."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fcst.cli.main import main
from fcst.compute.demand import describe_demand
from fcst.compute.stock import SumErrors, lumps, scaled_errors, stock_of, variances
from fcst.dataset_records import Dataset
from fcst.errors import InputError, NotFound
from fcst.filters import by_keys
from fcst.job_records import Job
from fcst.services import adjustments, datasets, jobs, stock, stock_settings
from fcst.services.adjustments import Change
from fcst.specs import IngestSpec
from fcst.stock import GroupSettings, StockFigures, StockSettings
from fcst.store.database import transaction
from tests.computed_runs import run
from tests.conftest import write_sales

N_ITEMS = 7
OVERRIDES = StockSettings(14, 7, 0.8)
MODEL = "WindowAverage"


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset]) -> Dataset:
    return load_dataset(n_items=N_ITEMS)


@pytest.fixture
def job(dataset: Dataset) -> Job:
    return run(dataset, N_ITEMS, models=(MODEL,), h=6, n_windows=3)


def rows_of(statement: str, **params: object) -> list[dict]:
    with transaction() as cur:
        cur.execute(statement, params)
        return [dict(row) for row in cur.fetchall()]


def computed_from_rows(job: Job, weeks: float, q: float) -> dict[str, tuple[float, float]]:
    """Demand and safety stock of each item, computed from table rows."""
    sales = rows_of("SELECT unique_id, unit_sales FROM fcst_app.sales")
    y = {row["unique_id"]: np.array(row["unit_sales"], dtype=float) for row in sales}
    classes, lump = {}, {}
    for key, units in y.items():
        demand = describe_demand(units[None], np.array([len(units)]))
        classes[key] = str(demand.classes[0])
        lump[key] = lumps(units.sum() / demand.n_sold, demand.cv2, demand.adi)[0]
    tests = rows_of("SELECT * FROM fcst_app.backtests WHERE model = %(model)s", model=MODEL)
    actual, forecast = (np.array([row[name] for row in tests], dtype=float) for name in ("y", "forecast"))
    lo, hi = (np.array([row[side][0] for row in tests], dtype=float) for side in ("lo", "hi"))
    keys = [row["unique_id"] for row in tests]
    variance = variances(lo, hi, job.spec.level[0])
    scaled = scaled_errors(actual, forecast, variance, np.array([lump[key] for key in keys]))
    errors = SumErrors(scaled, [classes[key] for key in keys])
    found = {}
    for row in rows_of("SELECT * FROM fcst_app.forecasts"):
        key, units = row["unique_id"], np.array([row["forecast"]])
        variance = variances(np.array([row["lo"][0]]), np.array([row["hi"][0]]), job.spec.level[0])
        factors, is_enough = errors.factors(classes[key], q)
        one = stock_of(
            units, units, variance, np.array([lump[key]]), np.array([weeks]), np.array([q]), factors[None],
            is_enough[None],
        )  # fmt: skip
        found[key] = float(one.demand[0]), float(one.safety_stock[0])
    return found


def by_key(found: list[StockFigures]) -> dict[str, StockFigures]:
    return {figures.unique_id: figures for figures in found}


def test_figures_match_table_rows(job: Job) -> None:
    found = stock.list_stock(job, MODEL, overrides=OVERRIDES)
    assert [figures.unique_id for figures in found] == [f"item{i}" for i in range(N_ITEMS, 0, -1)]
    expected = computed_from_rows(job, 3, 0.8)
    for figures in found:
        demand, safety = expected[figures.unique_id]
        assert figures.demand == pytest.approx(demand) and figures.safety_stock == pytest.approx(safety, rel=1e-3)
        assert figures.reorder_point == pytest.approx(demand + safety, rel=1e-3)
        assert (figures.lead_time_days, figures.review_period_days, figures.service_level) == (14, 7, 0.8)
        assert figures.is_measured and figures.reason is None and safety > 0
    higher = by_key(stock.list_stock(job, MODEL, overrides=StockSettings(14, 7, 0.9)))
    longer = by_key(stock.list_stock(job, MODEL, overrides=StockSettings(21, 7, 0.8)))
    for figures in found:
        assert higher[figures.unique_id].safety_stock >= figures.safety_stock
        assert longer[figures.unique_id].safety_stock >= figures.safety_stock
        assert longer[figures.unique_id].demand > figures.demand


def test_pages_and_filters_return_the_same_figures(job: Job) -> None:
    every = stock.list_stock(job, MODEL, overrides=OVERRIDES)
    assert stock.list_stock(job, MODEL, limit=2, skip=3, overrides=OVERRIDES) == every[3:5]
    assert stock.list_stock(job, MODEL, by_keys("item2", "item5"), overrides=OVERRIDES) == [every[2], every[5]]
    first, last = stock.list_page(job, MODEL, None, 0, 5, OVERRIDES)
    rest, end = stock.list_page(job, MODEL, None, last or 0, 5, OVERRIDES)
    assert first + rest == every and end is None
    assert [figures for found in stock.each_page(job, MODEL, OVERRIDES) for figures in found] == every
    assert stock.find_stock(job, MODEL, "missing") is None


def test_quantiles_are_learnt_once_per_run(job: Job) -> None:
    stock._learn.cache_clear()
    for skip in range(4):
        stock.list_stock(job, MODEL, limit=1, skip=skip, overrides=OVERRIDES)
    assert stock._learn.cache_info().misses == 1


def test_adjusted_weeks_change_demand_only(job: Job) -> None:
    before = by_key(stock.list_stock(job, MODEL, overrides=OVERRIDES))
    second = job.last_wk_end_dt + timedelta(weeks=2)
    adjustments.adjust(
        job, MODEL, by_keys("item3"), Change(second, second + timedelta(weeks=3), units=500), "a fair", "Ana"
    )
    after = by_key(stock.list_stock(job, MODEL, overrides=OVERRIDES))
    changed = after.pop("item3")
    plain = before.pop("item3")
    assert after == before
    weekly = plain.demand / 3  # WindowAverage forecasts the same units each week
    assert changed.demand == pytest.approx(weekly + 1000) and changed.safety_stock == plain.safety_stock


def test_undefined_figures_have_a_reason(job: Job) -> None:
    (without,) = stock.list_stock(job, MODEL, by_keys("item1"))
    assert (without.lead_time_days, without.review_period_days, without.service_level) == (None, 7, 0.95)
    assert without.reason == "No lead time is set." and without.demand is without.safety_stock is None
    (longer,) = stock.list_stock(job, MODEL, by_keys("item1"), overrides=StockSettings(36))
    assert longer.reason == "Lead time and review period are 43 days, longer than the horizon of 42 days."
    assert longer.reorder_point is None and not longer.is_measured
    (whole,) = stock.list_stock(job, MODEL, by_keys("item1"), overrides=StockSettings(35))
    assert whole.reason is None and whole.reorder_point is not None


def test_too_few_backtests_are_not_measured(dataset: Dataset) -> None:
    job = run(dataset, 2, models=(MODEL,), h=6, n_windows=0)
    for figures in stock.list_stock(job, MODEL, overrides=OVERRIDES):
        assert not figures.is_measured and figures.safety_stock > 0 and figures.reason is None
    job = run(dataset, N_ITEMS, models=(MODEL,), h=6, n_windows=3)
    found = [by_key(stock.list_stock(job, MODEL, overrides=StockSettings(14, 7, q)))["item1"] for q in (0.95, 0.98)]
    assert [figures.is_measured for figures in found] == [True, False], "21 backtests are enough for 0.95"
    assert found[1].safety_stock >= found[0].safety_stock


def test_run_without_levels_or_forecasts_has_no_stock(dataset: Dataset) -> None:
    job = run(dataset, 2, models=(MODEL,), h=6, level=(), n_windows=1)
    found = stock.list_stock(job, MODEL, overrides=OVERRIDES)
    assert {figures.reason for figures in found} == {"The run has no prediction intervals."}
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 2), job.spec)
    found = stock.list_stock(jobs.get_job(job_id), MODEL, overrides=OVERRIDES)
    assert {figures.reason for figures in found} == {"The run has no forecast of this item."}
    with pytest.raises(InputError, match="no model Nothing"):
        jobs.choose_model(job, "Nothing")
    assert jobs.choose_model(job, None) == MODEL


# Settings


def saved_settings(dataset: Dataset) -> list[GroupSettings]:
    return [row.group for row in stock_settings.find_settings(dataset.dataset_id)[0]]


def test_smallest_group_takes_precedence_and_missing_values_come_from_larger_ones(job: Job, dataset: Dataset) -> None:
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.items SET family = 'F', class = CASE WHEN unique_id < 'item4' THEN 'C' END")
    stock_settings.save_defaults(dataset.dataset_id, StockSettings(7, service_level=0.9))
    stock_settings.save_settings(
        dataset.dataset_id,
        [
            GroupSettings("family", "F", StockSettings(14, 0)),
            GroupSettings("class", "C", StockSettings(service_level=0.8)),
            GroupSettings("item", "item1", StockSettings(21)),
        ],
    )
    found = {
        key: (row.lead_time_days, row.review_period_days, row.service_level)
        for key, row in by_key(stock.list_stock(job, MODEL)).items()
    }
    assert found["item1"] == (21, 0, 0.8) and found["item2"] == (14, 0, 0.8) and found["item5"] == (14, 0, 0.9)
    stock_settings.remove_settings(dataset.dataset_id, [GroupSettings("family", "F", StockSettings())])
    (five,) = stock.list_stock(job, MODEL, by_keys("item5"))
    assert (five.lead_time_days, five.review_period_days, five.service_level) == (7, 7, 0.9)
    with pytest.raises(NotFound, match="No settings are saved for F"):
        stock_settings.remove_settings(dataset.dataset_id, [GroupSettings("family", "F", StockSettings())])


def test_empty_default_fields_are_kept(dataset: Dataset) -> None:
    stock_settings.save_defaults(dataset.dataset_id, StockSettings(14))
    stock_settings.save_defaults(dataset.dataset_id, StockSettings(service_level=0.98))
    assert stock_settings.default_settings(dataset.dataset_id) == StockSettings(14, 7, 0.98)
    assert saved_settings(dataset) == [GroupSettings("all", "", StockSettings(14, None, 0.98))]


def test_settings_belong_to_the_dataset_name_and_are_deleted_with_its_last_version(
    dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    stock_settings.save_settings(dataset.dataset_id, [GroupSettings("item", "item1", StockSettings(21))])
    write_sales(tmp_path / "more.csv", 2, 122)
    newer, other = load_dataset(tmp_path / "more.csv"), load_dataset(tmp_path / "more.csv", name="other")
    assert newer.version == 2 and saved_settings(newer) == saved_settings(dataset) and saved_settings(other) == []
    datasets.delete_dataset(dataset.dataset_id)
    assert len(saved_settings(newer)) == 1
    datasets.delete_dataset(newer.dataset_id)
    assert rows_of("SELECT * FROM fcst_app.stock_settings") == []


def test_invalid_settings_are_refused_and_nothing_is_saved(dataset: Dataset) -> None:
    good = GroupSettings("item", "item1", StockSettings(21))
    for found, words in (
        ([], "No item"),
        ([good, good], "occur twice: item1"),
        ([GroupSettings("item", "nothing", StockSettings(7))], "has none of these: nothing"),
        ([good, GroupSettings("part", "x", StockSettings(7), ("store",))], "have no columns store"),
    ):
        with pytest.raises(InputError, match=words):
            stock_settings.save_settings(dataset.dataset_id, found)
    assert saved_settings(dataset) == []
    unknown = stock_settings.save_settings(dataset.dataset_id, [good, GroupSettings("item", "later", StockSettings(7))])
    assert unknown == ["later"] and len(saved_settings(dataset)) == 2
    stock_settings.remove_settings(dataset.dataset_id, [GroupSettings("item", "later", StockSettings())])
    assert saved_settings(dataset) == [good]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: StockSettings(-1), "lead time of -1 days"),
        (lambda: StockSettings(1e300), "lead time of 1e\\+300 days"),
        (lambda: StockSettings(float("nan")), "lead time of nan"),
        (lambda: StockSettings(7, 729), "review period of 729"),
        (lambda: StockSettings(7, 7, 1.0), "service level of 100 %"),
        (lambda: StockSettings(7, 7, 0.0), "service level of 0 %"),
        (lambda: StockSettings(7, 7, float("nan")), "service level of nan"),
        (lambda: GroupSettings("all", "item1", StockSettings(7)), "key 'item1'"),
        (lambda: GroupSettings("item", "", StockSettings(7)), "key ''"),
        (lambda: GroupSettings("item", "a\n", StockSettings(7)), "is not a valid key"),
        (lambda: GroupSettings("part", "a", StockSettings(7)), "have no key columns"),
    ],
)
def test_invalid_settings_raise(make: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()


# Files


def read(dataset: Dataset, tmp_path: Path, text: str) -> list[GroupSettings]:
    path = tmp_path / "stock.csv"
    path.write_text(text)
    spec = IngestSpec(paths=(str(path),), name=dataset.name, is_from_shell=True, plan_of=dataset.dataset_id)
    return stock_settings.read_file(spec)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "text, settings",
    [
        ("item,lead_time_days,service_level\nitem1,14,0.95\n", StockSettings(14, None, 0.95)),
        ("Item;Lead Time (weeks);Service Level\nitem1;2;95 %\n", StockSettings(14, None, 0.95)),
        ("item,lead_time,review_period\nitem1,2w,10 days\n", StockSettings(14, 10)),
        ("item_nbr,lead_time,service_level\nitem1,1.5 weeks,98\n", StockSettings(10.5, None, 0.98)),
        ("key,service_level,review_period_days\nitem1,99.5%,0\n", StockSettings(None, 0, 0.995)),
        ('item,lead_time_weeks,service_level\nitem1,"1,5",\n\n', StockSettings(10.5)),
    ],
)
def test_file_units_are_days_weeks_and_percents(
    dataset: Dataset, tmp_path: Path, text: str, settings: StockSettings
) -> None:
    (found,) = read(dataset, tmp_path, text)
    assert found == GroupSettings("item", "item1", settings)


def test_file_keyed_by_family_or_key_part(
    dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    (found,) = read(dataset, tmp_path, "family,lead_time_days\nTEA,14\n")
    assert (found.grouped_by, found.key) == ("family", "TEA")
    lines = [f"2020-01-{day:02},{store},{item},5" for day in range(5, 26) for store in "AB" for item in "xy"]
    path = tmp_path / "joined.csv"
    path.write_text("\n".join(["date,store,sku,units", *lines]))
    joined = load_dataset(path, name="joined", mapping={"item": ["store", "sku"]})
    (found,) = read(joined, tmp_path, "store,lead_time_days\nA,14\n")
    assert found == GroupSettings("part", "A", StockSettings(14), ("store",))
    (whole,) = read(joined, tmp_path, "sku,store,lead_time_days\nx,A,21\n")
    assert (whole.grouped_by, whole.key) == ("item", "A|x")
    stock_settings.save_settings(joined.dataset_id, [found, whole])
    job = run(joined, 4, models=("Naive",), h=6, n_windows=0)
    lead_times = {row.unique_id: row.lead_time_days for row in stock.list_stock(job, "Naive")}
    assert lead_times == {"A|x": 21, "A|y": 14, "B|x": None, "B|y": None}


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "text, words",
    [
        ("item,lead_time_days\nitem1,soon\n", "row 1: 'soon' is not a valid lead time. Write it as 14d or 2w"),
        ("item,lead_time_days\nitem1,14\nitem2,-3\n", "row 2: '-3' is not a valid lead time"),
        ("item,lead_time_days\nitem1,1e300\n", "row 1: '1e300' is not a valid lead time"),
        ("item,lead_time_days\nitem1,999999\n", "row 1: A lead time of 999999 days"),
        ("item,lead_time\nitem1,14\n", "row 1: The lead time '14' has no unit. Write 14d or 14w"),
        ("item,service_level\nitem1,100 %\n", "row 1: A service level of 100 %"),
        ("item,service_level\nitem1,0\n", "row 1: A service level of 0 %"),
        ("item,service_level\nitem1,0.95 %\n", "row 1: A service level of 0.95 %"),
        ("item,service_level\nitem1,high\n", "row 1: 'high' is not a valid service level"),
        ("item,lead_time_days\nitem1,14\nitem1,21\n", "row 2: 'item1' is in several rows"),
        ("item,lead_time_days\n,14\n", "row 1: The item is empty"),
        ("item,lead_time_days,service_level\nitem1,,\n", "row 1: The row of 'item1' has no settings"),
        ("item,lead_time_days,lead_time_weeks\nitem1,14,2\n", "row 1: The lead time is in two columns"),
        ("item,family,lead_time_days\nitem1,TEA,14\n", "has columns of items and of family"),
        ("item,lead_time_days,colour\nitem1,14,red\n", "an unknown column 'colour'"),
        ("lead_time_days,service_level\n14,95\n", "is not a list of stock settings"),
        ("item,lead_time_days\n", "has no rows"),
    ],
)
def test_invalid_rows_are_named(dataset: Dataset, tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(dataset, tmp_path, text)
    assert words in f"{caught.value}"


# The command line


def test_settings_and_stock_on_the_command_line(job: Job, dataset: Dataset, tmp_path: Path, capsys) -> None:
    (tmp_path / "lead.csv").write_text("item,lead_time_days\nitem1,14\n=later,7\n")
    assert main(["stock-settings", "--lead-time", "7d", "--service-level", "80"]) == 0
    assert main(["stock-settings", str(tmp_path / "lead.csv")]) == 0
    assert "does not have =later" in capsys.readouterr().err
    assert main(["stock-settings", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["grouped_by"], row["key"], row["lead_time_days"]) for row in rows] == [
        ("all", "", 7), ("item", "=later", 7), ("item", "item1", 14),
    ]  # fmt: skip
    assert main(["stock", "1"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    figures = stock.list_stock(job, MODEL)
    assert [row["unique_id"] for row in table] == [row.unique_id for row in figures]
    assert [float(row["reorder_point"]) for row in table] == pytest.approx(
        [row.reorder_point for row in figures], abs=1e-4
    )
    assert table[-1]["lead_time_days"] == "14.0" and table[0]["is_measured"] == "True" and table[0]["reason"] == ""
    assert main(["stock", "1", "-o", str(tmp_path / "stock.csv"), "--lead-time", "5w", "--review-period", "1w"]) == 0
    table = list(csv.DictReader(io.StringIO((tmp_path / "stock.csv").read_text())))
    assert {row["lead_time_days"] for row in table} == {"35.0"}
    assert main(["stock", "1", "--json", "--lead-time", "8w"]) == 0
    capsys.readouterr()
    assert main(["stock-settings", "--remove", "item=item1"]) == 0 and len(saved_settings(dataset)) == 2
    capsys.readouterr()
    for wrong, words in (
        (["stock-settings", "--remove", "item1"], "Write item=KEY"),
        (["stock-settings", "--lead-time", "14"], "has no unit"),
        (["stock-settings", "--lead-time", "7d", "--remove", "all="], "cannot be combined"),
        (["stock", "1", "--service-level", "100"], "service level of 100 %"),
        (["stock", "1", "--model", "Auto"], "no model Auto"),
    ):
        assert main(wrong) == 2 and words in capsys.readouterr().err, wrong


def test_formula_characters_in_keys_are_escaped(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    lines = [f"2020-01-{day:02},=1+1,5" for day in range(5, 26)]
    (tmp_path / "sales.csv").write_text("\n".join(["date,item,units", *lines]))
    job = run(load_dataset(tmp_path / "sales.csv", name="odd"), 1, models=("Naive",), h=6, n_windows=0)
    out = io.StringIO()
    stock.write_stock(job, "Naive", out, OVERRIDES)
    assert out.getvalue().splitlines()[1].startswith("'=1+1,14,7,0.8,")
