"""What pages show of accuracy: numbers with their meaning, tables of models and groups, where a forecast comes from."""

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
"""The column of items' descriptions."""
YARDSTICK = text.model_name(BENCHMARK)


def show_totals(job: Job, row: dict[str, Any], naive: dict[str, Any]) -> None:
    """The accuracy of one model over all items, beside the yardstick's."""
    with st.container(horizontal=True):
        for name, label, signed in (("wape", "WAPE", False), ("bias", "Bias", True)):
            _metric(label, text.percent(row[name], signed), f"{YARDSTICK}: {text.percent(naive[name], signed)}", name)
        for name, benchmark in (("fva_seasonal_naive", BENCHMARK), ("fva_naive", "Naive")):
            _metric(
                f"Value added to {text.model_name(benchmark)}",
                text.percent(row[name], True),
                "of its WAPE",
                "value_added",
            )
    with st.container(horizontal=True):
        for name in ("mase", "rmsse"):
            _metric(name.upper(), text.ratio(row[name]), f"{YARDSTICK}: {text.ratio(naive[name])}", name)
        for level in job.spec.level:
            held, width = text.percent(row[f"coverage_{level}"]), text.units(row[f"width_{level}"])
            _metric(f"Within the {level} % interval", held, f"mean width {width} units", "coverage")


def _metric(label: str, value: str, beside: str, meaning: str) -> None:
    st.metric(
        label,
        value,
        beside,
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
        help=MEANING[meaning],
    )


def accuracy_columns(levels: Sequence[int]) -> dict[str, Any]:
    """Columns of accuracy in tables: names of the frame -> what stands above them, with its meaning."""
    return {
        "n_items": st.column_config.NumberColumn("Items", format="localized"),
        "wape": tables.percent("WAPE", MEANING["wape"]),
        "bias": tables.percent("Bias", MEANING["bias"]),
        "mase": st.column_config.NumberColumn("MASE", format="%.3f", help=MEANING["mase"]),
        "rmsse": st.column_config.NumberColumn("RMSSE", format="%.3f", help=MEANING["rmsse"]),
        **{f"coverage_{p}": tables.percent(f"In {p} %", MEANING["coverage"]) for p in levels},
        "fva_seasonal_naive": tables.percent(f"Added to {YARDSTICK}", MEANING["value_added"]),
        "fva_naive": tables.percent(f"Added to {text.model_name('Naive')}", MEANING["value_added"]),
    }


def show_leaderboard(by_model: pd.DataFrame, spec: JobSpec) -> None:
    """The run's models and the yardsticks, the best first."""
    columns = accuracy_columns(spec.level)
    frame = by_model.sort_values("wape", na_position="last")
    frame = frame.assign(cost=[expected_ms((name,), spec.n_windows, 240, "smooth") for name in frame["model"]])
    tables.show(
        numbers(frame, ["model", *columns, "n_fallback", "cost"]),
        placeholder="not defined",
        column_config={
            "model": st.column_config.TextColumn("Model", pinned=True),
            **columns,
            "n_fallback": st.column_config.NumberColumn(
                "Fallbacks", format="localized", help="Items for which a simpler model stood in, in some window."
            ),
            "cost": st.column_config.NumberColumn(
                "ms an item", format="%.1f", help="Of one core, about, for 240 weeks of history, backtests included."
            ),
        },
    )


def show_all_metrics(by_model: pd.DataFrame, levels: Sequence[int]) -> None:
    """Every metric of every model; what each is stands beside it."""
    labels = {"wape": "WAPE", "bias": "Bias", "smape": "sMAPE", "mase": "MASE", "rmsse": "RMSSE"}
    labels |= {"scaled_crps": "Scaled CRPS"} if levels else {}
    rows = [(label, MEANING[name], name) for name, label in labels.items()]
    for level in levels:
        rows += [
            (f"Coverage, {level} %", MEANING["coverage"], f"coverage_{level}"),
            (f"Mean width, {level} %, units", MEANING["mean_width"], f"width_{level}"),
            (f"MSIS, {level} %", MEANING["msis"], f"msis_{level}"),
        ]
    rows += [("Windows in which nothing was sold", "They have no WAPE, bias or CRPS.", "n_unsold")]
    rows += [("Windows before which sales never changed", "They have no MASE, RMSSE or MSIS.", "n_unscaled")]
    models = by_model.set_index("model")
    table = {
        text.model_name(model): [_in_words(name, models.at[model, name]) for *_, name in rows] for model in models.index
    }
    with st.expander("All metrics", type="compact"):
        tables.show(
            pd.DataFrame({"Metric": [row[0] for row in rows], **table, "What it is": [row[1] for row in rows]}),
            numbers=list(table),
            height="content",
            column_config={"Metric": st.column_config.TextColumn(pinned=True)},
        )


def _in_words(name: str, value: Any) -> str:
    if name.startswith("n_"):
        return f"{value:,}"
    if name.startswith("width"):
        return text.units(value)
    is_share = name.startswith(("wape", "bias", "smape", "scaled_crps", "coverage"))
    return text.percent(value, signed=name == "bias") if is_share else text.ratio(value)


def show_candidates(candidates: pd.DataFrame) -> None:
    """The models that Auto chose among."""
    costs = [CATALOGUE[name].cost_ms if name in CATALOGUE else None for name in candidates["model"]]
    frame = candidates.assign(cost=costs)
    tables.show(
        numbers(frame, ["model", "share", "n_first", "n_items", "wape", "bias", "cost"]),
        placeholder="not defined",
        height=320,
        column_config={
            "model": st.column_config.TextColumn("Model", pinned=True),
            "share": tables.percent("Weight", "Its mean weight over all items."),
            "n_first": st.column_config.NumberColumn(
                "First in", format="localized", help="Items in which it has the largest weight."
            ),
            "n_items": st.column_config.NumberColumn("Used in", format="localized", help="Items that use it."),
            "wape": tables.percent("WAPE alone", "Where it could be fitted: not the same items for all."),
            "bias": tables.percent("Bias alone", MEANING["bias"]),
            "cost": st.column_config.NumberColumn("ms a fit", format="%.2f"),
        },
    )


def group_rows(frame: pd.DataFrame, model: str, key: str, levels: Sequence[int]) -> pd.DataFrame:
    """One model's accuracy by family or class as a table shows it, the largest first."""
    rows = frame[frame["model"] == model].sort_values("actual", ascending=False)
    return numbers(rows.assign(**{key: rows[key].fillna("(none)")}), [key, *accuracy_columns(levels)])


def show_group(rows: pd.DataFrame, key: str, label: str, levels: Sequence[int]) -> None:
    """The table of `group_rows`."""
    tables.show(
        rows,
        placeholder="not defined",
        column_config={key: st.column_config.TextColumn(label, pinned=True), **accuracy_columns(levels)},
    )


def numbers(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """These columns, fractions in percent, units rounded; numbers that came as objects, for there is a NULL among them,
    as numbers."""
    known = {name: _words(frame, name) if name in _TEXTS else pd.to_numeric(frame[name]) for name in columns}
    known |= {name: text.round_units(known[name]) for name in _UNITS if name in known}
    return pd.DataFrame({name: 100 * v if name.startswith(_FRACTIONS) else v for name, v in known.items()})


def _words(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame[name].map(text.model_name) if name == "model" else frame[name]


def named(frame: pd.DataFrame) -> list[str]:
    """The column of names, where an item has one."""
    return ["description"] if frame["description"].notna().any() else []


def show_items(frame: pd.DataFrame, key: str, units: str) -> str | None:
    """A table of items with their error; the item that was clicked in it, or None.

    `units` is the column by which they are ranked, `abs_error` or `gained`.
    """
    chosen = tables.show(
        numbers(frame, ["unique_id", *named(frame), "actual", units, "wape", "bias"]),
        placeholder="not defined",
        key=key,
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "unique_id": st.column_config.TextColumn("Item", pinned=True),
            "description": NAME,
            "abs_error": st.column_config.NumberColumn(
                "Error, units", format="localized", help="The sum of absolute errors in the backtests."
            ),
            "gained": st.column_config.NumberColumn(
                "Less error, units", format="localized", help=f"Than {YARDSTICK}, in the backtests."
            ),
            "actual": st.column_config.NumberColumn("Units sold", format="localized", help="In the backtests."),
            "wape": tables.percent("WAPE", MEANING["wape"]),
            "bias": tables.percent("Bias", MEANING["bias"]),
        },
    )
    row = tables.clicked_row(chosen)
    return None if row is None else str(frame["unique_id"].iloc[row])


_EFFECT_PARTS = {"Effect": "percent", "95 % low": "low", "95 % high": "high"}
_WEEKS = {0: "", 1: ", the week after", -1: ", the week before"}


def show_effects(effects: list[dict[str, Any]], key: str) -> None:
    """What drivers do to a week, in percent of its baseline, with the range in which that is nearly sure."""
    frame = pd.DataFrame(
        {
            "Driver": [effect["driver"] + _WEEKS[effect["shift"]] for effect in effects],
            "Where": [SHOWN_AT[DriverKind(effect["kind"])].words for effect in effects],
            **{name: [effect[part] / 100 for effect in effects] for name, part in _EFFECT_PARTS.items()},
        }
    )
    tables.show(frame, key=key, shares=list(_EFFECT_PARTS))


def show_provenance(provenance: dict[str, Any], model: str, job: Job) -> None:
    """Who made an item's forecast, from which weeks, by which scores."""
    found = provenance["models"].get(model, {})
    if not found:
        return
    with st.expander("Where this forecast comes from", type="compact"):
        purpose = COMBINATIONS[model] if model in COMBINATIONS else CATALOGUE[model].purpose
        st.markdown(text.plain(f"{text.model_name(model)}: {purpose}. Made by {text.made_by(found['made_by'])}."))
        if found["fallback"]:
            st.markdown(text.plain(f"A simpler model stood in: {found['fallback']}."))
        last = pd.Timestamp(job.last_wk_end_dt)
        cutoffs = ", ".join(text.day(last - pd.Timedelta(weeks=weeks)) for weeks in found["weeks_ago"])
        if model == AUTO and found["candidates"]:
            loss = "mean absolute error" if found["loss"] == "absolute" else "root mean squared error"
            st.markdown(text.plain(f"Demand is {found['demand_class']}. {_weighted(cutoffs)}"))
            _show_weights(found["candidates"], loss)
        elif cutoffs:
            st.markdown(text.plain(f"The intervals come from its errors in the {HOLDOUT_WEEKS} weeks after {cutoffs}."))
        if effects := provenance.get("effects"):
            st.markdown("Drivers multiply the baseline by so much in this item:")
            show_effects(effects, "item_effects")
        st.caption(f"statsforecast {provenance['statsforecast']}, catalogue {provenance['catalogue']}")


def _weighted(cutoffs: str) -> str:
    if not cutoffs:
        return "The history is too short to try the models on: all have the same weight."
    return (
        f"Models were fitted to the weeks up to {cutoffs}, and weighted by their errors in the {HOLDOUT_WEEKS} after."
    )


def _show_weights(candidates: list[dict[str, Any]], loss: str) -> None:
    frame = pd.DataFrame(candidates)
    frame["mean"] = [sum(weeks) / len(weeks) for weeks in frame["forecast"]]
    tables.show(
        numbers(frame, ["model", "weight", "score", "mean"]),
        placeholder="not defined",
        height=280,
        column_config={
            "model": "Model",
            "weight": tables.percent("Weight", "Its share of the combination."),
            "score": st.column_config.NumberColumn("Backtest error, units", format="%.2f", help=f"Its {loss}."),
            "mean": st.column_config.NumberColumn("Its forecast, units a week", format="%.1f"),
        },
    )
