"""Parts of the page Load: files, column mapping, formats, weekly rules."""

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pandas as pd
import streamlit as st

from fcst.data_sources import DataSource
from fcst.errors import Conflict, InputError
from fcst.names import WEEKDAYS
from fcst.quality_report import FileRead
from fcst.services import data_sources, loading
from fcst.services.loading import Inspection, Question
from fcst.specs import (
    ATTRIBUTES,
    DECIMALS,
    DRIVER_ROLES,
    MONEY,
    PLACEHOLDERS,
    REQUIRED_ROLES,
    ROLES,
    IngestSpec,
    Mapping,
)
from fcst.ui import sources, tables, text
from fcst.ui.streamlit_internals import DeltaGenerator

NONE = "(none)"
HELP = {
    "item": "What is forecast. Several columns form one key, such as store and item.",
    "date": "Day of the sale, or last day of its week.",
    "sales": "Pieces or weight, not money. Negative units are returns.",
    "promo": "Yes or no. A missing flag counts as not promoted.",
    "store": "Distinguishes rows of different stores when duplicates are counted.",
    "value": "Revenue of the row. Divided by its units it gives the price.",
    "price": "Price of one unit. As a driver it is relative to the item's usual price.",
    "open": "Yes or no, or the share of the day. There are no sales while closed.",
    "stock": "Units, or yes and no. Weeks without stock are missing, not zero demand.",
    "stockout": "Yes if the item was out of stock.",
    "event": "Holidays and similar events: yes or no, or names. Each name is a driver.",
    "driver": "Any other number that may affect sales and is known in advance.",
    "attribute": "For filters and totals, in addition to parts of the key. The most frequent value of an item is used.",
    "receipt": "For receipt lines: a line that is in two files is a duplicate; twice in one file it is not.",
}


@dataclass(frozen=True)
class ChosenFiles:
    """Files to load.

    Parameters
    ----------
    name
        default name of the dataset.
    is_upload
        the paths are fcst's own copies.
    source
        where they were fetched from, as a sample; the load fetches them again. None for an upload or a path.
    """

    paths: tuple[str, ...]
    name: str
    is_upload: bool
    source: DataSource | None = None


UPLOAD, PATH, SOURCE = "Upload files", "Server path", "Source"


def choose_files() -> ChosenFiles | None:
    """Boxes for the files to load; None without a choice."""
    is_linked = "path" in st.query_params
    ways = [UPLOAD, PATH, SOURCE] if is_linked or loading.reads_paths() else [UPLOAD, SOURCE]
    linked = PATH if is_linked else UPLOAD
    way = st.segmented_control("From", ways, default=linked, key="way", label_visibility="collapsed")
    if way == SOURCE:
        st.query_params.pop("path", None)
        found = sources.choose_source()
        return ChosenFiles(found[1], sources.default_name(found[0]), found[2], found[0]) if found else None
    if way == PATH:
        on_disk = st.text_input(
            "File, folder or archive",
            key="path",
            placeholder="/data/favorita",
            help="A path on the fcst server. Separate several with `;`.",
            value=st.query_params.get("path", ""),
        ).strip()
        st.query_params["path"] = on_disk
        paths = tuple(part.strip() for part in on_disk.split(";") if part.strip())
        return ChosenFiles(paths, loading.default_name(paths[0]), False) if paths else None
    st.query_params.pop("path", None)
    files = st.file_uploader(
        "CSV, Excel, OpenDocument, Parquet or JSON, also as .gz, .zip or .7z. Several files form one dataset.",
        accept_multiple_files=True,
        key="upload",
    )
    return ChosenFiles(save_once(files), loading.default_name(files[0].name), True) if files else None


def save_once(files: list[Any]) -> tuple[str, ...]:
    """Saves a set of uploaded files to disk once; returns their paths."""
    ids = tuple(file.file_id for file in files)
    if st.session_state.get("saved_ids") != ids:
        for path in st.session_state.get("saved_paths", ())[:1]:
            loading.discard_upload(path)
        paths = loading.save_uploads((file.name, file) for file in files)
        st.session_state["saved_ids"], st.session_state["saved_paths"] = ids, tuple(paths)
    return tuple(st.session_state["saved_paths"])


def inspect(spec: IngestSpec) -> Inspection:
    """Inspects the files; keeps the result while the same files are chosen."""
    key = (spec.paths, spec.file, spec.encoding)
    if st.session_state.get("inspected") != key:
        with st.spinner("Inspecting files …"):
            st.session_state["inspection"] = loading.inspect(spec)
        st.session_state["inspected"] = key
        st.session_state["n_inspections"] = st.session_state.get("n_inspections", 0) + 1
    found: Inspection = st.session_state["inspection"]
    return found


def chosen_reading() -> tuple[str, str]:
    """The chosen file of several and the encoding; empty means detected automatically."""
    return str(st.session_state.get("file", "")).strip(), str(st.session_state.get("encoding", "")).strip()


def choose_reading() -> None:
    """Shows the boxes of `chosen_reading`."""
    left, right = st.columns(2)
    left.text_input(
        "File or sheet",
        key="file",
        placeholder="detected",
        help="File of an archive or folder, or sheet of a workbook.",
    )
    right.text_input("Text encoding", key="encoding", placeholder="detected, such as cp1252")


def show_files(inspection: Inspection) -> None:
    """Shows the files that are read, one line per format, with remarks."""
    for (words, remarks), alike in groupby(inspection.files, key=lambda file: (_describe_file(file), file.remarks)):
        names = [file.name for file in alike]
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        st.markdown(f":material/description: **{text.plain(names[0])}**{more} · {text.plain(words)}")
        for remark in remarks:
            st.warning(text.plain(remark))
    if inspection.others:
        shown = ", ".join(inspection.others[:5]) + (" …" if len(inspection.others) > 5 else "")
        st.caption(f"Not read: {text.plain(shown)}")
    if inspection.remembered:
        st.caption(
            f":material/history: Columns as in dataset {text.plain(inspection.remembered)}, which has the same header."
        )


def _describe_file(file: FileRead) -> str:
    """Describes the format of a file."""
    how = [file.kind, f"{len(file.columns):,} columns"]
    if file.encoding and file.delimiter:
        signs = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
        how += [f"separated by {signs.get(file.delimiter, file.delimiter)}", file.encoding]
    if file.periods:
        (first, first_day), (last, last_day) = file.periods[0], file.periods[-1]
        how.append(f"a column for each day or week, from {first} ({first_day}) to {last} ({last_day})")
    return " · ".join(how)


def show_reading(inspection: Inspection, mapping: Mapping, formats: dict[str, Any]) -> None:
    """Shows the column mapping in one line, and a warning if a required column is missing."""
    missing = [ROLES[role].lower() for role in REQUIRED_ROLES if not mapping[role]]
    if missing:
        st.warning(f"Choose a column for {' and '.join(missing)} below.")
    words = [f"{ROLES[role]} = {' + '.join(names)}" for role, names in mapping.items() if names]
    date_format = formats["date_format"] or ("" if inspection.date_question else inspection.date_format)
    words += [f"dates as {date_format}"] if date_format else []
    st.markdown(text.plain(" · ".join(words)))


def show_first_rows(inspection: Inspection) -> None:
    """Shows the first rows of the first file, as text."""
    tables.show(inspection.preview, numbers=list(inspection.preview), height=230, placeholder="")


def choose_mapping(inspection: Inspection) -> Mapping:
    """Boxes for the meaning of each column, filled with the proposal."""
    columns = list(inspection.preview.columns)
    proposed = inspection.mapping
    number = st.session_state["n_inspections"]  # other files get new boxes
    mapping: Mapping = {}
    boxes = st.columns(3) + st.columns(3)
    for box, role in zip(boxes, ("item", "date", "sales", "promo", "store", "receipt"), strict=True):
        mapping[role] = _choose_columns(box, role, columns, proposed.get(role, []), number)
    with st.expander("Prices and item attributes", type="compact"):
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
    made_up = [name for name in proposed if name in PLACEHOLDERS]
    is_driver = role in DRIVER_ROLES and role not in ("promo", "price")
    if role in ("item", "attribute") or is_driver or len(proposed) > 1:  # a date may have two columns: year and week
        return list(box.multiselect(label, [*made_up, *columns], default=proposed, key=key, help=HELP.get(role)))
    options = [*made_up, *columns]
    if role not in REQUIRED_ROLES:
        options = [NONE, *options]
    index = (
        options.index(proposed[0]) if proposed and proposed[0] in options else (None if role in REQUIRED_ROLES else 0)
    )
    chosen = box.selectbox(label, options, index=index, key=key, help=HELP.get(role), placeholder="Choose a column")
    return [] if chosen in (None, NONE) else [chosen]


def ask_formats(inspection: Inspection) -> tuple[str, str]:
    """Asks for date format and decimal sign where the values are ambiguous; returns the answers, empty if none."""
    dates = _ask_format(inspection.date_question, "dates", "The dates are ambiguous: day or month first? Choose one.")
    numbers = _ask_format(
        inspection.number_question, "numbers", "The numbers are ambiguous: thousands or decimal separator? Choose one."
    )
    return dates, numbers


def _ask_format(question: Question | None, what: str, message: str) -> str:
    if question is None:
        return ""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        tables.show(pd.DataFrame(question.rows, columns=["In the file", *question.readings.values()]))
    right.markdown(f":orange[:material/help:] **{message}**")
    reading = right.radio(
        f"Format of {what}",
        list(question.readings),
        format_func=lambda reading: question.readings[reading],
        index=None,
        horizontal=True,
        key=f"{what}_read_{st.session_state['n_inspections']}",
    )
    return reading or ""


def choose_formats(inspection: Inspection, answers: tuple[str, str]) -> dict[str, Any]:
    """Boxes for the formats of dates and numbers and for a row filter; `answers` are those of `ask_formats`."""
    reading, sign = answers
    number = st.session_state["n_inspections"]
    left, middle, right = st.columns([2, 1, 3])
    date_format = left.text_input(
        "Date format",
        key=f"date_format_{number}",
        placeholder=(reading or "choose above")
        if inspection.date_question
        else f"{inspection.date_format or 'date type'} (detected)",
        help="strptime codes: %d day, %m month, %Y year, %H:%M time.",
    )
    decimal = middle.selectbox(
        "Decimal sign",
        DECIMALS,
        index=None if inspection.number_question else DECIMALS.index(inspection.decimal),
        key=f"decimal_{number}",
        placeholder=sign or "Choose",
    )
    where = right.text_input(
        "Row filter",
        key=f"where_{number}",
        placeholder="store_nbr=24; family=DAIRY",
        help="COLUMN=VALUE, several separated by `;`. Columns of stores.csv and items.csv can be used too.",
    )
    zone = ""
    if inspection.is_lines:
        zone = st.columns([2, 4])[0].text_input(
            "Time zone",
            key=f"zone_{number}",
            placeholder="as in the file",
            help="For timestamps with a time zone: the zone in which days are counted, such as America/New_York.",
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
            raise InputError(f"The row filter {part.strip()!r} cannot be read.", "Write COLUMN=VALUE.")
        if part.strip():
            pairs.append((column.strip(), value.strip()))
    return tuple(pairs)


def choose_rules(inspection: Inspection, has_promo: bool) -> dict[str, Any]:
    """Boxes for the rules by which rows become weeks."""
    number = st.session_state["n_inspections"]
    first, second = st.columns(3), st.columns(3)
    own = f"{text.weekday(inspection.week_end)}, as in the data" if inspection.week_end else text.weekday("SAT")
    rules = {
        "week_end": _rule(
            *(
                first[0],
                "Weeks end on",
                {"": own, **{day: text.weekday(day) for day in WEEKDAYS}},
                f"week_end_{number}",
            ),
            help="The first and last week are dropped if the data do not cover them completely.",
        ),
        "include_promo": _rule(
            *(first[1], "Promotional sales", {False: "left out: baseline demand", True: "kept"}, "include_promo"),
            help="If left out, a week with promotional sales only is missing, not zero. A missing flag means not "
            "promoted.",
            disabled=not has_promo,
        )
        and has_promo,
        "returns": _rule(first[2], "Returns", {"net": "netted within their week", "drop": "left out"}, "returns"),
        "duplicates": _rule(
            *(second[0], "Duplicates", {"keep": "added up", "drop": "counted once"}, f"duplicates_{number}"),
            index=int(inspection.is_lines and len(inspection.files) > 1),
            help="Receipt lines that are in several files."
            if inspection.is_lines
            else "Rows of the same item, store and day. If counted once, the last one is used.",
        ),
        "skip_bad": _rule(
            *(second[1], "Unreadable rows", {False: "stop loading", True: "skip"}, "skip_bad"),
            help="The report lists them with file, line and value in both cases.",
        ),
        "odd_dates": _rule(
            *(second[2], "Outlying dates", {"": "stop loading", "drop": "skip", "keep": "load"}, "odd_dates"),
            help="A few rows more than a year from all others, or in the future. Their year may be wrong.",
        ),
        "cancelled": "keep",
    }
    if inspection.cancelled:
        rules["cancelled"] = _rule(
            *(st.columns(3)[0], "Cancelled orders", {"keep": "count", "drop": "leave out"}, "cancelled"),
            help=f"By the column {text.plain(inspection.cancelled)}, with refunds. The report counts them either way.",
        )
    return rules


def _rule(place: DeltaGenerator, label: str, options: dict[Any, str], key: str, **more: Any) -> Any:
    return place.selectbox(label, list(options), format_func=options.__getitem__, key=key, **more)


def request_load(spec: IngestSpec, source: DataSource | None, **choices: Any) -> int:
    """Submits the ingest of files, or of a source; returns its id.

    Raises
    ------
    FcstError
        if the ingest is refused.
    """
    try:
        if source is None:
            ingest_id = loading.request_ingest(replace(spec, **choices))
        else:
            ingest_id = data_sources.load(source, replace(spec, **choices))
            sources.end_choice()
    except Conflict:  # the files have changed: inspect them again
        st.session_state.pop("inspected", None)
        raise
    for name in ("saved_ids", "saved_paths", "inspected", "inspection"):
        st.session_state.pop(name, None)
    return ingest_id
