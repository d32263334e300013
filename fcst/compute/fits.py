"""Cache of the models fitted to the histories of one series: each model is fitted once per history."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fcst.compute.history import History
from fcst.compute.models import CATALOGUE
from fcst.compute.recipes import CannotFit
from fcst.records import FloatArray

MAX_TIMES = 100
"""A forecast larger than this many times the largest week of the history counts as failed."""


@dataclass(frozen=True)
class NoFit:
    """The reason why a model gave no forecast."""

    reason: str


TOO_SHORT = NoFit("too short a history")


class Fits:
    """Fits models and caches their forecasts.

    Parameters
    ----------
    on_progress
        called with the name of each model before it is fitted.
    """

    def __init__(self, on_progress: Callable[[str], None] = lambda model: None) -> None:
        self._on_progress = on_progress
        self._made: dict[tuple[History, str], FloatArray | NoFit] = {}

    def forecast(self, model: str, history: History) -> FloatArray | NoFit:
        """(H,) forecast of a model; not negative if no week of the history is."""
        key = (history, model)
        if key not in self._made:
            self._made[key] = self._fit(model, history)
        return self._made[key]

    def _fit(self, name: str, history: History) -> FloatArray | NoFit:
        model, y = CATALOGUE[name], history.y
        if history.n < model.min_history:
            return TOO_SHORT
        self._on_progress(name)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                mean = np.asarray(model.fit(history), np.float64)
        except CannotFit as exc:
            return NoFit(str(exc))
        except Exception as exc:  # noqa: BLE001  a model may raise anything; the note gives the reason
            return NoFit(f"{type(exc).__name__}: {exc}")
        peak, least = float(np.abs(mean).max()), float(y.min())
        if not math.isfinite(peak):
            return NoFit("its forecast is not finite")
        if peak > MAX_TIMES * max(float(y.max()), -least) + 1e-6:  # tolerance for histories of zeros
            return NoFit(f"its forecast is over {MAX_TIMES} times the largest week")
        return np.maximum(mean, 0.0) if least >= 0 else mean
