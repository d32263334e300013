"""Published plans: publish the final plan of a run, list, download and withdraw plans."""

from typing import BinaryIO

import pandas as pd

from fcst.compute import metrics
from fcst.errors import Conflict, InputError, NotFound
from fcst.names import safe_file_name
from fcst.published_plans import PublishedPlan
from fcst.roles import Scope
from fcst.services import identity, jobs
from fcst.services.comparison import LAGS
from fcst.services.exports import open_temporary
from fcst.store import publishing


def publish(job_id: int, model: str = "") -> PublishedPlan:
    """Publishes the final plan of an ended run; it becomes the published plan of its dataset name.

    What is published stays as it is, also when the plan is adjusted later or the run is deleted.

    Parameters
    ----------
    model
        its forecasts; empty: the first model of the run.

    Raises
    ------
    Conflict
        if the run has not ended, or no item has a forecast.
    InputError
        if the run has no such model.
    """
    who = identity.require(Scope.RUN)
    job = jobs.get_job(job_id)
    model = model or job.spec.models[0]
    if model not in job.spec.models:
        raise InputError(f"Run {job_id} has no model {model!r}.", f"Name one of {', '.join(job.spec.models)}.")
    if not job.is_over:
        raise Conflict(f"Run {job_id} has not ended.", "Publish it when it has ended.")
    plan_id = publishing.publish(job, model, who)
    if plan_id is None:
        raise Conflict(f"Run {job_id} has no item with a forecast.", "See the reasons on the page of the run.")
    return get_plan(plan_id)


def list_plans(dataset: str | None = None, job_id: int | None = None) -> list[PublishedPlan]:
    """Published plans, newest first: of all dataset names or of one, of all runs or of one."""
    return publishing.list_plans(dataset, job_id)


def find_current(dataset: str) -> PublishedPlan:
    """The published plan of a dataset name.

    Raises
    ------
    NotFound
        if none was published.
    """
    plans = publishing.list_plans(dataset, limit=1)
    if not plans:
        raise NotFound(
            f"No plan of {dataset!r} was published.", "Publish a run: on the page Forecasts, or fcst publish."
        )
    return plans[0]


def get_plan(plan_id: int) -> PublishedPlan:
    """Returns a published plan.

    Raises
    ------
    NotFound
        if it does not exist.
    """
    plans = publishing.list_plans(plan_id=plan_id) if 0 < plan_id < 2**31 else []
    if plans:
        return plans[0]
    raise NotFound(f"There is no published plan {plan_id}.", "It may have been withdrawn.")


def write_plan(plan: PublishedPlan, out: BinaryIO) -> None:
    """Writes a published plan as CSV: `unique_id, wk_end_dt, forecast, final`; keys are escaped for spreadsheets."""
    publishing.copy_plan(plan.plan_id, out)


def open_plan(plan: PublishedPlan) -> tuple[BinaryIO, int]:
    """Writes a published plan to a temporary file, as `exports.open_export`."""
    return open_temporary(lambda out: write_plan(plan, out))


def file_name(plan: PublishedPlan) -> str:
    """Name of the file of a published plan."""
    return f"{safe_file_name(plan.dataset)}-published-{plan.published_at:%Y-%m-%d}-{plan.plan_id}.csv"


def accuracy_by_lag(dataset: str) -> pd.DataFrame:
    """Accuracy of the published plans of a dataset name by lag, against its newest version.

    Of several plans with the same first week the newest counts, with the items that this version has.

    Returns
    -------
    DataFrame
        `lag` (weeks between plan and week, of `comparison.LAGS`), `wk_end_dt` (None: all weeks), `n_plans, n_items,
        n_weeks` (item-weeks), `sold, planned` (units), `wape, bias` of the final plan, `model_wape` of the model's
        forecast (fractions, NaN if undefined).
    """
    sums = publishing.accuracy(dataset, list(LAGS))
    actual = sums["actual"].to_numpy(dtype=float)
    return sums[["lag", "wk_end_dt", "n_plans", "n_items", "n_weeks", "sold", "planned"]].assign(
        wape=metrics.wape_of(sums["abs_error"].to_numpy(dtype=float), actual),
        bias=metrics.bias_of(sums["error"].to_numpy(dtype=float), actual),
        model_wape=metrics.wape_of(sums["model_abs_error"].to_numpy(dtype=float), actual),
    )


def withdraw(plan_id: int) -> None:
    """Deletes a published plan; the one before it becomes the published plan.

    Raises
    ------
    NotFound
        if it does not exist.
    """
    publishing.delete(plan_id, identity.require(Scope.ADMIN))
