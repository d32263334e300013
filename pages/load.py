"""Load: sales files, column mapping, weekly rules."""

from dataclasses import replace

import streamlit as st

from fcst.errors import FcstError, InputError
from fcst.roles import Scope
from fcst.specs import REQUIRED_ROLES, ROLES, IngestSpec
from fcst.ui.loading import (
    ask_formats,
    choose_files,
    choose_formats,
    choose_mapping,
    choose_reading,
    choose_rules,
    chosen_reading,
    inspect,
    request_load,
    show_files,
    show_first_rows,
    show_reading,
)
from fcst.ui.shell import show_error, show_page
from fcst.ui.streamlit_internals import DeltaGenerator


def main() -> None:
    if st.button("All data", icon=":material/arrow_back:", type="tertiary", key="back"):
        st.switch_page("pages/data.py")
    st.title("Load sales", anchor=False)
    chosen = choose_files()
    file, encoding = chosen_reading()
    if chosen is None:
        st.caption(
            "Kaggle's Favorita files load as downloaded. Other files need columns for item, date and units sold. You "
            "check the column mapping before loading."
        )
        return
    spec = IngestSpec(paths=chosen.paths, name=chosen.name, file=file, encoding=encoding, is_upload=chosen.is_upload)
    try:
        inspection = inspect(spec)
    except InputError as exc:
        show_error(exc)
        choose_reading()  # another sheet or encoding may work
        return
    st.header("Files", anchor=False)
    show_files(inspection)
    reading, confirm = st.container(), st.container()  # filled last, but shown above, so that Load is in view
    with reading:
        answers = ask_formats(inspection)
    is_missing = any(not inspection.mapping.get(role) for role in REQUIRED_ROLES)
    with st.expander("Column mapping", expanded=is_missing):
        mapping = choose_mapping(inspection)
        formats = choose_formats(inspection, answers)
    with st.expander("File and encoding"):
        choose_reading()
    with st.expander("Weekly rules"):
        rules = choose_rules(inspection, has_promo=bool(mapping["promo"]))
        st.caption(
            "A partial first or last week is dropped. A week without rows within an item's history has zero sales. "
            "The quality report counts the effects of each rule."
        )
    show_first_rows(inspection)
    with reading:
        show_reading(inspection, mapping, formats)
    clicked = st.session_state.pop("load_asked", "")  # disables the buttons during the request
    if not clicked and (refused := st.session_state.pop("load_refused", None)):
        with confirm:
            show_error(refused)
    name = show_buttons(confirm, chosen.name, clicked) or chosen.name
    if not clicked:
        return
    try:
        missing = [ROLES[role].lower() for role in REQUIRED_ROLES if not mapping[role]]
        if missing:
            raise InputError(f"No column was chosen for {' and '.join(missing)}.", "Choose a column for each.")
        with confirm, st.spinner("Submitting …"):
            request = replace(spec, fingerprint=inspection.fingerprint, then_run=clicked == "load_and_run")
            ingest_id = request_load(request, chosen.source, name=name, mapping=mapping, **formats, **rules)
    except FcstError as exc:
        st.session_state["load_refused"] = exc
        st.rerun()
    st.switch_page("pages/data.py", query_params={"ingest": str(ingest_id)})


def show_buttons(place: DeltaGenerator, default_name: str, clicked: str) -> str:
    """Shows the box for the dataset's name and both buttons; returns the name."""
    left, middle, right = place.columns([4, 1, 2], vertical_alignment="bottom")
    name = left.text_input(
        "Dataset name",
        key="dataset_name",
        placeholder=default_name,
        help="An existing name creates its next version. Runs on earlier versions stay.",
    )
    for column, label, key, icon in (
        (middle, "Load", "load", ":material/upload:"),
        (right, "Load and forecast all", "load_and_run", ":material/play_circle:"),
    ):
        column.button(
            "Loading …" if clicked == key else label,
            type="primary" if key == "load_and_run" else "secondary",
            key=key,
            icon=icon,
            width="stretch",
            disabled=bool(clicked),
            on_click=ask_to_load,
            args=(key,),
        )
    return name.strip()


def ask_to_load(key: str) -> None:
    st.session_state["load_asked"] = key


show_page(main, Scope.RUN)
