"""Server files by path: which files pages and API may read by default, and what errors reveal about others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst.settings import PROJECT
from tests.api.conftest import ApiServer, is_problem, serve_api
from tests.conftest import write_sales
from tests.gate.sessions import session, words

SECRET = "hunter2,of,nobody"


@pytest.fixture(scope="module")
def local(place: Path) -> Iterator[ApiServer]:
    """A server with default settings and a home folder."""
    own = place / "own home"
    (own / ".ssh").mkdir(parents=True)
    write_sales(own / "sales.csv", 3, 60)
    for path in (own / ".ssh" / "key.csv", place / "outside.csv"):
        path.write_text(f"{SECRET}\n1,2,3\n1,2,3\n")
    (own / "notes.csv").write_text("hunter2\nof nobody, but me\n")
    (own / "link.csv").symlink_to(place / "outside.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FCST_INGEST_ROOTS")
        with serve_api(place, PROJECT, HOME=str(own), PYTHONUSERBASE=str(Path.home() / ".local")) as api:
            yield api


def outside(place: Path) -> list[str]:
    uploads = place / "home" / "uploads"
    return [
        "/etc/passwd", "/etc/shadow", "/", str(place / "outside.csv"), "~/link.csv", "~/.ssh/key.csv", "~/.ssh",
        "~/../outside.csv", str(place / "home"), str(uploads), f"{uploads}/x/s.csv", "/proc/self/environ",
        str(PROJECT / ".streamlit" / "config.toml"), str(PROJECT / ".git" / "config"), "/none",
    ]  # fmt: skip


def test_path_outside_is_refused_without_details(local: ApiServer, place: Path) -> None:
    for path in outside(place):
        answer = local.post("/api/datasets", json={"path": path})
        assert is_problem(answer, 422, "is not in an allowed folder")
        assert "hunter2" not in answer.text and "root:" not in answer.text
    with session(local.port, host=f"127.0.0.1:{local.port}", origin=f"http://127.0.0.1:{local.port}") as visitor:
        for path in outside(place):
            shown = words(visitor.run("load", f"path={path}"))
            assert "is not in an allowed folder" in shown, path
            assert "hunter2" not in shown and "root:" not in shown


def test_path_in_the_users_home_is_read(local: ApiServer) -> None:
    answer = local.post("/api/datasets", json={"path": "~/sales.csv", "name": "own"})
    assert answer.status_code == 202, answer.text
    local.post(f"/api/ingests/{answer.json()['ingest_id']}/cancel")
    answer = local.post("/api/datasets", json={"path": "~/notes.csv"})
    assert is_problem(answer, 422, "has no column for item") and "hunter2" not in answer.text


@pytest.mark.full
def test_uploads_are_not_readable_by_path(secured_api: ApiServer, place: Path) -> None:
    """Even if the folder of uploads is inside an allowed folder."""
    uploads = place / "home" / "uploads" / "0"
    uploads.mkdir(parents=True, exist_ok=True)
    write_sales(uploads / "s.csv", 2, 60)
    for path in (uploads, uploads / "s.csv", uploads.parent):
        answer = secured_api.post("/api/datasets", json={"path": str(path), "name": "others"})
        assert is_problem(answer, 422, "is not in an allowed folder")
        assert "uploads" not in answer.json()["hint"]
    answer = secured_api.post("/api/datasets", json={"path": str(place / "s.csv"), "name": "allowed"})
    assert answer.status_code == 202
