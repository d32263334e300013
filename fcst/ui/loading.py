"""Loading sales: which files, what their columns mean, by which rules they become weeks."""

from dataclasses import replace
from itertools import groupby
from typing import Any

import pandas as pd
import streamlit as st

from fcst.errors import Conflict, InputError
from fcst.names import WEEKDAYS
from fcst.quality_report import FileRead
from fcst.services import loading
from fcst.services.loading import Inspection, Question
from fcst.specs import (
    ATTRIBUTES,
    DECIMALS,
    DRIVER_ROLES,
    MADE_UP,
    MONEY,
    REQUIRED_ROLES,
    ROLES,
    IngestSpec,
    Mapping,
)
from fcst.ui import tables, text

NONE = "(none)"
HELP = {
    "item": "What is forecast. Several columns are joined, as in store and item.",
    "date": "The day of the sale, or the end of its week.",
    "sales": "Pieces or weight, not money. Negative units are returns.",
    "promo": "Yes or no. A missing flag counts as not promoted.",
    "store": "Tells rows of different stores apart when duplicates are counted.",
    "value": "What the row was sold for. Divided by its units it is the item's price.",
    "price": "Of one unit. As a driver it is compared with the item's usual price.",
    "open": "Yes or no, or the share of the day: nothing is sold while closed.",
    "stock": "Units or yes and no. Weeks without stock are missing, not zero demand.",
    "stockout": "Yes where it was out of stock.",
    "event": "Holidays and the like: yes or no, or names, each of which is a driver.",
    "driver": "Any other number that may move sales and is known ahead.",
    "attribute": "By what items are filtered and summed, besides parts of their keys. The value of most weeks counts.",
    "receipt": "For lines of receipts: the same line in two files is a duplicate, twice in one file it is not.",
}


def choose_files() -> tuple[tuple[str, ...], str, bool] | None:
    """The paths, a name for the dataset, and whether they are uploads; None while nothing is given."""
    ways = ["Upload files", "A path on this machine"]
    is_linked = "path" in st.query_params
    way: str | None = ways[0]
    if is_linked or loading.reads_paths():
        way = st.segmented_control("From", ways, default=ways[is_linked], key="way", label_visibility="collapsed")
    if way == ways[1]:
        on_disk = st.text_input(
            "File, folder or archive; several separated by `;`",
            key="path",
            placeholder="/data/favorita",
            help="On the machine fcst runs on.",
            value=st.query_params.get("path", ""),
        ).strip()
        st.query_params["path"] = on_disk
        paths = tuple(part.strip() for part in on_disk.split(";") if part.strip())
        return (paths, loading.default_name(paths[0]), False) if paths else None
    st.query_params.pop("path", None)
    files = st.file_uploader(
        "CSV, Excel, OpenDocument, Parquet, JSON, or packed as .gz, .zip or .7z; several files make one dataset",
        accept_multiple_files=True,
        key="upload",
    )
    return (save_once(files), loading.default_name(files[0].name), True) if files else None


def save_once(files: list[Any]) -> tuple[str, ...]:
    """The uploads on disk, each set of files once."""
    ids = tuple(file.file_id for file in files)
    if st.session_state.get("saved_ids") != ids:
        for path in st.session_state.get("saved_paths", ())[:1]:
            loading.discard_upload(path)
        paths = loading.save_uploads((file.name, file) for file in files)
        st.session_state["saved_ids"], st.session_state["saved_paths"] = ids, tuple(paths)
    return tuple(st.session_state["saved_paths"])


def look_into(spec: IngestSpec) -> Inspection:
    """What a reading of these files would do; kept while the same files are looked at."""
    key = (spec.paths, spec.file, spec.encoding)
    if st.session_state.get("inspected") != key:
        with st.spinner("Looking into the files …"):
            st.session_state["inspection"] = loading.inspect(spec)
        st.session_state["inspected"] = key
        st.session_state["n_inspections"] = st.session_state.get("n_inspections", 0) + 1
    found: Inspection = st.session_state["inspection"]
    return found


def chosen_reading() -> tuple[str, str]:
    """Which file of several, and the encoding, as chosen further down; both empty for what is recognised."""
    return str(st.session_state.get("file", "")).strip(), str(st.session_state.get("encoding", "")).strip()


def choose_reading() -> None:
    """The boxes of `chosen_reading`."""
    left, right = st.columns(2)
    left.text_input("File of the archive or folder, or sheet of the workbook", key="file", placeholder="recognised")
    right.text_input("Encoding of text", key="encoding", placeholder="recognised, such as cp1252")


def show_files(inspection: Inspection) -> None:
    """What was found: a line for the files that are read alike, and what people should know of them."""
    for (words, remarks), alike in groupby(inspection.files, key=lambda file: (_kind(file), file.remarks)):
        names = [file.name for file in alike]
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        st.markdown(f":material/description: **{text.plain(names[0])}**{more} · {text.plain(words)}")
        for remark in remarks:
            st.warning(text.plain(remark))
    if inspection.others:
        shown = ", ".join(inspection.others[:5]) + (" …" if len(inspection.others) > 5 else "")
        st.caption(f"Not read: {text.plain(shown)}")
    if inspection.remembered:
        st.caption(f":material/history: Columns as for dataset {text.plain(inspection.remembered)}, same header.")


def _kind(file: FileRead) -> str:
    """What a file is, in words."""
    how = [file.kind, f"{len(file.columns):,} columns"]
    if file.encoding and file.delimiter:
        signs = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
        how += [f"separated by {signs.get(file.delimiter, file.delimiter)}", file.encoding]
    if file.periods:
        (first, first_day), (last, last_day) = file.periods[0], file.periods[-1]
        how.append(f"a column for each day or week, from {first} ({first_day}) to {last} ({last_day})")
    return " · ".join(how)


def show_reading(inspection: Inspection, mapping: Mapping, formats: dict[str, Any]) -> None:
    """In one line what each column is taken for; a warning where one is missing."""
    missing = [ROLES[role].lower() for role in REQUIRED_ROLES if not mapping[role]]
    if missing:
        st.warning(f"Choose a column for {' and '.join(missing)}, below.")
    words = [f"{ROLES[role]} = {' + '.join(names)}" for role, names in mapping.items() if names]
    date_format = formats["date_format"] or ("" if inspection.of_dates else inspection.date_format)
    words += [f"dates as {date_format}"] if date_format else []
    st.markdown(text.plain(" · ".join(words)))


def show_first_rows(inspection: Inspection) -> None:
    """The first rows of the first file, as text."""
    tables.show(inspection.preview, numbers=list(inspection.preview), height=230, placeholder="")


def choose_mapping(inspection: Inspection) -> Mapping:
    """What each column means, as proposed or changed."""
    columns = list(inspection.preview.columns)
    proposed = inspection.mapping
    number = st.session_state["n_inspections"]  # other files, other boxes
    mapping: Mapping = {}
    boxes = st.columns(3) + st.columns(3)
    for box, role in zip(boxes, ("item", "date", "sales", "promo", "store", "receipt"), strict=True):
        mapping[role] = _choose_columns(box, role, columns, proposed.get(role, []), number)
    with st.expander("Money, and what describes items", type="compact"):
        boxes = st.columns(3) + st.columns(3)
        for box, role in zip(boxes, (*MONEY, *ATTRIBUTES), strict=True):
            mapping[role] = _choose_columns(box, role, columns, proposed.get(role, []), number)
        mapping["attribute"] = _choose_columns(st, "attribute", columns, proposed.get("attribute", []), number)
    with st.expander("Drivers: open days, stock, events", type="compact"):
        boxes = st.columns(3) + st.columns(3)
        for box, role in zip(boxes, [role for role in DRIVER_ROLES if role not in mapping], strict=False):
            mapping[role] = _choose_columns(box, role, columns, proposed.get(role, []), number)
    return mapping


def _choose_columns(box: Any, role: str, columns: list[str], proposed: list[str], number: int) -> list[str]:
    label = ROLES[role] + ("" if role in REQUIRED_ROLES else " (optional)")
    key = f"map_{role}_{number}"
    made_up = [name for name in proposed if name in MADE_UP]
    is_driver = role in DRIVER_ROLES and role not in ("promo", "price")
    if role in ("item", "attribute") or is_driver or len(proposed) > 1:  # a date may be a year and a week
        return list(box.multiselect(label, [*made_up, *columns], default=proposed, key=key, help=HELP.get(role)))
    options = [*made_up, *columns]
    if role not in REQUIRED_ROLES:
        options = [NONE, *options]
    index = (
        options.index(proposed[0]) if proposed and proposed[0] in options else (None if role in REQUIRED_ROLES else 0)
    )
    chosen = box.selectbox(label, options, index=index, key=key, help=HELP.get(role), placeholder="Choose a column")
    return [] if chosen in (None, NONE) else [chosen]


def ask(inspection: Inspection) -> tuple[str, str]:
    """The date format and the decimal sign that were chosen where the values leave two; empty where nothing is."""
    dates = _answer(
        inspection.of_dates, "dates", "Nothing in the files tells whether the day or the month comes first in dates."
    )
    numbers = _answer(
        inspection.of_numbers, "numbers", "Nothing in the files tells whether numbers have thousands or a fraction."
    )
    return dates, numbers


def _answer(question: Question | None, what: str, words: str) -> str:
    if question is None:
        return ""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        tables.show(pd.DataFrame(question.rows, columns=["In the file", *question.readings.values()]))
    right.markdown(f":orange[:material/help:] **{words}**")
    reading = right.radio(
        f"How {what} are read",
        list(question.readings),
        format_func=lambda reading: question.readings[reading],
        index=None,
        horizontal=True,
        key=f"{what}_read_{st.session_state['n_inspections']}",
    )
    return reading or ""


def choose_formats(inspection: Inspection, answers: tuple[str, str]) -> dict[str, Any]:
    """How dates and numbers are written, and which rows are read; `answers` are those of `ask`."""
    reading, sign = answers
    number = st.session_state["n_inspections"]
    left, middle, right = st.columns([2, 1, 3])
    date_format = left.text_input(
        "Date format",
        key=f"date_format_{number}",
        placeholder=(reading or "to be chosen above")
        if inspection.of_dates
        else f"{inspection.date_format or 'recognised'} (recognised)",
        help="As of strptime: %d day, %m month, %Y year, %H:%M time.",
    )
    decimal = middle.selectbox(
        "Decimal sign",
        DECIMALS,
        index=None if inspection.of_numbers else DECIMALS.index(inspection.decimal),
        key=f"decimal_{number}",
        placeholder=sign or "Choose",
    )
    where = right.text_input(
        "Only rows with",
        key=f"where_{number}",
        placeholder="store_nbr=24; family=DAIRY",
        help="COLUMN=VALUE, several separated by `;`. Columns of stores.csv and items.csv beside the sales count too.",
    )
    zone = ""
    if inspection.is_lines:
        zone = st.columns([2, 4])[0].text_input(
            "Time zone whose days count",
            key=f"zone_{number}",
            placeholder="the day that is written",
            help="Such as America/New_York, for moments that say their own zone.",
        )
    return {
        "date_format": date_format.strip() or reading,
        "decimal": decimal or sign,
        "zone": zone.strip(),
        "where": _parse_where(where),
    }


def _parse_where(words: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in words.split(";"):
        column, sign, value = part.partition("=")
        if part.strip() and not (sign and column.strip()):
            raise InputError(f"The filter {part.strip()!r} cannot be read.", "Write COLUMN=VALUE.")
        if part.strip():
            pairs.append((column.strip(), value.strip()))
    return tuple(pairs)


def choose_rules(inspection: Inspection, has_promo: bool) -> dict[str, Any]:
    """The rules of a week."""
    left, middle, right = st.columns(3)
    week_end = left.selectbox(
        "Weeks end on",
        ["", *WEEKDAYS],
        format_func=lambda day: (
            f"{text.weekday(inspection.week_end)}, as in the data"
            if not day and inspection.week_end
            else text.weekday(day or "SAT")
        ),
        key=f"week_end_{st.session_state['n_inspections']}",
        help="The first and last week are dropped when the data do not cover them.",
    )
    include_promo = middle.selectbox(
        "Promotional sales",
        [False, True],
        format_func=lambda kept: "kept" if kept else "left out: baseline demand",
        key="include_promo",
        disabled=not has_promo,
        help="A week that had promotional sales only is then missing, not zero. A missing flag is not a promotion.",
    )
    returns = right.selectbox(
        "Returns",
        ["net", "drop"],
        format_func={"net": "netted within their week", "drop": "left out"}.__getitem__,
        key="returns",
    )
    left, middle, right = st.columns(3)
    shares_lines = inspection.is_lines and len(inspection.files) > 1
    duplicates = left.selectbox(
        "Duplicates",
        ["keep", "drop"],
        index=int(shares_lines),
        format_func={"keep": "added up", "drop": "counted once"}.__getitem__,
        key=f"duplicates_{st.session_state['n_inspections']}",
        help="Lines of receipts that several files share."
        if inspection.is_lines
        else "Rows of the same item, store and day; of those the last one counts.",
    )
    bad = middle.selectbox(
        "Rows that cannot be read",
        [False, True],
        format_func=lambda skip: "are left out" if skip else "stop the loading",
        key="skip_bad",
        help="Either way they are shown with file, line and value.",
    )
    odd_dates = right.selectbox(
        "Dates far from all others",
        ["", "drop", "keep"],
        format_func={"": "stop the loading", "drop": "are left out", "keep": "are read"}.__getitem__,
        key="odd_dates",
        help="A few rows more than a year from all others, or in the future: their year may be mistyped.",
    )
    cancelled = "keep"
    if inspection.cancelled:
        cancelled = st.columns(3)[0].selectbox(
            "Cancelled and refunded orders",
            ["keep", "drop"],
            format_func={"keep": "count", "drop": "are left out"}.__getitem__,
            key="cancelled",
            help=f"As the column {text.plain(inspection.cancelled)} says. The report counts them either way.",
        )
    return {
        "odd_dates": odd_dates,
        "cancelled": cancelled,
        "week_end": week_end,
        "include_promo": include_promo and has_promo,
        "returns": returns,
        "duplicates": duplicates,
        "skip_bad": bad,
    }


def request(spec: IngestSpec, **choices: Any) -> int:
    """Asks for the ingest; its id.

    Raises
    ------
    FcstError
        if it is refused at once.
    """
    try:
        ingest_id = loading.request_ingest(replace(spec, **choices))
    except Conflict:  # other files than those on the page: they are looked at anew
        st.session_state.pop("inspected", None)
        raise
    for name in ("saved_ids", "saved_paths", "inspected", "inspection"):
        st.session_state.pop(name, None)
    return ingest_id
