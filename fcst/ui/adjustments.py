"""Changes of an item's forecast: the dialog that makes one, the list of those that were made, and the way back."""

from collections.abc import Callable
from datetime import date

import streamlit as st

from fcst.errors import FcstError
from fcst.filters import only
from fcst.job_records import Adjustment, Job
from fcst.roles import Scope
from fcst.services import adjustments, identity
from fcst.services.adjustments import MAX_NAME, MAX_PERCENT, MAX_REASON, MAX_UNITS, Change
from fcst.services.forecasts import View
from fcst.ui import text
from fcst.ui.shell import show_error
from fcst.ui.signin import may

PERCENT, UNITS = "By percent", "To units a week"


def adjust_button(job: Job, model: str, unique_id: str, view: View) -> None:
    """Opens the dialog; what was done by it, or by the one that undoes, is told once."""
    if told := st.session_state.pop("adjusted", ""):
        st.toast(told)
    if may(Scope.RUN) and st.button("Adjust …", icon=":material/edit:", key="adjust"):
        ask_for_change(job, model, unique_id, view)


def show_adjustments(job: Job, model: str, unique_id: str) -> None:
    """Every change of this forecast, the newest first."""
    made = [row for row in adjustments.list_adjustments(job, only(unique_id)) if row.model == model]
    if made:
        st.markdown("**Adjustments**")
    for row in made:
        _show_change(row)


def _show_change(row: Adjustment) -> None:
    how = f"{row.percent:+,.1f} %" if row.units is None else f"to {text.units(row.units)} units a week"
    weeks = f"week ending {text.day(row.first_wk_end_dt)}"
    if row.last_wk_end_dt != row.first_wk_end_dt:
        weeks = f"weeks ending {text.day(row.first_wk_end_dt)} – {text.day(row.last_wk_end_dt)}"
    who = f"{text.plain(row.made_by)}, {text.moment(row.made_at)}"
    undone = "" if row.undone_at is None else f" Undone by {text.plain(row.undone_by)}, {text.moment(row.undone_at)}."
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(width="stretch", gap="xsmall"):
            st.markdown(f"{'Undone: ' if undone else ''}**{how}**, {weeks}: {text.plain(row.reason)}")
            st.caption(f"{who}.{undone}")
        if (
            not undone
            and may(Scope.RUN)
            and st.button("Undo …", key=f"undo_{row.adjustment_id}", icon=":material/undo:")
        ):
            ask_to_undo(row.adjustment_id, how)


@st.dialog("Adjust this forecast")
def ask_for_change(job: Job, model: str, unique_id: str, view: View) -> None:
    weeks = view.forecast.assign(adjusted=view.forecast.get("adjusted", view.forecast["forecast"]))
    first, last = _ask_weeks([week.date() for week in weeks["wk_end_dt"]])
    how = st.segmented_control("Change", [PERCENT, UNITS], default=PERCENT, required=True, key="adjust_how")
    if how == PERCENT:
        percent = st.number_input(
            "Percent, less than 0 for less", -100.0, float(MAX_PERCENT), 10.0, 5.0, "%.1f", key="adjust_percent"
        )
        change = Change(first, last, percent=percent)
    else:
        usual = round(float(weeks.loc[weeks["wk_end_dt"].dt.date.between(first, last), "adjusted"].mean()), 1)
        change = Change(
            first, last, units=st.number_input("Units a week", 0.0, MAX_UNITS, usual, format="%.1f", key="adjust_units")
        )
    before, after = weeks["adjusted"].sum(), change.apply(weeks).sum()
    st.markdown(f"All {text.count(len(weeks), 'week')}: {text.units(before)} → **{text.units(after)} units**")
    reason = st.text_input("Reason", max_chars=MAX_REASON, key="adjust_reason", placeholder="A campaign in week 34")
    who = _ask_who()
    if st.button("Save the adjustment", type="primary", key="adjust_save"):
        _do(
            lambda: adjustments.adjust(job.job_id, unique_id, model, change, reason, who),
            "The adjustment is saved. The model's own forecast stays beside it.",
        )


@st.dialog("Undo this adjustment?")
def ask_to_undo(adjustment_id: int, how: str) -> None:
    st.markdown(f"**{how}** will not count any more. It stays in this list, as undone.")
    who = _ask_who()
    if st.button("Undo it", type="primary", key="undo_now"):
        _do(lambda: adjustments.undo(adjustment_id, who), "The adjustment is undone.")


def _do(change: Callable[[], object], told: str) -> None:
    """Closes the dialog when it is done, and says so; stays open and says why when it is refused."""
    try:
        change()
    except FcstError as exc:
        show_error(exc)
        return
    st.session_state["adjusted"] = told
    st.rerun()


def _ask_weeks(days: list[date]) -> tuple[date, date]:
    """The first and the last week of a change; without asking where there is one week only."""
    if len(days) == 1:
        st.markdown(f"Week ending {text.day(days[0])}")
        return days[0], days[0]
    chosen = st.select_slider("Weeks ending", days, (days[0], days[-1]), format_func=text.day, key="adjust_weeks")
    return chosen[0], chosen[1]


def _ask_who() -> str:
    """Whoever sits here, by name; asked once in a session, and not of those who have signed in."""
    if (actor := identity.current()).is_known:
        return actor.name
    who: str = st.text_input("Your name", st.session_state.get("who", ""), max_chars=MAX_NAME, key="adjust_who")
    st.session_state["who"] = who
    return who
