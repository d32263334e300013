"""Plotly figures from data frames. Without Streamlit. Text from data is escaped, because Plotly renders HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fcst.periods import same_weeks_last_year
from fcst.quality_report import Coverage
from fcst.records import Histogram

Figure = go.Figure

HISTORY = "#73889b"
FORECAST = "#1590a2"
PROMO = "#c9822b"
BACKTEST = "#a35fb0"
ADJUSTED = "#c0504d"
BASELINE = "#8a6d3b"
SOLD_SINCE = "#2f3e4a"
SHOWN_WEEKS = 104
"""Initially visible weeks of history: two years."""
LEAST_SHARE = 0.28
"""Minimum share of the width for the weeks ahead."""
CHART_HEIGHT = 330
_BAND = "21, 144, 162"

SERIES = ("#1590a2", "#c9822b", "#a35fb0", "#5b8c3a", "#c0504d", "#5b76c4", "#8a6d3b", "#4f9d8f", "#b06a92", "#73889b")
"""Colours of several lines; dashes also distinguish them for colour-blind users."""
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def sales_chart(totals: pd.DataFrame, has_promo: bool, dropped: pd.DataFrame | None = None) -> go.Figure:
    """Line chart of a dataset's units by week.

    Parameters
    ----------
    totals
        `wk_end_dt, unit_sales, promo_units`.
    has_promo
        also draw the promotional units that were left out.
    dropped
        `wk_end_dt, units, promo_units` of dropped partial weeks.
    """
    figure = go.Figure()
    figure.add_scatter(
        mode="lines",
        x=totals["wk_end_dt"],
        y=totals["unit_sales"],
        name="unit sales",
        line={"color": FORECAST, "width": 1.8},
        hovertemplate="%{y:,.0f} units<extra>unit sales</extra>",
    )
    if has_promo:
        figure.add_scatter(
            mode="lines",
            x=totals["wk_end_dt"],
            y=totals["unit_sales"] + totals["promo_units"],
            name="with promotional units (left out)",
            line={"color": PROMO, "width": 1, "dash": "dot"},
            customdata=totals["promo_units"],
            hovertemplate="%{customdata:,.0f} units<extra>promotional</extra>",
        )
    if dropped is not None and len(dropped):
        figure.add_scatter(
            mode="markers",
            x=pd.to_datetime(dropped["wk_end_dt"]),
            y=dropped["units"] + (0 if has_promo else dropped["promo_units"]),
            name="partial weeks (dropped)",
            marker={"color": HISTORY, "size": 8, "symbol": "x-thin", "line": {"width": 2, "color": HISTORY}},
            hovertemplate="%{y:,.0f} units<extra>partial week (dropped)</extra>",
        )
    return _styled(figure, height=320)


def coverage_chart(coverage: Coverage) -> go.Figure:
    """Heatmap of the share of weeks with sales, by bands of items in order of sales (rows) and periods (columns)."""
    shares = coverage.shares
    periods = pd.date_range(coverage.first_wk_end_dt, periods=len(shares[0]), freq=f"{7 * coverage.weeks_a_period}D")
    figure = go.Figure(
        go.Heatmap(
            x=periods,
            y=[str(rank) for rank in coverage.first_ranks],
            z=[[None if share is None else 100 * share for share in row] for row in shares],
            zmin=0,
            zmax=100,
            colorscale=[[0, "rgba(115, 136, 155, 0.12)"], [1, FORECAST]],
            colorbar={"title": "weeks<br>sold", "ticksuffix": " %", "thickness": 12},
            hovertemplate="from rank %{y}<br>from week ending %{x|%Y-%m-%d}<br>%{z:.0f} % of weeks sold<extra></extra>",
        )
    )
    figure.update_layout(
        height=340,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        yaxis={"title": "items, by rank of sales", "autorange": "reversed", "type": "category", "nticks": 8},
    )
    return figure


@dataclass(frozen=True)
class ForecastSeries:
    """Data of a forecast chart. All frames have `wk_end_dt`, the last day of a week, and units.

    Parameters
    ----------
    history
        `unit_sales`; a missing week is NaN, a gap in the line.
    forecast
        `forecast, final, lo_80, hi_80, …`; with `baseline` if there are drivers. `final` is the final plan.
    levels
        of the intervals, in percent.
    later_actuals
        `unit_sales` of forecast weeks that are known now.
    earlier
        name -> `forecast` of an earlier run.
    backtests
        `cutoff, forecast`: one line per cutoff, over the history.
    others
        model -> `forecast`.
    borrowed
        `unit_sales` of other items, before the item's own history.
    events
        `name` of an event or promotion by week.
    """

    history: pd.DataFrame
    forecast: pd.DataFrame
    levels: Sequence[int]
    later_actuals: pd.DataFrame | None = None
    earlier: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    backtests: pd.DataFrame | None = None
    others: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    borrowed: pd.DataFrame | None = None
    events: pd.DataFrame | None = None


def forecast_chart(shown: ForecastSeries) -> go.Figure:
    """Chart of history (left) and forecast with last year's weeks (right), on two time scales.

    On one scale, a quarter ahead next to two years of history would be too narrow to read.
    """
    figure = go.Figure()
    history, forecast = shown.history, shown.forecast
    last = forecast["wk_end_dt"].iloc[0] - pd.Timedelta(weeks=1)
    for number, level in enumerate(sorted(shown.levels, reverse=True)):
        figure.add_scatter(
            mode="lines",
            x=pd.concat([forecast["wk_end_dt"], forecast["wk_end_dt"][::-1]]),
            y=pd.concat([forecast[f"hi_{level}"], forecast[f"lo_{level}"][::-1]]),
            name=f"{level} % interval",
            fill="toself",
            fillcolor=f"rgba({_BAND}, {min(0.2 + 0.16 * number, 0.6):.2f})",
            line={"width": 0},
            hoverinfo="skip",
            xaxis="x2",
        )
    if shown.borrowed is not None:
        _line(figure, shown.borrowed, "unit_sales", "history of other items", HISTORY, 1.3, "dot")
    _line(figure, history, "unit_sales", "history", HISTORY, 1.6)
    units = same_weeks_last_year(history["unit_sales"].to_numpy(dtype=float), len(forecast))
    last_year = pd.DataFrame({"wk_end_dt": forecast["wk_end_dt"], "unit_sales": units})
    if last_year["unit_sales"].notna().any():
        _line(figure, last_year, "unit_sales", "last year", PROMO, 1.4, "dot", "x2")
    for number, (name, weeks) in enumerate(shown.earlier.items()):
        _line_on_both_axes(figure, weeks, name, SERIES[(number + 4) % len(SERIES)], "dash", last)
    is_adjusted = not np.allclose(forecast["final"], forecast["forecast"])
    if is_adjusted:
        _line(figure, forecast, "forecast", "model", ADJUSTED, 1.6, "dash", "x2")
    _line(figure, forecast, "final", "final plan" if is_adjusted else "forecast", FORECAST, 2.6, axis="x2")
    if "baseline" in forecast:
        _line(figure, forecast, "baseline", "baseline (no drivers)", BASELINE, 1.6, "dash", "x2")
    if shown.later_actuals is not None and len(shown.later_actuals):
        _line(figure, shown.later_actuals, "unit_sales", "actual sales", SOLD_SINCE, 2, axis="x2", mode="lines+markers")
    cutoffs = [] if shown.backtests is None else list(shown.backtests.groupby("cutoff"))
    for number, (_, weeks) in enumerate(cutoffs):
        _line(figure, weeks, "forecast", "backtest", BACKTEST, 1.8, "dash", is_named=number == 0)
    for number, (name, weeks) in enumerate(shown.others.items()):
        place = number + 1
        _line(figure, weeks, "forecast", name, SERIES[place % len(SERIES)], 1.4, _DASHES[place % 5], "x2")
    for level in sorted(shown.levels):
        for side, word in (("lo", "low"), ("hi", "high")):
            _line(figure, forecast, f"{side}_{level}", f"{level} % {word}", FORECAST, 0, axis="x2", is_named=False)
    if shown.events is not None and len(shown.events):
        _events(figure, shown.events, last)
    _styled(figure, height=CHART_HEIGHT)
    _two_scales(figure, last, len(forecast))
    return figure


def _line(
    figure: go.Figure,
    weeks: pd.DataFrame,
    column: str,
    name: str,
    color: str,
    width: float,
    dash: str = "solid",
    axis: str = "x",
    mode: str = "lines",
    is_named: bool = True,
) -> None:
    figure.add_scatter(
        mode=mode,
        x=weeks["wk_end_dt"],
        y=weeks[column],
        name=name,
        legendgroup=name,
        showlegend=is_named,
        line={"color": color, "width": width, "dash": dash},
        marker={"size": 5, "color": color},
        hovertemplate=f"%{{y:,.1f}} units<extra>{name}</extra>",
        xaxis=axis,
    )


def _line_on_both_axes(
    figure: go.Figure, weeks: pd.DataFrame, name: str, color: str, dash: str, last: pd.Timestamp
) -> None:
    """Add a line that continues from the history into the weeks ahead."""
    before, ahead = weeks[weeks["wk_end_dt"] <= last], weeks[weeks["wk_end_dt"] > last]
    for part, axis in ((before, "x"), (ahead, "x2")):
        if len(part):
            is_first = axis == "x" or before.empty
            _line(figure, part, "forecast", name, color, 1.4, dash, axis, is_named=is_first)


def _events(figure: go.Figure, events: pd.DataFrame, last: pd.Timestamp) -> None:
    """Add markers of events on the time axis; names are escaped, because Plotly renders HTML."""
    for axis, part in (("x", events[events["wk_end_dt"] <= last]), ("x2", events[events["wk_end_dt"] > last])):
        if len(part):
            figure.add_scatter(
                mode="markers",
                x=part["wk_end_dt"],
                y=[0] * len(part),
                name="events and promotions",
                legendgroup="events",
                showlegend=axis == "x2" or events["wk_end_dt"].max() <= last,
                marker={"symbol": "triangle-up", "size": 9, "color": PROMO},
                customdata=part["name"].map(_escaped),
                hovertemplate="%{customdata}<extra></extra>",
                cliponaxis=False,
                xaxis=axis,
            )


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;")


def _two_scales(figure: go.Figure, last: pd.Timestamp, h: int) -> None:
    share = min(max(h / (h + SHOWN_WEEKS), LEAST_SHARE), 0.6)
    half = pd.Timedelta(days=3)
    steps = [{"count": n, "label": f"{n} months", "step": "month", "stepmode": "backward"} for n in (6, 12, 24)]
    selector = {"buttons": [*steps, {"step": "all", "label": "all"}], "x": 0, "y": 1.01, "yanchor": "bottom"}
    colors = {"bgcolor": "rgba(115, 136, 155, 0.15)", "activecolor": "rgba(21, 144, 162, 0.45)"}
    hover = {"hoverformat": "week ending %Y-%m-%d", "title": None}
    figure.update_layout(
        legend={"yanchor": "top", "y": -0.12, "x": 0},
        xaxis={
            "domain": [0, 1 - share - 0.01],
            "tickangle": 0,
            "range": [last - pd.Timedelta(weeks=SHOWN_WEEKS), last + half],
            "rangeselector": selector | colors,
            **hover,
        },
        xaxis2={
            "domain": [1 - share, 1],
            "range": [last + half, last + pd.Timedelta(weeks=h) + half],
            "anchor": "y",
            "nticks": 4,
            "tickangle": 0,
            "tickformat": "%m-%d",
            **hover,
        },
        shapes=[
            {
                "type": "line",
                "xref": "paper",
                "yref": "paper",
                "x0": 1 - share - 0.005,
                "x1": 1 - share - 0.005,
                "y0": 0,
                "y1": 1,
                "line": {"color": HISTORY, "width": 1, "dash": "dot"},
            }
        ],
        annotations=[
            {
                "text": f"next {h} weeks" if h > 1 else "next week",
                "xref": "paper",
                "yref": "paper",
                "x": 1 - share,
                "y": 1,
                "xanchor": "left",
                "yanchor": "top",
                "showarrow": False,
            }
        ],
    )


def horizon_chart(by_horizon: pd.DataFrame) -> go.Figure:
    """Line chart of the error of each model by step.

    Parameters
    ----------
    by_horizon
        `model, step, wape`; a fraction, NaN where undefined. Models are drawn in this order.
    """
    figure = go.Figure()
    for number, (name, rows) in enumerate(by_horizon.groupby("model", sort=False)):
        figure.add_scatter(
            mode="lines+markers",
            x=rows["step"],
            y=100 * rows["wape"],
            name=str(name),
            marker={"size": 5},
            line={"color": SERIES[number % len(SERIES)], "width": 2, "dash": _DASHES[number % 5]},
            hovertemplate=f"%{{y:,.1f}} %<extra>{name}</extra>",
        )
    figure.update_layout(
        **_LAYOUT,
        height=300,
        hovermode="x unified",
        xaxis={"title": "weeks ahead", "dtick": 1, "hoverformat": "d"},
        yaxis={"title": "WAPE", "rangemode": "tozero", "ticksuffix": " %"},
    )
    return figure


def distribution_chart(errors: Histogram) -> go.Figure:
    """Histogram of errors by item; a last grey column counts the items beyond the bins."""
    n_bins = len(errors.counts)
    bounds = [100 * (errors.first + n * errors.width) for n in range(n_bins + 1)]
    ranges = [f"{low:,.4g} – {high:,.4g} %" for low, high in pairwise(bounds)]
    beyond = f"{bounds[-1]:,.4g} % and more"
    figure = go.Figure(
        go.Bar(
            x=[low + 50 * errors.width for low in (bounds if errors.n_beyond else bounds[:-1])],
            y=[*errors.counts, *([errors.n_beyond] if errors.n_beyond else [])],
            customdata=[*ranges, *([beyond] if errors.n_beyond else [])],
            marker={
                "color": [*[FORECAST] * n_bins, HISTORY],
                "line": {"width": 1, "color": "rgba(0, 0, 0, 0)"},
            },
            hovertemplate="%{y:,} items<br>WAPE %{customdata}<extra></extra>",
        )
    )
    title = "WAPE of the item" + (f" (grey column: {beyond})" if errors.n_beyond else "")
    figure.update_layout(
        **_LAYOUT,
        height=300,
        bargap=0.06,
        xaxis={"title": title, "ticksuffix": " %"},
        yaxis={"title": "items", "tickformat": ",d"},
    )
    return figure


_ATTEMPTS = {
    "running": ("#5b76c4", ""),
    "completed, first attempt": (FORECAST, ""),
    "completed, later attempt": (PROMO, "/"),
    "interrupted or failed": ("#c0504d", "x"),
    "cancelled": (HISTORY, "."),
}
"""Result of an attempt -> colour and pattern, so results can be distinguished without colour."""


def timeline_chart(attempts: pd.DataFrame) -> go.Figure:
    """Gantt chart of the attempts of a run's batches; each row is one worker slot.

    Parameters
    ----------
    attempts
        `batch_no, attempt, started_at, ended_at, to_stage` (None while it runs), `lane` (worker slot, from 1); times
        without zone.
    """
    results = pd.Series("interrupted or failed", index=attempts.index)
    results[attempts["to_stage"].isna()] = "running"
    results[attempts["to_stage"] == "cancelled"] = "cancelled"
    is_completed = attempts["to_stage"] == "completed"
    results[is_completed & (attempts["attempt"] == 1)] = "completed, first attempt"
    results[is_completed & (attempts["attempt"] > 1)] = "completed, later attempt"
    spans = attempts["ended_at"] - attempts["started_at"]
    figure = go.Figure()
    for name, (color, pattern) in _ATTEMPTS.items():
        rows, seconds = attempts[results == name], spans[results == name].dt.total_seconds()
        if rows.empty:
            continue
        names = [f"batch {number}" if number else "learning" for number in rows["batch_no"]]
        figure.add_bar(
            orientation="h",
            base=rows["started_at"],
            x=seconds * 1000,
            y=rows["lane"],
            name=name,
            marker={
                "color": color,
                "pattern": {"shape": pattern, "fgcolor": "white", "bgcolor": color, "size": 6},
                "line": {"width": 1 if len(attempts) <= 100 else 0, "color": "rgba(255, 255, 255, 0.7)"},
            },
            customdata=pd.DataFrame({"batch": names, "attempt": rows["attempt"], "s": seconds}),
            hovertemplate="%{customdata[0]}, attempt %{customdata[1]}<br>from %{base|%H:%M:%S}, "
            f"%{{customdata[2]:,.1f}} s<extra>{name}</extra>",
        )
    n_lanes = int(attempts["lane"].max())
    figure.update_layout(
        **_LAYOUT,
        height=min(130 + 26 * n_lanes, 640),
        barmode="overlay",
        bargap=0.15,
        showlegend=True,
        xaxis={"type": "date", "title": None},
        yaxis={
            "title": "worker slot",
            "range": [n_lanes + 0.5, 0.5],
            "tickformat": "d",
            "nticks": min(n_lanes, 12) + 1,
        },
    )
    return figure


_LAYOUT: dict[str, Any] = {
    "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
    "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
}


def _styled(figure: go.Figure, height: int) -> go.Figure:
    most = pd.concat([pd.Series(trace.y, dtype=float) for trace in figure.data]).max()
    tickformat = "~s" if most >= 10 else "~g"  # ~s formats 0.5 as 500m
    figure.update_layout(
        **_LAYOUT,
        height=height,
        hovermode="x unified",
        dragmode=False,  # on a phone a swipe scrolls the page
        xaxis={"hoverformat": "week ending %Y-%m-%d", "title": None},
        yaxis={"title": "units per week", "rangemode": "tozero", "tickformat": tickformat},
    )
    return figure
