"""Ingests: requests to load files, from submission to the dataset or the refusal."""

import json

from psycopg2.extensions import cursor as Cursor

from fcst.dataset_records import ClaimedIngest, Ingest
from fcst.errors import BadRows, FcstError, StaleState
from fcst.specs import IngestSpec
from fcst.store.actions import record
from fcst.store.database import execute, fetch_all, fetch_one, transaction
from fcst.store.migrate import latest_version
from fcst.store.queries import query


def insert(spec: IngestSpec, who: str) -> int:
    """Submits an ingest; returns its id."""
    with transaction() as cur:
        return insert_with(cur, spec, who)


def insert_with(cur: Cursor, spec: IngestSpec, who: str) -> int:
    """Submits an ingest in the transaction of `cur`; returns its id."""
    cur.execute(query("insert_ingest"), {"spec": spec.to_json()})
    ingest_id = int((cur.fetchone() or {})["ingest_id"])
    record(cur, who, "load", "ingest", ingest_id, spec.name)
    return ingest_id


def list_uploads() -> list[str]:
    """The paths of uploads that may still be needed: of loads that have not ended, and of loads with bad rows."""
    return [row["path"] for row in fetch_all("list_uploads")]


def move_uploads(folder: str) -> None:
    """Changes the paths of all uploads to this folder, as after a restore into another home."""
    execute("move_uploads", folder=folder)


def get(ingest_id: int) -> Ingest | None:
    row = fetch_one("get_ingest", ingest_id=ingest_id)
    return None if row is None else Ingest.from_row(row)


def list_open() -> list[Ingest]:
    """Ingests that have not ended, oldest first."""
    return [Ingest.from_row(row) for row in fetch_all("list_open_ingests")]


def claim(worker_id: str) -> ClaimedIngest | None:
    """Claims the next ingest for a supervisor; None if nothing waits, or the schema is newer than this program."""
    row = fetch_one("claim_ingest", worker_id=worker_id, schema_version=latest_version())
    return None if row is None else ClaimedIngest(**row)


def begin(ingest_id: int, attempt: int, run_token: str) -> IngestSpec:
    """Begins an attempt at an ingest.

    Raises
    ------
    StaleState
        if the attempt has already begun, or is not the current one.
    """
    row = fetch_one("begin_ingest", ingest_id=ingest_id, attempt=attempt, run_token=run_token)
    if row is None:
        raise StaleState(f"Ingest {ingest_id} is no longer in attempt {attempt}.")
    return IngestSpec.from_json(row["spec"])


def set_progress(
    ingest_id: int, run_token: str, progress: str, phase_s: float, done_bytes: int = 0, total_bytes: int = 0
) -> None:
    """Stores the progress: the current step and its seconds so far; bytes are 0 if unknown."""
    execute(
        "set_ingest_progress",
        ingest_id=ingest_id,
        run_token=run_token,
        progress=progress,
        phase_s=phase_s,
        done_bytes=done_bytes,
        total_bytes=total_bytes,
    )


def fail(ingest_id: int, attempt: int, error: FcstError) -> None:
    report = json.dumps(error.report.to_json()) if isinstance(error, BadRows) else None
    execute("fail_ingest", ingest_id=ingest_id, attempt=attempt, error=error.message, hint=error.hint, report=report)


def request_cancel(ingest_id: int, who: str) -> bool:
    """Requests the cancellation of an ingest; False if it has ended or a request exists."""
    with transaction() as cur:
        cur.execute(query("request_ingest_cancel"), {"ingest_id": ingest_id})
        is_new: bool = cur.rowcount > 0
        if is_new:
            record(cur, who, "cancel", "ingest", ingest_id)
    return is_new


def cancel_waiting() -> list[int]:
    """Cancels ingests with a cancel request that no supervisor runs; returns their ids."""
    return [row["ingest_id"] for row in fetch_all("cancel_waiting_ingests")]


def cancel(ingest_id: int, attempt: int) -> None:
    """Cancels an ingest that this supervisor runs."""
    execute("cancel_ingest", ingest_id=ingest_id, attempt=attempt)


def release_lost(worker_id: str, running: list[int], lost: list[str]) -> None:
    """Releases ingests of lost supervisors, and those claimed by this one that are not in `running`."""
    execute("release_lost_ingests", worker_id=worker_id, running=running, lost=lost)


def release(ingest_id: int, attempt: int) -> None:
    """Releases an ingest for another attempt."""
    execute("release_ingest", ingest_id=ingest_id, attempt=attempt)
