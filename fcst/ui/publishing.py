"""Published plans on pages: a button that publishes the plan of a run, and the accuracy of what was published."""

import streamlit as st

from fcst.job_records import Job
from fcst.published_plans import PublishedPlan
from fcst.roles import Scope
from fcst.services import datasets, publishing
from fcst.ui import tables, text
from fcst.ui.buttons import toast_slow_action
from fcst.ui.cache import read
from fcst.ui.glossary import MEANING
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


def show_accuracy(name: str) -> None:
    """Accuracy of the published plans of a dataset against actual sales: by lag, and week by week."""
    newest = next((row.dataset_id for row in datasets.list_datasets() if row.name == name), None)
    current = _current(name)
    if current is None:
        return
    key = ("published accuracy", name, newest, current.plan_id)
    frame = read(key, lambda: publishing.accuracy_by_lag(name))
    st.markdown(f"**Published plans of {text.plain(name)} vs. actual sales**")
    if frame.empty:
        st.caption("The newest version of the data has no week of a published plan yet.")
        return
    tables.show(
        frame[frame["wk_end_dt"].isna()].drop(columns="wk_end_dt").round({"sold": 0, "planned": 0}),
        placeholder="not defined",
        shares=["wape", "bias", "model_wape"],
        column_config={
            "lag": st.column_config.NumberColumn("Weeks before", help=MEANING["lag"], pinned=True),
            "n_plans": "Plans",
            "n_items": st.column_config.NumberColumn("Items", format="localized"),
            "n_weeks": st.column_config.NumberColumn("Item-weeks", format="localized"),
            "sold": st.column_config.NumberColumn("Sold, units", format="localized"),
            "planned": st.column_config.NumberColumn("Planned, units", format="localized"),
            "wape": tables.percent("WAPE", MEANING["wape"]),
            "bias": tables.percent("Bias", MEANING["bias"], signed=True),
            "model_wape": tables.percent("WAPE without adjustments", MEANING["wape"]),
        },
    )
    by_week = frame[frame["wk_end_dt"].notna()].pivot(index="wk_end_dt", columns="lag", values="wape")
    names = {lag: f"{text.count(lag, 'week')} before" for lag in by_week}
    with st.expander("WAPE by week", type="compact"):
        tables.show(
            by_week.sort_index(ascending=False).rename(columns=names).reset_index(),
            placeholder="",
            shares=list(names.values()),
            column_config={"wk_end_dt": st.column_config.DateColumn("Week ending", format="YYYY-MM-DD")},
        )
