"""Types of a recogniser and its test samples."""

from collections.abc import Callable
from dataclasses import dataclass

from fcst.ingest.proposal import Draft


@dataclass(frozen=True)
class Sample:
    """A small table and the expected result.

    Parameters
    ----------
    text
        CSV with a header; spaces around cells are ignored.
    expected
        fields of a proposal, or roles -> expected values.
    """

    text: str
    expected: dict[str, object]


@dataclass(frozen=True)
class Recogniser:
    """A function that recognises one property.

    Parameters
    ----------
    name
        the property, in a few words.
    recognise
        adds the property to a draft; leaves the draft unchanged if it does not find it.
    """

    name: str
    recognise: Callable[[Draft], None]
    samples: tuple[Sample, ...]
