"""Tables: the only module that shows data frames.

The toolbar of a table copies its cells to a CSV file or the clipboard, so cells with spreadsheet formulas are escaped.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from fcst.escaping import BREAKS, FIRST, FORMULA, SIGNS, for_spreadsheet

NUMBER = st.column_config.NumberColumn(format="localized")
_SOME = [sign.encode() for sign in SIGNS + BREAKS]
_DANGEROUS = re.sub(r"\\u(\w{4})", r"\\x{\1}", f"{FIRST}|{FORMULA}")  # as Arrow writes it


def show(
    frame: pd.DataFrame,
    *,
    column_config: dict[str, Any] | None = None,
    numbers: Collection[str] = (),
    shares: Collection[str] = (),
    key: str | None = None,
    height: int | Literal["auto", "content"] = "auto",
    placeholder: str | None = None,
    on_select: Literal["ignore", "rerun"] | Callable[[], None] = "ignore",
    selection_mode: Literal["single-row", "single-cell"] = "single-row",
    selection_default: dict[str, Any] | None = None,
) -> Any:
    """Shows a table without its index; escapes texts that a spreadsheet would run as formulas.

    Parameters
    ----------
    column_config
        as in Streamlit, by the frame's own column names.
    numbers
        text columns in which numbers such as '-5' or '+1.2 %' are not escaped.
    shares
        columns of fractions, shown in percent.

    Returns
    -------
    the value of `st.dataframe`; selected rows are positions in `frame`.
    """
    safe, names = escaped_frame(frame.assign(**{name: 100 * frame[name] for name in shares}), numbers)
    column_config = dict.fromkeys(shares, percent()) | (column_config or {})
    options: dict[str, Any] = {}
    if on_select != "ignore":
        options = {"on_select": on_select, "selection_mode": selection_mode, "selection_default": selection_default}
    return st.dataframe(
        safe,
        hide_index=True,
        column_config={names.get(name, name): column for name, column in column_config.items()},
        key=key,
        height=height,
        placeholder=placeholder,
        **options,
    )


def percent(label: str | None = None, help: str | None = None, signed: bool = False) -> Any:
    """A column of numbers in percent: 12.4 %."""
    return st.column_config.NumberColumn(label, format="%+.1f %%" if signed else "%.1f %%", help=help)


def clicked_row(selection: Any) -> int | None:
    """Position of the clicked row in a `single-cell` selection, as `show` returns it or session state has it."""
    cells = selection["selection"]["cells"]
    return int(cells[0][0]) if cells else None


def escaped_frame(frame: pd.DataFrame, numbers: Collection[str] = ()) -> tuple[pd.DataFrame, dict[Any, str]]:
    """Returns the frame with escaped texts and column names and a new index, and the map of old to new column names."""
    safe = frame.copy(deep=False)  # shares its cells with the cached frame: never change them in place
    safe.index = pd.RangeIndex(len(safe))
    for place, (name, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        if pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype):
            continue
        cells = safe.iloc[:, place].astype(object)
        places = _to_change(cells)
        if len(places):
            values = cells.to_numpy(dtype=object, copy=True)
            for i in places:
                values[i] = _safe(values[i], name in numbers)
            safe.isetitem(place, values)
    names: list[str] = []
    for name in map(str, frame.columns):
        new_name = for_spreadsheet(name)
        while new_name != name and (new_name in names or new_name in frame.columns):
            new_name += " "
        names.append(new_name)
    safe.columns = pd.Index(names)
    return safe, dict(zip(frame.columns, names, strict=True))


def _to_change(cells: pd.Series) -> Sequence[int]:
    """Positions of cells with a text that a spreadsheet would run as a formula."""
    try:
        texts = pa.array(cells, pa.string(), from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):  # dates, lists, or values of several types
        return [i for i, cell in enumerate(cells.tolist()) if _is_text(cell) and _safe(cell) != cell]
    letters = texts.buffers()[2].to_pybytes() if texts.nbytes else b""
    if not any(sign in letters for sign in _SOME):
        return []
    places: list[int] = pc.indices_nonzero(pc.match_substring_regex(texts, _DANGEROUS)).to_pylist()
    return places


def _is_text(cell: Any) -> bool:
    """Whether the cell is a text or a list with a text."""
    return isinstance(cell, str) or (isinstance(cell, (list, tuple)) and any(isinstance(part, str) for part in cell))


def _safe(cell: Any, may_be_number: bool = False) -> Any:
    if isinstance(cell, str):
        return for_spreadsheet(cell, may_be_number)
    return type(cell)(for_spreadsheet(part) if isinstance(part, str) else part for part in cell)
