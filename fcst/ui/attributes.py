"""Attributes view of a dataset: list, load from a file, and remove."""

import pandas as pd
import streamlit as st

from fcst.attributes import Attribute, AttributeFile
from fcst.dataset_records import Dataset
from fcst.errors import FcstError
from fcst.roles import Scope
from fcst.services import attributes
from fcst.services.loading import discard_upload
from fcst.specs import IngestSpec
from fcst.ui import tables, text
from fcst.ui.loading import save_once
from fcst.ui.shell import action_errors, show_error
from fcst.ui.signin import may

PREVIEW_ROWS = 50
SHOWN_VALUES = 8


def show_attributes(dataset: Dataset) -> None:
    """Shows the attributes, and lets analysts add and remove some."""
    for line in st.session_state.pop("attributes_saved", ()):
        st.success(text.plain(line), icon=":material/check:")
    known = attributes.find_attributes(dataset.dataset_id)
    if known:
        _show_known(dataset, known)
    else:
        st.info(
            "No attributes. Load a file with attributes to filter and sum items by, such as a region for each store.",
            icon=":material/category:",
        )
    if may(Scope.RUN):
        _load_file(dataset)


def _show_known(dataset: Dataset, known: list[Attribute]) -> None:
    frame = pd.DataFrame(
        {
            "Attribute": [row.name for row in known],
            "Values": [row.n_values for row in known],
            "Examples": [", ".join(row.values[:SHOWN_VALUES]) for row in known],
            "Items": [row.n_items for row in known],
            "Key": [" and ".join(row.keyed_by) or "item" for row in known],
            "Source": ["item key" if row.source == "key" else row.source for row in known],
        }
    )
    can_change = may(Scope.RUN)
    chosen = tables.show(
        frame,
        key=f"attributes_{dataset.attribute_change}",
        placeholder="",
        column_config={"Values": tables.NUMBER, "Items": tables.NUMBER},
        on_select="rerun" if can_change else "ignore",
    )
    rows = chosen["selection"]["rows"] if can_change else []
    if not rows:
        return
    attribute = known[rows[0]]
    if attribute.is_own:
        st.caption("This attribute is from the sales file. Only attributes loaded here can be removed.")
    elif st.button(f"Remove {text.plain(attribute.name)} …", icon=":material/delete:", key="remove"):
        _ask_to_remove(dataset, attribute)


@st.dialog("Remove this attribute?")
def _ask_to_remove(dataset: Dataset, attribute: Attribute) -> None:
    n_items = text.count(attribute.n_items, "item")
    st.markdown(f"**{text.plain(attribute.name)}** is removed from {n_items}. Forecasts do not change.")
    with st.container(horizontal=True):
        if st.button("Keep", key="keep"):
            st.rerun()
        if st.button("Remove attribute", key="remove_now", type="primary"):
            with action_errors():
                attributes.remove_attribute(dataset.dataset_id, attribute.name)
                st.rerun()


def _load_file(dataset: Dataset) -> None:
    st.header("Load file", anchor=False)
    item_columns = dataset.spec.mapping.get("item", [])
    parts = f", {', '.join(item_columns)}" if len(item_columns) > 1 else ""
    st.caption(text.plain(f"Columns: a key (item{parts}, family or class), and one for each attribute."))
    number = st.session_state.setdefault("n_attributes", 0)
    files = st.file_uploader("CSV, Excel or Parquet", accept_multiple_files=True, key=f"attribute_file_{number}")
    if not files:
        return
    spec = IngestSpec(paths=save_once(files), name=dataset.name, is_upload=True, plan_of=dataset.dataset_id)
    try:
        file = attributes.read_file(spec)
    except FcstError as exc:
        show_error(exc)
        return
    tables.show(_frame(file), placeholder="", height=215)
    if len(file.rows) > PREVIEW_ROWS:
        st.caption(f"First {PREVIEW_ROWS} of {text.count(len(file.rows), 'row')}.")
    if file.ignored:
        st.caption(text.plain(f"Ignored, because the sales file already has them: {', '.join(file.ignored)}."))
    if st.button(
        f"Save {text.count(len(file.rows), 'row')}", type="primary", key="save_attributes", icon=":material/upload:"
    ):
        _save(dataset, file)


def _frame(file: AttributeFile) -> pd.DataFrame:
    shown = file.rows[:PREVIEW_ROWS]
    keys = {name: [key[n] for key, _ in shown] for n, name in enumerate(file.keyed_by or ("Item",))}
    return pd.DataFrame(keys | {name: [values[n] for _, values in shown] for n, name in enumerate(file.names)})


def _save(dataset: Dataset, file: AttributeFile) -> None:
    try:
        saved = attributes.save_attributes(dataset.dataset_id, file)
    except FcstError as exc:
        show_error(exc)
        return
    for path in st.session_state.pop("saved_paths", ())[:1]:
        discard_upload(path)
    st.session_state.pop("saved_ids", None)
    st.session_state["n_attributes"] += 1
    st.session_state["attributes_saved"] = attributes.in_words(file, saved)
    st.rerun()
