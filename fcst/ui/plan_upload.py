"""Dialog to upload an edited plan: preview of its changes, refused cells, save."""

import math

import pandas as pd
import streamlit as st

from fcst.errors import FcstError
from fcst.export_formats import PLAN_FORMATS
from fcst.job_records import Job
from fcst.periods import Period
from fcst.roles import Scope
from fcst.services import adjustments
from fcst.services.adjustments import MAX_REASON
from fcst.services.plan_comparison import PlanUpload
from fcst.services.plan_upload import ConflictPolicy, read_plan_file, save_plan_file
from fcst.ui import tables, text
from fcst.ui.shell import show_error
from fcst.ui.signin import ask_for_name, may

SHOWN = 300
"""Cells listed in a preview; counts include all cells."""
_STATE_KEY = "plan_upload"
_CONFLICT_LABELS = {ConflictPolicy.KEEP: "Keep their changes", ConflictPolicy.OVERWRITE: "Overwrite with the file"}


def upload_button(job: Job, model: str) -> None:
    """Button that opens the dialog; hidden from viewers."""
    if may(Scope.RUN) and st.button("Upload plan …", icon=":material/upload:", key="upload_plan"):
        st.session_state.pop(_STATE_KEY, None)
        ask_for_plan_file(job, model)


@st.dialog("Upload plan", width="large")
def ask_for_plan_file(job: Job, model: str) -> None:
    """Uploads a file, shows its changes, and saves them as one adjustment."""
    st.caption(
        text.plain(f"Upload an edited plan of run {job.job_id}, model {model}: Excel, or CSV with a column Key.")
    )
    file = st.file_uploader("Plan", type=list(PLAN_FORMATS), label_visibility="collapsed", key="plan_file")
    if file is None:
        return
    try:
        upload = _read(job, model, file)
    except FcstError as exc:
        show_error(exc)
        return
    _show_preview(upload)
    if upload.changes:
        _ask_to_save(job, model, upload)


def _read(job: Job, model: str, file: "st.runtime.uploaded_file_manager.UploadedFile") -> PlanUpload:
    """Compares a file with the plan; again if the plan has changed since."""
    key = (job.job_id, model, file.file_id, adjustments.last_change(job.job_id))
    stored = st.session_state.get(_STATE_KEY)
    if stored is None or stored[0] != key:
        with st.spinner("Comparing with the plan …"):
            stored = key, read_plan_file(job, model, file, file.name)
        st.session_state[_STATE_KEY] = stored
    upload: PlanUpload = stored[1]
    return upload


def _show_preview(upload: PlanUpload) -> None:
    changes = upload.changes
    if changes:
        before, after = (math.fsum(getattr(change, name) for change in changes) for name in ("before", "after"))
        st.markdown(
            f"**{text.count(len(changes), 'cell')} of {text.count(upload.n_items, 'item')} change**: "
            f"{text.units(before)} → **{text.units(after)} units** ({after - before:+,.0f})"
        )
        _show_changes(upload)
    else:
        st.info("The file has no changes.", icon=":material/check:")
    notes = [f"{text.count(upload.n_rows, 'row')} read, {text.count(upload.n_unchanged, 'cell')} unchanged."]
    st.caption(text.plain(" ".join([*notes, *upload.remarks])))
    if upload.n_bad:
        st.warning(f"{text.count(upload.n_bad, 'cell')} refused.", icon=":material/error:")
        bad = upload.bad[:SHOWN]
        frame = pd.DataFrame({"Cell": [one.cell for one in bad], "Reason": [one.why for one in bad]})
        tables.show(frame, key="plan_bad")
        _show_truncation(upload.n_bad)


def _show_changes(upload: PlanUpload) -> None:
    # Changes that need a decision come first.
    changes = sorted(upload.changes, key=lambda change: not change.has_conflict)[:SHOWN]
    frame = pd.DataFrame(
        {
            "Item": [change.key for change in changes],
            "Name": [change.name for change in changes],
            {Period.WEEK: "Week ending"}.get(upload.period, str(upload.period).title()): [c.period for c in changes],
            "Before": [change.before for change in changes],
            "After": [change.after for change in changes],
            "Difference": [change.after - change.before for change in changes],
            "Cell": [change.cell for change in changes],
        }
    )
    if not any(change.name for change in changes):
        frame = frame.drop(columns="Name")
    if upload.conflicts:
        frame.insert(0, "Conflict", ["changed by others" if change.has_conflict else "" for change in changes])
    units = st.column_config.NumberColumn(format="%,.1f")
    tables.show(frame, key="plan_changes", column_config=dict.fromkeys(("Before", "After", "Difference"), units))
    _show_truncation(len(upload.changes))


def _show_truncation(n: int) -> None:
    if n > SHOWN:
        st.caption(f"First {SHOWN:,} of {n:,}.")


def _ask_to_save(job: Job, model: str, upload: PlanUpload) -> None:
    skip_bad, on_conflict, n_saved = False, ConflictPolicy.REFUSE, len(upload.changes)
    if upload.n_bad:
        skip_bad = st.checkbox(f"Save without {text.count(upload.n_bad, 'refused cell')}", key="plan_skip")
    if found := upload.conflicts:
        cells = text.count(len(found), "cell")
        chosen = st.radio(
            f"Others changed {cells} since the download",
            list(_CONFLICT_LABELS),
            index=None,
            format_func=lambda choice: _CONFLICT_LABELS[choice],
            horizontal=True,
            key="plan_on_conflict",
        )
        on_conflict = chosen or ConflictPolicy.REFUSE
        n_saved -= len(found) if on_conflict == ConflictPolicy.KEEP else 0
    left, right = st.columns([2, 1])
    with left:
        placeholder = "Plan of the sales team"
        reason = st.text_input("Reason", max_chars=MAX_REASON, key="plan_reason", placeholder=placeholder)
    with right:
        who = ask_for_name("plan_who")
    if st.button(f"Save {text.count(n_saved, 'change')}", type="primary", key="plan_save"):
        try:
            save_plan_file(job, model, upload, reason, who, skip_bad, on_conflict)
        except FcstError as exc:
            show_error(exc)
            return
        st.session_state.pop(_STATE_KEY, None)
        st.session_state["plan_said"] = f"{text.count(n_saved, 'change')} saved as one adjustment."
        st.rerun()
