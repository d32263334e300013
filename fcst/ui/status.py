"""Display of run and batch status: badges, and data frames for tables."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from fcst.job_records import Batch, BatchEvent, Job, Stall
from fcst.services import health
from fcst.states import JobStatus, Stage
from fcst.ui import live, tables, text

_LOOKS = {
    JobStatus.SUBMITTED: ("gray", ":material/schedule:"),
    JobStatus.RUNNING: ("blue", ":material/sync:"),
    JobStatus.COMPLETED: ("green", ":material/check_circle:"),
    JobStatus.FAILED: ("red", ":material/error:"),
    JobStatus.CANCELLED: ("orange", ":material/stop_circle:"),
}
_STAGE_COLORS = {
    Stage.SUBMITTED: "gray",
    Stage.LEARNING: "blue",
    Stage.OBTAINING_SALES: "blue",
    Stage.PROCESSING: "blue",
    Stage.SAVING: "blue",
    Stage.COMPLETED: "green",
    Stage.FAILED: "red",
    Stage.CANCELLED: "orange",
}


def status_badge(status: str) -> None:
    """The status of a run, with icon and colour."""
    st.markdown(_badge(status))


def status_chip(job: Job) -> None:
    """The status as a button that opens the run."""
    if st.button(_badge(job.status), type="tertiary", help="Open the run", key="status"):
        st.switch_page("pages/runs.py", query_params={"job": str(job.job_id)})


def _badge(status: str) -> str:
    color, icon = _LOOKS[JobStatus(status)]
    return f":{color}-badge[{icon} {status}]"


def find_stalls(found: Sequence[Job]) -> dict[int, Stall]:
    """The stalled runs among `found`, by id; for live parts."""
    is_open = [job.job_id for job in found if not job.is_over]
    return live.read(("stalls", is_open), lambda: health.find_stalls(found))


def waiting_reason(job: Job) -> str:
    """Why an open run that is not stalled is waiting; empty if it is not."""
    return live.read(("waiting", job.job_id), lambda: health.waiting_reason(job.job_id))


def job_columns() -> dict[str, Any]:
    """Column configuration of `job_frame`; a status is a coloured label."""
    colors = [color for color, _ in _LOOKS.values()]
    return {
        "Run": st.column_config.NumberColumn(width=60, format="%d"),
        "Name": st.column_config.TextColumn(width=130),
        "Dataset": st.column_config.TextColumn(width=130),
        "Status": st.column_config.MultiselectColumn(options=list(_LOOKS), color=colors),
        "Items": tables.NUMBER,
        "Done": st.column_config.ProgressColumn(format="%d %%", min_value=0, max_value=100, width=110),
    }


def stage_column() -> Any:
    """Column configuration of batch stages as coloured labels."""
    names = [stage_words(stage) for stage in _STAGE_COLORS]
    return st.column_config.MultiselectColumn(options=names, color=list(_STAGE_COLORS.values()))


def stage_words(stage: str) -> str:
    """Display text of a stage: obtaining sales."""
    return stage.replace("_", " ")


def describe(job: Job) -> str:
    """The settings of a run, in one line of Markdown."""
    spec = job.spec
    parts = [
        text.describe_run(job.n_items, spec.batch_size, spec.h),
        ", ".join(map(text.model_name, spec.models)),
        text.describe_backtests(spec.n_windows) if spec.n_windows else "no backtests",
        "skips suspected stock-outs" if spec.skips_stockouts else "",
        text.plain(text.dataset_title(job.dataset, job.dataset_version)),
        f"submitted {text.moment(job.submitted_at)}",
        text.describe_limits(spec.item_limit_s, spec.process_memory) if job.has_limits else "",
    ]
    return " · ".join(filter(None, parts))


def job_frame(jobs: list[Job]) -> pd.DataFrame:
    """One row per run, for the list of runs."""
    return pd.DataFrame(
        {
            "Run": [job.job_id for job in jobs],
            "Name": [job.name for job in jobs],
            "Status": [[job.status] for job in jobs],
            "Dataset": [text.dataset_title(job.dataset, job.dataset_version) for job in jobs],
            "Models": [", ".join(map(text.model_name, job.spec.models)) for job in jobs],
            "Items": [job.n_items for job in jobs],
            "Done": [
                100 * job.n_completed // job.n_items for job in jobs
            ],  # rounded down: 100 % only if all items are done
            "Failed": [job.n_failed for job in jobs],
            "Horizon, weeks": [job.spec.h for job in jobs],
            "Submitted": [text.moment(job.submitted_at) for job in jobs],
            "Duration": [text.duration(job.seconds) for job in jobs],
        }
    )


def batch_frame(batches: list[Batch]) -> pd.DataFrame:
    """One row per batch, for the view Batches."""
    return pd.DataFrame(
        {
            "Batch": [row.batch_no for row in batches],
            "Stage": [[stage_words(row.stage)] for row in batches],
            "Attempt": [row.attempt or None for row in batches],
            "Items": [row.n_items for row in batches],
            "Done": [row.n_completed for row in batches],
            "Failed": [row.n_failed for row in batches],
            "Started": [text.clock(row.started_at) for row in batches],
            "Duration": [text.duration(row.seconds) for row in batches],
            "Error": [row.error or "" for row in batches],
        }
    )


def event_frame(events: list[BatchEvent]) -> pd.DataFrame:
    """One row per change of stage, for the view History."""
    return pd.DataFrame(
        {
            "Time": [text.instant(event.at) for event in events],
            "Batch": [str(event.batch_no) if event.batch_no else "learning" for event in events],
            "Attempt": [event.attempt or None for event in events],
            "From": [stage_words(event.from_stage or "") for event in events],
            "To": [stage_words(event.to_stage) for event in events],
            "Reason": [event.reason or "" for event in events],
            "Supervisor": [event.worker or "" for event in events],
        }
    )
