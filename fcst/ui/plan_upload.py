"""The dialog in which an edited plan is uploaded: what it would change, what cannot be taken, and saving it."""

import math

import pandas as pd
import streamlit as st

from fcst.errors import FcstError
from fcst.job_records import Job
from fcst.periods import Period
from fcst.roles import Scope
from fcst.services import adjustments
from fcst.services.adjustments import MAX_REASON
from fcst.services.plan_comparison import PlanUpload
from fcst.services.plan_upload import Meanwhile, read_plan_file, save_plan_file
from fcst.ui import tables, text
from fcst.ui.shell import show_error
from fcst.ui.signin import ask_for_name, may

SHOWN = 300
"""Cells of a preview; all are counted."""
_KEPT = "plan_upload"
_MEANWHILE = {Meanwhile.KEEP: "Keep theirs", Meanwhile.OVERWRITE: "Overwrite with those of the file"}


def upload_button(job: Job, model: str) -> None:
    """Opens the dialog; those who may not change plans do not see it."""
    if may(Scope.RUN) and st.button("Upload a plan …", icon=":material/upload:", key="upload_plan"):
        st.session_state.pop(_KEPT, None)
        ask_for_plan_file(job, model)


@st.dialog("Upload a plan", width="large")
def ask_for_plan_file(job: Job, model: str) -> None:
    """Asks for a file, shows what it would change, and saves it as one adjustment."""
    st.caption(
        text.plain(f"An edited download of the plan of run {job.job_id} by {model}: Excel, or CSV with a column Key.")
    )
    file = st.file_uploader("Plan", type=["xlsx", "csv"], label_visibility="collapsed", key="plan_file")
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
    """What a file would change; read again where the plan has changed since."""
    key = (job.job_id, model, file.file_id, adjustments.last_change(job.job_id))
    kept = st.session_state.get(_KEPT)
    if kept is None or kept[0] != key:
        with st.spinner("Comparing it with the plan …"):
            kept = key, read_plan_file(job, model, file, file.name)
        st.session_state[_KEPT] = kept
    upload: PlanUpload = kept[1]
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
        st.info("This file changes nothing.", icon=":material/check:")
    said = [f"{text.count(upload.n_rows, 'row')} read, {text.count(upload.n_unchanged, 'cell')} as they were."]
    st.caption(text.plain(" ".join([*said, *upload.remarks])))
    if upload.n_bad:
        st.warning(f"{text.count(upload.n_bad, 'cell')} cannot be taken.", icon=":material/error:")
        bad = upload.bad[:SHOWN]
        frame = pd.DataFrame({"Cell": [one.cell for one in bad], "Why": [one.why for one in bad]})
        tables.show(frame, key="plan_bad")
        _say_rest(upload.n_bad)


def _show_changes(upload: PlanUpload) -> None:
    # Those that need a decision come first.
    changes = sorted(upload.changes, key=lambda change: not change.changed_meanwhile)[:SHOWN]
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
    if upload.meanwhile:
        frame.insert(0, "Meanwhile", ["changed by others" if change.changed_meanwhile else "" for change in changes])
    units = st.column_config.NumberColumn(format="%,.1f")
    tables.show(frame, key="plan_changes", column_config=dict.fromkeys(("Before", "After", "Difference"), units))
    _say_rest(len(upload.changes))


def _say_rest(n: int) -> None:
    if n > SHOWN:
        st.caption(f"The first {SHOWN:,} of {n:,} are shown.")


def _ask_to_save(job: Job, model: str, upload: PlanUpload) -> None:
    skip_bad, meanwhile, n_saved = False, Meanwhile.REFUSE, len(upload.changes)
    if upload.n_bad:
        skip_bad = st.checkbox(
            f"Save without the {text.count(upload.n_bad, 'cell')} that cannot be taken", key="plan_skip"
        )
    if found := upload.meanwhile:
        cells = text.count(len(found), "cell")
        chosen = st.radio(
            f"Others have changed {cells} since the download",
            list(_MEANWHILE),
            index=None,
            format_func=lambda choice: _MEANWHILE[choice],
            horizontal=True,
            key="plan_meanwhile",
        )
        meanwhile = chosen or Meanwhile.REFUSE
        n_saved -= len(found) if meanwhile == Meanwhile.KEEP else 0
    left, right = st.columns([2, 1])
    with left:
        placeholder = "The plan of the sales team"
        reason = st.text_input("Reason", max_chars=MAX_REASON, key="plan_reason", placeholder=placeholder)
    with right:
        who = ask_for_name("plan_who")
    if st.button(f"Save {text.count(n_saved, 'change')}", type="primary", key="plan_save"):
        try:
            save_plan_file(job, model, upload, reason, who, skip_bad, meanwhile)
        except FcstError as exc:
            show_error(exc)
            return
        st.session_state.pop(_KEPT, None)
        st.session_state["plan_said"] = f"{text.count(n_saved, 'change')} of the file are saved as one adjustment."
        st.rerun()
