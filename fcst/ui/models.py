"""What pages tell of models: of those chosen, and the whole catalogue."""

import pandas as pd
import streamlit as st

from fcst.compute.models import CATALOGUE, COMBINATIONS


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
