"""Files of the server by their path: what pages and API read where nothing is set, and what they say of the rest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst.settings import PROJECT
from tests.api.conftest import Desk, at_work, is_problem
from tests.conftest import write_sales
from tests.gate.sessions import session, words

SECRET = "hunter2,of,nobody"


@pytest.fixture(scope="module")
def local(place: Path) -> Iterator[Desk]:
    """A server with its defaults, whose user has a home."""
    own = place / "own home"
    (own / ".ssh").mkdir(parents=True)
    write_sales(own / "sales.csv", 3, 60)
    for path in (own / ".ssh" / "key.csv", place / "outside.csv"):
        path.write_text(f"{SECRET}\n1,2,3\n1,2,3\n")
    (own / "notes.csv").write_text("hunter2\nof nobody, but me\n")
    (own / "link.csv").symlink_to(place / "outside.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FCST_INGEST_ROOTS")
        with at_work(place, PROJECT, HOME=str(own), PYTHONUSERBASE=str(Path.home() / ".local")) as desk:
            yield desk


def outside(place: Path) -> list[str]:
    uploads = place / "home" / "uploads"
    return [
        "/etc/passwd", "/etc/shadow", "/", str(place / "outside.csv"), "~/link.csv", "~/.ssh/key.csv", "~/.ssh",
        "~/../outside.csv", str(place / "home"), str(uploads), f"{uploads}/x/s.csv", "/proc/self/environ",
        str(PROJECT / ".streamlit" / "config.toml"), str(PROJECT / ".git" / "config"), "/none",
    ]  # fmt: skip


def test_path_outside_is_refused_and_nothing_of_it_is_said(local: Desk, place: Path) -> None:
    for path in outside(place):
        answer = local.post("/api/datasets", json={"path": path})
        assert is_problem(answer, 422, "is not in a folder that may be read")
        assert "hunter2" not in answer.text and "root:" not in answer.text
    with session(local.port, host=f"127.0.0.1:{local.port}", origin=f"http://127.0.0.1:{local.port}") as visitor:
        for path in outside(place):
            shown = words(visitor.run("load", f"path={path}"))
            assert "is not in a folder that may be read" in shown, path
            assert "hunter2" not in shown and "root:" not in shown


def test_path_in_the_users_home_is_read(local: Desk) -> None:
    answer = local.post("/api/datasets", json={"path": "~/sales.csv", "name": "own"})
    assert answer.status_code == 202, answer.text
    local.post(f"/api/ingests/{answer.json()['ingest_id']}/cancel")
    answer = local.post("/api/datasets", json={"path": "~/notes.csv"})
    assert is_problem(answer, 422, "has no column for item") and "hunter2" not in answer.text


def test_uploads_of_others_are_not_read_by_path(office: Desk, place: Path) -> None:
    """Though the folder lies in one that the operator allows."""
    uploads = place / "home" / "uploads" / "0"
    uploads.mkdir(parents=True, exist_ok=True)
    write_sales(uploads / "s.csv", 2, 60)
    for path in (uploads, uploads / "s.csv", uploads.parent):
        answer = office.post("/api/datasets", json={"path": str(path), "name": "others"})
        assert is_problem(answer, 422, "is not in a folder that may be read")
        assert "uploads" not in answer.json()["hint"]
    answer = office.post("/api/datasets", json={"path": str(place / "s.csv"), "name": "allowed"})
    assert answer.status_code == 202
