"""What Compare shows of two runs: what was asked, accuracy, the biggest movers; and of one, what happened since."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from fcst.dataset_records import NewerDataset
from fcst.job_records import Job
from fcst.names import BENCHMARK
from fcst.services import accuracy, comparison, datasets, jobs
from fcst.states import JobStatus
from fcst.ui import tables, text
from fcst.ui.accuracy import NAME, YARDSTICK, accuracy_columns, named, numbers
from fcst.ui.cache import read, run_key
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose_page, page_in_url

SHOWN_ITEMS = 100
FEW_RUNS = 3


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

    def shown(what: str, value: str) -> str:
        return ", ".join(map(text.model_name, value.split(", "))) if what == "Models" else value

    tables.show(
        pd.DataFrame(
            {
                "Asked for": [row.what for row in rows],
                f"Run {job.job_id}": [shown(row.what, row.run) for row in rows],
                f"Run {other.job_id} ": [shown(row.what, row.other) for row in rows],
                "Differs": ["differs" if row.differs else "" for row in rows],
            }
        ),
    )


def show_how_far_off(runs: Sequence[tuple[Job, str]]) -> None:
    """A sentence for each run and its model: how far off it was in its backtests."""
    for job, model in runs:
        frame = read(("accuracy", run_key(job), "model"), lambda job=job: accuracy.list_accuracy(job))  # type: ignore[misc]
        wape = frame.set_index("model")["wape"]
        words = text.how_far_off(model, wape.get(model), wape.get(BENCHMARK)) if len(wape) else "It was not backtested."
        st.markdown(f"**Run {job.job_id}:** {words}")


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
    """The items of both, the largest difference first; one that is clicked is opened in the second run."""
    st.header("Items", anchor=False)
    dataset = newer_dataset(job)
    if dataset is not None:
        _show_actuals(job, model, other, other_model, dataset)
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
    sold: list[str] = []
    if dataset is not None:
        keys = frame["unique_id"].tolist()
        ask = lambda: comparison.compare_with_actuals(job, model, other, other_model, dataset, keys)  # noqa: E731
        actuals = read(("items with actuals", key, dataset.dataset_id, page), ask)
        sold = ["sold", "wape", "other_wape"] if len(actuals) else []
        frame = frame.merge(actuals[["unique_id", *sold]], on="unique_id", how="left")
    one, two = f"Run {job.job_id}", f"Run {other.job_id}"
    chosen = tables.show(
        numbers(frame, ["unique_id", *named(frame), "forecast", "other", "difference", "change", *sold]),
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
            "sold": st.column_config.NumberColumn("Sold, units", format="localized", help="In the weeks known since."),
            "wape": tables.percent(f"WAPE, run {job.job_id}", MEANING["wape"]),
            "other_wape": tables.percent(f"WAPE, run {other.job_id}", MEANING["wape"]),
        },
    )
    st.caption(
        f"Forecasts of the {text.count(n_weeks, 'week')} that both have: {text.count(len(frame), 'item')} of "
        f"{n_items:,}, the largest difference in units first. Click one to see it in run {other.job_id}."
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


def _show_actuals(job: Job, model: str, other: Job, other_model: str, dataset: NewerDataset) -> None:
    """Both runs in the weeks that both forecast and that have been sold since."""
    key = ("with actuals", run_key(job), model, run_key(other), other_model, dataset.dataset_id)
    found = read(key, lambda: comparison.compare_with_actuals(job, model, other, other_model, dataset))
    if found.empty:
        st.caption("No week that both forecast has been sold since.")
        return
    row = found.iloc[0]
    weeks, items = text.count(int(row["n_weeks"]), "week"), text.count(int(row["n_items"]), "item")
    of = ((job, row["wape"], row["bias"]), (other, row["other_wape"], row["other_bias"]))
    errors = "; ".join(
        f"run {one.job_id} was {text.percent(wape)} off, bias {text.percent(bias, True)}" for one, wape, bias in of
    )
    st.markdown(
        f"In the {weeks} that both forecast and that are known since, of {items}: {errors}. "
        f"Sold were {text.units(row['sold'])} units."
    )


def show_lags(name: str, model: str) -> None:
    """How good the forecasts of earlier runs on a dataset's name were, by how many weeks before they were made."""
    newest = next((row for row in datasets.list_datasets() if row.name == name), None)
    known = newest.dataset_id if newest else None
    n_runs = jobs.find_jobs(jobs.Filter((JobStatus.COMPLETED,)), limit=1)[1]
    frame = read(("lags", name, known, n_runs, model), lambda: comparison.accuracy_by_lag(name, model))
    st.markdown(f"**What was forecast of the weeks that {text.plain(name)} knows by now**")
    if frame.empty:
        st.info(
            f"No earlier run of {text.plain(text.model_name(model))} has forecast a week that the newest version of "
            f"{text.plain(name)} holds. Load newer sales under the same name, and run again from time to time.",
            icon=":material/history:",
        )
        return
    tables.show(
        numbers(frame, ["lag", "n_runs", "n_items", "n_weeks", "sold", "forecast", "wape", "bias"]),
        placeholder="not defined",
        column_config={
            "lag": st.column_config.NumberColumn("Weeks before", help=MEANING["lag"], pinned=True),
            "n_runs": "Runs",
            "n_items": st.column_config.NumberColumn("Items", format="localized"),
            "n_weeks": st.column_config.NumberColumn("Item weeks", format="localized"),
            "sold": st.column_config.NumberColumn("Sold, units", format="localized"),
            "forecast": st.column_config.NumberColumn("Forecast, units", format="localized"),
            "wape": tables.percent("WAPE", MEANING["wape"]),
            "bias": tables.percent("Bias", MEANING["bias"], signed=True),
        },
    )
    missing = [lag for lag in comparison.LAGS if lag not in set(frame["lag"])]
    n_most = int(frame["n_runs"].max())
    words = [f"By {text.count(n_most, 'run')}: of each cutoff the newest, with the items that the newest version has."]
    if missing:
        words.append(f"Nothing is known yet of {', '.join(map(str, missing))} weeks before.")
    if n_most < FEW_RUNS:
        words.append("That is too few to judge by: run again with each new version of the data.")
    st.caption(" ".join(words))


_STEPS = {"naive": YARDSTICK, "model": "{model}", "adjusted": "{model}, adjusted"}


def _show_value_added(model: str, frame: pd.DataFrame) -> None:
    """What each step did to the error: the same weeks last year, the model, the analysts' adjustments."""
    if frame.empty:
        return
    st.markdown(f"**What each step added to {text.plain(text.model_name(model))}**")
    named = frame.assign(
        weeks=frame["is_adjusted_only"].map({True: "adjusted", False: "all"}),
        model=[_STEPS[step].format(model=text.model_name(model)) for step in frame["step"]],
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
