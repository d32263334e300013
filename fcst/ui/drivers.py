"""Drivers view of a dataset: known drivers and their range of weeks; add and remove loads."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from fcst.dataset_records import Dataset
from fcst.drivers import DriverLoad, describe_gaps, known_drivers
from fcst.errors import FcstError, InputError
from fcst.quality_report import FileRead
from fcst.roles import Scope
from fcst.services import drivers
from fcst.specs import DRIVER_ROLES, ROLES, WIDE, IngestSpec, JobSpec, Mapping, has_drivers
from fcst.ui import loading, tables, text
from fcst.ui.buttons import confirm_buttons, destructive_button
from fcst.ui.ingests import show_ingest
from fcst.ui.shell import action_errors, number_in_url, show_error
from fcst.ui.signin import may

MAX_NAMED = 5
HELP = loading.HELP | {
    "item": "Key as in the dataset, or some of the columns that form it. Without it, rows apply to all items, or to a"
    " family or class.",
    "date": "The day, the end of the week, or the first day that the row applies to.",
    "until": "Last day, for rows that apply to several days, such as a promotion.",
    "promo": "Yes or no, a share from 0 to 1, or kinds. Each kind is a separate driver.",
}


def show_drivers(dataset: Dataset) -> None:
    """Shows the known drivers, and lets analysts add more."""
    if (in_url := number_in_url("ingest")) is not None:
        show_ingest(in_url, is_in_url=True)
    loads = drivers.list_loads(dataset.dataset_id)
    if loads:
        _show_known(dataset, loads)
    else:
        st.info(
            "No promotions, prices or events: forecasts use sales only. Load a driver plan, or add holidays.",
            icon=":material/calendar_month:",
        )
    if may(Scope.RUN):
        left, right = st.columns(2, gap="large")
        with left:
            _add_plan(dataset)
        with right:
            _add_holidays(dataset)
    _show_loads(loads)


def _show_known(dataset: Dataset, loads: list[DriverLoad]) -> None:
    rows = [
        {
            "Driver": driver.name,
            "Kind": driver.kind.value,
            "For": ", ".join(driver.keys),
            "Known from": driver.first_day,
            "Known until": driver.last_day,
            "Source": ", ".join(driver.sources),
        }
        for driver in known_drivers(loads)
    ]
    tables.show(pd.DataFrame(rows), key="drivers")
    gaps = describe_gaps(loads, dataset.last_wk_end_dt, JobSpec.h)
    if gaps:
        lines = "\n".join(f"- {text.plain(gap)}" for gap in gaps)
        st.markdown(f"Not known for all weeks of a run of {text.count(JobSpec.h, 'week')}:\n\n{lines}")


def _show_loads(loads: list[DriverLoad]) -> None:
    """List of loads, newest first, with the rows that could not be used; admins may remove one."""
    if removed := st.session_state.pop("removed_drivers", ""):
        st.toast(f"Drivers of {text.plain(removed)} removed.", icon=":material/delete:")
    _show_refusal()
    if not loads:
        return
    st.header("Loaded drivers", anchor=False)
    st.caption("For the same driver and week, the newest load is used.")
    for load in reversed(loads):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch", gap="xsmall"):
                st.markdown(f"**{text.plain(load.source)}**: {text.plain(_names(load))}")
                days = f"{text.day(load.first_day)} – {text.day(load.last_day)}"
                with_sales = " with the sales" if load.is_own else ""
                by = f" by {text.plain(load.created_by)}" if load.created_by else ""
                st.caption(f"{days}. Loaded{with_sales}{by}, {text.moment(load.created_at)}.")
                _show_report(load)
            if may(Scope.ADMIN):
                key = f"remove_{load.driver_load_id}"
                if destructive_button("Remove …", key, icon=":material/delete:"):
                    _ask_to_remove(load)


def _names(load: DriverLoad) -> str:
    """Names of the drivers of a load, shortened."""
    names = [column.name for column in load.columns]
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


@st.dialog("Remove these drivers?")
def _ask_to_remove(load: DriverLoad) -> None:
    if "removed_drivers" in st.session_state:
        st.rerun()  # done: rerun the whole page, which closes the dialog
    st.markdown(f"**{text.plain(load.source)}**: {text.plain(_names(load))}. New runs will not use them.")
    if not _show_refusal():
        confirm_buttons("Remove drivers", "remove_now", _remove, (load,))


def _remove(load: DriverLoad) -> None:
    try:
        drivers.remove_load(load.dataset_id, load.driver_load_id)
    except FcstError as exc:
        st.session_state["removal_refused"] = exc
        return
    st.session_state["removed_drivers"] = load.source


def _show_refusal() -> bool:
    """Shows once why drivers were not removed, in the dialog or on the page; returns whether it did."""
    error: FcstError | None = st.session_state.pop("removal_refused", None)
    if error is not None:
        show_error(error)
    return error is not None


def _show_report(load: DriverLoad) -> None:
    """Shows what of a load could not be used."""
    report = load.report
    words = list((*report.bad, *report.remarks))
    if report.n_unknown:
        words.insert(0, f"{report.n_unknown:,} keys are not in the dataset, such as {', '.join(report.unknown[:3])}")
    if report.n_outside:
        words.append(f"{report.n_outside:,} rows are of weeks before the dataset or too far after it")
    if words:
        st.caption(text.plain(f"{'; '.join(word.removesuffix('.') for word in words)}."))


def _add_plan(dataset: Dataset) -> None:
    st.header("Load driver plan", anchor=False)
    st.caption(
        "Past and future promotions, prices and events, by item, part of its key, family, class, or for all items."
    )
    number = st.session_state.setdefault("n_plans", 0)  # a new number after a load empties the box
    files = st.file_uploader("CSV, Excel or Parquet", accept_multiple_files=True, key=f"plan_{number}")
    if not files:
        return
    spec = IngestSpec(paths=loading.save_once(files), name=dataset.name, is_upload=True, plan_of=dataset.dataset_id)
    try:
        look = drivers.inspect_plan(spec)
        found = drivers.describe_plan(spec, look, is_draft=True)
    except InputError as exc:
        show_error(exc)
        return
    reading = [f"{ROLES[role]} = {' + '.join(names)}" for role, names in found[0].mapping.items() if names]
    st.markdown(text.plain(" · ".join(reading)))
    is_complete = all(found[0].mapping.get(role) for role in ("item", "date")) and has_drivers(found[0].mapping)
    with st.expander("Column mapping", expanded=not is_complete, type="compact"):
        mapping = _choose_mapping(found[0])
        date_format = st.text_input("Date format", key="plan_dates", placeholder=found[0].date_format or "detected")
        skip_bad = st.checkbox("Skip unreadable rows", key="plan_skip_bad")
    if st.button("Load driver plan", type="primary", key="load_plan", icon=":material/upload:"):
        try:
            request = replace(spec, mapping=mapping, date_format=date_format.strip(), skip_bad=skip_bad)
            ingest_id = drivers.request_plan(request, look)
        except FcstError as exc:
            show_error(exc)
            return
        for name in ("saved_ids", "saved_paths"):
            st.session_state.pop(name, None)
        st.session_state["n_plans"] += 1
        st.query_params["ingest"] = str(ingest_id)
        st.rerun()


def _choose_mapping(found: FileRead) -> Mapping:
    """Boxes for the meaning of each column, filled with the proposal."""
    mapping: Mapping = {}
    boxes = st.columns(2)
    for place, role in enumerate(("item", "date", "until", *DRIVER_ROLES, "family", "class")):
        spread = [WIDE] if found.periods and (role == "date" or role in DRIVER_ROLES) else []
        options = [*spread, *found.columns]
        mapping[role] = boxes[place % 2].multiselect(
            ROLES[role],
            options,
            default=[name for name in found.mapping.get(role, []) if name in options],
            key=f"plan_{role}_{hash(found.columns)}",
            help=HELP.get(role),
        )
    return mapping


def _add_holidays(dataset: Dataset) -> None:
    st.header("Add holidays", anchor=False)
    st.caption("Public holidays of a country, past and two years ahead. Each name is one event, for all items.")
    known = drivers.countries()
    left, right = st.columns(2)
    country = left.selectbox("Country", list(known), index=None, placeholder="Choose", key="holidays_of")
    regions = known.get(country or "", [])
    region = right.selectbox("Region", ["", *regions], format_func=lambda r: r or "whole country", key="holiday_region")
    if st.button("Add", key="add_holidays", icon=":material/event:", disabled=country is None) and country:
        with action_errors():
            drivers.add_holidays(dataset.dataset_id, country, region)
        st.rerun()
