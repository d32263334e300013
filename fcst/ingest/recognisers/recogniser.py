"""The record of a recogniser, and of the samples by which it is tested."""

from collections.abc import Callable
from dataclasses import dataclass

from fcst.ingest.proposal import Draft


@dataclass(frozen=True)
class Sample:
    """A small table, and what is recognised in it.

    Parameters
    ----------
    text
        CSV, the header first; spaces around cells do not count.
    expected
        names of fields of a proposal, or of roles -> what they are.
    """

    text: str
    expected: dict[str, object]


@dataclass(frozen=True)
class Recogniser:
    """What finds one thing.

    Parameters
    ----------
    name
        what it recognises, in a few words.
    recognise
        looks at a draft and adds to it; leaves it as it is where there is nothing to find.
    """

    name: str
    recognise: Callable[[Draft], None]
    samples: tuple[Sample, ...]
