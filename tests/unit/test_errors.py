"""Error classes: the tree in the docstring, and pickling between processes."""

import inspect
import pickle
import re

import pytest

from fcst import errors
from fcst.errors import BadRows, FcstError, InputError
from fcst.quality_report import BadRow, BadRowCount, ReadingReport

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, FcstError)]
PLAIN = [c for c in CLASSES if c is not BadRows]
REPORT = ReadingReport(
    source="sales.csv", n_rows=3, bad_rows=BadRowCount(1, first=(BadRow("sales.csv", 2, "date", "é", "is not a date"),))
)


def drawn_tree() -> dict[str, str]:
    """Name -> parent's name, parsed from the module's docstring; four characters are one level."""
    tree: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│ ├└─]*)([A-Z]\w+)  ", line):
            depth = len(found[1]) // 4
            path = [*path[:depth], found[2]]
            tree[found[2]] = path[-2] if depth else "Exception"
    return tree


def test_docstring_tree_matches_the_classes() -> None:
    assert drawn_tree() == {c.__name__: c.__base__.__name__ for c in CLASSES}
    assert len(CLASSES) >= 6


@pytest.mark.parametrize("error", PLAIN)
@pytest.mark.parametrize("hint", ["", "Give another."])
def test_error_survives_pickling_with_message_and_hint(error: type[FcstError], hint: str) -> None:
    copy = pickle.loads(pickle.dumps(error("It broke: 'é'.", hint)))
    assert type(copy) is error
    assert (copy.message, copy.hint) == ("It broke: 'é'.", hint)


def test_bad_rows_survive_pickling_with_their_report() -> None:
    copy = pickle.loads(pickle.dumps(BadRows("It broke.", "Fix it.", REPORT)))
    assert type(copy) is BadRows
    assert isinstance(copy, InputError)
    assert (copy.message, copy.hint, copy.report) == ("It broke.", "Fix it.", REPORT)
    assert str(copy) == "It broke. Fix it."


@pytest.mark.parametrize("error", PLAIN)
def test_hint_is_empty_when_not_given(error: type[FcstError]) -> None:
    assert error("It broke.").hint == ""


def test_text_joins_message_and_hint() -> None:
    assert str(FcstError("It broke.", "Fix it.")) == "It broke. Fix it."
    assert str(FcstError("It broke.")) == "It broke."


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_has_a_docstring(error: type[FcstError]) -> None:
    assert error.__dict__.get("__doc__")
