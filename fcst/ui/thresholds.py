"""Dialog for the thresholds from which an item needs attention."""

from dataclasses import fields, replace

import streamlit as st

from fcst.attention import MOST, Thresholds
from fcst.errors import FcstError
from fcst.job_records import Job
from fcst.roles import Scope
from fcst.services import attention
from fcst.ui import text
from fcst.ui.shell import show_error
from fcst.ui.signin import actor_name, may

_WORDS = {
    "worse_by": (
        "Worse than last year by, %",
        "Backtest error above that of the same weeks last year by at least this.",
    ),
    "bias_ratio": ("Biased: tracking signal, %", "Sum of backtest errors, divided by the sum of absolute errors."),
    "plan_change": ("Far from last year by, %", "Difference between the final plan and the same weeks last year."),
    "outside_weeks": ("Outside interval, weeks", "Weeks since the last run that lie outside its widest interval."),
    "shift": ("Level shift by, %", "Difference between the level of the last 8 weeks and the expected level."),
    "x_below": ("Class X: WAPE below, %", "Items of class X are forecast well."),
    "y_below": ("Class Y: WAPE below, %", "Items of class Y are forecast less well. All others are class Z."),
}


def thresholds_button(job: Job) -> None:
    """Button that opens the dialog; hidden from viewers."""
    if may(Scope.RUN) and st.button(
        "Thresholds",
        icon=":material/tune:",
        type="tertiary",
        key="thresholds",
        help="Set when an item needs attention.",
    ):
        _ask(job)


@st.dialog("Attention thresholds")
def _ask(job: Job) -> None:
    st.caption(
        f"For all runs of {text.plain(job.dataset)}: this run immediately, other runs when they are made. New and "
        "ended items use 26 weeks. Stock-outs, outliers, fallbacks and adjustments always need attention."
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
            help=f"{meaning} Default: {scale * field.default:g}.",  # type: ignore[operator]
        )
        wanted = replace(wanted, **{field.name: value / scale})
    if st.button("Save thresholds", type="primary", key="thresholds_save"):
        try:
            with st.spinner("Updating attention reasons …"):
                attention.set_thresholds(job, wanted, actor_name())
        except FcstError as exc:
            show_error(exc)
            return
        st.rerun()
