"""Scenario routes: create, change, compare and apply what-if scenarios of a run's drivers."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from fcst.api import plan_schemas as schemas
from fcst.api.jobs import JobId
from fcst.api.problem_handlers import problem_responses
from fcst.api.run_items import ItemsInQuery, ModelName, check_keys, to_filter
from fcst.api.worklist import author_name
from fcst.roles import Scope
from fcst.scenarios import DriverChange
from fcst.services import identity, jobs, scenarios

router = APIRouter(prefix="/jobs/{job_id:number}/scenarios", tags=["scenarios"])

ScenarioId = Annotated[int, Path(description="The scenario's id.")]


@router.get(
    "", summary="List a run's scenarios, and the drivers that they can change", response_model=schemas.Scenarios
)
def list_scenarios(job_id: JobId) -> dict[str, Any]:
    job = jobs.get_job(job_id)
    return {"scenarios": scenarios.list_scenarios(job), "drivers": scenarios.changeable_drivers(job)}


@router.post("", status_code=201, summary="Create a scenario, empty or as a copy", response_model=schemas.Scenario)
def create_scenario(job_id: JobId, body: schemas.ScenarioRequest) -> Any:
    return scenarios.create_scenario(jobs.get_job(job_id), body.name, author_name(body), body.copy_of)


@router.delete("/{scenario_id:number}", status_code=204, summary="Delete a scenario; the plan does not change")
def delete_scenario(job_id: JobId, scenario_id: ScenarioId) -> None:
    identity.require(Scope.RUN)  # first, so that the response does not reveal whether the run exists
    scenarios.delete_scenario(jobs.get_job(job_id), scenario_id)


@router.post(
    "/{scenario_id:number}/changes",
    status_code=201,
    summary="Change a driver in a scenario, for one, several or all items",
    response_model=schemas.Scenario,
    responses=problem_responses({409: "The scenario was changed in the meantime"}),
)
def add_change(job_id: JobId, scenario_id: ScenarioId, body: schemas.DriverChangeRequest) -> Any:
    """Uses the driver effects of the run; does not start a new run. Takes about 2 ms per item."""
    job = jobs.get_job(job_id)
    change = DriverChange(body.driver, body.first_wk_end_dt, body.last_wk_end_dt, body.how, body.value)
    return scenarios.add_change(job, scenario_id, change, to_filter(job, body.items), author_name(body))


@router.delete(
    "/{scenario_id:number}/changes/{change_id:number}",
    summary="Remove a change from a scenario; other changes are kept",
    response_model=schemas.Scenario,
    responses=problem_responses({409: "The scenario was changed in the meantime"}),
)
def remove_change(
    job_id: JobId, scenario_id: ScenarioId, change_id: Annotated[int, Path(description="The change's id.")]
) -> Any:
    identity.require(Scope.RUN)
    return scenarios.remove_change(jobs.get_job(job_id), scenario_id, change_id)


@router.get(
    "/{scenario_id:number}/sums", summary="Get a scenario's effect on the plan", response_model=schemas.ScenarioSums
)
def sum_scenario(
    job_id: JobId,
    scenario_id: ScenarioId,
    wanted: ItemsInQuery,
    model: ModelName = None,
    other: Annotated[int | None, Query(description="Id of a second scenario to compare with.")] = None,
) -> dict[str, Any]:
    """Changes in units by week, summed over the matching items; and the 50 items that change most. No weeks if the
    scenario changes none of the items."""
    job = jobs.get_job(job_id)
    of_model, which = jobs.choose_model(job, model), check_keys(job, wanted)
    both = [scenarios.get_scenario(job, number) for number in (scenario_id, other) if number is not None]
    weeks = scenarios.sums(job, of_model, which, both)
    names = ("change1", "change2")[: len(both)]
    return {
        "scenarios": [scenario.scenario_id for scenario in both],
        "weeks": [
            {"wk_end_dt": row["wk_end_dt"].date(), "changes": [row[name] for name in names]}
            for row in weeks.to_dict("records")
        ],
        "items": scenarios.list_items(job, of_model, which, both),
    }


@router.post(
    "/{scenario_id:number}/apply",
    status_code=201,
    summary="Apply a scenario to the plan, as one adjustment",
    responses=problem_responses({409: "These weeks were changed since `last_change`"}),
)
def apply_to_plan(job_id: JobId, scenario_id: ScenarioId, body: schemas.ApplyRequest) -> schemas.AdjustmentId:
    job = jobs.get_job(job_id)
    model = jobs.choose_model(job, body.model)
    made = scenarios.apply_to_plan(job, model, scenario_id, body.reason, author_name(body), body.last_change)
    return schemas.AdjustmentId(adjustment_id=made)
