"""Parts of pages that Streamlit does not have: a table whose rows open and whose headers sort, and the grid of a plan.

Each is a native HTML table, drawn by a short script beside this file. Texts become text nodes, never HTML.
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
        `name` (a key and what it is called), `text`, `number`, `line`, `chips`, `check`.
    sort
        what a click on its header asks for; empty: the header is no button.
    """

    label: str
    kind: str
    sort: str = ""
    help: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table: what opens it, and a cell for each column.

    A cell is a text; of `name` (key, name), of `line` numbers, of `chips` texts, of `check` (is ticked, help).
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
    """A table in which a click anywhere on a row opens it, and one on a header asks for another order.

    The arrow keys move between rows, Enter opens one. It stays scrolled where it is when its rows change.

    Parameters
    ----------
    selected
        the key of the row that is open.
    sort, is_reversed
        by which column it is ordered, and whether against its usual direction.
    on_open, on_sort, on_check
        called with the key of a row that was clicked, the `sort` of a header, the key of a row whose box was clicked.
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
    """A row of the grid of a plan.

    Parameters
    ----------
    cells
        a text for each period, and one for their sum.
    kind
        `quiet`, `strong`, or empty.
    """

    label: str
    cells: tuple[str, ...]
    kind: str = ""
    is_editable: bool = False


@dataclass(frozen=True)
class GridEdit:
    """What was typed into a grid.

    Parameters
    ----------
    cells
        the name of a period -> what was typed, as it was.
    """

    cells: dict[str, str]
    reason: str
    who: str

    @classmethod
    def from_value(cls, value: Any) -> "GridEdit | None":
        """None where the browser sent something else."""
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
    """A grid of periods and rows of which some can be edited in place; what is typed is saved with one reason.

    Parameters
    ----------
    periods
        name, label, and what stands below it.
    version
        when it changes, what was typed and not saved is forgotten.
    who
        the name of who edits, as it was last given; None where it is known and not asked for.
    on_save
        called with what was typed.
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
