"""Weekly sales computed by pandas, to compare with."""

import pandas as pd

from fcst.ingest.pipeline import SeriesFiles
from tests.unit.ingest.conftest import read_back


def weeks_by_pandas(rows: pd.DataFrame, include_promo: bool = False) -> pd.DataFrame:
    """The rules of a week in pandas: `item, week, units, promo` of every whole week from an item's first sale on.

    Parameters
    ----------
    rows
        `item, date, units, is_promo`, one row per sale.
    """
    days = rows["date"].dt.normalize()
    rows = rows.assign(date=days, week=days + pd.to_timedelta((5 - days.dt.dayofweek) % 7, unit="D"))
    is_whole = (rows["week"] - pd.Timedelta(days=6) >= days.min()) & (rows["week"] <= days.max())
    is_in_time = rows["week"] <= days.max()  # not in the partial last week
    sold = rows[(rows["units"] > 0) & is_in_time].groupby("item")["week"].min()
    first = sold.combine_first(rows.groupby("item")["week"].min()).rename("first").rename_axis("item")
    rows = rows[is_whole]
    first = first[first.index.isin(rows["item"])]
    calendar = pd.DataFrame({"week": pd.date_range(rows["week"].min(), rows["week"].max(), freq="7D")})
    spans = first.reset_index().merge(calendar, how="cross")
    keys = ["item", "week"]
    sums = rows.pivot_table(index=keys, columns="is_promo", values="units", aggfunc="sum")
    sums = sums.reindex(columns=[False, True]).set_axis(["base", "promo"], axis=1)
    weeks = spans[spans["week"] >= spans["first"]].join(sums, on=keys)
    is_there = pd.MultiIndex.from_frame(weeks[keys]).isin(sums.index)
    promo = weeks["promo"].fillna(0)
    units = weeks["base"].fillna(0) + promo if include_promo else weeks["base"].where(is_there, 0.0)
    return pd.DataFrame({"item": weeks["item"], "week": weeks["week"], "units": units, "promo": promo})


def weeks_of(files: SeriesFiles) -> pd.DataFrame:
    found = read_back(files).weeks
    rows = [(item, week, *values) for item, weeks in found.items() for week, values in weeks.items()]
    frame = pd.DataFrame(rows, columns=["item", "week", "units", "promo"]).replace(r"\N", "nan")
    return frame.astype({"week": "datetime64[ns]", "units": float, "promo": float})
