"""Published plans: kept as they were, one current for each dataset, also without their runs."""

import csv
import io
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.errors import Conflict, InputError, NotAllowed, NotFound
from fcst.filters import Selection, by_keys
from fcst.job_records import Job
from fcst.roles import Actor, Scope
from fcst.services import adjustments, datasets, identity, jobs, pruning, publishing
from fcst.services.adjustments import Change
from fcst.specs import JobSpec
from tests.computed_runs import run
from tests.conftest import write_sales

MODEL = "WindowAverage"


@pytest.fixture
def job(load_dataset: Callable[..., Dataset]) -> Job:
    return run(load_dataset(n_items=4), 3, models=("Naive", MODEL), n_windows=0)


def rows(plan_id: int) -> list[dict[str, str]]:
    out = io.BytesIO()
    publishing.write_plan(publishing.get_plan(plan_id), out)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode())))


def adjust(job: Job, percent: float) -> None:
    week = job.last_wk_end_dt + timedelta(weeks=2)
    adjustments.adjust(job, MODEL, by_keys("item4"), Change(week, week, percent=percent), "a fair", "Ana")


def test_a_published_plan_is_kept_as_it_was(job: Job) -> None:
    adjust(job, 50)
    with identity.acting_as(Actor("ann", Scope.RUN)):
        plan = publishing.publish(job.job_id, MODEL)
    assert (plan.dataset, plan.run_no, plan.job_id, plan.model) == (job.dataset, job.job_id, job.job_id, MODEL)
    assert (plan.n_items, plan.h, plan.published_by, plan.is_current) == (3, 4, "ann", True)
    assert plan.first_wk_end_dt == job.last_wk_end_dt + timedelta(weeks=1)
    before = rows(plan.plan_id)
    assert len(before) == 3 * 4 and list(before[0]) == ["unique_id", "wk_end_dt", "forecast", "final"]
    changed = [row for row in before if row["forecast"] != row["final"]]
    assert [(row["unique_id"], row["wk_end_dt"]) for row in changed] == [
        ("item4", str(job.last_wk_end_dt + timedelta(weeks=2)))
    ]
    assert float(changed[0]["final"]) == pytest.approx(1.5 * float(changed[0]["forecast"]))
    assert plan.final == pytest.approx(sum(float(row["final"]) for row in before))
    assert plan.forecast == pytest.approx(sum(float(row["forecast"]) for row in before)) != plan.final
    assert plan.n_changes_since == 0
    adjust(job, 100)
    assert publishing.get_plan(plan.plan_id).n_changes_since == 1
    assert rows(plan.plan_id) == before
    again = publishing.publish(job.job_id, MODEL)
    assert again.final > plan.final and again.n_changes_since == 0
    assert [(p.plan_id, p.is_current) for p in publishing.list_plans()] == [
        (again.plan_id, True),
        (plan.plan_id, False),
    ]


def test_a_published_plan_outlives_its_run(job: Job) -> None:
    plan = publishing.publish(job.job_id, MODEL)
    before = rows(plan.plan_id)
    assert pruning.delete_runs(pruning.list_runs(None, 0))
    kept = publishing.get_plan(plan.plan_id)
    assert (kept.job_id, kept.run_no, kept.is_current, kept.n_changes_since) == (None, job.job_id, True, 0)
    assert rows(plan.plan_id) == before


def test_each_dataset_has_its_published_plan_and_withdrawing_brings_back_the_one_before(
    job: Job, load_dataset: Callable[..., Dataset]
) -> None:
    other = run(load_dataset(name="other", n_items=2, n_weeks=60), 2, models=("Naive",), n_windows=0)
    first, second = (publishing.publish(job.job_id, model) for model in (MODEL, ""))
    third = publishing.publish(other.job_id)
    assert second.model == "Naive"
    assert publishing.find_current(job.dataset).plan_id == second.plan_id
    assert publishing.find_current("other").plan_id == third.plan_id
    assert [plan.plan_id for plan in publishing.list_plans(job_id=job.job_id)] == [second.plan_id, first.plan_id]
    with identity.acting_as(Actor("ann", Scope.RUN)), pytest.raises(NotAllowed):
        publishing.withdraw(second.plan_id)
    publishing.withdraw(second.plan_id)
    assert publishing.find_current(job.dataset).plan_id == first.plan_id
    for call in (lambda: publishing.withdraw(second.plan_id), lambda: publishing.get_plan(2**40)):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(NotFound, match="No plan of 'nothing' was published"):
        publishing.find_current("nothing")


def test_what_has_no_plan_is_not_published(job: Job) -> None:
    with pytest.raises(InputError, match="has no model 'AutoETS'"):
        publishing.publish(job.job_id, "AutoETS")
    with identity.acting_as(Actor("eve", Scope.READ)), pytest.raises(NotAllowed):
        publishing.publish(job.job_id)
    open_job = jobs.submit_job(job.dataset_id, Selection(keys=("item1",)), JobSpec(models=("Naive",)))
    with pytest.raises(Conflict, match="has not ended"):
        publishing.publish(open_job)
    jobs.cancel_job(open_job)
    with pytest.raises(Conflict, match="no item with a forecast"):
        publishing.publish(open_job)
    assert publishing.list_plans() == []


def test_two_who_publish_at_once_publish_two_whole_plans(job: Job) -> None:
    threads = [threading.Thread(target=publishing.publish, args=(job.job_id, MODEL)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    plans = publishing.list_plans()
    assert len(plans) == 4 and [plan.is_current for plan in plans] == [True, False, False, False]
    assert all(len(rows(plan.plan_id)) == 12 for plan in plans)


def test_keys_do_not_start_formulas_in_the_file(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    write_sales(tmp_path / "s.csv", 2, 60)
    text = (tmp_path / "s.csv").read_text().replace("item1", "=1+1")
    (tmp_path / "s.csv").write_text(text)
    job = run(load_dataset(tmp_path / "s.csv"), 2, models=("Naive",), n_windows=0)
    plan = publishing.publish(job.job_id)
    assert {row["unique_id"] for row in rows(plan.plan_id)} == {"'=1+1", "item2"}


def test_command_line_publishes_lists_writes_and_withdraws(job: Job, tmp_path: Path, capsys) -> None:
    assert main(["publish", str(job.job_id), "--model", MODEL]) == 0
    assert "Published plan 1 of 's': 3 items" in capsys.readouterr().err
    assert main(["published"]) == 0
    assert MODEL in capsys.readouterr().out
    assert main(["published", "s", "-o", str(tmp_path / "plan.csv")]) == 0
    assert (tmp_path / "plan.csv").read_text().count("\n") == 13
    assert main(["published", "-o", "x.csv"]) == 2
    assert main(["withdraw", "1"]) == 0
    assert main(["published", "s", "-o", "-"]) == 2


def test_accuracy_by_lag_compares_each_plan_with_what_was_sold(
    load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    path = tmp_path / "s.csv"
    expected: dict[int, list[tuple[float, float, float]]] = {1: [], 4: []}
    plans = []
    for n_weeks in (60, 61, 64):
        write_sales(path, 3, n_weeks)
        job = run(load_dataset(path), 3, models=("Naive",), n_windows=0)
        if n_weeks < 64:
            publishing.publish(job.job_id)  # replaced by the next one
            week = job.last_wk_end_dt + timedelta(weeks=1)
            change = Change(week, week, percent=100)
            adjustments.adjust(job, "Naive", by_keys("item2"), change, "a fair", "Ana")
            plans.append(publishing.publish(job.job_id))
    sold = {
        (item, week.wk_end_dt): week.unit_sales
        for item in ("item1", "item2", "item3")
        for week in datasets.item_history(job.dataset_id, item)
    }
    for plan in plans:
        for row in rows(plan.plan_id):
            week = date.fromisoformat(row["wk_end_dt"])
            lag = (week - plan.first_wk_end_dt).days // 7 + 1
            actual = sold.get((row["unique_id"], week))
            if lag in expected and actual is not None:
                expected[lag].append((float(row["final"]), float(row["forecast"]), actual))
    found = publishing.accuracy_by_lag("s")
    total = found[found["wk_end_dt"].isna()].set_index("lag")
    assert list(total.index) == [1, 4] and total["n_plans"].tolist() == [2, 1]
    for lag, values in expected.items():
        assert total.loc[lag, "n_weeks"] == len(values)
        actual = sum(abs(y) for _, _, y in values)
        assert total.loc[lag, "wape"] == pytest.approx(sum(abs(final - y) for final, _, y in values) / actual)
        assert total.loc[lag, "model_wape"] == pytest.approx(sum(abs(f - y) for _, f, y in values) / actual)
        assert total.loc[lag, "bias"] == pytest.approx(sum(final - y for final, _, y in values) / actual)
    assert total.loc[1, "wape"] != pytest.approx(total.loc[1, "model_wape"])
    by_week = found[found["wk_end_dt"].notna()]
    assert by_week["wk_end_dt"].tolist() == [plan.first_wk_end_dt for plan in plans] + [max(week for _, week in sold)]
    assert publishing.accuracy_by_lag("nothing").empty
