"""Files that people ask for at a place of theirs: there whole, or not at all."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from fcst.errors import InputError


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to be written, which takes its place at the end; nothing is left of it after an error.

    Raises
    ------
    InputError
        if it cannot be written.
    """
    unfinished = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}.", "Choose another place.") from exc
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
