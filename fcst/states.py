"""States of batches, runs, items and ingests, and their allowed transitions.

submitted ──claimed──> learning ──written──> completed: batch 0 of a run that learns; the others wait for it
    ^                      │ worker lost, tries left; it fails or is cancelled like the others, which then start
    └──────────────────────┘
submitted ──claimed──> obtaining_sales ──sales read──> processing ──computed──> saving ──written──> completed
    │  ^                      │                            │                      │
    │  └──────── worker lost, tries left (any of the three) ──────────────────────┘
    │                         │ tries used up, or an error (any of the three)
    │                         └──> failed
    └── user cancelled (also any of the three) ──> cancelled

failed, cancelled ──user retries──> submitted;  completed ──user retries its failed items──> submitted
"""

from enum import StrEnum


class Stage(StrEnum):
    """Stage of a batch."""

    SUBMITTED = "submitted"
    """Set by submit, retry and rescue; left when a supervisor claims the batch."""
    LEARNING = "learning"
    """Set by the claim of batch 0, which learns across the items; left when the task saves what it learned."""
    OBTAINING_SALES = "obtaining_sales"
    """Set by the claim; left when the task has read the sales."""
    PROCESSING = "processing"
    """Set by the task; kept by checkpoints; left after the last forecast."""
    SAVING = "saving"
    """Set by the task when all items are computed; left with its last write."""
    COMPLETED = "completed"
    """Set by the task together with its last results; some of its items may have failed."""
    FAILED = "failed"
    """Set by the supervisor if the batch as a whole failed; left only by a retry."""
    CANCELLED = "cancelled"
    """Set when the user cancelled the run; left only by a retry."""


FINAL_STAGES = (Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED)

_LEFT_EARLY = {Stage.SUBMITTED, Stage.FAILED, Stage.CANCELLED}

ACTIVE_STAGES = (Stage.LEARNING, Stage.OBTAINING_SALES, Stage.PROCESSING, Stage.SAVING)
"""Stages in which a task runs the batch, or is about to start it."""

TRANSITIONS: dict[Stage, set[Stage]] = {
    Stage.SUBMITTED: {Stage.LEARNING, Stage.OBTAINING_SALES, Stage.CANCELLED},
    Stage.LEARNING: {Stage.COMPLETED, *_LEFT_EARLY},
    Stage.OBTAINING_SALES: {Stage.PROCESSING, *_LEFT_EARLY},
    Stage.PROCESSING: {Stage.SAVING, *_LEFT_EARLY},
    Stage.SAVING: {Stage.COMPLETED, *_LEFT_EARLY},
    **{stage: {Stage.SUBMITTED} for stage in FINAL_STAGES},
}


class Outcome(StrEnum):
    """Outcome of an item of a run; `pending` before its end."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobStatus(StrEnum):
    """Status of a run: derived from its batches until the last one ends, then stored with the run."""

    SUBMITTED = "submitted"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_STATUSES = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class IngestStatus(StrEnum):
    """Status of an ingest."""

    SUBMITTED = "submitted"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_INGEST_STATUSES = (IngestStatus.COMPLETED, IngestStatus.FAILED, IngestStatus.CANCELLED)
