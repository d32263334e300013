"""For how long values in the database have not changed, by the clock of this process that is never set."""

import time
from collections.abc import Mapping
from typing import Generic, TypeVar

K = TypeVar("K")


class Unchanged(Generic[K]):
    """What was seen at the last look. Wall clocks, here and at the database, may jump: they are not asked."""

    def __init__(self) -> None:
        self._seen: dict[K, tuple[object, float]] = {}

    def seconds(self, values: Mapping[K, object]) -> dict[K, float]:
        """Key -> seconds since its value was first seen; what is left out now is forgotten."""
        now = time.monotonic()
        before = self._seen
        self._seen = {
            key: before[key] if key in before and before[key][0] == value else (value, now)
            for key, value in values.items()
        }
        return {key: now - at for key, (_, at) in self._seen.items()}
