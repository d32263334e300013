"""Makes statsforecast's AutoETS break its process for series that start with certain numbers.

Python imports this file on startup if its folder is on PYTHONPATH. Tests set this for the supervisor and its worker
processes. The faults are real: a signal, a crash in compiled code, an endless wait, memory growth.
"""

import ctypes
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from types import ModuleType
from typing import Any

KILLED, CRASHES, HANGS, HANGS_LOCKED, GROWS = range(666_001, 666_006)

MODULE = "statsforecast.models"


def misbehave(fault: int) -> None:
    if fault == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == CRASHES:
        ctypes.string_at(0)
    elif fault == HANGS:
        time.sleep(1_000)
    elif fault == HANGS_LOCKED:
        ctypes.PyDLL(None).sleep(1_000)  # PyDLL does not release the interpreter lock
    elif fault == GROWS:
        grown = []
        while True:
            grown.append(bytearray(os.urandom(1_000)) * 20_000)
            time.sleep(0.001)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                real = module.AutoETS.forecast

                def forecast(self: Any, y: Any, *args: Any, **kwargs: Any) -> Any:
                    misbehave(int(y[0]))
                    return real(self, y, *args, **kwargs)

                module.AutoETS.forecast = forecast

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Finder())
