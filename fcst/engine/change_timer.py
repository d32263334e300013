"""Measures how long database values have not changed, by the monotonic clock."""

import time
from collections.abc import Mapping
from typing import Generic, TypeVar

K = TypeVar("K")


class ChangeTimer(Generic[K]):
    """Last values by key, and when they were first seen.

    Uses the monotonic clock, because wall clocks here and at the database may jump.
    """

    def __init__(self) -> None:
        self._seen: dict[K, tuple[object, float]] = {}

    def seconds(self, values: Mapping[K, object]) -> dict[K, float]:
        """Return key -> seconds since its value was first seen. Keys missing from `values` are dropped."""
        now = time.monotonic()
        before = self._seen
        self._seen = {
            key: before[key] if key in before and before[key][0] == value else (value, now)
            for key, value in values.items()
        }
        return {key: now - at for key, (_, at) in self._seen.items()}
