"""Custom components: a table with clickable rows and sortable headers, and the editable grid of a plan.

Each is a native HTML table, drawn by a script in this folder. Texts become text nodes, never HTML.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent


def _register(name: str) -> Any:
    css = (_HERE / "common.css").read_text(encoding="utf-8") + (_HERE / f"{name}.css").read_text(encoding="utf-8")
    return st.components.v2.component(f"fcst_{name}", css=css, js=(_HERE / f"{name}.js").read_text(encoding="utf-8"))


_ROWS, _GRID = _register("rows"), _register("grid")


@dataclass(frozen=True)
class Column:
    """A column of a table of rows.

    Parameters
    ----------
    kind
        `name` (a key and a name), `text`, `number`, `line`, `chips`, `check`.
    sort
        sort order that a click on the header requests; empty: not sortable.
    """

    label: str
    kind: str
    sort: str = ""
    help: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table: its key, and a cell for each column.

    A cell is a text; for `name` (key, name), for `line` numbers, for `chips` texts, for `check` (is checked, help).
    """

    key: str
    cells: tuple[Any, ...]


def rows_table(
    label: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    key: str,
    height: int,
    selected: str,
    sort: str,
    is_reversed: bool,
    on_open: Callable[[str], None],
    on_sort: Callable[[str], None],
    on_check: Callable[[str], None],
) -> None:
    """A table in which a click on a row opens it, and a click on a header requests another order.

    The arrow keys move between rows, Enter opens one. The scroll position stays when rows change.

    Parameters
    ----------
    selected
        key of the open row.
    sort, is_reversed
        sort order of the rows, and whether it is reversed.
    on_open, on_sort, on_check
        called with the key of the clicked row, the `sort` of the clicked header, the key of the row of the clicked box.
    """

    def call(name: str, use: Callable[[str], None]) -> Callable[[], None]:
        def called() -> None:
            value = st.session_state[key].get(name)
            if isinstance(value, str):
                use(value)

        return called

    _ROWS(
        key=key,
        data={
            "label": label,
            "columns": [asdict(column) for column in columns],
            "rows": [asdict(row) for row in rows],
            "selected": selected,
            "sort": sort,
            "is_reversed": is_reversed,
            "height": height,
        },
        on_open_change=call("open", on_open),
        on_sort_change=call("sort", on_sort),
        on_check_change=call("check", on_check),
    )


@dataclass(frozen=True)
class GridRow:
    """A row of the plan grid.

    Parameters
    ----------
    cells
        a text for each period, and one for the total.
    kind
        `quiet`, `strong`, or empty.
    """

    label: str
    cells: tuple[str, ...]
    kind: str = ""
    is_editable: bool = False


@dataclass(frozen=True)
class GridEdit:
    """Input of a user in the grid.

    Parameters
    ----------
    cells
        name of a period -> text as typed.
    """

    cells: dict[str, str]
    reason: str
    who: str

    @classmethod
    def from_value(cls, value: Any) -> "GridEdit | None":
        """Parses the value from the browser; None if it is not an edit."""
        if not isinstance(value, dict) or not isinstance(value.get("cells"), dict):
            return None
        cells = {str(name): str(typed) for name, typed in value["cells"].items()}
        return cls(cells, str(value.get("reason", "")), str(value.get("who", "")))


def plan_grid(
    label: str,
    periods: Sequence[tuple[str, str, str]],
    rows: Sequence[GridRow],
    *,
    key: str,
    version: str,
    who: str | None,
    on_save: Callable[[GridEdit], None],
) -> None:
    """A grid of periods with editable rows; all edits are saved together with one reason.

    Parameters
    ----------
    periods
        name, label, and the text below the label.
    version
        a new value discards unsaved edits.
    who
        last entered name of the user; None if the user has signed in and no box is shown.
    on_save
        called with the edits.
    """

    def saved() -> None:
        edit = GridEdit.from_value(st.session_state[key].get("save"))
        if edit is not None:
            on_save(edit)

    _GRID(
        key=key,
        data={
            "label": label,
            "periods": [{"name": name, "label": title, "below": below} for name, title, below in periods],
            "rows": [asdict(row) for row in rows],
            "version": version,
            "who": who,
        },
        on_save_change=saved,
    )
