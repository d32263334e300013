"""What Compare shows of two runs: what was asked, accuracy, the biggest movers; and of one, what happened since."""

from typing import Any

import pandas as pd
import streamlit as st

from fcst.services import accuracy, adjustments, comparison, datasets
from fcst.ui import tables, text
from fcst.ui.accuracy import accuracy_columns, numbers
from fcst.ui.glossary import MEANING

SHOWN_ITEMS = 200


def show_since(job: dict[str, Any], model: str) -> None:
    """True accuracy: where a newer dataset of the same name holds weeks that were forecast."""
    known = tuple(row["dataset_id"] for row in datasets.list_datasets())
    found = _true_accuracy(job["job_id"], job["n_completed"], known, job)
    st.header(f"{text.plain(text.job_title(job))} and what happened since", anchor=False)
    if found is None:
        st.caption(
            f"No newer version of the dataset {text.plain(job['dataset'])} holds weeks after "
            f"{text.day(job['last_wk_end_dt'])}. Load the sales again when there are."
        )
        return
    dataset, frame = found
    if dataset["include_promo"] != job["include_promo"]:
        st.warning("The newer version treats promotions differently: what was sold is not what was forecast.")
    levels = job["spec"]["level"]
    columns = accuracy_columns(levels)
    shown = ["model", "n_items", "n_weeks", "actual", "forecast", "wape", "bias", *(f"coverage_{p}" for p in levels)]
    tables.show(
        numbers(frame, shown),
        placeholder="not defined",
        column_config={
            "model": st.column_config.TextColumn("Model", pinned=True),
            "n_weeks": st.column_config.NumberColumn("Weeks"),
            "actual": st.column_config.NumberColumn("Sold, units", format="localized"),
            "forecast": st.column_config.NumberColumn("Forecast, units", format="localized"),
            **{name: columns[name] for name in shown if name in columns},
        },
    )
    title = text.plain(text.dataset_title(dataset["name"], dataset["version"]))
    st.caption(f"Against {title}, which ends on {text.day(dataset['last_wk_end_dt'])}.")
    n_changes = adjustments.count_changes(job["job_id"])
    _show_value_added(
        model, _value_added(job["job_id"], job["n_completed"], n_changes, model, dataset["dataset_id"], job, dataset)
    )


def show_specs(job: dict[str, Any], other: dict[str, Any]) -> None:
    st.header("What was asked", anchor=False)
    rows = comparison.compare_specs(job, other)
    tables.show(
        pd.DataFrame(
            {
                "Asked for": [row["what"] for row in rows],
                f"Run {job['job_id']}": [row["run"] for row in rows],
                f"Run {other['job_id']} ": [row["other"] for row in rows],
                "Differs": ["differs" if row["differs"] else "" for row in rows],
            }
        ),
    )


def show_accuracy(job: dict[str, Any], other: dict[str, Any]) -> None:
    """Both runs' accuracy in their backtests, the best first."""
    parts = [_accuracy(one["job_id"], one["n_completed"], one).assign(run=one["job_id"]) for one in (job, other)]
    known = [part for part in parts if len(part)]
    st.header("Accuracy in the backtests", anchor=False)
    if not known:
        st.caption("Neither run was backtested.")
        return
    levels = sorted(set(job["spec"]["level"]) & set(other["spec"]["level"]))
    columns = accuracy_columns(levels)
    frame = pd.concat(known).sort_values("wape", na_position="last")
    tables.show(
        numbers(frame, ["run", "model", *columns]),
        placeholder="not defined",
        column_config={"run": st.column_config.NumberColumn("Run"), "model": "Model", **columns},
    )


def show_items(job: dict[str, Any], model: str, other: dict[str, Any], other_model: str) -> None:
    """The biggest movers; an item that is selected is opened in the second run."""
    st.header("The biggest movers", anchor=False)
    n_completed = (job["n_completed"], other["n_completed"])
    frame = _items(job["job_id"], model, other["job_id"], other_model, n_completed, job, other)
    n_weeks = int(frame["n_weeks"].max()) if len(frame) else 0
    if not n_weeks:
        st.caption("The two runs have no forecast week in common.")
        return
    shown = frame.head(SHOWN_ITEMS)
    chosen = tables.show(
        numbers(shown, ["unique_id", "forecast", "other", "difference", "change"]),
        placeholder="not in this run",
        key=f"movers_{job['job_id']}_{other['job_id']}_{model}_{other_model}",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "unique_id": st.column_config.TextColumn("Item", pinned=True),
            "forecast": st.column_config.NumberColumn(f"Run {job['job_id']}, units", format="localized"),
            "other": st.column_config.NumberColumn(f"Run {other['job_id']}, units", format="localized"),
            "difference": st.column_config.NumberColumn("Difference, units", format="localized"),
            "change": st.column_config.NumberColumn("Difference", format="%+.1f %%"),
        },
    )
    st.caption(
        f"Forecasts of the {text.count(n_weeks, 'week')} that both have: {text.count(len(shown), 'item')} of "
        f"{len(frame):,}, the largest difference first. Select one to see it in run {other['job_id']}."
    )
    if rows := chosen["selection"]["rows"]:
        item = str(shown["unique_id"].iloc[rows[0]])
        st.switch_page(
            "pages/forecasts.py", query_params={"job": str(other["job_id"]), "item": item, "model": other_model}
        )


# A run's forecasts and its accuracy change with the number of its completed items only, and a dataset never.


@st.cache_data(max_entries=20, show_spinner="Comparing with what was sold …")
def _true_accuracy(
    job_id: int, n_completed: int, known: tuple[int, ...], _job: dict[str, Any]
) -> tuple[dict[str, Any], pd.DataFrame] | None:
    """`known` are the datasets that are loaded."""
    return comparison.true_accuracy(_job)


@st.cache_data(max_entries=20, show_spinner="Comparing with what was sold …")
def _value_added(
    job_id: int,
    n_completed: int,
    n_changes: int,
    model: str,
    dataset_id: int,
    _job: dict[str, Any],
    _dataset: dict[str, Any],
) -> pd.DataFrame:
    """And with the changes of analysts."""
    return comparison.value_added(_job, model, _dataset)


@st.cache_data(max_entries=20, show_spinner="Adding up the errors …")
def _accuracy(job_id: int, n_completed: int, _job: dict[str, Any]) -> pd.DataFrame:
    return accuracy.list_accuracy(_job)


@st.cache_data(max_entries=20, show_spinner="Comparing the items …")
def _items(
    job_id: int,
    model: str,
    other_id: int,
    other_model: str,
    n_completed: tuple[int, int],
    _job: dict[str, Any],
    _other: dict[str, Any],
) -> pd.DataFrame:
    return comparison.compare_items(_job, model, _other, other_model)


_STEPS = {"naive": "Naive", "model": "{model}", "adjusted": "{model}, adjusted"}


def _show_value_added(model: str, frame: pd.DataFrame) -> None:
    """What each step did to the error: the naive forecast, the model, the analysts' adjustments."""
    if frame.empty:
        return
    st.markdown(f"**What each step added to {text.plain(model)}**")
    named = frame.assign(
        weeks=frame["is_adjusted_only"].map({True: "adjusted", False: "all"}),
        model=[_STEPS[step].format(model=model) for step in frame["step"]],
    )
    tables.show(
        numbers(named, ["weeks", "model", "n_items", "n_weeks", "wape", "bias", "fva"]),
        placeholder="not defined",
        column_config={
            "weeks": "Weeks",
            "model": st.column_config.TextColumn("Forecast", pinned=True),
            "n_items": st.column_config.NumberColumn("Items", format="localized"),
            "n_weeks": st.column_config.NumberColumn("Item weeks", format="localized"),
            "wape": st.column_config.NumberColumn("WAPE", format="%.1f %%", help=MEANING["wape"]),
            "bias": st.column_config.NumberColumn("Bias", format="%+.1f %%", help=MEANING["bias"]),
            "fva": st.column_config.NumberColumn("Value added", format="%+.1f %%", help=MEANING["step_added"]),
        },
    )
    if not frame["is_adjusted_only"].any():
        st.caption("No forecast of these weeks was adjusted.")
