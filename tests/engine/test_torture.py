"""A short run of the torture benchmark: random failures, and nothing is lost."""

import importlib.util
from pathlib import Path

import pytest

from fcst.settings import PROJECT
from tests.engine.outages import OwnServer, needs_pgbouncer, own_server, pgbouncer

pytestmark = pytest.mark.full

__all__ = ["own_server"]  # a fixture

_spec = importlib.util.spec_from_file_location("torture", PROJECT / "tests" / "benchmarks" / "torture.py")
assert _spec is not None and _spec.loader is not None
torture = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(torture)


@pytest.mark.parametrize(
    ("seconds", "seed", "is_pooled"),
    [
        (12, 1, False),
        pytest.param(60, 2, False, marks=pytest.mark.full),
        pytest.param(60, 3, True, marks=[pytest.mark.full, needs_pgbouncer]),
    ],
)
def test_nothing_is_lost_under_random_failures(
    own_server: OwnServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    seed: int,
    is_pooled: bool,
) -> None:
    run = torture.Torture(own_server, tmp_path, seed)
    try:
        if is_pooled:
            with pgbouncer(own_server, tmp_path / "pgbouncer") as address:
                monkeypatch.setenv("DATABASE_URL", address)
                run.run(seconds)
        else:
            run.run(seconds)
    finally:
        print(run.report())
        run.kill()
    assert run.done["submit a job"] > 1 and sum(run.done.values()) > 10
