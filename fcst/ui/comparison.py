"""What Compare shows of two runs: what was asked, accuracy, the biggest movers; and of one, what happened since."""

import pandas as pd
import streamlit as st

from fcst.job_records import Job
from fcst.services import accuracy, comparison, datasets
from fcst.ui import tables, text
from fcst.ui.accuracy import accuracy_columns, numbers
from fcst.ui.cache import read, run_key
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose_page, page_in_url

SHOWN_ITEMS = 200


def show_since(job: Job, model: str) -> None:
    """True accuracy: where a newer dataset of the same name holds weeks that were forecast."""
    known = tuple(row.dataset_id for row in datasets.list_datasets())
    found = read(("since", run_key(job), known), lambda: comparison.true_accuracy(job))
    st.header(f"{text.plain(text.job_title(job))} and what happened since", anchor=False)
    if found is None:
        st.caption(
            f"No newer version of the dataset {text.plain(job.dataset)} holds weeks after "
            f"{text.day(job.last_wk_end_dt)}. Load the sales again when there are."
        )
        return
    dataset, frame = found
    if dataset.include_promo != job.include_promo:
        st.warning("The newer version treats promotions differently: what was sold is not what was forecast.")
    levels = job.spec.level
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
    title = text.plain(text.dataset_title(dataset.name, dataset.version))
    st.caption(f"Against {title}, which ends on {text.day(dataset.last_wk_end_dt)}.")
    key = ("value added", run_key(job, with_adjustments=True), model, dataset.dataset_id)
    _show_value_added(model, read(key, lambda: comparison.value_added(job, model, dataset)))


def show_specs(job: Job, other: Job) -> None:
    st.header("What was asked", anchor=False)
    rows = comparison.compare_specs(job, other)
    tables.show(
        pd.DataFrame(
            {
                "Asked for": [row.what for row in rows],
                f"Run {job.job_id}": [row.run for row in rows],
                f"Run {other.job_id} ": [row.other for row in rows],
                "Differs": ["differs" if row.differs else "" for row in rows],
            }
        ),
    )


def show_accuracy(job: Job, other: Job) -> None:
    """Both runs' accuracy in their backtests, the best first."""
    parts = [
        read(("accuracy", run_key(one), "model"), lambda one=one: accuracy.list_accuracy(one)).assign(run=one.job_id)  # type: ignore[misc]
        for one in (job, other)
    ]
    known = [part for part in parts if len(part)]
    st.header("Accuracy in the backtests", anchor=False)
    if not known:
        st.caption("Neither run was backtested.")
        return
    levels = sorted(set(job.spec.level) & set(other.spec.level))
    columns = accuracy_columns(levels)
    frame = pd.concat(known).sort_values("wape", na_position="last")
    tables.show(
        numbers(frame, ["run", "model", *columns]),
        placeholder="not defined",
        column_config={"run": st.column_config.NumberColumn("Run"), "model": "Model", **columns},
    )


def show_items(job: Job, model: str, other: Job, other_model: str) -> None:
    """The biggest movers; an item that is selected is opened in the second run."""
    st.header("The biggest movers", anchor=False)
    key = (run_key(job), model, run_key(other), other_model)

    def page_of(number: int) -> pd.DataFrame:
        skip = (number - 1) * SHOWN_ITEMS
        ask = lambda: comparison.compare_items(job, model, other, other_model, SHOWN_ITEMS, skip)  # noqa: E731
        return read(("compared items", key, number), ask)

    first = page_of(1)
    n_items = int(first["n_items"].max()) if len(first) else 0
    page = page_in_url(n_items, SHOWN_ITEMS)
    frame = page_of(page)
    n_weeks = int(frame["n_weeks"].max()) if len(frame) else 0
    if not n_weeks:
        st.caption("The two runs have no forecast week in common.")
        return
    shown = frame
    chosen = tables.show(
        numbers(shown, ["unique_id", "forecast", "other", "difference", "change"]),
        placeholder="not in this run",
        key=f"movers_{job.job_id}_{other.job_id}_{model}_{other_model}_{page}",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "unique_id": st.column_config.TextColumn("Item", pinned=True),
            "forecast": st.column_config.NumberColumn(f"Run {job.job_id}, units", format="localized"),
            "other": st.column_config.NumberColumn(f"Run {other.job_id}, units", format="localized"),
            "difference": st.column_config.NumberColumn("Difference, units", format="localized"),
            "change": st.column_config.NumberColumn("Difference", format="%+.1f %%"),
        },
    )
    st.caption(
        f"Forecasts of the {text.count(n_weeks, 'week')} that both have: {text.count(len(shown), 'item')} of "
        f"{n_items:,}, the largest difference first. Click one to see it in run {other.job_id}."
    )
    choose_page(n_items, SHOWN_ITEMS)
    if (row := tables.clicked_row(chosen)) is not None:
        item = str(shown["unique_id"].iloc[row])
        st.switch_page(
            "pages/forecasts.py", query_params={"job": str(other.job_id), "item": item, "model": other_model}
        )


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
