"""Tables: escaped cells and column names, no other changes."""

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from streamlit.testing.v1 import AppTest

from fcst.escaping import for_spreadsheet
from fcst.ui.tables import escaped_frame
from tests.nasty_text import nasty_keys


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": ["a", "=cmd|'/c calc'!A0", None, ";=1"],
            "kind": pd.Categorical(["x", "x", "+y", "x"]),
            "units": [-1.5, 2.0, None, -3.0],
            "day": [date(2020, 1, 4), None, None, None],
            "flags": [["new"], ("=x", "new"), [], None],
            "line": [(-1.0, 2.0), (), (3.0,), None],
            "plain": ["A-5", "store|item", "", "x = 1"],
            "mixed": [-5, "-5", "-5 %", "-5+cmd"],
        },
        index=list("wxyz"),
    )


def test_only_formula_cells_are_escaped_and_the_input_is_unchanged() -> None:
    given = frame()
    safe, names = escaped_frame(given)
    pd.testing.assert_frame_equal(given, frame())
    assert safe["key"].tolist() == ["a", "'=cmd|'/c calc'!A0", None, ";'=1"]
    assert safe["kind"].tolist() == ["x", "x", "'+y", "x"]
    assert safe["flags"].tolist() == [["new"], ("'=x", "new"), [], None]
    assert safe["mixed"].tolist() == [-5, "'-5", "'-5 %", "'-5+cmd"]
    for name in ("units", "day", "line", "plain"):
        assert safe[name].tolist()[:2] == given[name].tolist()[:2] and safe[name].dtype == given[name].dtype
    assert safe.index.tolist() == [0, 1, 2, 3] and names == {name: name for name in given}


def test_numbers_as_text_are_not_escaped_in_number_columns() -> None:
    assert escaped_frame(frame(), numbers=["mixed"])[0]["mixed"].tolist() == [-5, "-5", "-5 %", "'-5+cmd"]


def test_tables_escape_keys_as_files_do() -> None:
    keys = nasty_keys()
    assert escaped_frame(pd.DataFrame({"key": keys}))[0]["key"].tolist() == [for_spreadsheet(key) for key in keys]


def test_column_names_are_escaped_and_unique() -> None:
    safe, names = escaped_frame(pd.DataFrame([[1, 2, 3, 4]], columns=["=a", "'=a", "b", "@c"]))
    assert list(safe) == ["'=a ", "'=a", "b", "'@c"] and names["=a"] == "'=a "
    assert safe.iloc[0].tolist() == [1, 2, 3, 4]


def test_column_config_follows_an_escaped_name() -> None:
    def page() -> None:
        import pandas as pd

        from fcst.ui import tables

        tables.show(pd.DataFrame({"=a": ["@x"], "b": [1]}), column_config={"=a": "A label", "b": "B"}, key="t")

    (shown,) = AppTest.from_function(page).run().dataframe
    assert shown.value.to_dict("list") == {"'=a": ["'@x"], "b": [1]}
    columns: dict[str, Any] = json.loads(shown.proto.columns)
    assert columns["'=a"]["label"] == "A label" and columns["_index"]["hidden"] is True


def test_columns_without_formulas_are_not_copied() -> None:
    given = pd.DataFrame({"key": [f"A-{n}|B{n}" for n in range(1_000)], "made_by": "=x", "units": 1.0})
    safe, _ = escaped_frame(given)
    assert [np.shares_memory(safe[name], given[name]) for name in given] == [True, False, True]
