"""Item selection and model list of a new run."""

import hashlib

import pandas as pd
import streamlit as st

from fcst.compute.models import CATALOGUE, COMBINATIONS, TWO_YEARS
from fcst.dataset_records import ListedDataset
from fcst.filters import LIVES, AttributeFilter, ItemFilter, Selection, Take
from fcst.job_records import Job
from fcst.records import ItemCounts
from fcst.services import datasets, item_selection
from fcst.ui import tables, text
from fcst.ui.attribute_filter import choose_attributes, has_attributes_in_url
from fcst.ui.cache import read
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose_one, choose_page, choose_some, number_in_url, page_in_url, search, set_state
from fcst.ui.streamlit_internals import DeltaGenerator

DEFAULT_ITEMS = 100
DEFAULT_SEED = 1
MAX_SEED = 999_999_999
PAGE_ITEMS = 100
LISTED, OF_RUN = "list", "run"  # in addition to the values of Take
WAYS = {Take.LARGEST: "Largest", Take.RANDOM: "Random", Take.ALL: "All", LISTED: "List"}
FILTERS = ("q", "demand_class", "family", "class", "life")  # URL parameters


def choose_items(dataset: ListedDataset, job: Job | None, advanced: DeltaGenerator) -> Selection:
    """Returns the chosen items; `job` is the run to copy settings from, if any; the seed box is in `advanced`.

    The URL has the kind of selection, its numbers and the filter, but not a list of keys, which may be long.
    """
    way = _choose_way(job)
    if way == LISTED:
        return _choose_listed(dataset)
    if way == OF_RUN and job is not None:
        _show_missing(dataset, job)
        return Selection(job_id=job.job_id)
    is_filtered = any(st.query_params.get(name) for name in FILTERS) or has_attributes_in_url()
    with st.expander("Filter", type="compact", icon=":material/filter_alt:", expanded=is_filtered):
        matching = Selection(_choose_filter(dataset))
    n_matching = count(dataset, matching).n_items
    if not n_matching:
        st.warning("No items match. Remove a filter.", icon=":material/filter_alt_off:")
        return matching
    if n_matching < dataset.n_items:
        st.caption(f"{n_matching:,} of {text.count(dataset.n_items, 'item')} match.")
    if way == Take.ALL:
        return matching
    n_items = _choose_number(n_matching, way)
    with advanced:
        seed = _choose_seed() if way == Take.RANDOM else 0
    return Selection(matching.which, Take(way), n_items, seed)


def count(dataset: ListedDataset, selection: Selection) -> ItemCounts:
    """Number of chosen items and their sales."""
    return read(("counts", dataset.key, _key(selection)), lambda: datasets.count_items(dataset.dataset_id, selection))


def _key(selection: Selection) -> str:
    """Short cache key of a selection, which may list many keys."""
    return hashlib.sha256(repr(selection).encode(errors="surrogatepass")).hexdigest()


def _choose_way(job: Job | None) -> str:
    ways: dict[str, str] = {**({OF_RUN: f"Same as run {job.job_id}"} if job else {}), **WAYS}
    return choose_one("Items", ways, "take")


def _choose_filter(dataset: ListedDataset) -> ItemFilter:
    options = read_options(dataset)
    left, right = st.columns(2)
    with left:
        wanted = search("Search", "q", placeholder="key, description, family or class", max_chars=200)
    with right:
        classes = choose_some("Demand class", options["demand_class"], "demand_class", help=MEANING["demand_class"])
    options |= {"life": list(LIVES)}
    filled = [name for name in ("family", "class", "life") if options[name]]
    chosen: dict[str, list[str]] = {}
    for name, column in zip(filled, st.columns(2) * 2, strict=False):
        with column:
            chosen[name] = choose_some(name.capitalize(), options[name], name)
    kinds = {name: chosen.get(name, []) for name in ("family", "class", "life")}
    return item_filter(wanted, classes, choose_attributes(dataset, 2), **kinds)


def item_filter(wanted: str, demand_class: list[str], attributes: AttributeFilter, **chosen: list[str]) -> ItemFilter:
    """Builds an item filter from a search, attributes and choices of `family, class, life`."""
    families, classes, lives = (tuple(chosen.get(name, [])) for name in ("family", "class", "life"))
    return ItemFilter(wanted, families, classes, tuple(demand_class), lives, ("family", "class"), attributes)


def read_options(dataset: ListedDataset) -> dict[str, list[str]]:
    """Filter options of a dataset's items."""
    return read(("options", dataset.key), lambda: datasets.list_options(dataset.dataset_id))


def _choose_number(most: int, way: str) -> int:
    """A slider and a number box with the same value, which is in the URL."""
    wanted = number_in_url("n")
    n_items = min(max(DEFAULT_ITEMS if wanted is None else wanted, 1), most)
    if most == 1:
        return 1
    for key in ("n_slider", "n_field"):
        set_state(key, n_items)

    def write(key: str) -> None:
        st.query_params["n"] = str(st.session_state[key])

    slider, field = st.columns([3, 1], vertical_alignment="bottom")
    what = "random sample" if way == Take.RANDOM else "largest sellers first"
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


def _choose_listed(dataset: ListedDataset) -> Selection:
    pasted = st.text_area(
        "Item keys",
        key="listed",
        height=160,
        placeholder="one per line, or separated by commas",
        persist_state="page",
    )
    digest = hashlib.sha256(pasted.encode(errors="surrogatepass")).hexdigest()
    key = ("pasted", dataset.key, digest)
    keys, unknown = read(key, lambda: item_selection.find_pasted(dataset.dataset_id, pasted))
    _show_unknown(len(unknown), unknown)
    return Selection(keys=keys)


def _show_missing(dataset: ListedDataset, job: Job) -> None:
    """Shows the items of an earlier run that are not in this dataset."""
    if job.dataset_id != dataset.dataset_id:
        key = ("gone", dataset.key, job.job_id)
        _show_unknown(*read(key, lambda: item_selection.find_missing(dataset.dataset_id, job.job_id)))


def _show_unknown(n_keys: int, first: list[str]) -> None:
    if n_keys:
        n, verb = text.count(n_keys, "key"), "is" if n_keys == 1 else "are"
        names = text.plain(item_selection.join_keys(first, n_keys))
        st.warning(f"{n} {verb} not in this dataset and {verb} left out: {names}.", icon=":material/help:")


def show_items(dataset: ListedDataset, selection: Selection) -> None:
    """Shows the chosen items in pages, and their share of sales."""
    counts, total = count(dataset, selection), dataset.total_units
    with st.container(horizontal=True):
        st.metric("Chosen items", f"{counts.n_items:,} of {dataset.n_items:,}", border=True)
        share = text.percent(counts.total_units / total if total else None)
        st.metric("Share of units", share, border=True)
        st.metric(
            "Under two years",
            f"{counts.n_shorter_than(TWO_YEARS):,}",
            border=True,
            help="Items with less than two years of history, too short for seasonal models: these use a fallback.",
        )
    page = page_in_url(counts.n_items, PAGE_ITEMS)
    items = read(
        ("chosen", dataset.key, _key(selection), page),
        lambda: datasets.list_items(dataset.dataset_id, selection, limit=PAGE_ITEMS, skip=(page - 1) * PAGE_ITEMS),
    )
    if not items:
        return
    shown = pd.DataFrame(items)
    filled = [name for name in ("description", "family", "item_class") if shown[name].notna().any()]
    tables.show(
        shown.assign(share=shown["total_units"] / total if total else None).round({"total_units": 0})[
            ["sales_rank", "unique_id", *filled, "demand_class", "total_units", "share", "n_weeks"]
        ],
        placeholder="",
        shares=["share"],
        height=360 if len(shown) > 9 else "auto",
        column_config={
            "sales_rank": st.column_config.NumberColumn("Rank", width="small", help=MEANING["rank"]),
            "unique_id": st.column_config.TextColumn("Item"),
            "description": st.column_config.TextColumn("Name"),
            "family": st.column_config.TextColumn("Family"),
            "item_class": st.column_config.TextColumn("Class"),
            "demand_class": st.column_config.TextColumn("Demand", help=MEANING["demand_class"]),
            "total_units": st.column_config.NumberColumn("Units sold", format="localized"),
            "share": tables.percent("Share"),
            "n_weeks": st.column_config.NumberColumn("Weeks of history", help=MEANING["history"]),
        },
    )
    choose_page(counts.n_items, PAGE_ITEMS)


def show_models(models: list[str]) -> None:
    """Describes the chosen models; an expander lists all models."""
    for name in models:
        purpose = COMBINATIONS[name] if name in COMBINATIONS else CATALOGUE[name].purpose
        st.caption(f"**{text.model_name(name)}**: {purpose}.")
    with st.expander(f"All {len(CATALOGUE)} models", type="compact"):
        tables.show(
            pd.DataFrame([vars(model) for model in CATALOGUE.values()]).assign(
                name=[text.model_name(name) for name in CATALOGUE],
                fallback=[text.model_name(model.fallback or "") for model in CATALOGUE.values()],
            )[["name", "purpose", "is_seasonal", "min_history", "fallback", "cost_ms", "source"]],
            height=320,
            column_config={
                "name": st.column_config.TextColumn("Model", pinned=True),
                "purpose": "Purpose",
                "is_seasonal": "Seasonal",
                "min_history": st.column_config.NumberColumn("Weeks needed"),
                "fallback": st.column_config.TextColumn("Fallback", help="Used if the history is too short."),
                "cost_ms": st.column_config.NumberColumn(
                    "ms per fit", format="%.2f", help="Time of a fit to 240 weeks on one core."
                ),
                "source": "Source",
            },
        )
