"""Load: files of sales, what their columns mean, the rules of a week."""

from dataclasses import replace

import streamlit as st

from fcst.errors import FcstError, InputError
from fcst.roles import Scope
from fcst.specs import REQUIRED_ROLES, ROLES, IngestSpec
from fcst.ui.loading import (
    ask,
    choose_files,
    choose_formats,
    choose_mapping,
    choose_reading,
    choose_rules,
    chosen_reading,
    look_into,
    request,
    show_files,
    show_first_rows,
    show_reading,
)
from fcst.ui.shell import show_error, show_page


def main() -> None:
    if st.button("All data", icon=":material/arrow_back:", type="tertiary", key="back"):
        st.switch_page("pages/data.py")
    st.title("Load sales", anchor=False)
    chosen = choose_files()
    file, encoding = chosen_reading()
    if chosen is None:
        st.caption(
            "Kaggle's Favorita download is taken as it comes. Other files need a column for item, date and units sold; "
            "you confirm what each column means before anything is loaded."
        )
        return
    paths, default_name, is_upload = chosen
    spec = IngestSpec(paths=paths, name=default_name, file=file, encoding=encoding, is_upload=is_upload)
    try:
        inspection = look_into(spec)
    except InputError as exc:
        show_error(exc)
        choose_reading()  # another sheet or encoding may do
        return
    st.header("What was found", anchor=False)
    show_files(inspection)
    reading, confirm = st.container(), st.container()  # filled last, and above: Load is in view
    with reading:
        answers = ask(inspection)
    is_missing = any(not inspection.mapping.get(role) for role in REQUIRED_ROLES)
    with st.expander("Change what the columns mean", expanded=is_missing):
        mapping = choose_mapping(inspection)
        formats = choose_formats(inspection, answers)
    with st.expander("Change which file, sheet or encoding is read"):
        choose_reading()
    with st.expander("Change the rules of a week"):
        rules = choose_rules(inspection, has_promo=bool(mapping["promo"]))
        st.caption(
            "A partial first or last week is dropped. A week without rows inside an item's life is zero sales. "
            "The report of the dataset counts what each rule did."
        )
    show_first_rows(inspection)
    with reading:
        show_reading(inspection, mapping, formats)
    asked_for = st.session_state.pop("load_asked", "")  # the button shows at once that it works
    if not asked_for and (refused := st.session_state.pop("load_refused", None)):
        with confirm:
            show_error(refused)
    left, middle, right = confirm.columns([4, 1, 2], vertical_alignment="bottom")
    name = left.text_input(
        "Name of the dataset",
        key="dataset_name",
        placeholder=default_name,
        help="A name that exists already makes its next version; runs on the old one stay.",
    ).strip()
    for place, label, key, icon in (
        (middle, "Load", "load", ":material/upload:"),
        (right, "Load and forecast all", "load_and_run", ":material/play_circle:"),
    ):
        place.button(
            "Loading …" if asked_for == key else label,
            type="primary" if key == "load_and_run" else "secondary",
            key=key,
            icon=icon,
            width="stretch",
            disabled=bool(asked_for),
            on_click=ask_to_load,
            args=(key,),
        )
    if not asked_for:
        return
    try:
        missing = [ROLES[role].lower() for role in REQUIRED_ROLES if not mapping[role]]
        if missing:
            raise InputError(f"No column was chosen for {' and '.join(missing)}.", "Choose one each.")
        with confirm, st.spinner("Asking for the load …"):
            asked = replace(spec, seen=inspection.seen, then_run=asked_for == "load_and_run")
            ingest_id = request(asked, name=name or default_name, mapping=mapping, **formats, **rules)
    except FcstError as exc:
        st.session_state["load_refused"] = exc
        st.rerun()
    st.switch_page("pages/data.py", query_params={"ingest": str(ingest_id)})


def ask_to_load(key: str) -> None:
    st.session_state["load_asked"] = key


show_page(main, Scope.RUN)
