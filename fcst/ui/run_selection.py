"""What a new run would take: the items, chosen in one of several ways, and the models beside the whole catalogue."""

from typing import Any

import pandas as pd
import streamlit as st

from fcst.compute.models import CATALOGUE, COMBINATIONS, TWO_YEARS
from fcst.names import DEMAND_CLASSES
from fcst.services import datasets, item_selection, jobs
from fcst.services.item_selection import Filter, Take
from fcst.ui import tables, text
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose_one, choose_some, number_in_url, search, set_state

DEFAULT_ITEMS = 100
DEFAULT_SEED = 1
MAX_SEED = 999_999_999
SHOWN_ITEMS = 1_000
LISTED, OF_RUN = "list", "run"  # the ways beside those of Take
WAYS = {Take.LARGEST: "Largest", Take.RANDOM: "Random", Take.ALL: "All", LISTED: "A list"}
FILTERS = ("q", "demand_class", "family", "class")  # as the URL calls them
COLUMNS = ["sales_rank", "unique_id", "family", "class", "demand_class", "total_units", "n_weeks"]


@st.cache_resource(max_entries=8, show_spinner="Reading the items …")
def all_items(dataset_id: int, n_items: int) -> pd.DataFrame:
    """A dataset never changes, so its items may be kept: one frame for all, which nobody writes to."""
    return datasets.list_items(dataset_id, n_items)[COLUMNS]


@st.cache_data(max_entries=8, show_spinner=False)
def _items_of_run(job_id: int) -> list[str]:
    """Nor do the items of a run."""
    return jobs.list_keys(job_id)


def choose_items(dataset: dict[str, Any], job: dict[str, Any] | None) -> pd.DataFrame:
    """The items that are chosen, the largest sellers first; `job` is the run that this one begins from, if any.

    The way, its numbers and the filter stand in the URL; a list, which may be long, does not.
    """
    items = all_items(dataset["dataset_id"], dataset["n_items"])
    way = _choose_way(job)
    if way == LISTED:
        return _choose_listed(items)
    if way == OF_RUN and job is not None:
        found, unknown = item_selection.take_listed(items, _items_of_run(job["job_id"]))
        _tell_unknown(unknown)
        return found
    is_filtered = any(st.query_params.get(name) for name in FILTERS)
    with st.expander("Filter", type="compact", icon=":material/filter_alt:", expanded=is_filtered):
        matching = _choose_filter(items).apply(items)
    if matching.empty:
        st.warning("No item matches: ask for less.", icon=":material/filter_alt_off:")
        return matching
    if len(matching) < len(items):
        st.caption(f"{len(matching):,} of {text.count(len(items), 'item')} match.")
    if way == Take.ALL:
        return matching
    n_items = _choose_number(len(matching), way)
    return item_selection.take(matching, Take(way), n_items, _choose_seed() if way == Take.RANDOM else 0)


def _choose_way(job: dict[str, Any] | None) -> str:
    ways: dict[str, str] = {**({OF_RUN: f"As run {job['job_id']}"} if job else {}), **WAYS}
    return choose_one("Which items", ways, "take")


def _choose_filter(items: pd.DataFrame) -> Filter:
    left, right = st.columns(2)
    with left:
        wanted = search("Key", "q", placeholder="a part of it", max_chars=200)
    known = set(items["demand_class"].dropna())
    with right:
        names = [name for name in DEMAND_CLASSES if name in known]
        classes = choose_some("Demand class", names, "demand_class", help=MEANING["demand_class"])
    filled = [name for name in ("family", "class") if items[name].notna().any()]
    chosen: dict[str, list[str]] = {}
    for name, column in zip(filled, st.columns(2), strict=False):
        with column:
            options = sorted(items[name].dropna().unique())
            chosen[name] = choose_some(name.capitalize(), options, name)
    return Filter(tuple(chosen.get("family", [])), tuple(chosen.get("class", [])), tuple(classes), wanted)


def _choose_number(most: int, way: str) -> int:
    """A slider and a field that show the same number, which stands in the URL."""
    wanted = number_in_url("n")
    n_items = min(max(DEFAULT_ITEMS if wanted is None else wanted, 1), most)
    if most == 1:
        return 1
    for key in ("n_slider", "n_field"):
        set_state(key, n_items)

    def write(key: str) -> None:
        st.query_params["n"] = str(st.session_state[key])

    slider, field = st.columns([3, 1], vertical_alignment="bottom")
    what = "at random" if way == Take.RANDOM else "largest sellers first"
    slider.slider(f"Number of items, {what}", 1, most, key="n_slider", on_change=write, args=("n_slider",))
    field.number_input(
        "Number of items", 1, most, key="n_field", on_change=write, args=("n_field",), label_visibility="collapsed"
    )
    return n_items


def _choose_seed() -> int:
    wanted = number_in_url("seed")
    set_state("seed", DEFAULT_SEED if wanted is None else wanted)

    def write() -> None:
        st.query_params["seed"] = str(st.session_state["seed"])

    return int(st.number_input("Seed", 0, MAX_SEED, key="seed", on_change=write, help=MEANING["seed"], width=180))


def _choose_listed(items: pd.DataFrame) -> pd.DataFrame:
    pasted = st.text_area(
        "Keys of items",
        key="listed",
        height=160,
        placeholder="one a line, or separated by commas",
        persist_state="page",
    )
    found, unknown = item_selection.take_listed(items, item_selection.parse_keys(pasted, items))
    _tell_unknown(unknown)
    return found


def _tell_unknown(unknown: list[str]) -> None:
    if unknown:
        n, verb = text.count(len(unknown), "key"), "is" if len(unknown) == 1 else "are"
        names = text.plain(item_selection.name_some(unknown))
        st.warning(f"{n} {verb} not in this dataset and {verb} left out: {names}.", icon=":material/help:")


def show_items(dataset: dict[str, Any], chosen: pd.DataFrame) -> None:
    """The items that are chosen, and what share of the sales they are."""
    total = dataset["total_units"]
    with st.container(horizontal=True):
        st.metric("Chosen items", f"{len(chosen):,} of {dataset['n_items']:,}", border=True)
        share = text.percent(chosen["total_units"].sum() / total if total else None)
        st.metric("Their share of units sold", share, border=True)
        st.metric(
            "With under two years of history",
            f"{int((chosen['n_weeks'] < TWO_YEARS).sum()):,}",
            border=True,
            help="Their year cannot be known from their own sales: seasonal models fall back to simpler ones.",
        )
    shown = chosen.head(SHOWN_ITEMS)
    filled = [name for name in ("family", "class") if shown[name].notna().any()]
    tables.show(
        shown.assign(share=shown["total_units"] / total if total else None).round({"total_units": 0})[
            ["sales_rank", "unique_id", *filled, "demand_class", "total_units", "share", "n_weeks"]
        ],
        placeholder="",
        height=360 if len(shown) > 9 else "auto",
        column_config={
            "sales_rank": st.column_config.NumberColumn("Rank", width="small", help=MEANING["rank"]),
            "unique_id": st.column_config.TextColumn("Item"),
            "family": st.column_config.TextColumn("Family"),
            "class": st.column_config.TextColumn("Class"),
            "demand_class": st.column_config.TextColumn("Demand", help=MEANING["demand_class"]),
            "total_units": st.column_config.NumberColumn("Units sold", format="localized"),
            "share": st.column_config.NumberColumn("Share", format="percent"),
            "n_weeks": st.column_config.NumberColumn("Weeks of history", help=MEANING["history"]),
        },
    )
    if len(shown) < len(chosen):
        st.caption(f"The {len(shown):,} largest of them are shown.")


def show_models(models: list[str]) -> None:
    """What is known of the chosen models, and of all others on demand."""
    for name in models:
        purpose = COMBINATIONS[name] if name in COMBINATIONS else CATALOGUE[name].purpose
        st.caption(f"**{name}**: {purpose}.")
    with st.expander(f"All {len(CATALOGUE)} models", type="compact"):
        tables.show(
            pd.DataFrame([vars(model) for model in CATALOGUE.values()])[
                ["name", "purpose", "is_seasonal", "min_history", "fallback", "cost_ms", "source"]
            ],
            height=320,
            column_config={
                "name": st.column_config.TextColumn("Model", pinned=True),
                "purpose": "What it is for",
                "is_seasonal": "Knows the season",
                "min_history": st.column_config.NumberColumn("Weeks it needs"),
                "fallback": st.column_config.TextColumn("Else", help="What stands in where a history is too short."),
                "cost_ms": st.column_config.NumberColumn(
                    "ms a fit", format="%.2f", help="What a fit to 240 weeks took of one core."
                ),
                "source": "Source",
            },
        )
