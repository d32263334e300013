"""The thresholds from which on an item needs attention: a dialog that explains and sets them."""

from dataclasses import fields, replace

import streamlit as st

from fcst.attention import MOST, Thresholds
from fcst.errors import FcstError
from fcst.job_records import Job
from fcst.roles import Scope
from fcst.services import attention
from fcst.ui import text
from fcst.ui.shell import show_error
from fcst.ui.signin import may, name_to_give

_WORDS = {
    "worse_by": (
        "Worse than last year, by %",
        "The error in backtests exceeds that of last year's sales by so much.",
    ),
    "one_sided": ("Biased, tracking signal %", "The sum of the errors in backtests, by the sum of their sizes."),
    "far": ("Far from last year, by %", "The final plan is so far from the same weeks of last year."),
    "outside_weeks": ("Outside interval, weeks", "So many weeks since the last run lie outside its widest interval."),
    "shift": ("Level shift, by %", "The level of the last 8 weeks differs so much from the one expected."),
    "x_below": ("X below a WAPE of %", "Items of class X are forecast well."),
    "y_below": ("Y below a WAPE of %", "Items of class Y are forecast less well; the others are Z."),
}


def thresholds_button(job: Job) -> None:
    """Opens the dialog; those who may only look do not see it."""
    if may(Scope.RUN) and st.button(
        "Thresholds", icon=":material/tune:", type="tertiary", key="thresholds", help="When an item needs attention."
    ):
        _ask(job)


@st.dialog("When an item needs attention")
def _ask(job: Job) -> None:
    st.caption(
        f"For all runs of {text.plain(job.dataset)}: this one at once, others when they are made. An item is new or "
        "ended by 26 weeks; stock-outs, outliers, fallbacks and adjustments always count."
    )
    wanted = attention.thresholds(job.dataset)
    for field in fields(Thresholds):
        label, meaning = _WORDS[field.name]
        scale = 1 if field.name == "outside_weeks" else 100
        value = st.number_input(
            label,
            0.0,
            float(MOST * scale),
            scale * getattr(wanted, field.name),
            1.0 if scale == 1 else 5.0,
            "%.0f",
            key=f"threshold_{field.name}",
            help=f"{meaning} Usual: {scale * field.default:g}.",  # type: ignore[operator]
        )
        wanted = replace(wanted, **{field.name: value / scale})
    if st.button("Save the thresholds", type="primary", key="thresholds_save"):
        try:
            with st.spinner("Finding what needs attention …"):
                attention.set_thresholds(job, wanted, name_to_give())
        except FcstError as exc:
            show_error(exc)
            return
        st.rerun()
