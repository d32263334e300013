"""Caches of data and figures, shared by all visitors."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import streamlit as st

from fcst.job_records import Job
from fcst.services import adjustments

T = TypeVar("T")


def read(key: Hashable, ask: Callable[[], T]) -> T:
    """Returns the result of `ask`, from the cache if the key was read before.

    The key names what is read and everything that it depends on: a dataset's id (a dataset never changes), a run's key,
    the arguments.
    """
    found: T = _read(repr(key), ask)
    return found


@st.cache_data(max_entries=1_000, show_spinner="Reading …", show_time=True)
def _read(key: str, _ask: Callable[[], Any]) -> Any:
    return _ask()


def draw(key: Hashable, make: Callable[[], T]) -> T:
    """Returns the figure of `make`, from the cache if the key was drawn before.

    All visitors share it: do not change it. The key names everything that the figure depends on, as for `read`. Making
    a figure takes several times as long as sending it.
    """
    figure: T = _draw(repr(key), make)
    return figure


@st.cache_resource(max_entries=200, show_spinner=False)
def _draw(key: str, _make: Callable[[], Any]) -> Any:
    return _make()


def run_key(job: Job, with_adjustments: bool = False) -> tuple[int, ...]:
    """Cache key of a run; it changes whenever data of the run change.

    Has the counts of ended items by outcome, of attempts, and of changes to the attributes of its items;
    `with_adjustments` adds the number of the last adjustment.
    """
    counts = (job.job_id, job.n_completed, job.n_failed, job.n_cancelled, job.n_attempts, job.attribute_change)
    return (*counts, adjustments.last_change(job.job_id)) if with_adjustments else counts
