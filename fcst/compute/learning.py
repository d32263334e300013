"""What is learnt from all items of a dataset together, before each item is forecast."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from fcst.compute.effects import Effects, EffectsSample, describe, fit_effects
from fcst.compute.history import usable_part
from fcst.compute.regressors import columns_of, regressors_at
from fcst.compute.series import Series

MAX_ITEMS, MAX_CELLS = 1_000, 6_000_000
"""Items that effects are learnt from, and weeks times regressors of all of them: the cost is bounded."""


@dataclass(frozen=True)
class Learned:
    """What was learnt from all items, from what precedes a cutoff.

    Parameters
    ----------
    weeks_ago
        weeks from the cutoff to the end of the histories.
    effects
        of drivers; without columns where no item has any.
    """

    weeks_ago: int
    effects: Effects

    def to_json(self) -> str:
        return json.dumps({"weeks_ago": self.weeks_ago, "effects": self.effects.to_plain()})

    def summary(self) -> dict[str, Any]:
        """What people read of it, as plain data: the pooled `effects`, and from how many items they were learnt."""
        return {"effects": describe(self.effects), "n_items": self.effects.n_items}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """From what the database has of `to_json`; the same bit by bit."""
        return cls(value["weeks_ago"], Effects.from_plain(value["effects"]))


def learn(series: Sequence[Series], weeks_ago: int) -> Learned:
    """Learns from what precedes a cutoff; the same from the same series in any order.

    Parameters
    ----------
    series
        of one dataset, all ending in the same week. Of many, some are drawn by their keys.
    weeks_ago
        weeks from the cutoff to the end of the histories.
    """
    return Learned(weeks_ago, fit_effects(list(_samples(series, weeks_ago))))


def _samples(series: Sequence[Series], weeks_ago: int) -> Iterator[EffectsSample]:
    """Of up to MAX_ITEMS series with drivers, within MAX_CELLS."""
    n_items, n_cells = 0, 0
    for s in sorted((s for s in series if s.drivers), key=_draw):
        y, drivers = usable_part(s)
        cutoff = len(y) - weeks_ago
        if cutoff <= 0 or not drivers:
            continue
        n_items, n_cells = n_items + 1, n_cells + cutoff * len(columns_of(drivers))
        if n_items > 1 and (n_items > MAX_ITEMS or n_cells > MAX_CELLS):
            return
        yield EffectsSample(y[:cutoff], regressors_at(drivers, cutoff, 0))


def _draw(series: Series) -> tuple[bytes, str]:
    """A place in an order of keys that is as good as random, and always the same."""
    return hashlib.blake2b(series.unique_id.encode(), digest_size=8).digest(), series.unique_id
