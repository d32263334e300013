"""Glossary: definitions of the terms on the pages, with search."""

import streamlit as st

from fcst.ui import text
from fcst.ui.glossary import find_terms
from fcst.ui.shell import page_errors


def main() -> None:
    st.title("Glossary", anchor=False)
    wanted = st.text_input(
        "Search",
        key="word",
        type="search",
        live="300ms",
        bind="query-params",
        placeholder="WAPE, fallback, lumpy …",
        width=360,
    )
    found = find_terms(wanted or "")
    if not found:
        st.info(f"No terms match “{text.plain(wanted)}”. Try a shorter search.", icon=":material/search_off:")
    for group, terms in found.items():
        st.header(group, anchor=False)
        for term in terms:
            st.markdown(f"**{text.plain(term.name)}** · {text.plain(term.meaning)}", width=820)


with page_errors():
    main()
