"""Makes worker processes record the CPU time spent in fits.

Python imports this file on startup if its folder is on PYTHONPATH. After each batch, the process appends a line to its
own file in FITTING_FOLDER: batch, CPU seconds inside fits, CPU seconds of the process.
"""

import functools
import importlib.abc
import importlib.machinery
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

_fitting_s = 0.0


def wrap_fit(module: ModuleType) -> None:
    real = module.Fits._fit

    @functools.wraps(real)
    def timed(*args: Any) -> Any:
        global _fitting_s
        begin = time.thread_time()
        try:
            return real(*args)
        finally:
            _fitting_s += time.thread_time() - begin

    module.Fits._fit = timed


def wrap_batch(module: ModuleType) -> None:
    real = module.run_batch

    @functools.wraps(real)
    def recorded(batch_id: int, attempt: int) -> None:
        fitting_s, process_s = _fitting_s, time.process_time()
        try:
            real(batch_id, attempt)
        finally:
            spent = [batch_id, _fitting_s - fitting_s, time.process_time() - process_s]
            with Path(os.environ["FITTING_FOLDER"], str(os.getpid())).open("a") as out:
                out.write(json.dumps(spent) + "\n")

    module.run_batch = recorded


WRAPPED: dict[str, Callable[[ModuleType], None]] = {
    "fcst.compute.fits": wrap_fit,
    "fcst.engine.task": wrap_batch,
}


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        if name not in WRAPPED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                WRAPPED[name](module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Finder())
