"""Pages of a run that is deleted while they are open."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from fcst.services import jobs, pruning
from fcst.store.jobs import get
from tests.pages.opening import open_page, page_text

VIEWS = ("batches", "timeline", "failures", "history", "log")
PLACES = [
    *(("runs", {"job": "1", "view": view}) for view in VIEWS),
    ("runs", {}),
    ("forecasts", {"job": "1"}),
    ("forecasts", {"job": "1", "item": "item1", "show": "Backtest"}),
    ("accuracy", {"job": "1"}),
    ("compare", {"job": "1"}),
    ("new_run", {"from": "1"}),
    ("home", {}),
]


def prune() -> None:
    pruning.delete_runs(pruning.list_runs(None, 0))


def message_boxes(at: AppTest) -> str:
    assert not at.exception
    boxes = "\n".join(box.value for kind in ("error", "warning", "info") for box in at.get(kind)).replace("\\", "")
    assert "could not be shown" not in boxes, boxes
    return boxes


@pytest.mark.few(3)
@pytest.mark.parametrize(("name", "query"), PLACES)
def test_rerun_of_a_page_reports_a_deleted_run(finished: int, name: str, query: dict[str, str]) -> None:
    at = open_page(name, **query)
    message_boxes(at)
    prune()
    boxes = message_boxes(at.run())
    if name == "runs" and query or name == "new_run":
        assert "Run 1 does not exist." in boxes
    elif name != "home":
        assert boxes, page_text(at)


FEW = PLACES[::3]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("name", "query"), [pytest.param(*place, marks=() if place in FEW else pytest.mark.full) for place in PLACES]
)
def test_page_does_not_fail_if_the_run_is_deleted_while_it_is_drawn(
    finished: int, name: str, query: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleting_after(read: Callable) -> Callable:
        def wrapped(*args: object, **options: object) -> object:
            found = read(*args, **options)
            prune()
            return found

        return wrapped

    for function in ("get_job", "list_jobs", "has_any"):
        monkeypatch.setattr(jobs, function, deleting_after(getattr(jobs, function)))
    message_boxes(open_page(name, **query))
    with pytest.raises(Exception, match="Run 1 does not exist"):
        get(1)
