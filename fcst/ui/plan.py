"""Plan of an item or total: editable grid, dialog to adjust weeks, list of adjustments."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import streamlit as st

from fcst.errors import FcstError, InputError
from fcst.filters import RunFilter
from fcst.job_records import Adjustment, Job
from fcst.periods import Period, Span, Split, same_weeks_last_year, split_weeks
from fcst.records import FloatArray
from fcst.roles import Scope
from fcst.services import adjustments, identity
from fcst.services.adjustments import MAX_PERCENT, MAX_REASON, MAX_UNITS, Change
from fcst.services.forecasts import View
from fcst.ui import text
from fcst.ui.components import GridEdit, GridRow, plan_grid
from fcst.ui.shell import choose_one, show_error
from fcst.ui.signin import ask_for_name, may

SHOWN_CHANGES = 20
PERCENT, UNITS, TOTAL = "Change in %", "Set units per week", "Set total units"
_PERIODS = {"": "Weeks", "month": "Months", "quarter": "Quarters"}
_PERCENT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*%")
_UNITS = re.compile(r"\d[\d,\s]*(?:\.\d+)?|\.\d+")


@dataclass(frozen=True)
class EditTarget:
    """The plan that is edited.

    Parameters
    ----------
    which
        filter of the items, one or many.
    scope
        description of the items.
    seen
        number of the last change in the plan shown.
    """

    job: Job
    model: str
    which: RunFilter
    scope: str
    seen: int


def show_plan(edited: EditTarget, view: View) -> None:
    """Grid of last year, model forecast, adjustments and final plan; the final plan is editable."""
    if message := st.session_state.pop("plan_said", ""):
        st.toast(message)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        period = Period(choose_one("Periods", _PERIODS, "period", label_visibility="collapsed") or "week")
        if may(Scope.RUN) and st.button("Adjust weeks …", icon=":material/edit:", key="adjust"):
            ask_for_change(edited, view)
    place = st.container()
    split = split_weeks([week.date() for week in view.forecast["wk_end_dt"]], period)
    final = view.forecast["final"].to_numpy()
    model = view.forecast["forecast"].to_numpy()
    last_year = same_weeks_last_year(view.history["unit_sales"].to_numpy(dtype=float), len(model))

    def save(edit: GridEdit) -> None:
        try:
            change = _parse_change(split, final, edit.cells)
            n = adjustments.adjust(
                edited.job, edited.model, edited.which, change, edit.reason, edit.who, edited.scope, edited.seen
            )
        except FcstError as exc:
            st.session_state["plan_refused"] = exc
            return
        st.session_state["who"] = edit.who
        st.session_state["plan_said"] = f"Adjustment {n} saved. The model forecast does not change."

    if (refused := st.session_state.pop("plan_refused", None)) is not None:
        with place:
            show_error(refused)
    changed = np.where(np.isclose(final, model), 0.0, final - model)
    rows = [
        _row("Last year", split, last_year, "quiet"),
        _row("Model", split, model),
        *([_row("Adjusted", split, changed, is_signed=True)] if view.is_adjusted else []),
        _row("Final plan", split, final, "strong", is_editable=may(Scope.RUN)),
    ]
    plan_grid(
        f"Plan of {edited.scope}",
        [_period_header(span, period) for span in split.spans],
        rows,
        key="plan_grid",
        version=f"{edited.job.job_id} {edited.model} {edited.scope} {edited.which} {period} {edited.seen}",
        who=None if identity.current().is_known else str(st.session_state.get("who", "")),
        on_save=save,
    )


def _row(
    label: str, split: Split, weekly: FloatArray, kind: str = "", is_editable: bool = False, is_signed: bool = False
) -> GridRow:
    sums = split.add_up(weekly)
    cells = [*sums, float(np.sum(weekly))]
    return GridRow(label, tuple(_units(units, is_signed) for units in cells), kind, is_editable)


def _units(units: float, is_signed: bool = False) -> str:
    """Units in a format that can be typed in again; a dash if unknown, empty for no adjustment."""
    if np.isnan(units):
        return "–"
    if is_signed and units == 0:
        return ""
    return f"{units:{'+' if is_signed else ''},.{0 if abs(units) >= 100 else 1}f}"


def _period_header(span: Span, period: Period) -> tuple[str, str, str]:
    if period == Period.WEEK:
        return span.name, f"{span.last:%m-%d}", f"{span.last:%Y}"
    n_days = (span.last - span.first).days + 1
    return span.name, span.name, "" if span.is_whole else f"{span.n_days} of {n_days} days"


def _parse_change(split: Split, final: FloatArray, typed: dict[str, str]) -> Change:
    """Converts the typed cells to a change of weekly units.

    Raises
    ------
    InputError
        if a cell has neither units nor a percentage; names the cell.
    """
    now, wanted = split.add_up(final), list[float | None]()
    for span, units in zip(split.spans, now, strict=True):
        wanted.append(_parse_cell(span.name, typed[span.name], float(units)) if span.name in typed else None)
    weeks = split.weeks_for(final, wanted)
    places = [place for place, units in enumerate(weeks) if units is not None]
    if not places:
        raise InputError("No cells were changed.", "Enter units in a cell of the final plan.")
    first, last = places[0], places[-1]
    return Change(split.week_ends[first], split.week_ends[last], targets=tuple(weeks[first : last + 1]))


def _parse_cell(name: str, typed: str, now: float) -> float:
    if (percent := _PERCENT.fullmatch(typed.strip())) is not None:
        value = now * (1 + float(percent[1]) / 100)
    elif _UNITS.fullmatch(typed.strip()) is not None:
        value = float(re.sub(r"[,\s]", "", typed))
    else:
        raise InputError(f"Cell {name} has {typed[:40]!r}.", "Enter units, 0 or more, or a percentage such as +8 %.")
    if not 0 <= value <= MAX_UNITS:
        raise InputError(f"Cell {name} has {typed[:40]!r}.", f"Enter units from 0 to {MAX_UNITS:,.0f}.")
    return value


def show_changes(job: Job, model: str, which: RunFilter) -> None:
    """Adjustments of this plan, newest first, including those carried over from earlier runs."""
    made = adjustments.list_adjustments(job, which, model, SHOWN_CHANGES + 1)
    if not made:
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Adjustments**")
        carried = [row for row in made if row.carried_from is not None and row.undone_at is None]
        if carried and may(Scope.RUN) and st.button("Undo carried over …", key="undo_carried"):
            ask_to_undo_carried(job, model)
    for row in made[:SHOWN_CHANGES]:
        _show_change(row)
    if len(made) > SHOWN_CHANGES:
        st.caption(f"Only the newest {SHOWN_CHANGES} are shown. The Excel download has all.")


def _show_change(row: Adjustment) -> None:
    how = "units by week"
    if row.percent is not None:
        how = f"{row.percent:+,.1f} %"
    elif row.units is not None:
        how = f"set to {text.units(row.units)} units per week"
    weeks = text.weeks_ending(row.first_wk_end_dt, row.last_wk_end_dt)
    of = f"{row.scope} ({row.n_items:,} items)" if row.n_items > 1 else row.scope
    who = f"{text.plain(row.made_by)}, {text.moment(row.made_at)}"
    if row.carried_from is not None:
        who += f"; carried over from run {row.carried_from}"
    undone = "" if row.undone_at is None else f" Undone by {text.plain(row.undone_by)}, {text.moment(row.undone_at)}."
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(width="stretch", gap="xsmall"):
            summary = f"**{how}**, {weeks}, {text.plain(of)}: {text.plain(row.reason)}"
            st.markdown(f"{'Undone: ' if undone else ''}{summary}")
            st.caption(f"{who}.{undone}")
        if (
            not undone
            and may(Scope.RUN)
            and st.button("Undo …", key=f"undo_{row.adjustment_id}", icon=":material/undo:")
        ):
            ask_to_undo(row, how)


@st.dialog("Adjust weeks")
def ask_for_change(edited: EditTarget, view: View) -> None:
    """Form for one adjustment of several weeks; it is spread over the items, a total also over the weeks."""
    st.caption(text.plain(f"For {edited.scope}."))
    days = [week.date() for week in view.forecast["wk_end_dt"]]
    first, last = ask_weeks(days, (days[0], days[-1]), "adjust_weeks")
    ways = [PERCENT, UNITS, TOTAL] if first != last else [PERCENT, UNITS]
    how = st.segmented_control("Adjustment", ways, default=PERCENT, required=True, key="adjust_how")
    is_in = view.forecast["wk_end_dt"].dt.date.between(first, last)
    now = view.forecast.loc[is_in, "final"]
    if how == PERCENT:
        percent = st.number_input(
            "Change in % (negative lowers it)", -100.0, float(MAX_PERCENT), 10.0, 5.0, "%.1f", key="adjust_percent"
        )
        change, after = Change(first, last, percent=percent), float(now.sum()) * (1 + percent / 100)
    elif how == UNITS:
        usual = round(float(now.mean()), 1)
        units = st.number_input("Units per week", 0.0, MAX_UNITS, usual, format="%.1f", key="adjust_units")
        change, after = Change(first, last, units=units), units * len(now)
    else:
        usual = round(float(now.sum()), 1)
        after = st.number_input("Total units", 0.0, MAX_UNITS, usual, format="%.1f", key="adjust_total")
        is_even = st.checkbox("Same units each week", key="adjust_even")
        change = Change(first, last, total=after, is_even=is_even)
    st.markdown(f"{text.count(len(now), 'week')}: {text.units(now.sum())} → **{text.units(after)} units**")
    reason = st.text_input("Reason", max_chars=MAX_REASON, key="adjust_reason", placeholder="Campaign in week 34")
    who = ask_for_name("adjust_who")
    if st.button("Save adjustment", type="primary", key="adjust_save"):
        _submit(
            lambda: adjustments.adjust(
                edited.job, edited.model, edited.which, change, reason, who, edited.scope, edited.seen
            ),
            "Adjustment saved. The model forecast does not change.",
        )


@st.dialog("Undo this adjustment?")
def ask_to_undo(row: Adjustment, how: str) -> None:
    items = text.plain(f"{row.scope} ({row.n_items:,} items)" if row.n_items > 1 else row.scope)
    st.markdown(f"**{how}** for {items} is removed from the final plan. It stays in the list as undone.")
    who = ask_for_name("adjust_who")
    if st.button("Undo adjustment", type="primary", key="undo_now"):
        _submit(lambda: adjustments.undo(row.adjustment_id, who), "Adjustment undone.")


@st.dialog("Undo carried-over adjustments?")
def ask_to_undo_carried(job: Job, model: str) -> None:
    st.markdown("All adjustments from earlier runs are removed from the final plan. They stay in the list as undone.")
    who = ask_for_name("adjust_who")
    if st.button("Undo adjustments", type="primary", key="drop_now"):
        _submit(lambda: adjustments.undo_carried(job, model, who), "Carried-over adjustments undone.")


def _submit(change: Callable[[], object], message: str) -> None:
    """Applies a change and closes the dialog with a message; on an error the dialog stays open and shows it."""
    try:
        change()
    except FcstError as exc:
        show_error(exc)
        return
    st.session_state["plan_said"] = message
    st.rerun()


def ask_weeks(days: Sequence[date], usual: tuple[date, date], key: str) -> tuple[date, date]:
    """Returns the first and last week of a change; shows no slider if there is only one week.

    Parameters
    ----------
    usual
        default choice.
    key
        of the slider.
    """
    if len(days) == 1:
        st.markdown(f"Week ending {text.day(days[0])}")
        return days[0], days[0]
    chosen = st.select_slider("Weeks ending", days, usual, format_func=text.day, key=key)
    return chosen[0], chosen[1]
