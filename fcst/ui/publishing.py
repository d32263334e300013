"""The published plan on the page Forecasts: a button that publishes the plan of a run, or says that it is published."""

import streamlit as st

from fcst.job_records import Job
from fcst.published_plans import PublishedPlan
from fcst.roles import Scope
from fcst.services import publishing
from fcst.ui import text
from fcst.ui.buttons import toast_slow_action
from fcst.ui.shell import action_errors
from fcst.ui.signin import may


def publish_button(job: Job, model: str) -> None:
    """Button that opens the dialog; *Published* for the published plan of the dataset. Viewers see it only then."""
    st.session_state.pop("published", None)  # a whole page has no open dialog
    current = _current(job.dataset)
    is_published = current is not None and (current.job_id, current.model) == (job.job_id, model)
    if not is_published and (not may(Scope.RUN) or not job.is_over or not job.n_completed):
        return
    label, icon = ("Published", ":material/verified:") if is_published else ("Publish …", ":material/publish:")
    if st.button(label, key="publish", icon=icon):
        ask_to_publish(job, model, current)


def _current(dataset: str) -> PublishedPlan | None:
    return next(iter(publishing.list_plans(dataset)), None)


@st.dialog("Published plan")
def ask_to_publish(job: Job, model: str, current: PublishedPlan | None) -> None:
    """Says what is published, and publishes the final plan of this run."""
    if st.session_state.pop("published", False):
        st.rerun()  # closes the dialog
    if current is None:
        st.markdown(f"No plan of **{text.plain(job.dataset)}** is published yet.")
    else:
        st.markdown(
            f"The published plan of **{text.plain(job.dataset)}** is that of run {current.run_no}, "
            f"{text.plain(text.model_name(current.model))}: {text.count(current.n_items, 'item')}, "
            f"{text.large(current.final)} units in {text.count(current.h, 'week')} from "
            f"{text.day(current.first_wk_end_dt)}. Published by {text.plain(current.published_by)}, "
            f"{text.moment(current.published_at)}."
        )
        if current.job_id == job.job_id and current.model == model:
            n = current.n_changes_since
            st.caption(f"{text.count(n, 'adjustment')} since then." if n else "No adjustments since then.")
    if not may(Scope.RUN):
        return
    st.markdown(
        f"Publish the final plan of **run {job.job_id}, {text.plain(text.model_name(model))}**? What is published is "
        "kept as it is: later adjustments do not change it."
    )
    st.button("Publish", type="primary", key="publish_now", on_click=_publish, args=(job, model))


def _publish(job: Job, model: str) -> None:
    with action_errors():
        toast_slow_action("Publishing", job.n_items)
        publishing.publish(job.job_id, model)
        st.session_state["published"] = True
        st.toast(f"Published the plan of run {job.job_id}.", icon=":material/verified:")
