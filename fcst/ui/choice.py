"""What a new run would take: the chosen items, and the chosen models beside the whole catalogue."""

from typing import Any

import pandas as pd
import streamlit as st

from fcst.compute.models import CATALOGUE, COMBINATIONS
from fcst.services import datasets
from fcst.ui import text


@st.cache_data(max_entries=8, show_spinner=False)
def all_items(dataset_id: int, n_items: int) -> pd.DataFrame:
    """A dataset never changes, so its items may be kept."""
    return datasets.list_items(dataset_id, n_items)


def show_items(dataset: dict[str, Any], n_items: int) -> None:
    """The largest sellers that are chosen, and what share of the sales they are."""
    items = all_items(dataset["dataset_id"], dataset["n_items"])
    total = items["total_units"].sum()
    items = items.assign(share=items["total_units"] / total if total else None)
    chosen = items.head(n_items).round({"total_units": 0})
    with st.container(horizontal=True):
        st.metric("Chosen items", f"{n_items:,} of {len(items):,}", border=True)
        st.metric("Their share of units sold", text.percent(chosen["share"].sum() if total else None), border=True)
        n_short = int((chosen["n_weeks"] < 104).sum())
        st.metric(
            "With under two years of history",
            f"{n_short:,}",
            border=True,
            help="Their year cannot be known from their own sales: seasonal models fall back to simpler ones.",
        )
    st.dataframe(
        chosen[["sales_rank", "unique_id", "family", "total_units", "share", "n_weeks"]],
        hide_index=True,
        placeholder="",
        height=360,
        column_config={
            "sales_rank": st.column_config.NumberColumn("Rank", width="small"),
            "unique_id": st.column_config.TextColumn("Item"),
            "family": st.column_config.TextColumn("Family"),
            "total_units": st.column_config.NumberColumn("Units sold", format="localized"),
            "share": st.column_config.NumberColumn("Share", format="percent"),
            "n_weeks": st.column_config.NumberColumn("Weeks of history"),
        },
    )


def show_models(models: list[str]) -> None:
    """What is known of the chosen models, and of all others on demand."""
    for name in models:
        purpose = COMBINATIONS[name] if name in COMBINATIONS else CATALOGUE[name].purpose
        st.caption(f"**{name}**: {purpose}.")
    with st.expander(f"All {len(CATALOGUE)} models", type="compact"):
        st.dataframe(
            pd.DataFrame([vars(model) for model in CATALOGUE.values()])[
                ["name", "purpose", "is_seasonal", "min_history", "fallback", "cost_ms", "source"]
            ],
            hide_index=True,
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
