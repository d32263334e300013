"""Dataset: weeks, quality, items, drivers, attributes, stock, load settings, versions; download and delete."""

import streamlit as st

from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.roles import Scope
from fcst.services import datasets
from fcst.ui import dataset as views
from fcst.ui import text
from fcst.ui.attributes import show_attributes
from fcst.ui.buttons import confirm_buttons, destructive_button, toast_slow_action
from fcst.ui.downloads import WEEKLY_SALES, show_dataset_link
from fcst.ui.drivers import show_drivers
from fcst.ui.lifecycles import show_lifecycles
from fcst.ui.run_selection import FILTERS
from fcst.ui.shell import action_errors, choose, choose_view, number_in_url, show_error, show_page
from fcst.ui.signin import may
from fcst.ui.sources import refresh_button
from fcst.ui.stock import show_settings

VIEWS = {
    "weeks": ("Weeks", views.show_weeks),
    "quality": ("Quality", views.show_quality),
    "items": ("Items", views.show_items),
    "drivers": ("Drivers", show_drivers),
    "lifecycles": ("Lifecycles", show_lifecycles),
    "attributes": ("Attributes", show_attributes),
    "stock": ("Stock", show_settings),
    "reading": ("Load settings", views.show_reading),
    "versions": ("Versions", views.show_versions),
}


def main() -> None:
    if st.session_state.get("deleted"):
        st.switch_page("pages/data.py")  # shows the message
    if st.button("All data", icon=":material/arrow_back:", type="tertiary", key="back"):
        st.switch_page("pages/data.py")
    if "dataset" not in st.query_params:
        st.switch_page("pages/data.py")
    wanted = number_in_url("dataset")
    known = datasets.list_datasets()
    if wanted is None or wanted not in {row.dataset_id for row in known}:
        st.title("Dataset", anchor=False)
        name = st.query_params.get("dataset", "")
        show_error(
            InputError(
                f"There is no dataset {name}".strip() + ".",
                "It may have been deleted. Choose another one on the page Data.",
            )
        )
        return
    dataset = datasets.get_dataset(wanted)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(text.plain(dataset.name), anchor=False, width="content")
        versions = {row.dataset_id: row for row in known if row.name == dataset.name}
        if len(versions) > 1:
            choose("Version", list(versions), "dataset", lambda key: f"version {versions[key].version}", width=160)
    show_numbers(dataset)
    show_actions(dataset)
    names = (
        list(VIEWS)
        if views.has_report(dataset)
        else ["weeks", "items", "drivers", "lifecycles", "attributes", "stock", "versions"]
    )
    VIEWS[choose_view({name: VIEWS[name][0] for name in names})][1](dataset)


def show_numbers(dataset: Dataset) -> None:
    with st.container(horizontal=True):
        st.metric("Items", f"{dataset.n_items:,}", border=True)
        st.metric("Whole weeks", f"{dataset.n_weeks:,}", border=True)
        first, last = text.day(dataset.first_wk_end_dt), text.day(dataset.last_wk_end_dt)
        st.metric("Weeks ending", f"{first} – {last}", border=True)
        st.metric("Units sold", text.large(dataset.total_units), border=True)


def show_actions(dataset: Dataset) -> None:
    dataset_id = dataset.dataset_id
    with st.container(horizontal=True, vertical_alignment="center"):
        if may(Scope.RUN) and st.button("Forecast these items", type="primary", icon=":material/play_circle:"):
            which: dict[str, str | list[str]] = {}
            if st.query_params.get("view") == "items":  # the view with the filter
                which = {name: values for name in FILTERS if (values := st.query_params.get_all(name))}
            st.switch_page("pages/new_run.py", query_params={**which, "dataset": str(dataset_id), "take": "all"})
        refresh_button(dataset)
        show_dataset_link("Weekly sales (CSV)", dataset_id, WEEKLY_SALES)
        if may(Scope.ADMIN) and destructive_button("Delete …", "delete", icon=":material/delete:"):
            ask_to_delete(dataset)


@st.dialog("Delete this dataset?")
def ask_to_delete(dataset: Dataset) -> None:
    if st.session_state.get("deleted"):
        st.rerun()  # rerun the whole page, which opens Data
    title = text.plain(text.dataset_title(dataset.name, dataset.version))
    dependents = datasets.count_dependents(dataset.dataset_id)
    st.markdown(f"**{title}**: {text.count(dataset.n_items, 'item')}, {text.count(dataset.n_weeks, 'week')}.")
    if dependents.n_jobs:
        n_items = text.count(dependents.n_forecasts, "item")
        st.markdown(f"This also deletes {text.count(dependents.n_jobs, 'run')} and the forecasts of {n_items}.")
    else:
        st.markdown("No run uses this dataset.")
    if dependents.n_open_jobs:
        st.warning("A run of this dataset is still open. Cancel it or wait until it ends, then delete the dataset.")
    confirm_buttons("Delete dataset", "delete_now", delete, (dataset,), disabled=bool(dependents.n_open_jobs))


def delete(dataset: Dataset) -> None:
    with action_errors():
        toast_slow_action("Deleting", dataset.n_items)
        datasets.delete_dataset(dataset.dataset_id)
        st.session_state["deleted"] = text.dataset_title(dataset.name, dataset.version)


show_page(main)
