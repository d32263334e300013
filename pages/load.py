"""Load: files of sales, what their columns mean, the rules of a week."""

from dataclasses import replace

import streamlit as st

from fcst.errors import InputError
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
    left, right = confirm.columns([3, 1], vertical_alignment="bottom")
    name = left.text_input(
        "Name of the dataset",
        key="dataset_name",
        placeholder=default_name,
        help="A name that exists already makes its next version; runs on the old one stay.",
    ).strip()
    if right.button("Load", type="primary", key="load", icon=":material/upload:", width="stretch"):
        missing = [ROLES[role].lower() for role in REQUIRED_ROLES if not mapping[role]]
        if missing:
            show_error(InputError(f"No column was chosen for {' and '.join(missing)}.", "Choose one each."))
            return
        asked = replace(spec, seen=inspection.seen)
        ingest_id = request(asked, name=name or default_name, mapping=mapping, **formats, **rules)
        if ingest_id is not None:
            st.switch_page("pages/data.py", query_params={"ingest": str(ingest_id)})


show_page(main, Scope.RUN)
