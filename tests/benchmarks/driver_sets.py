"""Datasets with drivers known ahead: Rossmann, Dominick's orange juice, the bundled sample, some weeks of Favorita."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from fcst.compute.series import Series
from fcst.drivers import Driver, DriverKind
from fcst.settings import PROJECT

PROMOTIONS = PROJECT.parent / "shared" / "data" / "promotions"
MIN_WEEKS, N_CHOSEN = 113, 600


def rossmann() -> list[Series]:
    """Rossmann: drivers as shares of a week's days; closed days are rows without sales."""
    names = ["Store", "Date", "Sales", "Open", "Promo", "StateHoliday", "SchoolHoliday"]
    rows = pd.read_parquet(PROMOTIONS / "rossmann_daily.parquet", columns=names)
    rows = rows.assign(
        item="S" + rows["Store"].astype(str),
        date=pd.to_datetime(rows["Date"]),
        StateHoliday=(rows["StateHoliday"].astype(str) != "0").astype(float),
    ).rename(columns={"Sales": "units"})
    kinds = {
        "Promo": DriverKind.PROMOTION,
        "Open": DriverKind.OPEN,
        "StateHoliday": DriverKind.EVENT,
        "SchoolHoliday": DriverKind.EVENT,
    }
    rows[list(kinds)] /= 7
    return chosen(series_of(*weekly(rows, list(kinds), "sum"), kinds))


def juice() -> list[Series]:
    """Orange juice: the price is that of the row's brand."""
    rows = pd.read_parquet(PROMOTIONS / "orange_juice.parquet")
    brand = rows["brand"].to_numpy(int)
    prices = rows[[f"price{i}" for i in range(1, 12)]].to_numpy(float)
    rows = rows.assign(
        item="s" + rows["store"].astype(str) + "_b" + rows["brand"].astype(str),
        units=np.exp(rows["logmove"]).round(),
        price=prices[np.arange(len(rows)), brand - 1],
    )
    weeks = range(rows["week"].min(), rows["week"].max() + 1)
    kinds = {"deal": DriverKind.PROMOTION, "feat": DriverKind.PROMOTION, "price": DriverKind.PRICE}
    tables = {name: rows.pivot(index="week", columns="item", values=name).reindex(weeks) for name in ("units", *kinds)}
    return chosen(series_of(tables.pop("units"), tables, kinds))


def sample() -> list[Series]:
    """The sample: promotion as share of an item's flagged rows in a week; missing before the flag is known."""
    (path,) = (PROJECT / "data" / "sample").glob("train.csv*")
    rows = pd.read_csv(path, parse_dates=["date"], dtype={"onpromotion": str})
    rows = rows.assign(
        item=rows["item_nbr"].astype(str),
        units=rows["unit_sales"],
        promotion=rows["onpromotion"].map({"True": 1.0, "False": 0.0}),
    )
    kinds = {"promotion": DriverKind.PROMOTION}
    return series_of(*weekly(rows, list(kinds), "mean"), kinds)


def favorita(is_filtered: bool = False) -> list[Series]:
    """Favorita: items by store, 17 weeks of 2016, with sales in at least ten weeks.

    `is_filtered`: without promotional rows; a week with promotional rows only is missing, as when fcst loads sales
    without a plan.
    """
    path = PROJECT.parent / "shared" / "data" / "favorita" / "train_10stores_200items_2016.csv"
    names = ["date", "store_nbr", "item_nbr", "unit_sales", "onpromotion"]
    rows = pd.read_csv(path, usecols=names, parse_dates=["date"])
    rows = rows.assign(
        item=rows["store_nbr"].astype(str) + "|" + rows["item_nbr"].astype(str),
        units=rows["unit_sales"],
        promotion=rows["onpromotion"].astype(float),
    )
    kinds = {"promotion": DriverKind.PROMOTION}
    units, tables = weekly(rows, list(kinds), "mean")
    sold = units.columns[(units > 0).sum() >= 10]
    found = {s.unique_id: s for s in series_of(units[sold], tables, kinds)}
    if is_filtered:
        plain, _ = weekly(rows[rows["promotion"] == 0], [], "sum")
        plain = plain.reindex(index=units.index, columns=sold)
        only_promoted = plain.isna() & tables["promotion"][sold].gt(0)
        for key, s in found.items():
            kept = plain[key].fillna(0.0).mask(only_promoted[key]).to_numpy(float)
            found[key] = replace(s, y=kept[-len(s.y) :], drivers=())
    return list(found.values())


DRIVER_SETS: dict[str, Callable[[], list[Series]]] = {
    "rossmann": rossmann,
    "juice": juice,
    "sample": sample,
    "favorita": favorita,
}


def weekly(rows: pd.DataFrame, names: list[str], how: str) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Units by item and complete week ending on Saturday, and aligned drivers."""
    days = rows["date"].dt.normalize()
    ends = days + pd.to_timedelta((5 - days.dt.dayofweek) % 7, unit="D")
    is_whole = (ends - pd.Timedelta(days=6) >= days.min()) & (ends <= days.max())
    groups = rows[is_whole].groupby([ends[is_whole], rows.loc[is_whole, "item"]])
    weeks = pd.date_range(ends[is_whole].min(), ends[is_whole].max(), freq="7D")
    tables = {name: groups[name].agg(how).unstack("item").reindex(weeks) for name in names}
    return groups["units"].sum().unstack("item").reindex(weeks).clip(lower=0), tables


def series_of(units: pd.DataFrame, drivers: dict[str, pd.DataFrame], kinds: dict[str, DriverKind]) -> list[Series]:
    """Convert tables to series, from the first sale on; missing weeks count as zero."""
    found = []
    for key in units:
        y = units[key].fillna(0.0).to_numpy(float)
        if y.any():
            first = int(np.flatnonzero(y)[0])
            known = [Driver(name, kinds[name], drivers[name][key].to_numpy(float)[first:], True) for name in kinds]
            found.append(Series(str(key), date(2024, 6, 1), y[first:], {}, tuple(known)))
    return found


def chosen(series: list[Series]) -> list[Series]:
    """600 random series with 113 weeks or more, with a fixed seed."""
    long = sorted((s for s in series if len(s.y) >= MIN_WEEKS), key=lambda s: s.unique_id)
    return [long[i] for i in np.random.default_rng(7).permutation(len(long))[:N_CHOSEN]]


def promoted(series: Series, start: int, end: int) -> np.ndarray:
    """(end − start,) whether a week has a promotion."""
    shares = [d.values[start:end] for d in series.drivers if d.kind is DriverKind.PROMOTION]
    return np.nan_to_num(shares).max(axis=0) > 0
