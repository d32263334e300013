"""Limits of what a source may send, and the file that keeps to them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fcst.errors import InputError
from fcst.files import open_private, open_within_reserve

LIMIT_S = 4 * 3600.0
"""Maximum time to fetch a source; without it a source that sends a byte now and then would never end."""
CONNECT_S = 15.0
SILENCE_S = 60.0
"""Maximum time without a byte."""

OnProgress = Callable[[str, int, int], None]
"""Progress callback: the current step as text, bytes done, total bytes."""


@dataclass(frozen=True)
class Fetching:
    """How a source is fetched.

    Parameters
    ----------
    folder
        existing folder in FCST_HOME for the fetched files; the caller deletes it.
    max_bytes
        maximum size of what is fetched.
    private_hosts
        hosts with private addresses that may be read from; None: all.
    max_rows
        maximum number of rows of an SQL query, for a preview; None: all.
    """

    folder: Path
    max_bytes: int
    private_hosts: tuple[str, ...] | None
    on_progress: OnProgress
    max_rows: int | None = None


class LimitedFile:
    """A new file that refuses more than the limits of bytes and time, and reports progress."""

    def __init__(self, fetching: Fetching, name: str, total: int = 0) -> None:
        self.path = fetching.folder / name
        self._fetching, self._total = fetching, total
        self._n_bytes, self._until = 0, time.monotonic() + LIMIT_S
        with open(self.path, "wb", opener=open_private):
            pass
        self._file: BinaryIO = open_within_reserve(self.path, "the fetched data", "FCST_HOME", fetching.folder)

    def write(self, data: bytes) -> int:
        """Writes bytes.

        Raises
        ------
        InputError
            if the source sends more than the limits.
        DiskFull
            if the disk is full.
        """
        self._n_bytes += len(data)
        if self._n_bytes > self._fetching.max_bytes:
            limit = f"{self._fetching.max_bytes / 1e9:,.1f} GB"
            raise InputError(f"The source sends more than {limit}.", "Narrow it, or raise FCST_UNPACK_LIMIT.")
        if time.monotonic() > self._until:
            raise InputError(f"The source takes longer than {LIMIT_S / 3600:.0f} hours.", "Narrow it.")
        self._fetching.on_progress("fetching", self._n_bytes, max(self._total, self._n_bytes))
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
