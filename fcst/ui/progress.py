"""A run's progress, its batches and its failures, as the page Runs shows them."""

from typing import Any

import pandas as pd
import streamlit as st

from fcst.services import jobs
from fcst.states import Stage
from fcst.ui import text
from fcst.ui.status import batch_frame, stage_words, waiting_reason


def show_progress(job: dict[str, Any]) -> None:
    """How far a run is, how fast, and why it waits if it does."""
    n_ended = job["n_completed"] + job["n_failed"] + job["n_cancelled"]
    st.progress(n_ended / job["n_items"])
    with st.container(horizontal=True):
        st.metric("Items done", f"{job['n_completed']:,} of {job['n_items']:,}", border=True)
        st.metric("Items failed", f"{job['n_failed']:,}", border=True)
        if job["n_cancelled"]:
            st.metric("Items cancelled", f"{job['n_cancelled']:,}", border=True)
        st.metric("Rate", f"{job['items_per_s']:.1f} items/s" if job["items_per_s"] else "–", border=True)
        if job["is_over"]:
            st.metric("Took", text.duration(job["seconds"]) or "–", border=True)
        else:
            st.metric("Time left, about", text.duration(job["time_left_s"]) or "–", border=True)
    if reason := waiting_reason(job):
        st.caption(reason)
    if not job["is_over"]:
        st.caption(
            "Cancelling stops waiting batches at once and running ones within two seconds; what is finished stays."
        )


def show_batches(job: dict[str, Any]) -> None:
    """The batches of a run, with stage, attempt, counts and times."""
    rows = jobs.list_batches(job["job_id"])
    counts = [f"{job['batches'][stage]:,} {stage_words(stage)}" for stage in Stage if stage in job["batches"]]
    st.subheader(f"Batches: {', '.join(counts)}", anchor=False)
    st.dataframe(
        batch_frame(rows),
        hide_index=True,
        placeholder="",
        key="batches",
        column_config={
            "Batch": st.column_config.NumberColumn(width="small"),
            "Attempt": st.column_config.NumberColumn(width="small"),
            "Done": st.column_config.NumberColumn(width="small"),
            "Failed": st.column_config.NumberColumn(width="small"),
            "Error": st.column_config.TextColumn(width="large"),
        },
    )


def show_failures(job_id: int) -> None:
    """The items of a run that failed, with the reason; nothing where none did."""
    failures = jobs.list_failures(job_id)
    if failures:
        st.subheader(f"{text.count(len(failures), 'item')} failed", anchor=False)
        frame = pd.DataFrame(failures)[["unique_id", "batch_no", "attempt", "reason"]]
        st.dataframe(frame.set_axis(["Item", "Batch", "Attempt", "Reason"], axis=1), hide_index=True)
