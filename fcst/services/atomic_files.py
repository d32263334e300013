"""Atomic output files: written under a temporary name, then renamed."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fcst.errors import InputError
from fcst.files import convert_disk_full, make_home, open_within_reserve
from fcst.settings import load_settings


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder; renames it to `path` at the end, deletes it after an error.

    Raises
    ------
    InputError
        if the file cannot be written.
    DiskFull
        if the disk is full.
    """
    unfinished = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with convert_disk_full(f"the file {path}", path.parent):
            yield unfinished
        unfinished.replace(path)
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}.", "Choose another place.") from exc
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


@contextlib.contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """Opens a file for writing that appears at `path` when complete, as `atomic_file` does.

    On the disk of FCST_HOME, the reserve for the database stays free.
    """
    with atomic_file(path) as unfinished:
        home = home_on_same_disk(path)
        if home is None:
            out: BinaryIO = unfinished.open("wb")
        else:
            out = open_within_reserve(unfinished, f"the file {path}", path.parent, home)
        with out:
            yield out


def home_on_same_disk(path: Path) -> Path | None:
    """Returns FCST_HOME if it is on the same disk as `path`, otherwise None."""
    home = make_home(load_settings().home)
    return home if home.stat().st_dev == path.parent.stat().st_dev else None
