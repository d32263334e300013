"""Forecasts of an item under changed future drivers; its effects and baseline stay the same.

Letters: T weeks of history, H steps.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from fcst.compute.effects import Effects, multipliers
from fcst.compute.history import SeriesHistories
from fcst.compute.regressors import carried, known_at, regressors_at
from fcst.compute.series import Series
from fcst.drivers import Driver
from fcst.records import FloatArray
from fcst.scenarios import ChangeHow, DriverChange, ScenarioItem


def item_in_scenario(series: Series, h: int, effects: Effects, changes: Sequence[DriverChange]) -> ScenarioItem | None:
    """Apply changes of drivers to an item, in order; None if it has no effects of drivers.

    Parameters
    ----------
    h
        H, the number of weeks to forecast.
    effects
        pooled effects at the end of the history.
    """
    histories = SeriesHistories(series, h, {0: effects})
    end = histories.end
    fitted = histories.effects_at(end)
    if fitted is None:
        return None
    drivers = changed_drivers(histories.drivers, changes, series.last_wk_end_dt, end, h)
    before = fitted.multipliers[end:]
    after = multipliers(effects, fitted, regressors_at(drivers, end, h, effects.columns))[end:]
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where(after == before, 1.0, np.where(before > 0, after / before, np.nan))
    return ScenarioItem(series.unique_id, after, factors)


def changed_drivers(
    drivers: Sequence[Driver], changes: Sequence[DriverChange], last_wk_end_dt: date, n_weeks: int, h: int
) -> tuple[Driver, ...]:
    """Apply changes of future weeks to drivers, in order. Changed drivers count as known ahead.

    Parameters
    ----------
    last_wk_end_dt, n_weeks
        last day of the history, and its length T.
    """
    by_name = {driver.name: driver for driver in drivers}
    for change in changes:
        if (driver := by_name.get(change.driver)) is not None:
            first = n_weeks - 1 + (change.first - last_wk_end_dt).days // 7
            last = n_weeks - 1 + (change.last - last_wk_end_dt).days // 7
            values = _changed(known_at(driver, n_weeks, h), slice(first, last + 1), change)
            by_name[change.driver] = replace(driver, values=values, is_known_ahead=True)
    return tuple(by_name.values())


def _changed(values: FloatArray, weeks: slice, change: DriverChange) -> FloatArray:
    after = values.copy()
    if change.how is ChangeHow.TO:
        after[weeks] = change.value
    else:
        after[weeks] = carried(values)[weeks] * (1 + change.value / 100)
    return after
