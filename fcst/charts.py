"""Frames -> Plotly figures. No Streamlit, and no text from data: Plotly would take it for HTML."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

HISTORY = "#73889b"
FORECAST = "#1590a2"
PROMO = "#c9822b"
_BAND = "21, 144, 162"


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


def coverage_chart(coverage: dict[str, Any]) -> go.Figure:
    """Which items sold when: a row for items next to each other in the order of sales, a column for a period.

    Parameters
    ----------
    coverage
        `first_ranks` of each row, `weeks_a_period`, `first_wk_end_dt`, and `shares` (rows, periods) of the weeks with a
        sale.
    """
    shares, ranks = coverage["shares"], coverage["first_ranks"]
    width = coverage["weeks_a_period"]
    periods = pd.date_range(coverage["first_wk_end_dt"], periods=len(shares[0]) if shares else 0, freq=f"{7 * width}D")
    figure = go.Figure(
        go.Heatmap(
            x=periods,
            y=[str(rank) for rank in ranks],
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


def forecast_chart(history: pd.DataFrame, forecast: pd.DataFrame, levels: list[int]) -> go.Figure:
    """History, forecast and its intervals.

    Parameters
    ----------
    history
        `wk_end_dt, unit_sales`; a missing week is NaN, a gap in the line.
    forecast
        `wk_end_dt, forecast, lo_80, hi_80, …`.
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
    return _styled(figure, height=380)


def _styled(figure: go.Figure, height: int) -> go.Figure:
    most = pd.concat([pd.Series(trace.y, dtype=float) for trace in figure.data]).max()
    tickformat = "~s" if most >= 10 else "~g"  # ~s writes a half as 500m
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="x unified",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        xaxis={"hoverformat": "week ending %a %d %b %Y", "title": None},
        yaxis={"title": "units a week", "rangemode": "tozero", "tickformat": tickformat},
    )
    return figure
