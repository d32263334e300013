"""What if: drivers of weeks ahead changed for the items that are shown, kept as a scenario, compared, taken over."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from fcst.drivers import SHOWN_AT, DriverKind
from fcst.errors import FcstError
from fcst.filters import EVERY, RunFilter
from fcst.harmless import for_spreadsheet
from fcst.job_records import Job
from fcst.periods import Period, split_weeks
from fcst.roles import Scope
from fcst.scenarios import CHANGED_BY, ChangeableDriver, ChangeHow, DriverChange, Scenario, ScenarioChange
from fcst.services import adjustments, scenarios
from fcst.services.adjustments import MAX_NAME, MAX_REASON
from fcst.services.forecasts import View
from fcst.ui import tables, text
from fcst.ui.buttons import destructive_button, keep_or
from fcst.ui.cache import read, run_key
from fcst.ui.components import Column, Row, rows_table
from fcst.ui.downloads import SCENARIO, Query, link_to_scenarios, period_in_url
from fcst.ui.plan import ask_weeks
from fcst.ui.shell import action_errors, choose, show_error, warn_of_unknown, write_to_url
from fcst.ui.signin import ask_for_name, may

OTHER = "with"
NAMES = SCENARIO, OTHER
"""What the URL calls the scenario that is shown, and the one that it is compared with."""

ITEMS_HEIGHT = 260  # pixels
_DAYS = (DriverKind.EVENT, DriverKind.OPEN)
_HOW = {ChangeHow.PERCENT: "By percent", ChangeHow.TO: "To a value"}


@dataclass(frozen=True)
class Shown:
    """What is looked at: items of a run, and up to two scenarios.

    Parameters
    ----------
    which, scope
        the items, and which they are in words.
    query
        the same as parameters of an address.
    key
        what is read of the run holds as long as it stays the same.
    plan_of_all
        gives the units of the final plan of all items.
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
    """The scenarios that the URL names, at most two."""
    known = {str(scenario.scenario_id): scenario for scenario in _all(job)}
    wanted = dict.fromkeys(st.query_params.get(name, "") for name in NAMES if SCENARIO in st.query_params)
    return tuple(known[number] for number in wanted if number in known)


def _all(job: Job) -> list[Scenario]:
    key = ("scenarios", job.job_id, scenarios.last_change(job.job_id))
    return read(key, lambda: scenarios.list_scenarios(job))


def lines(shown: Shown, view: View) -> dict[str, pd.DataFrame]:
    """The plan in each scenario, as lines of the chart: a name -> `wk_end_dt, forecast`."""
    if not shown.chosen:
        return {}
    weeks = view.forecast["wk_end_dt"]
    return {
        f"scenario {scenario.name}": pd.DataFrame({"wk_end_dt": weeks, "forecast": units})
        for scenario, units in zip(shown.chosen, _units(shown, view), strict=True)
    }


def _units(shown: Shown, view: View) -> list[np.ndarray]:
    """(H,) the plan of the items that are shown, in each scenario."""
    changes = shown.sums(shown.which).set_index("wk_end_dt")
    by_week = changes.reindex(view.forecast["wk_end_dt"]).fillna(0.0)
    final = view.forecast["final"].to_numpy()
    return [final + by_week[f"change{n}"].to_numpy() for n in range(1, len(shown.chosen) + 1)]


def show_what_if(shown: Shown, view: View) -> None:
    """Choice of scenarios, what they do to the plan, the changes of the one that is shown, and the next change."""
    known = {driver.name: driver for driver in _drivers(shown.job)}
    if not known:
        st.info(
            "This run has learnt no effect of a promotion, a price or another driver, so there is nothing to change. "
            "Load drivers on the page of its dataset, then run again.",
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


def _choose(shown: Shown) -> None:
    """The scenario that is shown, the one beside it, and what can be done with the first."""
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
            for file_format, label in (("csv", "CSV"), ("xlsx", "Excel")):
                address = link_to_scenarios(shown.job.job_id, file_format, [*shown.query, *pairs])
                st.link_button(f"Scenarios as {label}", address, icon=":material/download:")
        if may(Scope.RUN):
            if st.button("Copy …", key="copy_scenario", icon=":material/content_copy:"):
                ask_to_copy(shown.job, shown.chosen[0])
            if st.button("Take over into the plan …", key="take_over", icon=":material/done:"):
                ask_to_take_over(shown)
            if destructive_button("Delete …", key="delete_scenario", icon=":material/delete:"):
                ask_to_delete(shown.job, shown.chosen[0])


def _show_numbers(shown: Shown, view: View) -> None:
    """The plan and what it is in the scenarios: of the items that are shown, and of all."""
    rows = [(_capital(shown.scope), _of_scope(shown, float(view.forecast["final"].sum()), shown.which))]
    if not shown.which.is_empty:
        rows.append(("All items", _of_scope(shown, shown.plan_of_all(), EVERY)))
    frame = pd.DataFrame({"Weeks ahead": [scope for scope, _ in rows], "plan": [units[0] for _, units in rows]})
    config = {"plan": st.column_config.NumberColumn("Plan, units", format="%,.0f")}
    for place, scenario in enumerate(shown.chosen, 1):
        name = for_spreadsheet(scenario.name)
        frame[f"units{place}"] = [units[place] for _, units in rows]
        frame[f"change{place}"] = [100 * _share(units[place], units[0]) for _, units in rows]
        config[f"units{place}"] = st.column_config.NumberColumn(name, format="%,.0f", help=f"Units in scenario {name}.")
        config[f"change{place}"] = tables.percent("Change", f"Of scenario {name} to the plan.", signed=True)
    tables.show(frame, key="scenario_numbers", column_config=config)


def _of_scope(shown: Shown, plan: float, which: RunFilter) -> list[float]:
    changes = shown.sums(which)
    return [plan, *(plan + float(changes[f"change{n}"].sum()) for n in range(1, len(shown.chosen) + 1))]


def _share(units: float, plan: float) -> float:
    return units / plan - 1 if plan > 0 else math.nan


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _ask_for_change(shown: Shown, view: View, known: Mapping[str, ChangeableDriver]) -> None:
    """One more change of the scenario that is shown, or the first one of a new scenario."""
    days = [week.date() for week in view.forecast["wk_end_dt"]]
    with st.container(border=True, key="change_drivers"):
        name, who = "", ""
        if not shown.chosen:
            left, right = st.columns(2)
            with left:
                usual = f"Scenario {len(_all(shown.job)) + 1}"
                name = st.text_input("Name of the new scenario", usual, max_chars=MAX_NAME, key="scenario_name")
            with right:
                who = ask_for_name("scenario_who")
        left, middle, right = st.columns([3, 4, 3], vertical_alignment="bottom")
        with left:
            driver = known[st.selectbox("What is changed", list(known), format_func=str, key="changed_driver")]
        with middle:
            first, last = ask_weeks(days, (days[0], days[min(1, len(days) - 1)]), "changed_weeks")
        with right:
            how, value = _ask_value(driver)
        st.caption(text.plain(_what_is_known(driver)))
        label = f"Change {shown.scope}" if len(shown.scope) < 60 else "Change the items shown"
        if st.button(text.plain(label), key="change_driver", icon=":material/tune:"):
            change = DriverChange(driver.name, first, last, how, value)
            _apply(shown, change, name, who or str(st.session_state.get("who", "")))


def _ask_value(driver: ChangeableDriver) -> tuple[ChangeHow, float]:
    """How it is changed, and to what; shares are asked for as percent or days of the week."""
    ways, key = CHANGED_BY[driver.kind], f"changed_to_{driver.kind}"
    how = ways[0]
    if len(ways) > 1:
        how = st.segmented_control(
            "How", ways, default=how, required=True, format_func=_HOW.__getitem__, key=f"{key}_how"
        )
    if driver.kind is DriverKind.PROMOTION:
        return how, st.number_input("On promotion, % of the week", 0.0, 100.0, 100.0, 10.0, "%.0f", key=key) / 100
    if driver.kind in _DAYS:
        label = "Days open" if driver.kind is DriverKind.OPEN else "Days of the week with it"
        usual = 0 if driver.kind is DriverKind.OPEN else 1
        return how, st.number_input(label, 0, 7, usual, key=key) / 7
    if how is ChangeHow.PERCENT:
        most = float(scenarios.MAX_PERCENT)
        return how, st.number_input("Percent, less than 0 for less", -99.0, most, -10.0, 5.0, "%.1f", key=f"{key}_by")
    label = "Price of a unit" if driver.kind is DriverKind.PRICE else "Value"
    least = 0.01 if driver.kind is DriverKind.PRICE else -scenarios.MAX_VALUE
    return how, st.number_input(label, least, scenarios.MAX_VALUE, max(least, 1.0), key=f"{key}_value")


def _what_is_known(driver: ChangeableDriver) -> str:
    """What the run has learnt of a driver, over all its items."""
    if driver.percent is None:
        return f"{driver.name} was always the same: only that nothing is sold on days that are not open is known."
    said = f"Learnt over all items, {driver.name}: {driver.percent:+.0f} % of sales, {SHOWN_AT[driver.kind].words}."
    if driver.kind is DriverKind.PRICE:
        low, high = (100 * math.expm1(reach) for reach in (driver.lowest, driver.highest))
        said += (
            f" Prices were from {low:+.0f} % to {high:+.0f} % of the usual one; beyond that the effect stays the same."
        )
    return f"{said} Each item has its own effect."


def _apply(shown: Shown, change: DriverChange, name: str, who: str) -> None:
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


def _progress(place: "st.delta_generator.DeltaGenerator", done: int, total: int) -> None:
    place.progress(done / total, text=f"{done:,} of {text.count(total, 'item')} computed …")


def _show_changes(shown: Shown, known: Mapping[str, ChangeableDriver]) -> None:
    scenario = shown.chosen[0]
    st.markdown(f"**Changes of {text.plain(scenario.name)}**")
    if not scenario.changes:
        st.caption("None yet. Choose what is changed above.")
    for one in scenario.changes:
        with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(width="stretch", gap="xsmall"):
                weeks = text.weeks_ending(one.change.first, one.change.last)
                said = f"{_in_words(one, known)}, {weeks}, {one.scope}"
                said += f" ({one.n_items:,} items)" if one.n_items > 1 else ""
                st.markdown(f"**{text.plain(one.change.driver)}** {text.plain(said)}")
                st.caption(f"{text.plain(one.made_by)}, {text.moment(one.made_at)}.")
            if may(Scope.RUN) and st.button("Remove", key=f"remove_{one.change_id}", icon=":material/close:"):
                _remove(shown.job, scenario, one.change_id)


def _in_words(one: ScenarioChange, known: Mapping[str, ChangeableDriver]) -> str:
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


def _show_weeks(shown: Shown, view: View) -> None:
    """The plan and the scenarios by week, month or quarter."""
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
            "Difference", format="%+,.1f", help=f"Units, of scenario {name} to the plan."
        )
    tables.show(frame, key="scenario_weeks", column_config=config, height="content")


def _show_items(shown: Shown) -> None:
    """The items that change most; a click opens one."""
    if shown.which.is_one:
        return
    ask = lambda: scenarios.list_items(shown.job, shown.model, shown.which, shown.chosen)  # noqa: E731
    found = read(("scenario items", shown.key, shown.model, shown.which, shown.chosen), ask)
    if not found:
        st.caption("No item that is shown changes.")
        return
    st.markdown("**Items that change most**")
    columns = [Column("Item", "name"), Column("Plan", "number", help="Units of all weeks ahead.")]
    for scenario in shown.chosen:
        columns += [Column(scenario.name, "number"), Column("Change", "number", help="Of the scenario to the plan.")]
    rows = []
    for item in found:
        cells: list[object] = [(item.unique_id, item.name), text.units(round(item.plan))]
        for units in item.units:
            change = _share(units, item.plan)
            cells += [text.units(round(units)), "–" if math.isnan(change) else f"{100 * change:+,.0f} %"]
        rows.append(Row(item.unique_id, tuple(cells)))
    rows_table(
        "Items that change most",
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


@st.dialog("Copy this scenario")
def ask_to_copy(job: Job, scenario: Scenario) -> None:
    name = st.text_input("Name of the copy", f"{scenario.name} 2"[:MAX_NAME], max_chars=MAX_NAME, key="copy_name")
    who = ask_for_name("copy_who")
    if st.button("Copy it", type="primary", key="copy_now"):
        try:
            copy = scenarios.create_scenario(job, name, who, scenario.scenario_id)
        except FcstError as exc:
            show_error(exc)
            return
        st.query_params.update({SCENARIO: str(copy.scenario_id), OTHER: str(scenario.scenario_id)})
        st.rerun()


@st.dialog("Take this scenario over into the plan?")
def ask_to_take_over(shown: Shown) -> None:
    """Makes an adjustment of the plan of what the scenario changes."""
    scenario = shown.chosen[0]
    st.markdown(
        f"The final plan becomes what **{text.plain(scenario.name)}** shows, for all items that it changes, as one "
        "adjustment that can be undone. Once a run knows the changed promotions or prices itself, drop it: they would "
        "count twice."
    )
    usual = f"Scenario {scenario.name}"[:MAX_REASON]
    reason = st.text_input("Reason", usual, max_chars=MAX_REASON, key="take_over_reason")
    who = ask_for_name("take_over_who")
    if st.button("Take it over", type="primary", key="take_over_now"):
        seen = adjustments.last_change(shown.job.job_id)
        try:
            number = scenarios.take_over(shown.job, shown.model, scenario.scenario_id, reason, who, seen)
        except FcstError as exc:
            show_error(exc)
            return
        st.session_state["plan_said"] = f"Adjustment {number} is saved. The model's own forecast stays beside it."
        for name in (*NAMES, "below"):
            st.query_params.pop(name, None)
        st.rerun()


@st.dialog("Delete this scenario?")
def ask_to_delete(job: Job, scenario: Scenario) -> None:
    st.markdown(f"**{text.plain(scenario.name)}** will be gone, with its changes. The plan stays as it is.")

    if keep_or("Delete it", "delete_scenario_now"):
        with action_errors():
            scenarios.delete_scenario(job, scenario.scenario_id)
            for name in NAMES:
                st.query_params.pop(name, None)
            st.rerun()
