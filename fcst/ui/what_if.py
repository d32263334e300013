"""What if: scenarios with changed drivers of future weeks; compare them and apply them to the plan."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from fcst.drivers import SHOWN_AT, DriverKind
from fcst.errors import FcstError
from fcst.escaping import for_spreadsheet
from fcst.export_formats import FILE_FORMATS, PLAN_FORMATS
from fcst.filters import ALL_RUN_ITEMS, RunFilter
from fcst.job_records import Job
from fcst.periods import Period, split_weeks
from fcst.roles import Scope
from fcst.scenarios import CHANGED_BY, ChangeableDriver, ChangeHow, DriverChange, Scenario, ScenarioChange
from fcst.services import adjustments, scenarios
from fcst.services.adjustments import MAX_NAME, MAX_REASON
from fcst.services.forecasts import View
from fcst.ui import tables, text
from fcst.ui.buttons import confirm_buttons, destructive_button
from fcst.ui.cache import read, run_key
from fcst.ui.components import Column, Row, rows_table
from fcst.ui.downloads import SCENARIO, Query, link_to_scenarios, period_in_url
from fcst.ui.plan import ask_weeks
from fcst.ui.shell import action_errors, choose, show_error, warn_of_unknown, write_to_url
from fcst.ui.signin import ask_for_name, may
from fcst.ui.streamlit_internals import DeltaGenerator

OTHER = "with"
NAMES = SCENARIO, OTHER
"""URL parameters of the scenario shown and of the one compared with it."""

ITEMS_HEIGHT = 260  # pixels
_DAYS = (DriverKind.EVENT, DriverKind.OPEN)
_HOW = {ChangeHow.PERCENT: "Change in %", ChangeHow.TO: "Set value"}


@dataclass(frozen=True)
class WhatIfContext:
    """Items of a run and up to two scenarios.

    Parameters
    ----------
    which, scope
        filter of the items, and its description.
    query
        the filter as URL parameters.
    key
        cache key: changes when the data of the run change.
    plan_of_all
        returns the units of the final plan of all items.
    """

    job: Job
    model: str
    which: RunFilter
    scope: str
    query: Query
    key: tuple[object, ...]
    chosen: tuple[Scenario, ...]
    plan_of_all: Callable[[], float]

    def sums(self, which: RunFilter) -> pd.DataFrame:
        """`wk_end_dt, change1, change2` of the items that match."""
        ask = lambda: scenarios.sums(self.job, self.model, which, self.chosen)  # noqa: E731
        return read(("scenarios", self.key, self.model, which, self.chosen), ask)


def chosen_scenarios(job: Job) -> tuple[Scenario, ...]:
    """The scenarios in the URL, at most two."""
    known = {str(scenario.scenario_id): scenario for scenario in _all(job)}
    wanted = dict.fromkeys(st.query_params.get(name, "") for name in NAMES if SCENARIO in st.query_params)
    return tuple(known[number] for number in wanted if number in known)


def _all(job: Job) -> list[Scenario]:
    key = ("scenarios", job.job_id, scenarios.last_change(job.job_id))
    return read(key, lambda: scenarios.list_scenarios(job))


def lines(shown: WhatIfContext, view: View) -> dict[str, pd.DataFrame]:
    """Chart lines of the plan in each scenario: name -> `wk_end_dt, forecast`."""
    if not shown.chosen:
        return {}
    weeks = view.forecast["wk_end_dt"]
    return {
        f"scenario {scenario.name}": pd.DataFrame({"wk_end_dt": weeks, "forecast": units})
        for scenario, units in zip(shown.chosen, _units(shown, view), strict=True)
    }


def _units(shown: WhatIfContext, view: View) -> list[np.ndarray]:
    """(H,) plan of the items shown, for each scenario."""
    changes = shown.sums(shown.which).set_index("wk_end_dt")
    by_week = changes.reindex(view.forecast["wk_end_dt"]).fillna(0.0)
    final = view.forecast["final"].to_numpy()
    return [final + by_week[f"change{n}"].to_numpy() for n in range(1, len(shown.chosen) + 1)]


def show_what_if(shown: WhatIfContext, view: View) -> None:
    """Shows the choice of scenarios, their effect on the plan, a form for the next change, and the changes so far."""
    known = {driver.name: driver for driver in _drivers(shown.job)}
    if not known:
        st.info(
            "This run has not learnt effects of promotions, prices or other drivers, so scenarios are not possible. "
            "Load drivers on the page Dataset, then start a new run.",
            icon=":material/info:",
        )
        return
    _choose(shown)
    if shown.chosen:
        _show_numbers(shown, view)
    if may(Scope.RUN):
        _ask_for_change(shown, view, known)
    if shown.chosen:
        _show_changes(shown, known)
        _show_weeks(shown, view)
        _show_items(shown)


def _drivers(job: Job) -> list[ChangeableDriver]:
    return read(("changeable drivers", run_key(job)), lambda: scenarios.changeable_drivers(job))


def _choose(shown: WhatIfContext) -> None:
    """Choice of the scenario and of the one to compare with, and actions on the first."""
    names = {str(scenario.scenario_id): scenario.name for scenario in _all(shown.job)}
    for name in NAMES:
        warn_of_unknown(name, names, "This run has no scenario {}.")
    with st.container(horizontal=True, vertical_alignment="bottom", key="scenarios"):
        title = lambda number: names.get(number, "New scenario")  # noqa: E731
        first = choose("Scenario", ["", *names], SCENARIO, title, width=220)
        if not first:
            return
        others = {number: f"scenario {name}" for number, name in names.items() if number != first}
        choose("Compare with", ["", *others], OTHER, lambda n: others.get(n, "the plan"), width=220)
        with st.popover("Download scenarios", icon=":material/download:"):
            pairs = [(SCENARIO, str(scenario.scenario_id)) for scenario in shown.chosen]
            for file_format in PLAN_FORMATS:
                address = link_to_scenarios(shown.job.job_id, file_format, [*shown.query, *pairs])
                label = f"Scenarios as {FILE_FORMATS[file_format].label}"
                st.link_button(label, address, icon=":material/download:")
        if may(Scope.RUN):
            if st.button("Copy …", key="copy_scenario", icon=":material/content_copy:"):
                ask_to_copy(shown.job, shown.chosen[0])
            if st.button("Apply to plan …", key="apply_to_plan", icon=":material/done:"):
                ask_to_apply(shown)
            if destructive_button("Delete …", key="delete_scenario", icon=":material/delete:"):
                ask_to_delete(shown.job, shown.chosen[0])


def _show_numbers(shown: WhatIfContext, view: View) -> None:
    """Table of the plan and the scenarios, for the items shown and for all items."""
    rows = [(_capital(shown.scope), _of_scope(shown, float(view.forecast["final"].sum()), shown.which))]
    if not shown.which.is_empty:
        rows.append(("All items", _of_scope(shown, shown.plan_of_all(), ALL_RUN_ITEMS)))
    frame = pd.DataFrame({"Items": [scope for scope, _ in rows], "plan": [units[0] for _, units in rows]})
    config = {"plan": st.column_config.NumberColumn("Plan, units", format="%,.0f")}
    for place, scenario in enumerate(shown.chosen, 1):
        name = for_spreadsheet(scenario.name)
        frame[f"units{place}"] = [units[place] for _, units in rows]
        frame[f"change{place}"] = [100 * _share(units[place], units[0]) for _, units in rows]
        config[f"units{place}"] = st.column_config.NumberColumn(name, format="%,.0f", help=f"Units in scenario {name}.")
        config[f"change{place}"] = tables.percent("Change", f"Scenario {name} vs. plan.", signed=True)
    tables.show(frame, key="scenario_numbers", column_config=config)


def _of_scope(shown: WhatIfContext, plan: float, which: RunFilter) -> list[float]:
    changes = shown.sums(which)
    return [plan, *(plan + float(changes[f"change{n}"].sum()) for n in range(1, len(shown.chosen) + 1))]


def _share(units: float, plan: float) -> float:
    return units / plan - 1 if plan > 0 else math.nan


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _ask_for_change(shown: WhatIfContext, view: View, known: Mapping[str, ChangeableDriver]) -> None:
    """Form for the next change of the scenario, or for the first change of a new scenario."""
    days = [week.date() for week in view.forecast["wk_end_dt"]]
    with st.container(border=True, key="change_drivers"):
        name, who = "", ""
        if not shown.chosen:
            left, right = st.columns(2)
            with left:
                usual = f"Scenario {len(_all(shown.job)) + 1}"
                name = st.text_input("Scenario name", usual, max_chars=MAX_NAME, key="scenario_name")
            with right:
                who = ask_for_name("scenario_who")
        left, middle, right = st.columns([3, 4, 3], vertical_alignment="bottom")
        with left:
            driver = known[st.selectbox("Driver", list(known), format_func=str, key="changed_driver")]
        with middle:
            first, last = ask_weeks(days, (days[0], days[min(1, len(days) - 1)]), "changed_weeks")
        with right:
            how, value = _ask_value(driver)
        st.caption(text.plain(_describe_driver(driver)))
        label = f"Change {shown.scope}" if len(shown.scope) < 60 else "Change items shown"
        if st.button(text.plain(label), key="change_driver", icon=":material/tune:"):
            change = DriverChange(driver.name, first, last, how, value)
            _add_change(shown, change, name, who or str(st.session_state.get("who", "")))


def _ask_value(driver: ChangeableDriver) -> tuple[ChangeHow, float]:
    """Boxes for the kind of change and its value; shares are entered as percent or as days per week."""
    ways, key = CHANGED_BY[driver.kind], f"changed_to_{driver.kind}"
    how = ways[0]
    if len(ways) > 1:
        how = st.segmented_control(
            "Change", ways, default=how, required=True, format_func=_HOW.__getitem__, key=f"{key}_how"
        )
    if driver.kind is DriverKind.PROMOTION:
        return how, st.number_input("Promotion, % of week", 0.0, 100.0, 100.0, 10.0, "%.0f", key=key) / 100
    if driver.kind in _DAYS:
        label = "Open days per week" if driver.kind is DriverKind.OPEN else "Event days per week"
        usual = 0 if driver.kind is DriverKind.OPEN else 1
        return how, st.number_input(label, 0, 7, usual, key=key) / 7
    if how is ChangeHow.PERCENT:
        most = float(scenarios.MAX_PERCENT)
        return how, st.number_input(
            "Change in % (negative lowers it)", -99.0, most, -10.0, 5.0, "%.1f", key=f"{key}_by"
        )
    label = "Unit price" if driver.kind is DriverKind.PRICE else "Value"
    least = 0.01 if driver.kind is DriverKind.PRICE else -scenarios.MAX_VALUE
    return how, st.number_input(label, least, scenarios.MAX_VALUE, max(least, 1.0), key=f"{key}_value")


def _describe_driver(driver: ChangeableDriver) -> str:
    """The effect of a driver that the run has learnt across its items."""
    if driver.percent is None:
        return f"{driver.name} never changed, so no effect was learnt. The only known effect: no sales on closed days."
    summary = f"Effect over all items, {driver.name}: {driver.percent:+.0f} % of sales, {SHOWN_AT[driver.kind].words}."
    if driver.kind is DriverKind.PRICE:
        low, high = (100 * math.expm1(reach) for reach in (driver.lowest, driver.highest))
        summary += f" Past prices: {low:+.0f} % to {high:+.0f} % from the usual price. Outside, the effect is constant."
    return f"{summary} Each item has its own effect."


def _add_change(shown: WhatIfContext, change: DriverChange, name: str, who: str) -> None:
    place = st.empty()
    try:
        scenario = shown.chosen[0] if shown.chosen else scenarios.create_scenario(shown.job, name, who)
        st.query_params[SCENARIO] = str(scenario.scenario_id)
        scenarios.add_change(
            shown.job,
            scenario.scenario_id,
            change,
            shown.which,
            who or scenario.made_by,
            shown.scope,
            lambda done, total: _progress(place, done, total),
        )
    except FcstError as exc:
        place.empty()
        show_error(exc)
        return
    st.rerun()


def _progress(place: DeltaGenerator, done: int, total: int) -> None:
    place.progress(done / total, text=f"{done:,} of {text.count(total, 'item')} computed …")


def _show_changes(shown: WhatIfContext, known: Mapping[str, ChangeableDriver]) -> None:
    scenario = shown.chosen[0]
    st.markdown(f"**Changes of {text.plain(scenario.name)}**")
    if not scenario.changes:
        st.caption("No changes yet. Choose a driver above.")
    for one in scenario.changes:
        with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(width="stretch", gap="xsmall"):
                weeks = text.weeks_ending(one.change.first, one.change.last)
                summary = f"{_describe_change(one, known)}, {weeks}, {one.scope}"
                summary += f" ({one.n_items:,} items)" if one.n_items > 1 else ""
                st.markdown(f"**{text.plain(one.change.driver)}** {text.plain(summary)}")
                st.caption(f"{text.plain(one.made_by)}, {text.moment(one.made_at)}.")
            if may(Scope.RUN) and st.button("Remove", key=f"remove_{one.change_id}", icon=":material/close:"):
                _remove(shown.job, scenario, one.change_id)


def _describe_change(one: ScenarioChange, known: Mapping[str, ChangeableDriver]) -> str:
    value, driver = one.change.value, known.get(one.change.driver)
    if one.change.how is ChangeHow.PERCENT:
        return f"{value:+,.1f} %"
    if driver is not None and driver.kind is DriverKind.PROMOTION:
        return f"on {value:.0%} of the week"
    if driver is not None and driver.kind in _DAYS:
        return f"on {text.count(round(7 * value), 'day')} of the week"
    return f"to {value:,.6g}"


def _remove(job: Job, scenario: Scenario, change_id: int) -> None:
    place = st.empty()
    try:
        scenarios.remove_change(job, scenario.scenario_id, change_id, lambda n, total: _progress(place, n, total))
    except FcstError as exc:
        place.empty()
        show_error(exc)
        return
    st.rerun()


def _show_weeks(shown: WhatIfContext, view: View) -> None:
    """Table of the plan and the scenarios by week, month or quarter."""
    period = Period(period_in_url())
    split = split_weeks([week.date() for week in view.forecast["wk_end_dt"]], period)
    final = view.forecast["final"].to_numpy()
    title = "Week ending" if period == Period.WEEK else str(period).title()
    frame = pd.DataFrame({title: [span.name for span in split.spans], "plan": split.add_up(final)})
    config = {"plan": st.column_config.NumberColumn("Plan, units", format="%,.1f")}
    for place, (scenario, units) in enumerate(zip(shown.chosen, _units(shown, view), strict=True), 1):
        name = for_spreadsheet(scenario.name)
        frame[f"units{place}"], frame[f"change{place}"] = split.add_up(units), split.add_up(units - final)
        config[f"units{place}"] = st.column_config.NumberColumn(name, format="%,.1f", help=f"Units in scenario {name}.")
        config[f"change{place}"] = st.column_config.NumberColumn(
            "Difference", format="%+,.1f", help=f"Units, scenario {name} vs. plan."
        )
    tables.show(frame, key="scenario_weeks", column_config=config, height="content")


def _show_items(shown: WhatIfContext) -> None:
    """Table of the items with the largest change; a click opens one."""
    if shown.which.is_one:
        return
    ask = lambda: scenarios.list_items(shown.job, shown.model, shown.which, shown.chosen)  # noqa: E731
    found = read(("scenario items", shown.key, shown.model, shown.which, shown.chosen), ask)
    if not found:
        st.caption("No items shown change.")
        return
    st.markdown("**Largest changes**")
    columns = [Column("Item", "name"), Column("Plan", "number", help="Units of all weeks ahead.")]
    for scenario in shown.chosen:
        columns += [Column(scenario.name, "number"), Column("Change", "number", help="Scenario vs. plan.")]
    rows = []
    for item in found:
        cells: list[object] = [(item.unique_id, item.name), text.units(round(item.plan))]
        for units in item.units:
            change = _share(units, item.plan)
            cells += [text.units(round(units)), "–" if math.isnan(change) else f"{100 * change:+,.0f} %"]
        rows.append(Row(item.unique_id, tuple(cells)))
    rows_table(
        "Largest changes",
        columns,
        rows,
        key="scenario_items",
        height=ITEMS_HEIGHT,
        selected="\0",
        sort="",
        is_reversed=False,
        on_open=lambda unique_id: write_to_url("item", unique_id),
        on_sort=lambda name: None,
        on_check=lambda unique_id: None,
    )


@st.dialog("Copy scenario")
def ask_to_copy(job: Job, scenario: Scenario) -> None:
    name = st.text_input("Scenario name", f"{scenario.name} 2"[:MAX_NAME], max_chars=MAX_NAME, key="copy_name")
    who = ask_for_name("copy_who")
    if st.button("Copy", type="primary", key="copy_now"):
        try:
            copy = scenarios.create_scenario(job, name, who, scenario.scenario_id)
        except FcstError as exc:
            show_error(exc)
            return
        st.query_params.update({SCENARIO: str(copy.scenario_id), OTHER: str(scenario.scenario_id)})
        st.rerun()


@st.dialog("Apply this scenario to the plan?")
def ask_to_apply(shown: WhatIfContext) -> None:
    """Saves the changes of the scenario as an adjustment of the plan."""
    scenario = shown.chosen[0]
    st.markdown(
        f"One adjustment sets the final plan to **{text.plain(scenario.name)}**, for all items that it changes. You "
        "can undo it. Undo it once a run has the changed promotions or prices as drivers; otherwise they count twice."
    )
    usual = f"Scenario {scenario.name}"[:MAX_REASON]
    reason = st.text_input("Reason", usual, max_chars=MAX_REASON, key="apply_to_plan_reason")
    who = ask_for_name("apply_to_plan_who")
    if st.button("Apply", type="primary", key="apply_to_plan_now"):
        seen = adjustments.last_change(shown.job.job_id)
        try:
            number = scenarios.apply_to_plan(shown.job, shown.model, scenario.scenario_id, reason, who, seen)
        except FcstError as exc:
            show_error(exc)
            return
        st.session_state["plan_said"] = f"Adjustment {number} saved. The model forecast does not change."
        for name in (*NAMES, "below"):
            st.query_params.pop(name, None)
        st.rerun()


@st.dialog("Delete this scenario?")
def ask_to_delete(job: Job, scenario: Scenario) -> None:
    st.markdown(f"**{text.plain(scenario.name)}** and its changes are deleted. The plan does not change.")

    if confirm_buttons("Delete scenario", "delete_scenario_now"):
        with action_errors():
            scenarios.delete_scenario(job, scenario.scenario_id)
            for name in NAMES:
                st.query_params.pop(name, None)
            st.rerun()
