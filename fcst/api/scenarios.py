"""What if drivers were otherwise: scenarios of a run, made, changed, compared, taken over into the plan."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from fcst.api import plan_schemas as schemas
from fcst.api.jobs import JobId
from fcst.api.problems import documented
from fcst.api.run_items import ItemsInAddress, ModelName, checked, chosen
from fcst.api.worklist import name_of
from fcst.roles import Scope
from fcst.scenarios import DriverChange
from fcst.services import identity, jobs, scenarios

router = APIRouter(prefix="/jobs/{job_id:number}/scenarios", tags=["scenarios"])

ScenarioId = Annotated[int, Path(description="A scenario's number.")]


@router.get("", summary="Its scenarios, and the drivers that they can change", response_model=schemas.Scenarios)
def list_scenarios(job_id: JobId) -> dict[str, Any]:
    job = jobs.get_job(job_id)
    return {"scenarios": scenarios.list_scenarios(job), "drivers": scenarios.changeable_drivers(job)}


@router.post("", status_code=201, summary="Make a scenario, empty or as a copy", response_model=schemas.Scenario)
def create_scenario(job_id: JobId, asked: schemas.ScenarioRequest) -> Any:
    return scenarios.create_scenario(jobs.get_job(job_id), asked.name, name_of(asked), asked.copy_of)


@router.delete("/{scenario_id:number}", status_code=204, summary="Delete a scenario; the plan stays as it is")
def delete_scenario(job_id: JobId, scenario_id: ScenarioId) -> None:
    identity.require(Scope.RUN)  # before it says whether there is such a job
    scenarios.delete_scenario(jobs.get_job(job_id), scenario_id)


@router.post(
    "/{scenario_id:number}/changes",
    status_code=201,
    summary="Change a driver in it, for one item, some or all",
    response_model=schemas.Scenario,
    responses=documented({409: "The scenario was changed meanwhile"}),
)
def add_change(job_id: JobId, scenario_id: ScenarioId, asked: schemas.DriverChangeRequest) -> Any:
    """There is no new run: the effects that the run has learnt stay. About 2 ms an item."""
    job = jobs.get_job(job_id)
    change = DriverChange(asked.driver, asked.first_wk_end_dt, asked.last_wk_end_dt, asked.how, asked.value)
    return scenarios.add_change(job, scenario_id, change, chosen(job, asked.items), name_of(asked))


@router.delete(
    "/{scenario_id:number}/changes/{change_id:number}",
    summary="Take a change out of it; the others stay",
    response_model=schemas.Scenario,
    responses=documented({409: "The scenario was changed meanwhile"}),
)
def remove_change(
    job_id: JobId, scenario_id: ScenarioId, change_id: Annotated[int, Path(description="A change's number.")]
) -> Any:
    identity.require(Scope.RUN)
    return scenarios.remove_change(jobs.get_job(job_id), scenario_id, change_id)


@router.get(
    "/{scenario_id:number}/sums", summary="By how much it changes the plan", response_model=schemas.ScenarioSums
)
def sum_scenario(
    job_id: JobId,
    scenario_id: ScenarioId,
    wanted: ItemsInAddress,
    model: ModelName = None,
    other: Annotated[int | None, Query(description="A second scenario to compare with, by number.")] = None,
) -> dict[str, Any]:
    """Of the items that match, by week, and of the 50 that change most over all weeks. No weeks: it changes none of the
    items."""
    job = jobs.get_job(job_id)
    of_model, which = jobs.choose_model(job, model), checked(job, wanted)
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
    "/{scenario_id:number}/take-over",
    status_code=201,
    summary="Change the plan as it does, as one adjustment",
    responses=documented({409: "These weeks were changed since `last_change`"}),
)
def take_over(job_id: JobId, scenario_id: ScenarioId, asked: schemas.TakeOverRequest) -> schemas.AdjustmentId:
    job = jobs.get_job(job_id)
    model = jobs.choose_model(job, asked.model)
    made = scenarios.take_over(job, model, scenario_id, asked.reason, name_of(asked), asked.last_change)
    return schemas.AdjustmentId(adjustment_id=made)
