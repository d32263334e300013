"""New run: which items of which dataset, how far ahead, with which models."""

from typing import Any

import streamlit as st

from fcst.compute.models import AUTO, MODEL_NAMES
from fcst.errors import FcstError, InputError
from fcst.names import HOLDOUT_WEEKS
from fcst.services import datasets, jobs
from fcst.specs import MAX_BATCH_SIZE, MAX_HORIZON, MAX_WINDOWS, JobSpec, parse_levels
from fcst.ui import text
from fcst.ui.choice import all_items, show_items, show_models
from fcst.ui.shell import choose, show_error, show_page

DEFAULT_ITEMS = 100
LEVELS = ["50", "60", "70", "80", "90", "95", "99"]


def main() -> None:
    st.title("New run", anchor=False)
    known = {row["dataset_id"]: row for row in datasets.list_datasets()}
    if not known:
        st.info("There are no sales to forecast yet.", icon=":material/database:")
        if st.button("Load sales", type="primary"):
            st.switch_page("pages/data.py")
        return
    wanted = st.query_params.get("dataset")
    if wanted is not None and wanted not in map(str, known):
        show_error(InputError(f"There is no dataset {wanted}.", "Choose one from the list."))
    form, preview = st.columns([2, 3], gap="large")
    with form:
        dataset_id = choose(
            "Dataset",
            list(known),
            "dataset",
            lambda key: text.dataset_title(known[key]["name"], known[key]["version"]),
        )
        dataset = known[dataset_id]
        n_items = choose_number(dataset)
        left, right = st.columns(2)
        h = left.number_input("Horizon, in weeks", min_value=1, max_value=MAX_HORIZON, value=13, key="horizon")
        suggested = jobs.suggest_batch_size(n_items)
        batch_size = right.number_input(
            "Items in a batch",
            min_value=1,
            max_value=MAX_BATCH_SIZE,
            value=None,
            placeholder=f"{suggested} (automatic)",
            key="batch_size",
            help="A batch is what one process runs at a time, and what is retried.",
        )
        models = st.multiselect("Models", MODEL_NAMES, default=[AUTO], key="models")
        left, right = st.columns(2)
        levels = left.multiselect(
            "Interval levels, in percent",
            LEVELS,
            default=["80", "95"],
            key="levels",
            accept_new_options=True,
            help="Any whole number from 1 to 99: type it in.",
        )
        n_windows = right.number_input(
            f"Backtests, of {HOLDOUT_WEEKS} weeks each",
            min_value=0,
            max_value=MAX_WINDOWS,
            value=JobSpec.n_windows,
            key="n_windows",
            help="Windows at the end of each history that are forecast from the weeks before them: so accuracy is "
            "measured. More take longer and tell more.",
        )
        with st.expander("Name and note", type="compact"):
            name = st.text_input("Name (optional)", max_chars=100, key="name")
            note = st.text_area("Note (optional)", max_chars=1000, height=68, key="note")
        st.markdown(f"**{text.run_in_words(n_items, batch_size or suggested, h)}**")
        if models:
            seconds = jobs.expected_seconds(all_items(dataset_id, dataset["n_items"]).head(n_items), models, n_windows)
            st.caption(f"About {text.duration(seconds)} on this machine's processes, if nothing else runs.")
        if st.button("Start the run", type="primary", icon=":material/play_arrow:", key="submit", width="stretch"):
            submit(dataset, n_items, models, h, levels, batch_size, n_windows, name, note)
    with preview:
        show_items(dataset, n_items)
        show_models(models)


def choose_number(dataset: dict[str, Any]) -> int:
    most = dataset["n_items"]
    if most == 1:
        st.caption("The dataset has 1 item.")
        return 1
    return st.slider(
        "Number of items, largest sellers first",
        min_value=1,
        max_value=most,
        value=min(DEFAULT_ITEMS, most),
        key=f"n_items_{dataset['dataset_id']}",
    )


def submit(
    dataset: dict[str, Any],
    n_items: int,
    models: list[str],
    h: int,
    levels: list[str],
    batch_size: int | None,
    n_windows: int,
    name: str,
    note: str,
) -> None:
    try:
        spec = jobs.make_spec(n_items, models, h, parse_levels(levels), batch_size, n_windows)
        items = jobs.choose_largest(dataset, n_items)
        job_id = jobs.submit_job(dataset["dataset_id"], items, spec, name, note)
    except FcstError as exc:
        show_error(exc)
        return
    st.switch_page("pages/runs.py", query_params={"job": str(job_id)})


show_page(main)
