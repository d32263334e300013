"""Charts: traces, axes and legends; no text from data."""

import json
import math
from datetime import date
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from fcst.charts import (
    ForecastSeries,
    coverage_chart,
    distribution_chart,
    forecast_chart,
    horizon_chart,
    sales_chart,
    timeline_chart,
)
from fcst.quality_report import Coverage
from fcst.records import Histogram

WEEKS = pd.to_datetime(["2020-01-11", "2020-01-18", "2020-01-25", "2020-02-01"])


@pytest.fixture
def totals() -> pd.DataFrame:
    return pd.DataFrame({"wk_end_dt": WEEKS, "unit_sales": [10.0, 20, 30, 40], "promo_units": [0.0, 5, 0, 1]})


@pytest.fixture
def history() -> pd.DataFrame:
    return pd.DataFrame({"wk_end_dt": WEEKS, "unit_sales": [10.0, math.nan, 30, 40]})


@pytest.fixture
def forecast() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "wk_end_dt": WEEKS + pd.Timedelta(weeks=4),
            "forecast": [41.0, 42, 43, 44],
            "final": [41.0, 42, 43, 44],
            "lo_80": [30.0, 31, 32, 33],
            "hi_80": [50.0, 51, 52, 53],
            "lo_95": [20.0, 21, 22, 23],
            "hi_95": [60.0, 61, 62, 63],
        }
    )


def chart(history: pd.DataFrame, forecast: pd.DataFrame, levels: list[int], **more: Any) -> go.Figure:
    return forecast_chart(ForecastSeries(history, forecast, levels, **more))


def traces(figure: go.Figure) -> dict[str, Any]:
    """Traces by name; names are unique."""
    found = {trace.name: trace for trace in figure.data}
    assert len(found) == len(figure.data)
    return found


def weeks_of(trace: Any) -> list[pd.Timestamp]:
    return [pd.Timestamp(value) for value in trace.x]


# Datasets


def test_sales_chart_shows_the_units_of_each_week(totals: pd.DataFrame) -> None:
    (line,) = sales_chart(totals, has_promo=False).data
    assert weeks_of(line) == list(WEEKS)
    assert list(line.y) == [10, 20, 30, 40]


def test_sales_chart_stacks_promotional_units_and_shows_their_number(totals: pd.DataFrame) -> None:
    found = traces(sales_chart(totals, has_promo=True))
    promo = found["with promotional units (left out)"]
    assert list(found["unit sales"].y) == [10, 20, 30, 40]
    assert list(promo.y) == [10, 25, 30, 41]
    assert list(promo.customdata) == [0, 5, 0, 1]
    assert "customdata" in promo.hovertemplate


# Forecasts


def test_forecast_chart_shows_history_and_forecast(history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    found = traces(chart(history, forecast, []))
    assert set(found) == {"history", "forecast"}
    assert weeks_of(found["history"]) == list(WEEKS)
    assert weeks_of(found["forecast"]) == list(forecast["wk_end_dt"])
    assert list(found["forecast"].y) == [41, 42, 43, 44]


def test_forecast_chart_shows_model_and_final_plan(history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    found = traces(chart(history, forecast.assign(final=[1, 2, 3, 4]), []))
    assert list(found["final plan"].y) == [1, 2, 3, 4] and list(found["model"].y) == [41, 42, 43, 44]


def test_missing_week_is_a_gap_in_the_line(history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    line = traces(chart(history, forecast, [80]))["history"]
    assert [math.isnan(value) for value in line.y] == [False, True, False, False]
    assert not line.connectgaps


@pytest.mark.parametrize("levels", [[], [80], [80, 95], [95, 80]])
def test_chart_has_one_band_per_level(history: pd.DataFrame, forecast: pd.DataFrame, levels: list[int]) -> None:
    figure = chart(history, forecast, levels)
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    assert [band.name for band in bands] == [f"{level} % interval" for level in sorted(levels, reverse=True)]


@pytest.mark.parametrize("level", [80, 95])
def test_band_is_a_polygon_of_upper_and_lower_bounds(history: pd.DataFrame, forecast: pd.DataFrame, level: int) -> None:
    band = traces(chart(history, forecast, [80, 95]))[f"{level} % interval"]
    weeks = list(forecast["wk_end_dt"])
    assert weeks_of(band) == weeks + weeks[::-1]
    assert list(band.y) == [*forecast[f"hi_{level}"], *forecast[f"lo_{level}"][::-1]]


def test_bands_are_drawn_below_the_lines_widest_first(history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    names = [trace.name for trace in chart(history, forecast, [80, 95]).data]
    order = [names.index(name) for name in ("95 % interval", "80 % interval", "history", "forecast")]
    assert order == sorted(order)


@pytest.mark.parametrize(("name", "column"), [("80 % low", "lo_80"), ("95 % high", "hi_95")])
def test_bounds_are_shown_on_hover(history: pd.DataFrame, forecast: pd.DataFrame, name: str, column: str) -> None:
    line = traces(chart(history, forecast, [80, 95]))[name]
    assert list(line.y) == list(forecast[column])
    assert name in line.hovertemplate
    assert line.showlegend is False


# All charts


def test_axis_starts_at_zero_and_hover_shows_week_ends(totals: pd.DataFrame) -> None:
    layout = sales_chart(totals, has_promo=True).layout
    assert layout.yaxis.rangemode == "tozero"
    assert layout.xaxis.hoverformat.startswith("week ending")


def test_figure_contains_no_text_from_data(totals: pd.DataFrame, history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    """Plotly renders text as HTML, so a key such as '<b>' must not be in a figure."""
    marked = [frame.assign(unique_id="<b>key</b>", made_by="<i>") for frame in (totals, history, forecast)]
    for figure in (sales_chart(marked[0], True), chart(marked[1], marked[2], [80])):
        assert "<b>" not in figure.to_json()
        assert "<i>" not in figure.to_json()
        assert all(trace["text"] is None for trace in figure.data)


def test_figure_serializes_to_json(history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    sent = json.loads(chart(history, forecast, [80]).to_json())
    (line,) = [trace for trace in sent["data"] if trace["name"] == "history"]
    assert len(line["x"]) == 4


def test_charts_do_not_modify_their_frames(totals: pd.DataFrame, history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    before = [frame.copy() for frame in (totals, history, forecast)]
    sales_chart(totals, has_promo=True)
    chart(history, forecast, [80, 95])
    for frame, copy in zip((totals, history, forecast), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_partial_weeks_are_marked_where_there_are_any() -> None:
    totals = pd.DataFrame(
        {"wk_end_dt": pd.date_range("2020-01-11", periods=2, freq="7D"), "unit_sales": [5.0, 6.0], "promo_units": 0.0}
    )
    dropped = pd.DataFrame({"wk_end_dt": ["2020-01-04"], "units": [1.0], "promo_units": [2.0]})
    figure = sales_chart(totals, has_promo=False, dropped=dropped)
    assert [trace.name for trace in figure.data] == ["unit sales", "partial weeks (dropped)"]
    assert list(figure.data[1].y) == [3.0]
    assert len(sales_chart(totals, False, pd.DataFrame()).data) == 1


def test_coverage_chart_has_a_row_per_band_and_a_column_per_period() -> None:
    coverage = Coverage(
        first_ranks=(1, 3),
        weeks_a_period=2,
        first_wk_end_dt=date(2020, 1, 11),
        shares=((1.0, 0.5, 0.0), (0.0, 0.0, 1.0)),
    )
    (heatmap,) = coverage_chart(coverage).data
    assert [str(pd.Timestamp(x).date()) for x in heatmap.x] == ["2020-01-11", "2020-01-25", "2020-02-08"]
    assert list(heatmap.y) == ["1", "3"] and (heatmap.zmin, heatmap.zmax) == (0, 100)
    assert list(heatmap.z[0]) == [100, 50, 0]


# Accuracy


def test_backtests_have_a_line_per_cutoff_and_one_legend_entry(history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    weeks = history[["wk_end_dt"]].assign(cutoff=[1, 1, 2, 2], forecast=[5.0, 6.0, 7.0, 8.0])
    lines = [t for t in chart(history, forecast, [80], backtests=weeks).data if t.name == "backtest"]
    assert [list(line.y) for line in lines] == [[5, 6], [7, 8]]
    assert [line.showlegend for line in lines] == [True, False]


def test_other_models_have_distinct_lines(history: pd.DataFrame, forecast: pd.DataFrame) -> None:
    others = {name: forecast[["wk_end_dt", "forecast"]] for name in ("AutoETS", "MSTL", "Naive")}
    found = traces(chart(history, forecast, [80], others=others))
    styles = {(found[name].line.color, found[name].line.dash) for name in others}
    assert len(styles) == 3


def test_horizon_chart_has_a_line_per_model_in_order() -> None:
    frame = pd.DataFrame({"model": ["b", "b", "a", "a"], "step": [1, 2, 1, 2], "wape": [0.1, 0.2, 0.3, None]})
    figure = horizon_chart(frame)
    assert [line.name for line in figure.data] == ["b", "a"]
    assert list(figure.data[0].y) == [10, 20]


def test_distribution_chart_has_a_column_per_bin_and_one_for_the_rest() -> None:
    figure = distribution_chart(Histogram(0.1, 0.05, (2, 0, 3), 1))
    (bars,) = figure.data
    assert list(bars.y) == [2, 0, 3, 1]
    assert list(bars.x) == pytest.approx([12.5, 17.5, 22.5, 27.5])
    assert list(bars.customdata) == ["10 – 15 %", "15 – 20 %", "20 – 25 %", "25 % and more"]
    assert "25 % and more" in figure.layout.xaxis.title.text
    assert list(distribution_chart(Histogram(0.1, 0.05, (2,), 0)).data[0].y) == [2]


def test_timeline_distinguishes_results_by_colour_and_pattern() -> None:
    start = pd.Timestamp("2026-01-01 10:00")
    attempts = pd.DataFrame(
        {
            "batch_no": [1, 2, 1, 3, 4],
            "attempt": [1, 1, 2, 1, 1],
            "started_at": [start] * 5,
            "ended_at": [start + pd.Timedelta(seconds=2)] * 5,
            "to_stage": ["submitted", "completed", "completed", "cancelled", None],
            "lane": [1, 2, 3, 4, 5],
        }
    )
    figure = timeline_chart(attempts)
    lanes = {bar.name: list(bar.y) for bar in figure.data}
    assert lanes == {
        "running": [5],
        "completed, first attempt": [2],
        "completed, later attempt": [3],
        "interrupted or failed": [1],
        "cancelled": [4],
    }
    assert all(list(bar.x) == [2000] for bar in figure.data), "milliseconds"
    finished = [(bar.marker.color, bar.marker.pattern.shape) for bar in figure.data if bar.name != "running"]
    assert len({shape for _, shape in finished}) == len(finished)
