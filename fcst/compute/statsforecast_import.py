"""Imports statsforecast's models without Dask data frames, which fcst does not use.

statsforecast imports dask.dataframe if it is installed. This takes a quarter of each process's start time and 28 MB.
"""

import sys

__all__ = ["models"]

_UNUSED = "dask.dataframe"

_is_ours = _UNUSED not in sys.modules
if _is_ours:
    sys.modules[_UNUSED] = None  # type: ignore[assignment]
try:
    from statsforecast import models
finally:
    if _is_ours:
        del sys.modules[_UNUSED]
