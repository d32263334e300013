"""Real data: every weekly value equals an independent computation with pandas."""

import math
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from fcst.ingest.pipeline import SeriesFiles
from fcst.quality_report import PromoYear
from fcst.settings import PROJECT
from tests.unit.ingest.conftest import make, read_back
from tests.unit.ingest.pandas_weeks import weeks_by_pandas, weeks_of

SHARED = PROJECT.parent / "shared" / "data"
FAVORITA = SHARED / "favorita"
RETAIL = [SHARED / "online_retail_ii" / name for name in ("year_2009_2010.parquet", "year_2010_2011.parquet")]
KAGGLE = SHARED / "store_item_demand" / "demand-forecasting.zip"


def require_data(*paths: Path) -> None:
    """Skips the test if a file is missing."""
    for path in paths:
        if not path.exists():
            pytest.skip(f"no ../shared/data/{path.relative_to(SHARED)}")


def check(files: SeriesFiles, expected: pd.DataFrame) -> None:
    """Compares every week of every item, and the counts in the report."""
    found, order = weeks_of(files), ["item", "week"]
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True), check_dtype=False
    )
    report = files.report
    assert report.n_weeks_emptied == expected["units"].isna().sum()
    assert (report.n_items, report.n_item_weeks) == (expected["item"].nunique(), len(expected))
    assert math.isclose(report.total_units, expected["units"].sum(), rel_tol=1e-9)
    assert report.n_rows == report.n_kept + sum(vars(report.dropped).values())
    assert report.bad_rows.n == 0


# Favorita

SIZES = {
    "guayas_35items_2013_2014.csv": (35, 64),
    "train_10stores_200items_2016.csv": (200, 17),
    "random_rows_100k.csv": (None, None),
}


def favorita(name: str) -> pd.DataFrame:
    rows = pd.read_csv(FAVORITA / name, dtype={"item_nbr": str, "onpromotion": str}, parse_dates=["date"])
    flags = rows.get("onpromotion", pd.Series("", index=rows.index))
    rows["is_promo"] = flags.isin(["True", "1.0", "1"])
    return rows.rename(columns={"item_nbr": "item", "unit_sales": "units"})


@pytest.mark.few(1)
@pytest.mark.parametrize(("name", "size"), SIZES.items(), ids=list(SIZES))
@pytest.mark.parametrize("include_promo", [False, True])
def test_favorita_weeks_equal_pandas(
    tmp_path: Path, name: str, size: tuple[int | None, int | None], include_promo: bool
) -> None:
    require_data(FAVORITA / name)
    files = make(tmp_path, FAVORITA / name, include_promo=include_promo)
    rows = favorita(name)
    check(files, weeks_by_pandas(rows, include_promo))
    report = files.report
    assert (report.n_rows, report.n_promo) == (len(rows), rows["is_promo"].sum())
    assert report.n_returns == (rows["units"] < 0).sum()
    assert report.n_fractional == (rows["units"] % 1 != 0).sum()
    assert report.duplicates.n == rows.duplicated(["date", "store_nbr", "item"]).sum()
    if size[0]:
        assert (report.n_items, report.n_weeks) == size


def test_favorita_item_attributes(tmp_path: Path) -> None:
    require_data(FAVORITA / "items.csv", FAVORITA / "guayas_35items_2013_2014.csv")
    weekly = read_back(make(tmp_path, FAVORITA / "guayas_35items_2013_2014.csv"))
    known = pd.read_csv(FAVORITA / "items.csv", dtype=str).set_index("item_nbr")
    assert len(weekly.items) == 35
    for row in weekly.items:
        attributes = known.loc[row["unique_id"]]
        assert (row["family"], row["class"]) == (attributes["family"], attributes["class"])
        assert row["is_perishable"] == ("true" if attributes["perishable"] == "1" else "false")


@pytest.mark.full
def test_unknown_flag_is_reported_and_its_rows_are_kept(tmp_path: Path) -> None:
    """In this sample 2 means missing, in all rows before 2014-04-01."""
    require_data(FAVORITA / "random_rows_100k.csv")
    files = make(tmp_path, FAVORITA / "random_rows_100k.csv")
    report = files.report
    assert report.unknown_flags == {"2.0": 17_121}
    assert (report.n_flag_unknown, report.n_flag_missing) == (17_121, 0)
    by_month = report.flags_missing_by_month
    assert sum(by_month.values()) == 17_121
    assert (min(by_month), max(by_month)) == ("2013-01", "2014-03")
    weeks = weeks_of(files)
    assert weeks["week"].min() == pd.Timestamp("2013-01-12")
    assert weeks.loc[weeks["week"].dt.year == 2013, "units"].sum() > 0
    assert report.promo_by_year["2013"] == PromoYear(share=0.0, units=0.0)


@pytest.mark.full
def test_favorita_rows_are_filtered_by_the_city_of_the_store(tmp_path: Path) -> None:
    name = "train_10stores_200items_2016.csv"
    require_data(FAVORITA / name, FAVORITA / "stores.csv")
    stores = pd.read_csv(FAVORITA / "stores.csv")
    rows = favorita(name)
    rows = rows[rows["store_nbr"].isin(stores.loc[stores["city"] == "Quito", "store_nbr"])]
    files = make(tmp_path, FAVORITA / name, where=(("city", "Quito"),))
    check(files, weeks_by_pandas(rows))
    assert files.report.n_filtered == files.report.n_rows - len(rows) > 0


@pytest.mark.full
def test_favorita_items_joined_with_stores(tmp_path: Path) -> None:
    name = "train_10stores_200items_2016.csv"
    require_data(FAVORITA / name)
    rows = favorita(name)
    files = make(tmp_path, FAVORITA / name, mapping={"item": ["store_nbr", "item_nbr"]})
    check(files, weeks_by_pandas(rows.assign(item=rows["store_nbr"].astype(str) + "|" + rows["item"])))


# Online Retail II: two overlapping files of receipts with returns, with different columns and types


@pytest.fixture(scope="module")
def retail() -> list[pd.DataFrame]:
    require_data(*RETAIL)
    tables = [pd.read_parquet(path) for path in RETAIL]
    names = {"Invoice": "receipt", "InvoiceNo": "receipt", "StockCode": "item", "InvoiceDate": "date"}
    tables = [table.rename(columns={**names, "Quantity": "units"}) for table in tables]
    return [
        table.assign(date=pd.to_datetime(table["date"]), is_promo=False)[
            ["receipt", "item", "date", "units", "is_promo"]
        ]
        for table in tables
    ]


def union(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Multiset union: each line as often as in the table that has it most often."""
    key = ["receipt", "item", "date", "units"]
    numbered = [table.assign(number=table.groupby(key).cumcount()) for table in tables]
    return pd.concat(numbered).drop_duplicates([*key, "number"])


@pytest.mark.full
@pytest.mark.parametrize("duplicates", [pytest.param("keep", marks=pytest.mark.full), "drop"])
def test_weeks_of_overlapping_receipts_equal_pandas(
    tmp_path: Path, retail: list[pd.DataFrame], duplicates: str
) -> None:
    rows = pd.concat(retail) if duplicates == "keep" else union(retail)
    files = make(tmp_path, *RETAIL, duplicates=duplicates)
    check(files, weeks_by_pandas(rows))
    report = files.report
    n_dropped = 22_523 if duplicates == "drop" else 0
    assert (report.duplicates.n, report.duplicates.n_dropped) == (22_523, n_dropped)
    assert report.n_rows == sum(map(len, retail)) == len(rows) + n_dropped == 1_067_370
    assert report.units.units_read == rows["units"].sum()
    assert report.n_returns == (rows["units"] < 0).sum()
    assert report.is_lines is True
    assert files.spec.mapping["receipt"] == ["Invoice"]


@pytest.mark.full
def test_returns_of_receipts_are_dropped(tmp_path: Path, retail: list[pd.DataFrame]) -> None:
    rows = retail[1]
    files = make(tmp_path, RETAIL[1], returns="drop")
    found, expected = weeks_of(files), weeks_by_pandas(rows[rows["units"] >= 0])
    both = found.merge(expected, on=["item", "week"], how="outer", suffixes=("", "_expected")).fillna(0)
    # Items with returns only are kept with zero units.
    assert (both["units"] == both["units_expected"]).all()
    assert files.report.dropped.returns == (rows["units"] < 0).sum()


@pytest.mark.full
def test_items_of_receipts_have_their_descriptions(tmp_path: Path) -> None:
    require_data(RETAIL[1])
    weekly = read_back(make(tmp_path, RETAIL[1]))
    assert weekly.item("85123A")["description"] == "WHITE HANGING HEART T-LIGHT HOLDER"


# Store Item Demand: a zip with train.csv, test.csv and a submission


def test_weeks_of_a_kaggle_download_equal_pandas(tmp_path: Path) -> None:
    require_data(KAGGLE)
    with zipfile.ZipFile(KAGGLE) as archive, archive.open("train.csv") as file:
        rows = pd.read_csv(file, dtype={"item": str}, parse_dates=["date"])
    files = make(tmp_path, KAGGLE)
    check(files, weeks_by_pandas(rows.rename(columns={"sales": "units"}).assign(is_promo=False)))
    report = files.report
    assert report.source == "demand-forecasting.zip › train.csv"
    assert report.other_files == (
        "demand-forecasting.zip › sample_submission.csv",
        "demand-forecasting.zip › test.csv",
    )
    assert (report.n_rows, report.n_items, report.duplicates.n) == (913_000, 50, 0)
    assert report.demand_classes == {"smooth": 50}
