"""New run: which items of which dataset, how far ahead, with which models; from nothing, or from an earlier run."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

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

LEVELS = ["50", "60", "70", "80", "90", "95", "99"]


def main() -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("New run", anchor=False, width="content")
        start = st.container(horizontal=True, vertical_alignment="center", width="content")  # in view, filled last
    known = {row.dataset_id: row for row in datasets.list_datasets()}
    if not known:
        st.info("There are no sales to forecast yet.", icon=":material/database:")
        if st.button("Load sales", type="primary"):
            st.switch_page("pages/data.py")
        return
    job = find_earlier()
    wanted = st.query_params.get("dataset")
    if wanted is not None and wanted not in map(str, known):
        show_error(InputError(f"There is no dataset {wanted}.", "Choose one from the list."))
    if wanted is None:  # the newest, or the newest of the earlier run's name; it stays when a newer one is loaded
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
        asked = show_form(dataset, chosen, job, advanced)
    with start:
        start_button(dataset, chosen, asked)
    with preview:
        show_items(dataset, chosen)
        show_models(asked.models)
    if job is not None:
        with notice:
            show_origin(job, dataset)


@dataclass(frozen=True)
class Asked:
    """What the form says of a run, not checked yet; `batch_size` is None for the suggested one."""

    models: list[str]
    h: int
    levels: list[str]
    batch_size: int | None
    n_windows: int
    skips_stockouts: bool
    name: str
    note: str


def find_earlier() -> Job | None:
    """The run that this one is filled in from: `from` in the URL."""
    if "from" not in st.query_params:
        return None
    job_id = number_in_url("from")
    try:
        if job_id is None:
            raise InputError(f"There is no run {st.query_params['from']}.", "The page Runs lists all.")
        return jobs.get_job(job_id)
    except InputError as exc:
        show_error(exc)
        return None


def show_origin(job: Job, dataset: ListedDataset) -> None:
    words = f"Filled in from {text.plain(text.job_title(job))}."
    if dataset.name != job.dataset:
        words += f" It ran on {text.plain(job.dataset)}; this one takes {text.plain(dataset.name)}."
    elif dataset.version != job.dataset_version:
        words += f" It ran on version {job.dataset_version} of its data; this one takes version {dataset.version}."
    st.caption(f":material/history: {words}")


def show_form(dataset: ListedDataset, chosen: Selection, job: Job | None, advanced: DeltaGenerator) -> Asked:
    """Everything but the items; what the engine is told besides stands under *Advanced*.

    An earlier run's values are defaults of widgets of their own, so that they are there again with its URL.
    """
    counts = count(dataset, chosen)
    spec = JobSpec() if job is None else job.spec
    suffix = "" if job is None else f"_{job.job_id}"
    left, right = st.columns([1, 2])
    h = left.number_input("Horizon, in weeks", 1, MAX_HORIZON, spec.h, key=f"horizon{suffix}", help=MEANING["horizon"])
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
        "Items in a batch",
        1,
        MAX_BATCH_SIZE,
        None if job is None else spec.batch_size,
        placeholder=f"{jobs.suggest_batch_size(counts.n_items)} (automatic)",
        key=f"batch_size{suffix}",
        help=MEANING["batch"],
    )
    n_windows = right.number_input(
        f"Backtests, of {HOLDOUT_WEEKS} weeks each",
        0,
        MAX_WINDOWS,
        spec.n_windows,
        key=f"n_windows{suffix}",
        help=MEANING["backtest"],
    )
    defaults = [str(level) for level in spec.level]
    levels = advanced.multiselect(
        "Interval levels, in percent",
        [*LEVELS, *(level for level in defaults if level not in LEVELS)],
        defaults,
        key=f"levels{suffix}",
        accept_new_options=True,
        help=f"{MEANING['interval_level']} Any whole number from 1 to 99: type it in.",
    )
    skips_stockouts = advanced.checkbox(
        "Skip suspected stock-outs",
        spec.skips_stockouts,
        key=f"skips_stockouts{suffix}",
        help=f"Takes them as missing: the forecast is of demand. {MEANING['suspected']}",
    )
    return Asked(models, h, levels, batch_size, n_windows, skips_stockouts, name, note)


def start_button(dataset: ListedDataset, chosen: Selection, asked: Asked) -> None:
    """What would be run and how long that takes, and the button."""
    counts = count(dataset, chosen)
    if counts.n_items:
        batch_size = asked.batch_size or jobs.suggest_batch_size(counts.n_items)
        words = text.run_in_words(counts.n_items, batch_size, asked.h)
        if asked.models:
            words += f". {time_in_words(dataset, counts, asked, batch_size)}"
        st.caption(words, width="content")
    else:
        st.caption("No item is chosen yet.", width="content")
    is_asked = st.button(
        "Start the run", type="primary", icon=":material/play_arrow:", key="submit", disabled=not counts.n_items
    )
    if not is_asked:
        return
    try:
        levels = parse_levels(asked.levels)
        checked = jobs.make_spec(
            counts.n_items, asked.models, asked.h, levels, asked.batch_size, asked.n_windows, asked.skips_stockouts
        )
        with st.spinner("Writing the run …", show_time=True):
            job_id = jobs.submit_job(dataset.dataset_id, chosen, checked, asked.name, asked.note)
    except FcstError as exc:
        show_error(exc)
    else:
        st.switch_page("pages/runs.py", query_params={"job": str(job_id)})


def time_in_words(dataset: ListedDataset, counts: ItemCounts, asked: Asked, batch_size: int) -> str:
    """How long the run would take, and how that is known: 'About 4 min, by run 12'."""
    found = estimates.estimate(dataset, counts, tuple(asked.models), asked.n_windows, batch_size)
    by = "the costs of its models" if found.job_id is None else f"run {found.job_id}"
    return f"About {text.about(found.seconds)}, by {by}"


def show_known_drivers(dataset: ListedDataset, h: int) -> None:
    """What is known besides sales, and what of the weeks ahead is not."""
    loads = drivers.list_loads(dataset.dataset_id)
    if not loads:
        return
    gaps = describe_gaps(loads, dataset.last_wk_end_dt, h)
    known = [driver.name for driver in known_drivers(loads)]
    with st.expander(
        f"{text.count(len(known), 'driver')} known" + (", not for all weeks" if gaps else ""), type="compact"
    ):
        st.markdown(text.plain(f"{', '.join(known)}. Their effects are learnt across the items of the run."))
        for gap in gaps:
            st.markdown(f"- {text.plain(gap)}")


show_page(main, Scope.RUN)
