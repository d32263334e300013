"""Data: list of datasets, progress of loads, and buttons to load sales."""

from collections import Counter

import pandas as pd
import streamlit as st

from fcst.dataset_records import ListedDataset
from fcst.roles import Scope
from fcst.services import datasets
from fcst.ui import tables, text
from fcst.ui.ingests import load_buttons, sample_button, show_ingests
from fcst.ui.shell import show_page
from fcst.ui.signin import may


def main() -> None:
    if name := st.session_state.pop("deleted", ""):
        st.toast(f"Dataset {text.plain(name)} deleted.", icon=":material/delete:", duration="long")
    st.title("Data", anchor=False)
    known = datasets.list_datasets()
    is_loading = show_ingests()
    if known:
        show_list(known)
    else:
        st.write("Load sales to start. Try the sample, or use your own file.")
        load_buttons(is_primary=True, is_loading=is_loading)


def show_list(known: list[ListedDataset]) -> None:
    rows = datasets.newest_versions(known)
    versions = Counter(row.name for row in known)
    with st.container(horizontal=True):
        if may(Scope.RUN) and st.button("Load sales", type="primary", icon=":material/upload_file:", key="load_own"):
            st.switch_page("pages/load.py")
        sample_button(is_primary=False)
    st.session_state["shown_datasets"] = [row.dataset_id for row in rows]
    frame = pd.DataFrame(
        {
            "Dataset": [row.name for row in rows],
            "Versions": [versions[row.name] for row in rows],
            "Items": [row.n_items for row in rows],
            "Weeks": [row.n_weeks for row in rows],
            "First week": [row.first_wk_end_dt for row in rows],
            "Last week": [row.last_wk_end_dt for row in rows],
            "Weeks end on": [text.weekday(row.week_end) for row in rows],
            "Units sold": [round(row.total_units) for row in rows],
            "Promotions": [text.promotions(row.include_promo, row.report.has_promo_column) for row in rows],
            "Loaded": [text.moment(row.created_at) for row in rows],
        }
    )
    tables.show(
        frame,
        key="datasets",
        on_select=open_selected,
        selection_mode="single-cell",
        column_config={
            "Items": st.column_config.NumberColumn(format="localized"),
            "Units sold": st.column_config.NumberColumn(format="localized"),
            "First week": st.column_config.DateColumn(format="YYYY-MM-DD"),
            "Last week": st.column_config.DateColumn(format="YYYY-MM-DD"),
        },
    )
    st.caption("Click a dataset to open it.")
    if (chosen := st.session_state.pop("chosen_dataset", None)) is not None:
        st.switch_page("pages/dataset.py", query_params={"dataset": str(chosen)})


def open_selected() -> None:
    """Opens the selected dataset. The selection is the position of a cell in the table as drawn."""
    if (row := tables.clicked_row(st.session_state["datasets"])) is not None:
        st.session_state["chosen_dataset"] = st.session_state["shown_datasets"][row]


show_page(main)
