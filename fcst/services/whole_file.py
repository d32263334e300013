"""Files that people ask for at a place of theirs: there whole, or not at all."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fcst.errors import InputError
from fcst.files import make_home, needing_room, open_within_reserve
from fcst.settings import load_settings


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to be written, which takes its place at the end; nothing is left of it after an error.

    Raises
    ------
    InputError
        if it cannot be written.
    NoRoom
        if its disk is full.
    """
    unfinished = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with needing_room(f"the file {path}", path.parent):
            yield unfinished
        unfinished.replace(path)
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}.", "Choose another place.") from exc
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


@contextlib.contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes its place at `path` at the end, as `whole_file`; on the disk of FCST_HOME the reserve for
    the database stays free.
    """
    with whole_file(path) as unfinished:
        home = home_beside(path)
        if home is None:
            out: BinaryIO = unfinished.open("wb")
        else:
            out = open_within_reserve(unfinished, f"the file {path}", path.parent, home)
        with out:
            yield out


def home_beside(path: Path) -> Path | None:
    """FCST_HOME, where it is on the disk on which `path` is to be."""
    home = make_home(load_settings().home)
    return home if home.stat().st_dev == path.parent.stat().st_dev else None
