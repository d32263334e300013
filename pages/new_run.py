"""New run: dataset, items, horizon and models; empty, or with the settings of an earlier run."""

from dataclasses import dataclass

import streamlit as st

from fcst.compute.models import MODEL_NAMES
from fcst.dataset_records import ListedDataset
from fcst.drivers import describe_gaps, known_drivers
from fcst.errors import FcstError, InputError
from fcst.filters import Selection
from fcst.job_records import Job
from fcst.names import HOLDOUT_WEEKS
from fcst.records import ItemCounts
from fcst.roles import Scope
from fcst.services import datasets, drivers, estimates, jobs
from fcst.specs import MAX_BATCH_SIZE, MAX_HORIZON, MAX_WINDOWS, JobSpec, parse_levels
from fcst.ui import text
from fcst.ui.glossary import MEANING
from fcst.ui.run_selection import choose_items, count, show_items, show_models
from fcst.ui.shell import choose, number_in_url, show_error, show_page
from fcst.ui.streamlit_internals import DeltaGenerator

LEVELS = ["50", "60", "70", "80", "90", "95", "99"]


def main() -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("New run", anchor=False, width="content")
        start = st.container(horizontal=True, vertical_alignment="center", width="content")  # filled last
    known = {row.dataset_id: row for row in datasets.list_datasets()}
    if not known:
        st.info("No sales loaded yet. Load sales first.", icon=":material/database:")
        if st.button("Load sales", type="primary"):
            st.switch_page("pages/data.py")
        return
    job = find_earlier()
    wanted = st.query_params.get("dataset")
    if wanted is not None and wanted not in map(str, known):
        show_error(InputError(f"There is no dataset {wanted}.", "Choose one from the list."))
    if wanted is None:  # the newest, or the newest of the earlier run's dataset; stays when a newer one is loaded
        rows = [row for row in known.values() if job is None or row.name == job.dataset]
        st.query_params["dataset"] = str(rows[0].dataset_id)
    notice = st.container()
    form, preview = st.columns([2, 3], gap="large")
    with form:
        dataset_id = choose(
            "Dataset",
            list(known),
            "dataset",
            lambda key: text.dataset_title(known[key].name, known[key].version),
        )
        dataset = known[dataset_id]
        items, run = st.container(), st.container()
        advanced = st.expander("Advanced", type="compact", expanded="seed" in st.query_params)
    with items:
        chosen = choose_items(dataset, job, advanced)
    with run:
        values = show_form(dataset, chosen, job, advanced)
    with start:
        start_button(dataset, chosen, values)
    with preview:
        show_items(dataset, chosen)
        show_models(values.models)
    if job is not None:
        with notice:
            show_origin(job, dataset)


@dataclass(frozen=True)
class FormValues:
    """Unchecked values of the form; `batch_size` None means the suggested size."""

    models: list[str]
    h: int
    levels: list[str]
    batch_size: int | None
    n_windows: int
    skips_stockouts: bool
    name: str
    note: str


def find_earlier() -> Job | None:
    """The run to copy settings from: `from` in the URL."""
    if "from" not in st.query_params:
        return None
    job_id = number_in_url("from")
    try:
        if job_id is None:
            raise InputError(f"Run {st.query_params['from']} does not exist.", "See all runs on the page Runs.")
        return jobs.get_job(job_id)
    except InputError as exc:
        show_error(exc)
        return None


def show_origin(job: Job, dataset: ListedDataset) -> None:
    note = f"Settings of {text.plain(text.job_title(job))}."
    if dataset.name != job.dataset:
        note += f" It used {text.plain(job.dataset)}; this run uses {text.plain(dataset.name)}."
    elif dataset.version != job.dataset_version:
        note += f" It used version {job.dataset_version} of the data; this run uses version {dataset.version}."
    st.caption(f":material/history: {note}")


def show_form(dataset: ListedDataset, chosen: Selection, job: Job | None, advanced: DeltaGenerator) -> FormValues:
    """Shows the form without the item selection; technical settings are under *Advanced*.

    With an earlier run the widgets have other keys and its values as defaults, so that its URL restores them.
    """
    counts = count(dataset, chosen)
    spec = JobSpec() if job is None else job.spec
    suffix = "" if job is None else f"_{job.job_id}"
    left, right = st.columns([1, 2])
    h = left.number_input("Horizon, weeks", 1, MAX_HORIZON, spec.h, key=f"horizon{suffix}", help=MEANING["horizon"])
    models = right.multiselect(
        "Models",
        MODEL_NAMES,
        [m for m in spec.models if m in MODEL_NAMES],
        key=f"models{suffix}",
        format_func=text.model_name,
        help=MEANING["auto"],
    )
    with st.expander("Name and note", type="compact", expanded=bool(job and (job.name or job.note))):
        name = st.text_input("Name (optional)", job.name if job else "", max_chars=100, key=f"name{suffix}")
        note = st.text_area("Note (optional)", job.note if job else "", max_chars=1000, height=68, key=f"note{suffix}")
    show_known_drivers(dataset, h)
    left, right = advanced.columns(2)
    batch_size = left.number_input(
        "Batch size",
        1,
        MAX_BATCH_SIZE,
        None if job is None else spec.batch_size,
        placeholder=f"{jobs.suggest_batch_size(counts.n_items)} (automatic)",
        key=f"batch_size{suffix}",
        help=MEANING["batch"],
    )
    n_windows = right.number_input(
        f"Backtests ({HOLDOUT_WEEKS} weeks)",
        0,
        MAX_WINDOWS,
        spec.n_windows,
        key=f"n_windows{suffix}",
        help=MEANING["backtest"],
    )
    defaults = [str(level) for level in spec.level]
    levels = advanced.multiselect(
        "Interval levels, %",
        [*LEVELS, *(level for level in defaults if level not in LEVELS)],
        defaults,
        key=f"levels{suffix}",
        accept_new_options=True,
        help=f"{MEANING['interval_level']} Type in any whole number from 1 to 99.",
    )
    skips_stockouts = advanced.checkbox(
        "Skip suspected stock-outs",
        spec.skips_stockouts,
        key=f"skips_stockouts{suffix}",
        help=f"Treats them as missing, so that the forecast is of demand. {MEANING['suspected']}",
    )
    return FormValues(models, h, levels, batch_size, n_windows, skips_stockouts, name, note)


def start_button(dataset: ListedDataset, chosen: Selection, values: FormValues) -> None:
    """Shows the size and estimated time of the run, and the start button."""
    counts = count(dataset, chosen)
    if counts.n_items:
        batch_size = values.batch_size or jobs.suggest_batch_size(counts.n_items)
        summary = text.describe_run(counts.n_items, batch_size, values.h)
        if values.models:
            summary += f". {describe_time(dataset, counts, values, batch_size)}"
        st.caption(summary, width="content")
    else:
        st.caption("No items chosen.", width="content")
    is_clicked = st.button(
        "Start run", type="primary", icon=":material/play_arrow:", key="submit", disabled=not counts.n_items
    )
    if not is_clicked:
        return
    try:
        levels = parse_levels(values.levels)
        checked = jobs.make_spec(
            counts.n_items, values.models, values.h, levels, values.batch_size, values.n_windows, values.skips_stockouts
        )
        with st.spinner("Submitting …", show_time=True):
            job_id = jobs.submit_job(dataset.dataset_id, chosen, checked, values.name, values.note)
    except FcstError as exc:
        show_error(exc)
    else:
        st.switch_page("pages/runs.py", query_params={"job": str(job_id)})


def describe_time(dataset: ListedDataset, counts: ItemCounts, values: FormValues, batch_size: int) -> str:
    """Estimated time and its source: 'About 4 min, estimated from run 12'."""
    found = estimates.estimate(dataset, counts, tuple(values.models), values.n_windows, batch_size)
    source = "model costs" if found.job_id is None else f"run {found.job_id}"
    return f"About {text.about(found.seconds)}, estimated from {source}"


def show_known_drivers(dataset: ListedDataset, h: int) -> None:
    """Shows the known drivers, and the weeks ahead for which they are missing."""
    loads = drivers.list_loads(dataset.dataset_id)
    if not loads:
        return
    gaps = describe_gaps(loads, dataset.last_wk_end_dt, h)
    known = [driver.name for driver in known_drivers(loads)]
    with st.expander(
        f"{text.count(len(known), 'driver')}" + (", not known for all weeks" if gaps else ""), type="compact"
    ):
        st.markdown(text.plain(f"{', '.join(known)}. The run learns their effects across its items."))
        for gap in gaps:
            st.markdown(f"- {text.plain(gap)}")


show_page(main, Scope.RUN)
