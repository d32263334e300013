"""What uses how much disk space."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.services import publishing, space
from fcst.settings import load_settings
from fcst.store.database import fetch_one, transaction
from tests.computed_runs import run


def test_parts_add_up_to_all_tables_and_name_their_owners(
    load_dataset: Callable[..., Dataset], capsys, tmp_path: Path
) -> None:
    large = load_dataset(n_items=60, n_weeks=120)
    load_dataset(name="small", n_items=2, n_weeks=60)
    job = run(large, 20, models=("Naive", "WindowAverage"), n_windows=0)
    publishing.publish(job.job_id)
    found = space.list_space()
    tables = [use for use in found if use.kind != "folder"]  # shares, rounded to bytes
    assert sum(use.n_bytes for use in tables) == pytest.approx(
        (fetch_one("data_size") or {})["n_bytes"], abs=10
    )  # rounded
    by_name = {use.name: use for use in tables}
    first, second = by_name[f"{large.name} version 1"], by_name["small version 1"]
    assert first.kind == "dataset" and first.id == large.dataset_id
    assert first.n_bytes > 10 * second.n_bytes > 0
    assert by_name[f"run {job.job_id} of {large.name}"].kind == "run"
    assert by_name["plan 1 of s"].kind == "published plan"
    assert [use.n_bytes for use in tables] == sorted((use.n_bytes for use in tables), reverse=True)
    uploads = load_settings().uploads
    uploads.mkdir(parents=True)
    (uploads / "x.csv").write_bytes(b"x" * 100_000)
    assert main(["space", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    (folder,) = [use for use in listed if "uploaded" in use["name"]]
    assert 100_000 <= folder["n_bytes"] < 110_000
    assert main(["space"]) == 0
    assert "small version 1" in capsys.readouterr().out


def test_an_empty_database_lists_its_tables(database: str) -> None:
    with transaction() as cur:
        cur.execute("SELECT count(*) AS n FROM fcst_app.jobs")
        assert cur.fetchone()["n"] == 0
    assert sum(use.n_bytes for use in space.list_space() if use.kind == "other") > 0
