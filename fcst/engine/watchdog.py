"""Time and memory limits of items: a thread that ends its process when a limit is exceeded.

Models are compiled code that cannot be interrupted, so the process must exit. Before that, the watchdog saves the item
as failed, with the reason, and releases the batch; another attempt computes the rest. Learning fails as a whole.
This thread cannot detect a process that is frozen or never releases the interpreter lock; the supervisor detects it by
missing progress. Time in which the process did not run does not count, for example on a sleeping or overloaded machine.
"""

import logging
import os
import threading
import time
from types import TracebackType
from typing import Self

import psutil

from fcst import logs
from fcst.errors import StaleState, StoreError
from fcst.store import attempts
from fcst.store.attempts import BatchAttempt

CHECK_EVERY_S = 0.1
EXIT_CODE = 75
LEARNING = "\0learning"
"""Key that stands for learning instead of an item; keys of items never contain a zero byte."""

log = logging.getLogger(__name__)


class Watchdog:
    """Context manager that watches one attempt; call `begin` and `end` around each item.

    Parameters
    ----------
    limit_s
        maximum seconds of running time for one item, or for learning.
    """

    def __init__(self, attempt: BatchAttempt, limit_s: float) -> None:
        self._attempt, self._limit_s = attempt, limit_s
        self._process = psutil.Process()
        self._lock = threading.Lock()
        self._item: str | None = None
        self._model = ""
        self._spent_s = 0.0
        self._checked_at = self._used_s = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()

    def begin(self, unique_id: str) -> None:
        """Start to watch an item, or LEARNING."""
        with self._lock:
            self._item, self._model, self._spent_s = unique_id, "", 0.0
            self._checked_at, self._used_s = time.monotonic(), time.process_time()

    def set_model(self, model: str) -> None:
        """Set the model that is fitted now, for the reason of a failure."""
        self._model = model

    def end(self) -> None:
        """Stop watching the item. Does not return if its limit was just exceeded."""
        with self._lock:
            self._item = None

    def _watch(self) -> None:
        while not self._is_over.wait(CHECK_EVERY_S):
            with self._lock:
                if self._item is not None and (reason := self._find_excess()):
                    self._give_up(self._item, reason)

    def _find_excess(self) -> str:
        doing = f"fitting {self._model}" if self._model else "computing it"
        self._count_time()
        if self._spent_s > self._limit_s:
            what = "learning" if self._item == LEARNING else "an item"
            return f"took longer than {self._limit_s:g} s, the limit of {what}, while {doing}"
        used = self._process.memory_info().rss
        if used > self._attempt.spec.process_memory:
            limit = f"{self._attempt.spec.process_memory / 1e9:.3g} GB, the limit of a process"
            return f"its process needed {used / 1e9:.3g} GB, over {limit}, while {doing}"
        return ""

    def _count_time(self) -> None:
        """Add the time since the last check, limited to the time in which the process ran."""
        since, used_before = self._checked_at, self._used_s
        self._checked_at, self._used_s = time.monotonic(), time.process_time()
        self._spent_s += min(self._checked_at - since, max(2 * CHECK_EVERY_S, self._used_s - used_before))

    def _give_up(self, unique_id: str, reason: str) -> None:
        try:
            if unique_id == LEARNING:
                attempts.fail_learning(self._attempt, reason)
            else:
                attempts.fail_item(self._attempt, unique_id, reason)
            logs.event(log, logging.WARNING, "item_limit_exceeded", reason, item=unique_id, **self._attempt.ids)
        except StaleState as exc:
            logs.event(log, logging.INFO, "batch_stopped", exc.message, **self._attempt.ids)
        except StoreError as exc:  # the next attempt records each item, so the supervisor can fail it
            text = f"{reason}; this could not be saved: {exc.message}"
            logs.event(log, logging.WARNING, "item_limit_exceeded", text, item=unique_id, **self._attempt.ids)
        os._exit(EXIT_CODE)
