"""Limits of what is being computed: a thread that ends its process when that takes too long or too much memory.

A model is compiled code that nothing can interrupt, so its process has to go. Before it does, the item is written down
as failed, with the reason, and the batch is let go: another attempt computes the rest. Learning fails as a whole.
What this thread cannot see, a process that is frozen or holds the interpreter's lock for good, the supervisor notices
by the silence. Time in which the process did not run does not count: on a machine that sleeps or is overloaded, nothing
is the item's fault.
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

LOOK_EVERY_S = 0.1
EXIT_CODE = 75
LEARNING = "\0learning"
"""Stands for what is learnt across items in place of an item's key; no key has a zero byte."""

log = logging.getLogger(__name__)


class Watchdog:
    """Watches one attempt while it is entered; `begin` and `end` frame each item.

    Parameters
    ----------
    limit_s
        seconds that one item, or all learning, may take while the process runs.
    """

    def __init__(self, attempt: BatchAttempt, limit_s: float) -> None:
        self._attempt, self._limit_s = attempt, limit_s
        self._process = psutil.Process()
        self._lock = threading.Lock()
        self._item: str | None = None
        self._model = ""
        self._spent_s = 0.0
        self._looked_at = self._used_s = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()

    def begin(self, unique_id: str) -> None:
        """The item, or LEARNING, is being computed from now on."""
        with self._lock:
            self._item, self._model, self._spent_s = unique_id, "", 0.0
            self._looked_at, self._used_s = time.monotonic(), time.process_time()

    def set_model(self, model: str) -> None:
        """This model is being fitted to it from now on."""
        self._model = model

    def end(self) -> None:
        """The item is done. Does not return where its limit has just been found passed."""
        with self._lock:
            self._item = None

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
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
        """Adds the time since the last look, as far as the process ran: it computed, or this thread came to look."""
        since, used_before = self._looked_at, self._used_s
        self._looked_at, self._used_s = time.monotonic(), time.process_time()
        self._spent_s += min(self._looked_at - since, max(2 * LOOK_EVERY_S, self._used_s - used_before))

    def _give_up(self, unique_id: str, reason: str) -> None:
        try:
            if unique_id == LEARNING:
                attempts.give_up_learning(self._attempt, reason)
            else:
                attempts.give_up_item(self._attempt, unique_id, reason)
            logs.event(log, logging.WARNING, "item_given_up", reason, item=unique_id, **self._attempt.ids)
        except StaleState as exc:
            logs.event(log, logging.INFO, "batch_stopped", exc.message, **self._attempt.ids)
        except StoreError as exc:  # the next attempt is careful: there the supervisor knows the item
            text = f"{reason}; this could not be saved: {exc.message}"
            logs.event(log, logging.WARNING, "item_given_up", text, item=unique_id, **self._attempt.ids)
        os._exit(EXIT_CODE)
