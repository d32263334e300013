"""What pages have read and drawn, kept for all visitors by what it depends on."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import streamlit as st

from fcst.job_records import Job
from fcst.services import adjustments

T = TypeVar("T")


def read(key: Hashable, ask: Callable[[], T]) -> T:
    """What `ask` gives, from the cache where the key was read before.

    The key names what is read and all that it depends on: a dataset's number, for a dataset never changes; a run's key;
    the arguments.
    """
    found: T = _read(repr(key), ask)
    return found


@st.cache_data(max_entries=1_000, show_spinner="Reading …", show_time=True)
def _read(key: str, _ask: Callable[[], Any]) -> Any:
    return _ask()


def draw(key: Hashable, make: Callable[[], T]) -> T:
    """The figure that `make` gives, from the cache where the key was drawn before; all visitors share it, unchanged.

    The key names all that the figure depends on, as for `read`. To make a figure takes several times as long as to send
    it.
    """
    figure: T = _draw(repr(key), make)
    return figure


@st.cache_resource(max_entries=200, show_spinner=False)
def _draw(key: str, _make: Callable[[], Any]) -> Any:
    return _make()


def run_key(job: Job, with_adjustments: bool = False) -> tuple[int, ...]:
    """What changes whenever what is read of a run does.

    How many of its items have ended, and how, in how many attempts; how often the attributes of its items were changed;
    and how often analysts have changed its forecasts.
    """
    counts = (job.job_id, job.n_completed, job.n_failed, job.n_cancelled, job.n_attempts, job.attribute_change)
    return (*counts, adjustments.last_change(job.job_id)) if with_adjustments else counts
