"""Sales files of real systems with known contents, loaded by the command line (all) and by the page (some).

The files are in a folder next to the project.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from fcst.cli.main import main
from fcst.engine import task
from fcst.services import loading
from fcst.store import ingests
from fcst.store.database import transaction
from tests.conftest import SHARED
from tests.pages.opening import open_page

CASES = SHARED.parent / "cases"
BY_PAGE = ("A02b", "A04", "A16", "A25", "N1")


def list_cases() -> pd.DataFrame:
    return pd.read_csv(CASES / "cases.csv", keep_default_na=False, index_col="case")


def paths_of(case: str) -> list[Path]:
    return [CASES / case / name for name in list_cases().loc[case, "files"].split()]


def expected(case: str) -> dict[tuple[str, str], float]:
    frame = pd.read_csv(CASES / case / "expected.csv", dtype={"item": str}, keep_default_na=False)
    return {(row.item, str(row.wk_end_dt)[:10]): float(row.units) for row in frame.itertuples() if float(row.units)}


def loaded(name: str) -> dict[tuple[str, str], float]:
    """Units by item and week of the newest version of a dataset, including promotional ones; weeks with units only."""
    with transaction() as cur:
        cur.execute(
            """SELECT unique_id, wk_end_dt, coalesce(unit_sales, 0) + coalesce(promo_units, 0) AS units
               FROM fcst_app.weekly_sales
               WHERE dataset_id = (SELECT max(dataset_id) FROM fcst_app.datasets WHERE name = %s)""",
            (name,),
        )
        return {(row["unique_id"], str(row["wk_end_dt"])): row["units"] for row in cur.fetchall() if row["units"]}


@pytest.fixture(autouse=True)
def require_cases() -> None:
    if not CASES.exists():
        pytest.skip("no ../shared/cases")


@pytest.mark.full
def test_all_cases_by_the_command_line(
    start_supervisor: Callable[..., subprocess.Popen], capsys: pytest.CaptureFixture[str]
) -> None:
    start_supervisor()
    wrong = {}
    for case, row in list_cases().iterrows():
        code = main(["ingest", *map(str, paths_of(str(case))), "--name", str(case)])
        said = capsys.readouterr().err
        is_right = code == 2
        if row["expected"] == "loads":
            is_right = code == 0 and loaded(str(case)) == expected(str(case)) and "units sold = " in said
        if not is_right:
            wrong[case] = said
    assert wrong == {}


@pytest.mark.parametrize("case", BY_PAGE)
def test_cases_by_the_page(database: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_INGEST_ROOTS", str(CASES))
    at = open_page("load", path=";".join(map(str, paths_of(case))))
    at.text_input(key="dataset_name").set_value(case).run()
    at.button(key="load").click().run()
    assert not at.exception
    claimed = ingests.claim("0b8ef3a0-53b5-4d0b-9a50-1f8f1f7c0002")
    assert claimed is not None
    task.run_ingest(claimed.ingest_id, claimed.attempt)
    assert loading.get_ingest(claimed.ingest_id).status == "completed"
    assert loaded(case) == expected(case)
