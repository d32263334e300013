"""statsforecast's models, imported as if Dask's data frames were not installed: no process of ours uses them.

Its helpers import those where they can, which is a quarter of the start of each process, and 28 MB of it.
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
