"""What a user can do with datasets: have a file read, look at one, take the weekly file away."""

import re
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from fcst.errors import InputError
from fcst.ingest.sample import write_sample as write_sample
from fcst.ingest.weekly import check_columns, find_source
from fcst.names import HOLDOUT_WEEKS as HOLDOUT_WEEKS
from fcst.services.supervision import ensure_supervisor, keep_alive, patiently
from fcst.settings import SAMPLE, load_settings
from fcst.specs import IngestSpec
from fcst.states import FINAL_INGEST_STATUSES, IngestStatus
from fcst.store import datasets, ingests, sales

POLL_S = 0.1


def request_ingest(spec: IngestSpec) -> int:
    """Checks that the file can be read and has its columns, then asks for its ingest; returns the ingest's id.

    Raises
    ------
    InputError
        if the file is missing, empty, unreadable, or lacks a column; nothing is asked for then.
    """
    source = find_source(spec.path)
    check_columns(source, spec)
    known = IngestSpec.from_dict({**spec.__dict__, "path": str(source)})
    ensure_supervisor()  # before: where none can be started, nothing is asked for
    ingest_id = ingests.insert(known)
    ensure_supervisor()
    return ingest_id


def request_sample() -> int:
    """Asks for the bundled sample to be read, as the dataset 'sample'."""
    return request_ingest(IngestSpec(path=str(SAMPLE), name="sample"))


def save_upload(name: str, content: BinaryIO) -> str:
    """Keeps a copy of an uploaded file until its ingest has ended; returns its path.

    Of `name` only letters, digits and `._-` remain: what a browser calls a file does not decide where it is written.

    Raises
    ------
    InputError
        if the copy cannot be written, as when the disk is full.
    """
    folder = load_settings().uploads / uuid.uuid4().hex
    path = folder / (re.sub(r"[^\w.-]|^\.+", "_", name.rsplit("/", 1)[-1])[-100:] or "upload.csv")
    try:
        folder.mkdir(parents=True)
        with path.open("wb") as out:
            shutil.copyfileobj(content, out, 1 << 20)
    except OSError as exc:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(
            f"The upload cannot be kept: {exc.strerror}.", "Make room in FCST_HOME, then try again."
        ) from exc
    return str(path)


def discard_upload(path: str) -> None:
    """Removes an upload that was not asked to be read after all."""
    shutil.rmtree(Path(path).parent, ignore_errors=True)


def default_name(path: str) -> str:
    """What a dataset is called when nobody names it: the file's name without endings, or the folder's."""
    source = Path(path).expanduser().resolve()
    name = source.name if source.is_dir() else source.name.removesuffix(".gz").removesuffix(".csv")
    return name[:100] or "dataset"


def get_ingest(ingest_id: int) -> dict[str, Any]:
    row = ingests.get(ingest_id)
    if row is None:
        raise InputError(f"There is no ingest {ingest_id}.", "Load the file again.")
    return row


def list_open_ingests() -> list[dict[str, Any]]:
    """What is being read or waits for it, the oldest first."""
    return ingests.list_open()


def wait_for_ingest(ingest_id: int, tell: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Waits for the end of an ingest; returns its dataset. A supervisor that crashes meanwhile is replaced.

    Parameters
    ----------
    tell
        is called with each new word of progress.

    Raises
    ------
    InputError
        with the reason, if the file was refused.
    """
    said = None
    while (row := patiently(lambda: get_ingest(ingest_id)))["status"] not in FINAL_INGEST_STATUSES:
        if tell and row["progress"] and row["progress"] != said:
            said = row["progress"]
            tell(said)
        keep_alive()
        time.sleep(POLL_S)
    if row["status"] == IngestStatus.FAILED:
        raise InputError(row["error"], row["hint"] or "")
    return datasets.get(row["dataset_id"])


def list_datasets() -> list[dict[str, Any]]:
    """All datasets, the newest first."""
    return datasets.list_all()


def find_dataset(name: str | None) -> dict[str, Any]:
    """The newest version of the dataset called `name`; without a name the newest dataset.

    Raises
    ------
    InputError
        if there is none.
    """
    dataset_id = datasets.find(name)
    if dataset_id is not None:
        return datasets.get(dataset_id)
    if name is None:
        raise InputError("There is no dataset yet.", "Load one first: `python -m fcst ingest PATH`.")
    known = ", ".join(sorted({row["name"] for row in datasets.list_all()})) or "none"
    raise InputError(f"There is no dataset {name!r}.", f"Those that are loaded: {known}.")


def list_items(dataset_id: int, n_items: int) -> pd.DataFrame:
    """The `n_items` largest sellers of a dataset, one row an item."""
    return datasets.items(dataset_id, n_items)


def weekly_totals(dataset_id: int) -> pd.DataFrame:
    """`wk_end_dt, unit_sales, promo_units, n_items` of all items together."""
    return sales.weekly_totals(dataset_id)


def write_weekly_file(dataset_id: int, out: BinaryIO) -> None:
    """Streams the weekly file: `item_nbr, wk_end_dt, unit_sales`."""
    sales.copy_weekly_file(dataset_id, out)
