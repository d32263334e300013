"""The states of batches, jobs, items and ingests, and the moves between them that are allowed.

submitted ──claimed──> learning ──written──> completed: batch 0 of a run that learns, for which the others wait
    ^                      │ worker lost, tries left; it fails or is cancelled as the others, which then go on
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
    """Where a batch is."""

    SUBMITTED = "submitted"
    """Set by submit, retry and rescue; a supervisor's claim moves it on."""
    LEARNING = "learning"
    """Set by the claim of a run's batch 0, which learns across its items; its task moves it on with what it learnt."""
    OBTAINING_SALES = "obtaining_sales"
    """Set by the claim; the task moves it on when it has read the sales."""
    PROCESSING = "processing"
    """Set by the task; checkpoints keep it here; the last forecast moves it on."""
    SAVING = "saving"
    """Set by the task when nothing is left to compute; its last write moves it on."""
    COMPLETED = "completed"
    """Set by the task together with its last results; items of it may have failed."""
    FAILED = "failed"
    """Set by the supervisor when the batch as a whole could not be run; only a retry moves it on."""
    CANCELLED = "cancelled"
    """Set when the user cancelled the job; only a retry moves it on."""


FINAL_STAGES = (Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED)

_LEFT_EARLY = {Stage.SUBMITTED, Stage.FAILED, Stage.CANCELLED}

ACTIVE_STAGES = (Stage.LEARNING, Stage.OBTAINING_SALES, Stage.PROCESSING, Stage.SAVING)
"""A task has the batch, or is about to take it."""

TRANSITIONS: dict[Stage, set[Stage]] = {
    Stage.SUBMITTED: {Stage.LEARNING, Stage.OBTAINING_SALES, Stage.CANCELLED},
    Stage.LEARNING: {Stage.COMPLETED, *_LEFT_EARLY},
    Stage.OBTAINING_SALES: {Stage.PROCESSING, *_LEFT_EARLY},
    Stage.PROCESSING: {Stage.SAVING, *_LEFT_EARLY},
    Stage.SAVING: {Stage.COMPLETED, *_LEFT_EARLY},
    **{stage: {Stage.SUBMITTED} for stage in FINAL_STAGES},
}


class Outcome(StrEnum):
    """How an item of a job ended, or `pending`."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobStatus(StrEnum):
    """What a job is doing, derived from its batches until the last one ends, then frozen on the job."""

    SUBMITTED = "submitted"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_STATUSES = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class IngestStatus(StrEnum):
    """Where the reading of a file is."""

    SUBMITTED = "submitted"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_INGEST_STATUSES = (IngestStatus.COMPLETED, IngestStatus.FAILED, IngestStatus.CANCELLED)
