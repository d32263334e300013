"""`write_sample`: Favorita's layout, realistic demand patterns, deterministic bytes."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fcst.errors import InputError
from fcst.samples.favorita import write_sample
from fcst.settings import SAMPLE

SMALL = {"n_items": 20, "n_stores": 3, "years": 1.5}
WEIGHED = {"PRODUCE", "MEATS", "POULTRY", "SEAFOOD", "DELI", "PREPARED FOODS", "FROZEN FOODS"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default set: 200 items, 2 stores, seed 1."""
    folder = tmp_path_factory.mktemp("sample") / "default"
    write_sample(folder)
    return folder


@pytest.fixture(scope="module")
def train(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "train.csv", parse_dates=["date"], dtype={"onpromotion": "string"})


@pytest.fixture(scope="module")
def items(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "items.csv")


def files_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


# The files


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("train.csv", "id,date,store_nbr,item_nbr,unit_sales,onpromotion"),
        ("items.csv", "item_nbr,family,class,perishable"),
        ("stores.csv", "store_nbr,city,state,type,cluster"),
    ],
)
def test_headers_are_those_of_favorita(folder: Path, name: str, header: str) -> None:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        assert file.readline() == header + "\n"


def test_values_have_favoritas_format(folder: Path) -> None:
    lines = pd.Series((folder / "train.csv").read_text().splitlines()[1:])
    assert lines.str.fullmatch(r"\d+,\d{4}-\d\d-\d\d,\d+,\d{5,7},-?\d+\.\d{1,3},(True|False)?").all()


def test_folder_has_exactly_three_files(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["items.csv", "stores.csv", "train.csv"]


def test_summary_describes_the_file(tmp_path: Path) -> None:
    summary = write_sample(tmp_path / "new" / "folder", **SMALL)
    rows = pd.read_csv(summary.path)
    assert summary.path == tmp_path / "new" / "folder" / "train.csv"
    assert summary.n_rows == len(rows)
    assert [str(summary.first_day), str(summary.last_day)] == [rows.date.min(), rows.date.max()]


def test_rows_are_ordered_by_date_store_item_and_ids_count_them(train: pd.DataFrame) -> None:
    keys = train[["date", "store_nbr", "item_nbr"]]
    assert not keys.duplicated().any()
    assert keys.equals(keys.sort_values(list(keys), ignore_index=True))
    assert train.id.tolist() == list(range(len(train)))


def test_items_and_stores_are_unique_and_cover_the_rows(folder: Path, train: pd.DataFrame, items: pd.DataFrame) -> None:
    stores = pd.read_csv(folder / "stores.csv")
    assert (len(items), len(stores)) == (200, 2)
    assert items.item_nbr.is_unique and items.item_nbr.between(1, 9_999_999).all()
    assert set(train.item_nbr) <= set(items.item_nbr)
    assert set(train.store_nbr) == set(stores.store_nbr)
    assert items.groupby("class").family.nunique().max() == 1


# Determinism


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_sample(tmp_path / name, seed=7, **SMALL)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_same_arguments_give_the_same_bytes_when_compressed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_sample(tmp_path / name, compress=True, **SMALL)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_gzip_header_has_no_time(tmp_path: Path) -> None:
    header = write_sample(tmp_path, compress=True, **SMALL).path.read_bytes()[:10]
    assert header[:2] == b"\x1f\x8b"
    assert header[4:8] == bytes(4)


def test_compressed_rows_are_the_plain_rows(tmp_path: Path) -> None:
    plain = write_sample(tmp_path / "plain", **SMALL).path
    zipped = write_sample(tmp_path / "zipped", compress=True, **SMALL).path
    assert zipped.name == "train.csv.gz"
    assert gzip.decompress(zipped.read_bytes()) == plain.read_bytes()


def test_another_seed_gives_other_files(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_sample(tmp_path / str(seed), seed=seed, **SMALL)
    one, two = files_of(tmp_path / "1"), files_of(tmp_path / "2")
    assert all(one[name] != two[name] for name in one)


def test_bundled_sample_equals_the_generated_one(folder: Path) -> None:
    if not SAMPLE.exists():
        pytest.skip(f"no {SAMPLE}")
    bundled = gzip.decompress((SAMPLE / "train.csv.gz").read_bytes())
    assert hashlib.sha256(bundled).hexdigest() == files_of(folder)["train.csv"]
    for name in ("items.csv", "stores.csv"):
        assert (SAMPLE / name).read_bytes() == (folder / name).read_bytes()


def test_bundled_sample_is_small_enough_for_git() -> None:
    if not SAMPLE.exists():
        pytest.skip(f"no {SAMPLE}")
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) <= 3_000_000


# Calendar


def test_first_and_last_week_are_partial(train: pd.DataFrame) -> None:
    first, last = train.date.min(), train.date.max()
    assert [str(first.date()), str(last.date())] == ["2013-01-01", "2017-08-15"]
    assert first.day_name() == last.day_name() == "Tuesday"


@pytest.mark.parametrize("years", [0.5, 1, 2.3])
def test_last_day_is_the_tuesday_on_or_after_the_years(tmp_path: Path, years: float) -> None:
    summary = write_sample(tmp_path, n_items=2, n_stores=1, years=years)
    n_days = (summary.last_day - summary.first_day).days
    assert summary.last_day.weekday() == 1
    assert 0 <= n_days - years * 365.25 < 7


def test_flags_are_missing_before_april_2014_and_present_after(train: pd.DataFrame) -> None:
    is_before = train.date < "2014-04-01"
    assert is_before.any()
    assert train.onpromotion[is_before].isna().all()
    assert set(train.onpromotion[~is_before]) == {"True", "False"}


def test_file_that_ends_before_april_2014_has_no_flag(tmp_path: Path) -> None:
    rows = pd.read_csv(write_sample(tmp_path, n_items=20, years=1).path)
    assert rows.onpromotion.isna().all()


def test_no_sales_on_christmas_day(train: pd.DataFrame) -> None:
    assert not ((train.date.dt.month == 12) & (train.date.dt.day == 25)).any()


def test_sundays_sell_more_than_thursdays(train: pd.DataFrame) -> None:
    by_day = train.groupby(train.date.dt.day_name()).unit_sales.sum()
    assert by_day["Sunday"] > 1.3 * by_day["Thursday"]


def test_christmas_is_a_peak_every_year(train: pd.DataFrame) -> None:
    for year in (2013, 2014, 2015, 2016):
        daily = train[train.date.dt.year == year].groupby("date").unit_sales.sum()
        peak = daily[f"{year}-12-15" : f"{year}-12-24"].mean()
        assert peak > 1.25 * daily[f"{year}-09-01" : f"{year}-11-10"].mean()


def test_most_regular_items_are_seasonal(train: pd.DataFrame) -> None:
    weekly = train.pivot_table(
        index=pd.Grouper(key="date", freq="W-SAT"), columns="item_nbr", values="unit_sales", aggfunc="sum"
    ).iloc[1:-1]
    regular = weekly.loc[:, weekly.notna().all() & (weekly.min() > 0) & (weekly.mean() > 15)]
    assert regular.shape[1] >= 50
    log = np.log(regular)
    wave = (log - log.rolling(53, center=True, min_periods=27).mean()).rolling(5, center=True, min_periods=3).mean()
    repeats = [wave[item].corr(wave[item].shift(52)) for item in wave]
    assert np.median(repeats) > 0.4
    assert min(repeats) < 0.3  # but not all of them do


# Sales


def test_no_row_has_zero_sales(train: pd.DataFrame) -> None:
    assert (train.unit_sales != 0).all()


def test_few_rows_are_returns(train: pd.DataFrame) -> None:
    share = (train.unit_sales < 0).mean()
    assert 0 < share < 0.001


def test_fractions_occur_only_in_goods_sold_by_weight(train: pd.DataFrame, items: pd.DataFrame) -> None:
    is_fraction = train.unit_sales % 1 != 0
    families = train[is_fraction].merge(items, on="item_nbr").family
    assert 0.02 < is_fraction.mean() < 0.25
    assert set(families) <= WEIGHED


def test_levels_span_three_orders_of_magnitude(train: pd.DataFrame) -> None:
    grouped = train.groupby("item_nbr")
    a_day = grouped.unit_sales.sum() / ((train.date.max() - grouped.date.min()).dt.days + 1)
    assert a_day.max() / a_day[a_day > 0].min() > 1_000


def test_promotions_lift_sales(train: pd.DataFrame) -> None:
    flagged = train[train.onpromotion.notna()]
    sales = flagged.pivot_table(index="item_nbr", columns="onpromotion", values="unit_sales", aggfunc=["mean", "count"])
    often = sales[sales["count"].min(axis=1) >= 30]["mean"]
    assert len(often) >= 50
    assert (often["True"] / often["False"]).median() > 1.2


def test_promotions_come_in_spells(train: pd.DataFrame) -> None:
    promoted = train[train.onpromotion == "True"].sort_values(["store_nbr", "item_nbr", "date"])
    follows = (promoted.groupby(["store_nbr", "item_nbr"]).date.diff() <= pd.Timedelta(days=2)).mean()
    assert 0.02 < len(promoted) / len(train) < 0.15
    assert follows > 0.7


def test_a_tenth_of_the_items_has_under_a_year_of_history(train: pd.DataFrame) -> None:
    first = train.groupby("item_nbr").date.min()
    share = (train.date.max() - first < pd.Timedelta(days=364)).mean()
    assert 0.07 <= share <= 0.13


def test_some_items_begin_late_and_some_end_early(train: pd.DataFrame) -> None:
    days = train.groupby("item_nbr").date.agg(["min", "max", "count"])
    days = days[days["count"] > 100]  # a rare item may have no sales at either end by chance
    assert (days["min"] > "2014-01-01").sum() >= 20
    assert (days["max"] < "2017-04-01").sum() >= 10


def test_a_tenth_of_the_items_or_more_is_intermittent(train: pd.DataFrame) -> None:
    grouped = train.groupby("item_nbr")
    span = (grouped.date.max() - grouped.date.min()).dt.days + 1
    share = (grouped.date.nunique() / span < 0.3).mean()
    assert 0.08 <= share <= 0.25


def test_stores_differ_and_some_items_are_absent_from_one(train: pd.DataFrame) -> None:
    by_store = train.groupby("store_nbr")
    assert by_store.unit_sales.sum().pipe(lambda s: s.max() / s.min()) > 1.1
    assert (by_store.item_nbr.nunique() < train.item_nbr.nunique()).any()


# Invalid arguments


@pytest.mark.parametrize(
    "bad",
    [
        {"n_items": 0},
        {"n_items": -5},
        {"n_items": 20_001},
        {"n_stores": 0},
        {"n_stores": 1_001},
        {"n_items": 2_000, "n_stores": 1_000},
        {"years": 0.4},
        {"years": 21},
        {"years": float("nan")},
        {"seed": -1},
    ],
    ids=str,
)
def test_argument_out_of_range_is_refused_and_nothing_is_written(tmp_path: Path, bad: dict[str, float]) -> None:
    with pytest.raises(InputError) as caught:
        write_sample(tmp_path / "new", **bad)  # type: ignore[arg-type]
    assert caught.value.hint
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "items.csv", "stores.csv"])
@pytest.mark.parametrize("compress", [False, True])
def test_existing_file_is_never_overwritten(tmp_path: Path, name: str, compress: bool) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=name):
        write_sample(tmp_path, compress=compress, **SMALL)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        write_sample(tmp_path / "taken", **SMALL)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk_is_reported_and_leaves_no_files(tmp_path: Path) -> None:
    (tmp_path / "train.csv.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match="cannot be written"):
        write_sample(tmp_path, **SMALL)
    assert list(tmp_path.iterdir()) == []
