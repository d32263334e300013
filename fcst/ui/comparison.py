"""Parts of the page Compare: settings, accuracy and items of two runs, and forecasts against later actual sales."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from fcst.dataset_records import NewerDataset
from fcst.job_records import Job
from fcst.names import BENCHMARK
from fcst.services import accuracy, comparison, datasets, jobs
from fcst.states import JobStatus
from fcst.ui import tables, text
from fcst.ui.accuracy import BENCHMARK_NAME, NAME, accuracy_columns, format_columns, name_column
from fcst.ui.cache import read, run_key
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose_page, page_in_url

SHOWN_ITEMS = 100
FEW_RUNS = 3


def show_later_accuracy(job: Job, model: str) -> None:
    """Accuracy against actual sales, if a newer version of the dataset has weeks that were forecast."""
    known = tuple(row.dataset_id for row in datasets.list_datasets())
    found = read(("since", run_key(job), known), lambda: comparison.accuracy_on_actuals(job))
    st.header(f"{text.plain(text.job_title(job))}: forecast vs. actual sales", anchor=False)
    if found is None:
        st.caption(
            f"No newer version of the dataset {text.plain(job.dataset)} has weeks after "
            f"{text.day(job.last_wk_end_dt)}. Load newer sales under the same name."
        )
        return
    dataset, frame = found
    if dataset.include_promo != job.include_promo:
        st.warning(
            "The newer version treats promotions differently, so its sales cannot be compared with the forecasts."
        )
    levels = job.spec.level
    columns = accuracy_columns(levels)
    shown = ["model", "n_items", "n_weeks", "actual", "forecast", "wape", "bias", *(f"coverage_{p}" for p in levels)]
    tables.show(
        format_columns(frame, shown),
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
    st.caption(f"Actual sales from {title}, up to {text.day(dataset.last_wk_end_dt)}.")
    key = ("value added", run_key(job, with_adjustments=True), model, dataset.dataset_id)
    _show_value_added(model, read(key, lambda: comparison.value_added(job, model, dataset)))


def show_specs(job: Job, other: Job) -> None:
    st.header("Settings", anchor=False)
    rows = comparison.compare_specs(job, other)

    def shown(what: str, value: str) -> str:
        return ", ".join(map(text.model_name, value.split(", "))) if what == "Models" else value

    tables.show(
        pd.DataFrame(
            {
                "Setting": [row.what for row in rows],
                f"Run {job.job_id}": [shown(row.what, row.run) for row in rows],
                f"Run {other.job_id} ": [shown(row.what, row.other) for row in rows],
                "Differs": ["differs" if row.differs else "" for row in rows],
            }
        ),
    )


def show_errors(runs: Sequence[tuple[Job, str]]) -> None:
    """A sentence for each run and model with its error in backtests."""
    for job, model in runs:
        frame = read(("accuracy", run_key(job), "model"), lambda job=job: accuracy.list_accuracy(job))  # type: ignore[misc]
        wape = frame.set_index("model")["wape"]
        words = text.describe_error(model, wape.get(model), wape.get(BENCHMARK)) if len(wape) else "No backtests."
        st.markdown(f"**Run {job.job_id}:** {words}")


def show_accuracy(job: Job, other: Job) -> None:
    """Accuracy of both runs in their backtests, best first."""
    parts = [
        read(("accuracy", run_key(one), "model"), lambda one=one: accuracy.list_accuracy(one)).assign(run=one.job_id)  # type: ignore[misc]
        for one in (job, other)
    ]
    known = [part for part in parts if len(part)]
    st.header("Accuracy in backtests", anchor=False)
    if not known:
        st.caption("Neither run has backtests.")
        return
    levels = sorted(set(job.spec.level) & set(other.spec.level))
    columns = accuracy_columns(levels)
    frame = pd.concat(known).sort_values("wape", na_position="last")
    tables.show(
        format_columns(frame, ["run", "model", *columns]),
        placeholder="not defined",
        column_config={"run": st.column_config.NumberColumn("Run"), "model": "Model", **columns},
    )


def show_items(job: Job, model: str, other: Job, other_model: str) -> None:
    """Table of the items of both runs, largest difference first; a click opens an item in the second run."""
    st.header("Items", anchor=False)
    dataset = newer_dataset(job)
    if dataset is not None:
        _show_common_actuals(job, model, other, other_model, dataset)
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
        st.caption("The two runs have no forecast weeks in common.")
        return
    sold: list[str] = []
    if dataset is not None:
        keys = frame["unique_id"].tolist()
        ask = lambda: comparison.compare_with_actuals(job, model, other, other_model, dataset, keys)  # noqa: E731
        actuals = read(("items with actuals", key, dataset.dataset_id, page), ask)
        sold = ["sold", "wape", "other_wape"] if len(actuals) else []
        frame = frame.merge(actuals[["unique_id", *sold]], on="unique_id", how="left")
    one, two = f"Run {job.job_id}", f"Run {other.job_id}"
    chosen = tables.show(
        format_columns(frame, ["unique_id", *name_column(frame), "forecast", "other", "difference", "change", *sold]),
        placeholder="not in this run",
        key=f"movers_{job.job_id}_{other.job_id}_{model}_{other_model}_{page}",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "unique_id": st.column_config.TextColumn("Item", pinned=True),
            "description": NAME,
            "forecast": st.column_config.NumberColumn(f"{one}, units", format="localized"),
            "other": st.column_config.NumberColumn(f"{two}, units", format="localized"),
            "difference": st.column_config.NumberColumn("Difference, units", format="localized"),
            "change": tables.percent("Difference", signed=True),
            "sold": st.column_config.NumberColumn(
                "Sold, units", format="localized", help="In the weeks with actual sales."
            ),
            "wape": tables.percent(f"WAPE, run {job.job_id}", MEANING["wape"]),
            "other_wape": tables.percent(f"WAPE, run {other.job_id}", MEANING["wape"]),
        },
    )
    st.caption(
        f"Forecasts of {text.count(n_weeks, 'common week')}: {text.count(len(frame), 'item')} of {n_items:,}, "
        f"largest difference in units first. Click an item to open it in run {other.job_id}."
    )
    choose_page(n_items, SHOWN_ITEMS)
    if (row := tables.clicked_row(chosen)) is not None:
        item = str(frame["unique_id"].iloc[row])
        st.switch_page(
            "pages/forecasts.py", query_params={"job": str(other.job_id), "item": item, "model": other_model}
        )


def newer_dataset(job: Job) -> NewerDataset | None:
    known = tuple(row.dataset_id for row in datasets.list_datasets())
    return read(("newer dataset", job.job_id, known), lambda: comparison.newer_dataset(job))


def _show_common_actuals(job: Job, model: str, other: Job, other_model: str, dataset: NewerDataset) -> None:
    """Errors of both runs in the weeks that both forecast and that have actual sales."""
    key = ("with actuals", run_key(job), model, run_key(other), other_model, dataset.dataset_id)
    found = read(key, lambda: comparison.compare_with_actuals(job, model, other, other_model, dataset))
    if found.empty:
        st.caption("No common forecast week has actual sales yet.")
        return
    row = found.iloc[0]
    weeks, items = text.count(int(row["n_weeks"]), "week"), text.count(int(row["n_items"]), "item")
    of = ((job, row["wape"], row["bias"]), (other, row["other_wape"], row["other_bias"]))
    errors = "; ".join(
        f"run {one.job_id} has WAPE {text.percent(wape)}, bias {text.percent(bias, True)}" for one, wape, bias in of
    )
    st.markdown(
        f"In {weeks} with actual sales that both runs forecast, {items}: {errors}. "
        f"Sold: {text.units(row['sold'])} units."
    )


def show_lags(name: str, model: str) -> None:
    """Accuracy of earlier runs of a dataset against actual sales, by weeks between forecast and week."""
    newest = next((row for row in datasets.list_datasets() if row.name == name), None)
    known = newest.dataset_id if newest else None
    n_runs = jobs.find_jobs(jobs.Filter((JobStatus.COMPLETED,)), limit=1)[1]
    frame = read(("lags", name, known, n_runs, model), lambda: comparison.accuracy_by_lag(name, model))
    st.markdown(f"**Earlier forecasts of {text.plain(name)} vs. actual sales**")
    if frame.empty:
        st.info(
            f"No earlier run of {text.plain(text.model_name(model))} has forecast a week that the newest version of "
            f"{text.plain(name)} has. Load newer sales under the same name, and start a run for each version.",
            icon=":material/history:",
        )
        return
    tables.show(
        format_columns(frame, ["lag", "n_runs", "n_items", "n_weeks", "sold", "forecast", "wape", "bias"]),
        placeholder="not defined",
        column_config={
            "lag": st.column_config.NumberColumn("Weeks before", help=MEANING["lag"], pinned=True),
            "n_runs": "Runs",
            "n_items": st.column_config.NumberColumn("Items", format="localized"),
            "n_weeks": st.column_config.NumberColumn("Item-weeks", format="localized"),
            "sold": st.column_config.NumberColumn("Sold, units", format="localized"),
            "forecast": st.column_config.NumberColumn("Forecast, units", format="localized"),
            "wape": tables.percent("WAPE", MEANING["wape"]),
            "bias": tables.percent("Bias", MEANING["bias"], signed=True),
        },
    )
    missing = [lag for lag in comparison.LAGS if lag not in set(frame["lag"])]
    n_most = int(frame["n_runs"].max())
    words = [f"From {text.count(n_most, 'run')}: the newest of each cutoff, with the items of the newest version."]
    if missing:
        words.append(f"No data yet for {', '.join(map(str, missing))} weeks before.")
    if n_most < FEW_RUNS:
        words.append("These are too few runs for a reliable result. Start a run for each new version of the data.")
    st.caption(" ".join(words))


_STEPS = {"naive": BENCHMARK_NAME, "model": "{model}", "adjusted": "{model}, adjusted"}


def _show_value_added(model: str, frame: pd.DataFrame) -> None:
    """Forecast value added by step: same weeks last year, model, adjustments."""
    if frame.empty:
        return
    st.markdown(f"**Forecast value added: {text.plain(text.model_name(model))}**")
    labelled = frame.assign(
        weeks=frame["is_adjusted_only"].map({True: "adjusted", False: "all"}),
        model=[_STEPS[step].format(model=text.model_name(model)) for step in frame["step"]],
    )
    tables.show(
        format_columns(labelled, ["weeks", "model", "n_items", "n_weeks", "wape", "bias", "fva"]),
        placeholder="not defined",
        column_config={
            "weeks": "Weeks",
            "model": st.column_config.TextColumn("Forecast", pinned=True),
            "n_items": st.column_config.NumberColumn("Items", format="localized"),
            "n_weeks": st.column_config.NumberColumn("Item-weeks", format="localized"),
            "wape": st.column_config.NumberColumn("WAPE", format="%.1f %%", help=MEANING["wape"]),
            "bias": st.column_config.NumberColumn("Bias", format="%+.1f %%", help=MEANING["bias"]),
            "fva": st.column_config.NumberColumn("Value added", format="%+.1f %%", help=MEANING["step_added"]),
        },
    )
    if not frame["is_adjusted_only"].any():
        st.caption("No forecasts of these weeks were adjusted.")
