"""Filters by item attributes; chosen values are in the URL, as `attr.city=Quito`."""

import streamlit as st

from fcst.attributes import Attribute
from fcst.dataset_records import ListedDataset
from fcst.filters import PREFIX, WITHOUT, AttributeFilter, attributes_in
from fcst.services import datasets
from fcst.ui import text
from fcst.ui.cache import read
from fcst.ui.shell import write_to_url

MOST_BOXES = 12


def has_attributes_in_url() -> bool:
    """Whether the URL filters by an attribute."""
    return any(name.startswith(PREFIX) for name in st.query_params)


def read_attributes(dataset: ListedDataset) -> list[Attribute]:
    """The attributes of a dataset."""
    return read(("attributes", dataset.key), lambda: datasets.list_attributes(dataset.dataset_id))


def choose_attributes(dataset: ListedDataset, n_columns: int, with_columns: bool = False) -> AttributeFilter:
    """Shows a box for each attribute; returns the chosen values.

    Parameters
    ----------
    n_columns
        boxes in a row.
    with_columns
        also show boxes for family and class.
    """
    known = read_attributes(dataset)
    offered = [
        attribute
        for attribute in known
        if (with_columns or attribute.name not in ("family", "class")) and _varies(attribute, dataset.n_items)
    ]
    in_url = attributes_in((name, value) for name in st.query_params for value in st.query_params.get_all(name))
    wanted = {name: values for name, values in in_url if name in {attribute.name for attribute in known}}
    # Attributes in the URL come before the limit of boxes.
    first = [attribute for attribute in offered if attribute.name in wanted]
    others = [attribute for attribute in offered if attribute.name not in wanted]
    shown = sorted([*first, *others[: max(MOST_BOXES - len(first), 0)]], key=offered.index)
    places = [place for _ in range(0, len(shown), n_columns) for place in st.columns(n_columns)]
    for place, attribute in zip(places, shown, strict=False):
        with place:
            wanted[attribute.name] = tuple(_choose_values(attribute, wanted.get(attribute.name, ()), dataset.n_items))
    if not shown:
        st.caption("The items have no attributes to filter by.")
    return tuple((name, values) for name, values in wanted.items() if values)


def _varies(attribute: Attribute, n_items: int) -> bool:
    """Whether items differ in this attribute."""
    return attribute.n_values > 1 or 0 < attribute.n_items < n_items


def _choose_values(attribute: Attribute, in_url: tuple[str, ...], n_items: int) -> list[str]:
    name = f"{PREFIX}{attribute.name}"
    key = f"choice_{name}"
    options = [*attribute.values, *([WITHOUT] if attribute.n_items < n_items else [])]
    options += [value for value in in_url if value not in options]
    is_cut = attribute.n_values > len(attribute.values)
    if sorted(st.session_state.get(key, [])) != sorted(in_url):
        st.session_state[key] = list(in_url)

    def write() -> None:
        write_to_url(name, st.session_state[key])

    return st.multiselect(
        text.plain(attribute.name),
        options,
        list(in_url),
        key=key,
        on_change=write,
        placeholder="any",
        format_func=lambda value: "(none)" if value == WITHOUT else value,
        accept_new_options=is_cut,
        help=f"{attribute.n_values:,} values, of which {len(attribute.values):,} are listed. Type in any other."
        if is_cut
        else None,
    )
