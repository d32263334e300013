"""Upload of a small file about items, with a preview before it is saved."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from fcst.dataset_records import Dataset
from fcst.errors import FcstError
from fcst.services.loading import discard_upload
from fcst.specs import IngestSpec
from fcst.ui import text
from fcst.ui.loading import save_once
from fcst.ui.shell import show_error

T = TypeVar("T")
PREVIEW_ROWS = 50


def load_file(
    dataset: Dataset,
    name: str,
    columns: str,
    read: Callable[[IngestSpec], list[T]],
    show: Callable[[list[T]], None],
    save: Callable[[list[T]], None],
) -> None:
    """Shows the upload box, a preview of the first rows, and a button that saves all rows.

    Parameters
    ----------
    name
        prefix of the widget keys; `start_again` with the same name empties the boxes.
    columns
        a sentence on the columns of the file.
    """
    st.header("Load file", anchor=False)
    st.caption(columns)
    files = st.file_uploader("CSV, Excel or Parquet", accept_multiple_files=True, key=f"{name}_file_{number_of(name)}")
    if not files:
        return
    spec = IngestSpec(paths=save_once(files), name=dataset.name, is_upload=True, plan_of=dataset.dataset_id)
    try:
        found = read(spec)
    except FcstError as exc:
        show_error(exc)
        return
    show(found[:PREVIEW_ROWS])
    if len(found) > PREVIEW_ROWS:
        st.caption(f"First {PREVIEW_ROWS} of {text.count(len(found), 'row')}.")
    if st.button(
        f"Save {text.count(len(found), 'row')}", type="primary", key=f"save_{name}s", icon=":material/upload:"
    ):
        save(found)


def number_of(name: str) -> int:
    """Suffix of the widget keys; a new number empties the boxes."""
    return int(st.session_state.setdefault(f"n_{name}s", 0))


def start_again(name: str) -> None:
    """Discards the upload, empties the boxes and reruns the page, after a save."""
    for path in st.session_state.pop("saved_paths", ())[:1]:
        discard_upload(path)
    st.session_state.pop("saved_ids", None)
    st.session_state[f"n_{name}s"] = number_of(name) + 1
    st.rerun()
