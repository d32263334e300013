"""Accuracy on pages: metrics, tables of models and groups, driver effects, and provenance of an item's forecast."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from fcst.compute.models import AUTO, CATALOGUE, COMBINATIONS, expected_ms
from fcst.drivers import SHOWN_AT, DriverKind
from fcst.job_records import Job
from fcst.names import BENCHMARK, HOLDOUT_WEEKS
from fcst.specs import JobSpec
from fcst.ui import tables, text
from fcst.ui.glossary import MEANING

_TEXTS = ("model", "weeks", "family", "demand_class", "unique_id", "description")
_UNITS = ("actual", "abs_error", "gained", "sold", "forecast", "other", "difference")
_FRACTIONS = ("wape", "bias", "other_wape", "other_bias", "coverage", "fva", "share", "weight", "change")
NAME = st.column_config.TextColumn("Name")
"""Column of item descriptions."""
BENCHMARK_NAME = text.model_name(BENCHMARK)


def show_totals(job: Job, row: dict[str, Any], naive: dict[str, Any]) -> None:
    """Metrics of one model over all items, compared with the benchmark."""
    with st.container(horizontal=True):
        for name, label, signed in (("wape", "WAPE", False), ("bias", "Bias", True)):
            _metric(
                label, text.percent(row[name], signed), f"{BENCHMARK_NAME}: {text.percent(naive[name], signed)}", name
            )
        for name, benchmark in (("fva_seasonal_naive", BENCHMARK), ("fva_naive", "Naive")):
            _metric(
                f"Error vs. {text.model_name(benchmark)}", _error_change(row[name]), "change in WAPE", "value_added"
            )
    with st.container(horizontal=True):
        for name in ("mase", "rmsse"):
            _metric(name.upper(), text.ratio(row[name]), f"{BENCHMARK_NAME}: {text.ratio(naive[name])}", name)
        for level in job.spec.level:
            held, width = text.percent(row[f"coverage_{level}"]), text.units(row[f"width_{level}"])
            _metric(f"Coverage, {level} %", held, f"mean width {width} units", "coverage")


def _error_change(value_added: float | None) -> str:
    """Forecast value added as a change of the error: `24.9 % less`."""
    if value_added is None or math.isnan(value_added):
        return text.UNDEFINED
    return f"{text.percent(abs(value_added))} {'less' if value_added >= 0 else 'more'}"


def _metric(label: str, value: str, note: str, meaning: str) -> None:
    st.metric(
        label,
        value,
        note,
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
        help=MEANING[meaning],
    )


def accuracy_columns(levels: Sequence[int]) -> dict[str, Any]:
    """Configuration of accuracy columns: column of the frame -> label with definition."""
    return {
        "n_items": st.column_config.NumberColumn("Items", format="localized"),
        "wape": tables.percent("WAPE", MEANING["wape"]),
        "bias": tables.percent("Bias", MEANING["bias"]),
        "mase": st.column_config.NumberColumn("MASE", format="%.3f", help=MEANING["mase"]),
        "rmsse": st.column_config.NumberColumn("RMSSE", format="%.3f", help=MEANING["rmsse"]),
        **{f"coverage_{p}": tables.percent(f"Coverage, {p} %", MEANING["coverage"]) for p in levels},
        "fva_seasonal_naive": tables.percent(f"Value added vs. {BENCHMARK_NAME}", MEANING["value_added"]),
        "fva_naive": tables.percent(f"Value added vs. {text.model_name('Naive')}", MEANING["value_added"]),
    }


def show_leaderboard(by_model: pd.DataFrame, spec: JobSpec) -> None:
    """Table of the run's models and the benchmarks, best first."""
    columns = accuracy_columns(spec.level)
    frame = by_model.sort_values("wape", na_position="last")
    frame = frame.assign(cost=[expected_ms((name,), spec.n_windows, 240, "smooth") for name in frame["model"]])
    tables.show(
        format_columns(frame, ["model", *columns, "n_fallback", "cost"]),
        placeholder="not defined",
        column_config={
            "model": st.column_config.TextColumn("Model", pinned=True),
            **columns,
            "n_fallback": st.column_config.NumberColumn(
                "Fallbacks", format="localized", help="Items with a fallback in at least one window."
            ),
            "cost": st.column_config.NumberColumn(
                "ms per item",
                format="%.1f",
                help="Estimated time on one core for 240 weeks of history, with backtests.",
            ),
        },
    )


def show_all_metrics(by_model: pd.DataFrame, levels: Sequence[int]) -> None:
    """Table of all metrics of all models, with definitions."""
    labels = {"wape": "WAPE", "bias": "Bias", "smape": "sMAPE", "mase": "MASE", "rmsse": "RMSSE"}
    labels |= {"scaled_crps": "Scaled CRPS"} if levels else {}
    rows = [(label, MEANING[name], name) for name, label in labels.items()]
    for level in levels:
        rows += [
            (f"Coverage, {level} %", MEANING["coverage"], f"coverage_{level}"),
            (f"Mean width, {level} %, units", MEANING["mean_width"], f"width_{level}"),
            (f"MSIS, {level} %", MEANING["msis"], f"msis_{level}"),
        ]
    rows += [("Windows without sales", "They have no WAPE, bias or CRPS.", "n_unsold")]
    rows += [("Windows with constant sales before", "They have no MASE, RMSSE or MSIS.", "n_unscaled")]
    models = by_model.set_index("model")
    table = {
        text.model_name(model): [_format_metric(name, models.at[model, name]) for *_, name in rows]
        for model in models.index
    }
    with st.expander("All metrics", type="compact"):
        tables.show(
            pd.DataFrame({"Metric": [row[0] for row in rows], **table, "Definition": [row[1] for row in rows]}),
            numbers=list(table),
            height="content",
            column_config={"Metric": st.column_config.TextColumn(pinned=True)},
        )


def _format_metric(name: str, value: Any) -> str:
    if name.startswith("n_"):
        return f"{value:,}"
    if name.startswith("width"):
        return text.units(value)
    is_share = name.startswith(("wape", "bias", "smape", "scaled_crps", "coverage"))
    return text.percent(value, signed=name == "bias") if is_share else text.ratio(value)


def show_candidates(candidates: pd.DataFrame) -> None:
    """Table of the candidates of Auto."""
    costs = [CATALOGUE[name].cost_ms if name in CATALOGUE else None for name in candidates["model"]]
    frame = candidates.assign(cost=costs)
    tables.show(
        format_columns(frame, ["model", "share", "n_first", "n_items", "wape", "bias", "cost"]),
        placeholder="not defined",
        height=320,
        column_config={
            "model": st.column_config.TextColumn("Model", pinned=True),
            "share": tables.percent("Weight", "Mean weight over all items."),
            "n_first": st.column_config.NumberColumn(
                "Largest in", format="localized", help="Number of items in which it has the largest weight."
            ),
            "n_items": st.column_config.NumberColumn(
                "Used in", format="localized", help="Number of items that use it."
            ),
            "wape": tables.percent("WAPE alone", "On the items where it could be fitted; these differ by candidate."),
            "bias": tables.percent("Bias alone", MEANING["bias"]),
            "cost": st.column_config.NumberColumn("ms per fit", format="%.2f"),
        },
    )


def group_rows(frame: pd.DataFrame, model: str, key: str, levels: Sequence[int]) -> pd.DataFrame:
    """Accuracy of one model by family or class, formatted for a table, largest first."""
    rows = frame[frame["model"] == model].sort_values("actual", ascending=False)
    return format_columns(rows.assign(**{key: rows[key].fillna("(none)")}), [key, *accuracy_columns(levels)])


def show_group(rows: pd.DataFrame, key: str, label: str, levels: Sequence[int]) -> None:
    """Shows the table of `group_rows`."""
    tables.show(
        rows,
        placeholder="not defined",
        column_config={key: st.column_config.TextColumn(label, pinned=True), **accuracy_columns(levels)},
    )


def format_columns(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Returns these columns for display: fractions in percent, units rounded, object columns with NULLs as numbers."""
    known = {name: _text_column(frame, name) if name in _TEXTS else pd.to_numeric(frame[name]) for name in columns}
    known |= {name: text.round_units(known[name]) for name in _UNITS if name in known}
    return pd.DataFrame({name: 100 * v if name.startswith(_FRACTIONS) else v for name, v in known.items()})


def _text_column(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame[name].map(text.model_name) if name == "model" else frame[name]


def name_column(frame: pd.DataFrame) -> list[str]:
    """The column of item names, if any item has one."""
    return ["description"] if frame["description"].notna().any() else []


def show_items(frame: pd.DataFrame, key: str, units: str) -> str | None:
    """Shows a table of items with their errors; returns the clicked item, or None.

    `units` is the column by which they are ranked, `abs_error` or `gained`.
    """
    chosen = tables.show(
        format_columns(frame, ["unique_id", *name_column(frame), "actual", units, "wape", "bias"]),
        placeholder="not defined",
        key=key,
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "unique_id": st.column_config.TextColumn("Item", pinned=True),
            "description": NAME,
            "abs_error": st.column_config.NumberColumn(
                "Error, units", format="localized", help="Sum of absolute errors in the backtests."
            ),
            "gained": st.column_config.NumberColumn(
                "Less error, units", format="localized", help=f"Compared with {BENCHMARK_NAME}, in the backtests."
            ),
            "actual": st.column_config.NumberColumn(
                "Units sold", format="localized", help="In the weeks of the backtests."
            ),
            "wape": tables.percent("WAPE", MEANING["wape"]),
            "bias": tables.percent("Bias", MEANING["bias"]),
        },
    )
    row = tables.clicked_row(chosen)
    return None if row is None else str(frame["unique_id"].iloc[row])


_EFFECT_PARTS = {"Effect": "percent", "95 % low": "low", "95 % high": "high"}
_WEEKS = {0: "", 1: ", the week after", -1: ", the week before"}


def show_effects(effects: list[dict[str, Any]], key: str) -> None:
    """Table of driver effects, in percent of the baseline, with 95 % range."""
    frame = pd.DataFrame(
        {
            "Driver": [effect["driver"] + _WEEKS[effect["shift"]] for effect in effects],
            "Where": [SHOWN_AT[DriverKind(effect["kind"])].words for effect in effects],
            **{name: [effect[part] / 100 for effect in effects] for name, part in _EFFECT_PARTS.items()},
        }
    )
    tables.show(frame, key=key, shares=list(_EFFECT_PARTS))


def show_provenance(provenance: dict[str, Any], model: str, job: Job) -> None:
    """Shows how an item's forecast was made: model, backtests, weights, driver effects."""
    found = provenance["models"].get(model, {})
    if not found:
        return
    with st.expander("Model details", type="compact"):
        purpose = COMBINATIONS[model] if model in COMBINATIONS else CATALOGUE[model].purpose
        st.markdown(text.plain(f"{text.model_name(model)}: {purpose}. Made by {text.made_by(found['made_by'])}."))
        if found["fallback"]:
            st.markdown(text.plain(f"Fallback: {found['fallback']}."))
        last = pd.Timestamp(job.last_wk_end_dt)
        cutoffs = ", ".join(text.day(last - pd.Timedelta(weeks=weeks)) for weeks in found["weeks_ago"])
        if model == AUTO and found["candidates"]:
            loss = "mean absolute error" if found["loss"] == "absolute" else "root mean squared error"
            st.markdown(text.plain(f"Demand class: {found['demand_class']}. {_describe_weights(cutoffs)}"))
            _show_weights(found["candidates"], loss)
        elif cutoffs:
            st.markdown(text.plain(f"Intervals are from backtest errors in the {HOLDOUT_WEEKS} weeks after {cutoffs}."))
        if effects := provenance.get("effects"):
            st.markdown("Driver effects on this item:")
            show_effects(effects, "item_effects")
        st.caption(f"statsforecast {provenance['statsforecast']}, catalogue {provenance['catalogue']}")


def _describe_weights(cutoffs: str) -> str:
    if not cutoffs:
        return "The history is too short for a backtest, so all models have the same weight."
    return (
        f"Models were fitted to the weeks up to {cutoffs} and weighted by their errors in the "
        f"{HOLDOUT_WEEKS} weeks after."
    )


def _show_weights(candidates: list[dict[str, Any]], loss: str) -> None:
    frame = pd.DataFrame(candidates)
    frame["mean"] = [sum(weeks) / len(weeks) for weeks in frame["forecast"]]
    tables.show(
        format_columns(frame, ["model", "weight", "score", "mean"]),
        placeholder="not defined",
        height=280,
        column_config={
            "model": "Model",
            "weight": tables.percent("Weight", "Share of the combined forecast."),
            "score": st.column_config.NumberColumn(
                "Backtest error, units", format="%.2f", help=f"The {loss} in backtests."
            ),
            "mean": st.column_config.NumberColumn("Forecast, units per week", format="%.1f"),
        },
    )
