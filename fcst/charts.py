"""Frames -> Plotly figures. No Streamlit, and no text from data: Plotly would take it for HTML."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from fcst.names import SEASON_LENGTH
from fcst.quality_report import Coverage

Figure = go.Figure

HISTORY = "#73889b"
FORECAST = "#1590a2"
PROMO = "#c9822b"
BACKTEST = "#a35fb0"
ADJUSTED = "#c0504d"
COMPARED_WEEKS = 104
_BAND = "21, 144, 162"

SERIES = ("#1590a2", "#c9822b", "#a35fb0", "#5b8c3a", "#c0504d", "#5b76c4", "#8a6d3b", "#4f9d8f", "#b06a92", "#73889b")
"""Colours of lines that stand side by side, told apart also by the colour-blind by their dashes."""
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def sales_chart(totals: pd.DataFrame, has_promo: bool, dropped: pd.DataFrame | None = None) -> go.Figure:
    """Units by week of a whole dataset.

    Parameters
    ----------
    totals
        `wk_end_dt, unit_sales, promo_units`.
    has_promo
        draw the promotional units that were left out, on top.
    dropped
        `wk_end_dt, units, promo_units` of weeks that the data do not cover and that were dropped.
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
            name="with promotional units, left out",
            line={"color": PROMO, "width": 1, "dash": "dot"},
            customdata=totals["promo_units"],
            hovertemplate="%{customdata:,.0f} units<extra>promotional</extra>",
        )
    if dropped is not None and len(dropped):
        figure.add_scatter(
            mode="markers",
            x=pd.to_datetime(dropped["wk_end_dt"]),
            y=dropped["units"] + (0 if has_promo else dropped["promo_units"]),
            name="partial weeks, dropped",
            marker={"color": HISTORY, "size": 8, "symbol": "x-thin", "line": {"width": 2, "color": HISTORY}},
            hovertemplate="%{y:,.0f} units<extra>partial week, dropped</extra>",
        )
    return _styled(figure, height=320)


def coverage_chart(coverage: Coverage) -> go.Figure:
    """Which items sold when: a row for items next to each other in the order of sales, a column for a period."""
    shares = coverage.shares
    periods = pd.date_range(coverage.first_wk_end_dt, periods=len(shares[0]), freq=f"{7 * coverage.weeks_a_period}D")
    figure = go.Figure(
        go.Heatmap(
            x=periods,
            y=[str(rank) for rank in coverage.first_ranks],
            z=shares,
            zmin=0,
            zmax=1,
            colorscale=[[0, "rgba(115, 136, 155, 0.12)"], [1, FORECAST]],
            colorbar={"title": "weeks<br>sold", "tickformat": ".0%", "thickness": 12},
            hovertemplate="from rank %{y}<br>from week ending %{x|%d %b %Y}<br>%{z:.0%} of weeks sold<extra></extra>",
        )
    )
    figure.update_layout(
        height=340,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        yaxis={"title": "items, by rank of sales", "autorange": "reversed", "type": "category", "nticks": 8},
    )
    return figure


def forecast_chart(
    history: pd.DataFrame,
    forecast: pd.DataFrame,
    levels: Sequence[int],
    backtests: pd.DataFrame | None = None,
    others: dict[str, pd.DataFrame] | None = None,
    has_last_year: bool = False,
    borrowed: pd.DataFrame | None = None,
) -> go.Figure:
    """History, forecast and its intervals; where asked, what was forecast earlier, and what other models say.

    Parameters
    ----------
    history
        `wk_end_dt, unit_sales`; a missing week is NaN, a gap in the line.
    forecast
        `wk_end_dt, forecast, lo_80, hi_80, …`; with `baseline` where drivers are known, and `adjusted` where an analyst
        changed it.
    backtests
        `cutoff, wk_end_dt, forecast`: a line for each cutoff, over the history.
    others
        a model's name -> `wk_end_dt, forecast`.
    has_last_year
        draw the history a year later too, beside the year that followed it.
    borrowed
        `wk_end_dt, unit_sales` of other items, which stand before the item's own history.
    """
    figure = go.Figure()
    for number, level in enumerate(sorted(levels, reverse=True)):
        figure.add_scatter(
            mode="lines",
            x=pd.concat([forecast["wk_end_dt"], forecast["wk_end_dt"][::-1]]),
            y=pd.concat([forecast[f"hi_{level}"], forecast[f"lo_{level}"][::-1]]),
            name=f"{level} % interval",
            fill="toself",
            fillcolor=f"rgba({_BAND}, {min(0.2 + 0.16 * number, 0.6):.2f})",
            line={"width": 0},
            hoverinfo="skip",
        )
    if borrowed is not None:
        figure.add_scatter(
            mode="lines",
            x=borrowed["wk_end_dt"],
            y=borrowed["unit_sales"],
            name="history of other items",
            line={"color": HISTORY, "width": 1.3, "dash": "dot"},
            hovertemplate="%{y:,.1f} units<extra>history of other items</extra>",
        )
    figure.add_scatter(
        mode="lines+markers",
        marker={"size": 3},
        x=history["wk_end_dt"],
        y=history["unit_sales"],
        name="history",
        line={"color": HISTORY, "width": 1.6},
        hovertemplate="%{y:,.1f} units<extra>history</extra>",
    )
    figure.add_scatter(
        mode="lines",
        x=forecast["wk_end_dt"],
        y=forecast["forecast"],
        name="forecast",
        line={"color": FORECAST, "width": 2.4},
        hovertemplate="%{y:,.1f} units<extra>forecast</extra>",
    )
    if "baseline" in forecast:
        figure.add_scatter(
            mode="lines",
            x=forecast["wk_end_dt"],
            y=forecast["baseline"],
            name="baseline",
            line={"color": PROMO, "width": 1.6, "dash": "dash"},
            hovertemplate="%{y:,.1f} units<extra>baseline, without drivers</extra>",
        )
    if "adjusted" in forecast:
        figure.add_scatter(
            mode="lines+markers",
            marker={"size": 5},
            x=forecast["wk_end_dt"],
            y=forecast["adjusted"],
            name="adjusted",
            line={"color": ADJUSTED, "width": 2, "dash": "dash"},
            hovertemplate="%{y:,.1f} units<extra>adjusted</extra>",
        )
    if has_last_year:
        later = history.assign(wk_end_dt=history["wk_end_dt"] + pd.Timedelta(weeks=SEASON_LENGTH))
        since = history["wk_end_dt"].iloc[-1] - pd.Timedelta(weeks=SEASON_LENGTH)
        later = later[(later["wk_end_dt"] > since) & (later["wk_end_dt"] <= forecast["wk_end_dt"].iloc[-1])]
        figure.add_scatter(
            mode="lines",
            x=later["wk_end_dt"],
            y=later["unit_sales"],
            name="a year before",
            line={"color": PROMO, "width": 1.3, "dash": "dot"},
            hovertemplate="%{y:,.1f} units<extra>a year before</extra>",
        )
    cutoffs = [] if backtests is None else list(backtests.groupby("cutoff"))
    for number, (_, weeks) in enumerate(cutoffs):
        figure.add_scatter(
            mode="lines",
            x=weeks["wk_end_dt"],
            y=weeks["forecast"],
            name="backtest",
            legendgroup="backtest",
            showlegend=number == 0,
            line={"color": BACKTEST, "width": 1.8, "dash": "dash"},
            hovertemplate="%{y:,.1f} units<extra>backtest</extra>",
        )
    for number, (name, weeks) in enumerate((others or {}).items()):
        figure.add_scatter(
            mode="lines",
            x=weeks["wk_end_dt"],
            y=weeks["forecast"],
            name=name,
            line={"color": SERIES[(number + 1) % len(SERIES)], "width": 1.4, "dash": _DASHES[(number + 1) % 5]},
            hovertemplate=f"%{{y:,.1f}} units<extra>{name}</extra>",
        )
    for level in sorted(levels):
        for side, word in (("lo", "low"), ("hi", "high")):
            figure.add_scatter(
                mode="lines",
                x=forecast["wk_end_dt"],
                y=forecast[f"{side}_{level}"],
                name=f"{level} % {word}",
                line={"width": 0},
                showlegend=False,
                hovertemplate=f"%{{y:,.1f}} units<extra>{level} % {word}</extra>",
            )
    _styled(figure, height=450)
    figure.update_layout(legend={"yanchor": "top", "y": -0.1})  # above are the buttons of the ranges
    if cutoffs or others or has_last_year:  # which are too near each other in the whole history
        since = history["wk_end_dt"].iloc[-min(len(history), COMPARED_WEEKS)]
        figure.update_xaxes(range=[since, forecast["wk_end_dt"].iloc[-1]])
    steps = [{"count": n, "label": f"{n} months", "step": "month", "stepmode": "backward"} for n in (6, 12, 24)]
    figure.update_xaxes(
        rangeselector={"buttons": [*steps, {"step": "all", "label": "all"}], "x": 0, "y": 1.01, "yanchor": "bottom"}
        | {"bgcolor": "rgba(115, 136, 155, 0.15)", "activecolor": "rgba(21, 144, 162, 0.45)"}
    )
    return figure


def horizon_chart(by_horizon: pd.DataFrame) -> go.Figure:
    """The error of each model by weeks ahead.

    Parameters
    ----------
    by_horizon
        `model, step, wape`; a fraction, NaN where undefined. Models in the order in which they are drawn.
    """
    figure = go.Figure()
    for number, (name, rows) in enumerate(by_horizon.groupby("model", sort=False)):
        figure.add_scatter(
            mode="lines+markers",
            x=rows["step"],
            y=rows["wape"],
            name=str(name),
            marker={"size": 5},
            line={"color": SERIES[number % len(SERIES)], "width": 2, "dash": _DASHES[number % 5]},
            hovertemplate=f"%{{y:.1%}}<extra>{name}</extra>",
        )
    figure.update_layout(
        **_LAYOUT,
        height=300,
        hovermode="x unified",
        xaxis={"title": "weeks ahead", "dtick": 1, "hoverformat": "d"},
        yaxis={"title": "WAPE", "rangemode": "tozero", "tickformat": ".0%"},
    )
    return figure


def distribution_chart(counts: Sequence[int]) -> go.Figure:
    """How many items have which error; those of 190 % and more stand in the last column.

    Parameters
    ----------
    counts
        items with an error below 10 %, below 20 %, and so on.
    """
    figure = go.Figure(
        go.Bar(
            x=[0.1 * tenth + 0.05 for tenth in range(len(counts))],
            y=list(counts),
            customdata=[f"{10 * tenth} – {10 * tenth + 10} %" for tenth in range(len(counts))],
            marker={"color": FORECAST, "line": {"width": 1, "color": "rgba(0, 0, 0, 0)"}},
            hovertemplate="%{y:,} items<br>WAPE %{customdata}<extra></extra>",
        )
    )
    figure.update_layout(
        **_LAYOUT,
        height=300,
        bargap=0.06,
        xaxis={"title": "WAPE of the item (the last column: 190 % and more)", "tickformat": ".0%", "range": [0, 2]},
        yaxis={"title": "items", "tickformat": ",d"},
    )
    return figure


_ATTEMPTS = {
    "runs": ("#5b76c4", ""),
    "completed at once": (FORECAST, ""),
    "completed, another attempt": (PROMO, "/"),
    "broken off or failed": ("#c0504d", "x"),
    "cancelled": (HISTORY, "."),
}
"""How an attempt ended -> colour and pattern, so that colour alone tells nothing."""


def timeline_chart(attempts: pd.DataFrame) -> go.Figure:
    """When which batch ran: a bar for each attempt, lanes one below the other.

    Parameters
    ----------
    attempts
        `batch_no, attempt, started_at, ended_at, to_stage` (None while it runs), `lane` from 1; times without zone.
    """
    how = pd.Series("broken off or failed", index=attempts.index)
    how[attempts["to_stage"].isna()] = "runs"
    how[attempts["to_stage"] == "cancelled"] = "cancelled"
    is_completed = attempts["to_stage"] == "completed"
    how[is_completed & (attempts["attempt"] == 1)] = "completed at once"
    how[is_completed & (attempts["attempt"] > 1)] = "completed, another attempt"
    spans = attempts["ended_at"] - attempts["started_at"]
    figure = go.Figure()
    for name, (color, pattern) in _ATTEMPTS.items():
        rows, seconds = attempts[how == name], spans[how == name].dt.total_seconds()
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
        yaxis={"title": "lane", "range": [n_lanes + 0.5, 0.5], "tickformat": "d", "nticks": min(n_lanes, 12) + 1},
    )
    return figure


_LAYOUT: dict[str, Any] = {
    "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
    "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
}


def _styled(figure: go.Figure, height: int) -> go.Figure:
    most = pd.concat([pd.Series(trace.y, dtype=float) for trace in figure.data]).max()
    tickformat = "~s" if most >= 10 else "~g"  # ~s writes a half as 500m
    figure.update_layout(
        **_LAYOUT,
        height=height,
        hovermode="x unified",
        xaxis={"hoverformat": "week ending %a %d %b %Y", "title": None},
        yaxis={"title": "units a week", "rangemode": "tozero", "tickformat": tickformat},
    )
    return figure
