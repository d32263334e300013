"""Data sources on pages: choose one to load from, refresh a dataset from it, remove it."""

import pandas as pd
import streamlit as st

from fcst.data_sources import KINDS, DataSource, SourceKind
from fcst.dataset_records import Dataset
from fcst.errors import FcstError
from fcst.roles import Scope
from fcst.services import data_sources, loading
from fcst.ui import tables, text
from fcst.ui.buttons import confirm_buttons, destructive_button
from fcst.ui.shell import action_errors, show_error
from fcst.ui.signin import may

PLACEHOLDERS = {
    SourceKind.FILES: "/data/sales-*.csv",
    SourceKind.URL: "https://shop.example/export/sales.csv",
    SourceKind.STORAGE: "s3://bucket/sales/*.parquet",
}
SECRETS = {
    SourceKind.URL: "Value of the Authorization header.",
    SourceKind.STORAGE: "Options of the storage as JSON: keys and endpoint.",
    SourceKind.SQL: "URL of the database.",
}


def choose_source() -> tuple[DataSource, tuple[str, ...], bool] | None:
    """Boxes for a source; returns it with the paths of its fetched sample, and whether they are copies.

    None until the source was read.
    """
    kinds = [kind for kind in KINDS if kind != SourceKind.FILES or loading.reads_paths()]
    kind = st.segmented_control("Kind of source", kinds, default=kinds[0], format_func=KINDS.__getitem__, key="kind")
    kind = kind or kinds[0]
    location = query = secret = ""
    if kind == SourceKind.SQL:
        query = st.text_area(
            "Query",
            key="source_query",
            height=120,
            placeholder="SELECT sold_on AS date, sku AS item, units AS sales FROM sales",
            help="One statement that reads: a row for each sale, or for each item and day.",
        )
    else:
        location = st.text_input(
            KINDS[kind],
            key=f"source_{kind}",
            placeholder=PLACEHOLDERS[kind],
            help="Patterns with `*` and `?` match several files." if kind != SourceKind.URL else None,
        ).strip()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if kind in SECRETS and may(Scope.ADMIN):
            secret = _choose_secret(kind)
        is_clicked = st.button("Read source", key="read_source", icon=":material/cloud_download:")
    if is_clicked:
        _discard_sample()
        try:
            with st.spinner("Reading the source …"):
                source = DataSource(kind, location, query, secret)
                st.session_state["sample"] = (source, *data_sources.fetch_preview(source))
        except FcstError as exc:
            show_error(exc)
            return None
    sample: tuple[DataSource, tuple[str, ...], bool] | None = st.session_state.get("sample")
    if sample is None or (sample[0].location, sample[0].query, sample[0].secret) != (location, query, secret):
        st.caption("fcst reads a sample first, and you check the column mapping before loading.")
        return None
    return sample


def _choose_secret(kind: SourceKind) -> str:
    names = data_sources.list_secrets()
    chosen = st.selectbox(
        "Secret" if kind == SourceKind.SQL else "Secret (optional)",
        names,
        index=None,
        key=f"secret_{kind}",
        placeholder="None" if names else "No secrets are set",
        help=f"{SECRETS[kind]} The environment has it as FCST_SECRET_ and its name, or secrets.toml in "
        "[source_secrets].",
    )
    return chosen or ""


def _discard_sample() -> None:
    sample = st.session_state.pop("sample", None)
    if sample is not None and sample[2]:
        loading.discard_upload(sample[1][0])


def default_name(source: DataSource) -> str:
    """Default dataset name: the last part of the location, or `sales` for a query."""
    last = source.location.partition("?")[0].rstrip("/").rsplit("/", 1)[-1].replace("*", "")
    return loading.default_name(last) if last else "sales"


def end_choice() -> None:
    """Forgets the chosen source, after its load was requested."""
    _discard_sample()


def refresh_button(dataset: Dataset) -> None:
    """Button that loads the next version of a dataset from its source, if it has one."""
    if not may(Scope.RUN) or (stored := data_sources.find_source(dataset.name)) is None:
        return
    if st.button(
        "Refresh",
        key="refresh",
        icon=":material/refresh:",
        disabled=stored.open_ingest_id is not None,
        help=text.plain(f"Loads the next version from its source. {stored.source.label}."),
    ):
        with action_errors():
            ingest_id = data_sources.refresh(dataset.name)
            st.switch_page("pages/data.py", query_params={"ingest": str(ingest_id)})


def show_source(dataset: Dataset) -> None:
    """The source of a dataset, with a button that removes it; nothing without a source."""
    stored = data_sources.find_source(dataset.name)
    if stored is None:
        return
    source = stored.source
    st.header("Source", anchor=False)
    values = {
        "Kind": KINDS[source.kind],
        "Query" if source.kind == SourceKind.SQL else "Location": source.location or source.query.strip(),
        "Secret": source.secret or "none",
        "Set by": stored.set_by,
        "Set at": text.moment(stored.set_at),
    }
    tables.show(pd.DataFrame({"Source": list(values), "Value": list(values.values())}))
    may_remove = may(Scope.ADMIN if source.secret else Scope.RUN)
    if may_remove and destructive_button("Remove source …", "remove_source", icon=":material/link_off:"):
        ask_to_remove(dataset)


@st.dialog("Remove this source?")
def ask_to_remove(dataset: Dataset) -> None:
    st.markdown(f"**{text.plain(dataset.name)}** can no longer be refreshed. Its versions and runs stay.")
    confirm_buttons("Remove source", "remove_source_now", _remove, (dataset.name,))


def _remove(name: str) -> None:
    with action_errors():
        data_sources.remove(name)
