"""Lifecycles view of a dataset: predecessors and like items of new items, launches, last days."""

from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import streamlit as st

from fcst.dataset_records import Dataset
from fcst.drivers import MAX_FUTURE_WEEKS
from fcst.errors import FcstError
from fcst.lifecycles import Lifecycle, Origin, Source, StoredLifecycle
from fcst.roles import Scope
from fcst.services import lifecycles
from fcst.ui import tables, text
from fcst.ui.buttons import confirm_buttons, destructive_button
from fcst.ui.item_files import load_file, number_of, start_again
from fcst.ui.shell import action_errors, choose_page, page_in_url, show_error
from fcst.ui.signin import may

PAGE_ROWS = 100
NAME = "lifecycle"
"""Prefix of widget keys, as for `item_files.load_file`."""

ORIGINS = {
    Origin.PREDECESSOR: "replaces",
    Origin.LIKE: "is like",
    None: "no other item",
}


def show_lifecycles(dataset: Dataset) -> None:
    """Shows the lifecycles, and lets analysts add and remove some."""
    n_found = lifecycles.count_lifecycles(dataset.dataset_id)
    page = page_in_url(n_found, PAGE_ROWS)
    stored, _ = lifecycles.find_lifecycles(dataset.dataset_id, PAGE_ROWS, (page - 1) * PAGE_ROWS)
    if stored:
        _show_stored(dataset, stored)
        choose_page(n_found, PAGE_ROWS)
    else:
        st.info(
            "No lifecycles. Add the predecessor or a like item of a new item to forecast it before it has sales.",
            icon=":material/new_releases:",
        )
    if not may(Scope.RUN):
        return
    left, right = st.columns(2, gap="large")
    with left:
        _add_one(dataset)
    with right:
        _load_file(dataset)


def _frame(found: list[Lifecycle]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Item": [row.unique_id for row in found],
            "Relation": [ORIGINS[row.origin] for row in found],
            "Other items": [", ".join(source.unique_id for source in row.sources) for row in found],
            "Factor": [", ".join(f"{source.factor:g}" for source in row.sources) for row in found],
            "Launch": [row.launch for row in found],
            "Last day": [row.last_day for row in found],
        }
    )


def _show_stored(dataset: Dataset, stored: list[StoredLifecycle]) -> None:
    frame = _frame([row.lifecycle for row in stored]).assign(
        **{
            "Own sales": ["yes" if row.has_sales else "no" for row in stored],
            "Saved": [text.moment(row.created_at) for row in stored],
            "By": [row.created_by for row in stored],
        }
    )
    can_change = may(Scope.RUN)
    chosen = tables.show(
        frame,
        key=f"lifecycles_{dataset.lifecycle}",
        placeholder="",
        numbers=("Factor",),
        on_select="rerun" if can_change else "ignore",
    )
    rows = chosen["selection"]["rows"] if can_change else []
    if not rows:
        if can_change:
            st.caption("Select a row to remove it. Existing runs do not change.")
        return
    unique_id = stored[rows[0]].lifecycle.unique_id
    label = f"Remove lifecycle of {text.plain(unique_id)} …"
    if destructive_button(label, "remove", icon=":material/delete:"):
        _ask_to_remove(dataset, unique_id, stored[rows[0]].has_sales)


@st.dialog("Remove this lifecycle?")
def _ask_to_remove(dataset: Dataset, unique_id: str, has_sales: bool) -> None:
    st.markdown(f"New runs forecast **{text.plain(unique_id)}** without its lifecycle.")
    if not has_sales:
        st.markdown("The item has no sales, so it is also removed from the dataset, unless a run includes it.")
    if confirm_buttons("Remove lifecycle", "remove_now"):
        with action_errors():
            lifecycles.remove_lifecycle(dataset.dataset_id, unique_id)
            st.rerun()


def _add_one(dataset: Dataset) -> None:
    st.header("Add lifecycle", anchor=False)
    st.caption("A new item is added to the dataset without sales.")
    first, last = dataset.first_wk_end_dt, dataset.last_wk_end_dt + timedelta(weeks=MAX_FUTURE_WEEKS)
    number = number_of(NAME)  # a new number after a save empties the boxes
    left, right = st.columns(2)
    unique_id = left.text_input("Item", key=f"lifecycle_item_{number}", placeholder="key of the item")
    origin = right.selectbox(
        "Relation", list(ORIGINS), format_func=ORIGINS.__getitem__, key=f"lifecycle_origin_{number}"
    )
    names, factor = "", 1.0
    if origin is not None:
        left, right = st.columns(2)
        label = "Replaced items, one per line" if origin is Origin.PREDECESSOR else "Like item"
        field = left.text_area if origin is Origin.PREDECESSOR else left.text_input
        names = field(label, key=f"lifecycle_sources_{origin}_{number}", placeholder="key in the dataset")
        factor = right.number_input(
            "Factor",
            0.001,
            1e6,
            1.0,
            step=0.1,
            key=f"lifecycle_factor_{number}",
            help="Multiplies the units of the other items.",
        )
    left, right = st.columns(2)
    launch = left.date_input(
        "Launch", None, first, last, key=f"lifecycle_launch_{number}", format="YYYY-MM-DD",
        help="First day of sales. Empty: the day of the first sale, or the next week.",
    )  # fmt: skip
    last_day = right.date_input(
        "Last day", None, first, last, key=f"lifecycle_last_{number}", format="YYYY-MM-DD",
        help="Last day of sales. Empty: no end.",
    )  # fmt: skip
    if st.button("Save", key="save_lifecycle", icon=":material/save:", disabled=not unique_id.strip()):
        sources = tuple(Source(name.strip(), factor) for name in names.splitlines() if name.strip())
        _save(dataset, lambda: [Lifecycle(unique_id.strip(), origin, sources, launch, last_day)])


def _load_file(dataset: Dataset) -> None:
    load_file(
        dataset,
        NAME,
        "Columns: item, predecessor or like, factor, launch, last day. Dates as 2024-03-31.",
        lifecycles.read_file,
        lambda found: tables.show(_frame(found), placeholder="", numbers=("Factor",), height=215),
        lambda found: _save(dataset, lambda: found),
    )


def _save(dataset: Dataset, make: Callable[[], list[Lifecycle]]) -> None:
    try:
        lifecycles.save_lifecycles(dataset.dataset_id, make())
    except FcstError as exc:
        show_error(exc)
        return
    start_again(NAME)
