"""Accuracy of forecasts, one function a metric. Undefined is NaN, never 0 and never infinite.

Letters: H weeks of the horizon. Weeks whose actual sales are NaN (not known) are not scored.
"""

import numpy as np

Array = np.ndarray


def wape(y: Array, y_hat: Array) -> float:
    """Weighted absolute percentage error: Σ|ŷ − y| ÷ Σ|y|, a fraction.

    Parameters
    ----------
    y, y_hat
        (H,) units sold and forecast.

    Returns
    -------
    float
        NaN if no week is known, or nothing was sold.

    Source: Kolassa & Schütz 2007, 'Advantages of the MAD/mean ratio over the MAPE', Foresight 6.
    """
    return _ratio(_errors_abs(y, y_hat), y)


def bias(y: Array, y_hat: Array) -> float:
    """Bias: mean(ŷ − y) ÷ mean|y|, a fraction; positive = forecast too high.

    Parameters
    ----------
    y, y_hat
        (H,) units sold and forecast.

    Returns
    -------
    float
        NaN if no week is known, or nothing was sold.
    """
    return _ratio(y_hat - y, y)


def _errors_abs(y: Array, y_hat: Array) -> Array:
    return np.abs(y_hat - y)


def _ratio(errors: Array, y: Array) -> float:
    known = ~np.isnan(y)
    scale = float(np.abs(y[known]).sum())
    return float(errors[known].sum() / scale) if scale > 0 else float("nan")
