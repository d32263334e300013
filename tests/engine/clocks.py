"""Wall clocks that a test sets while processes run: libfaketime. Other clocks of theirs go on, as on a real machine."""

import shutil
import tempfile
import time
from pathlib import Path

import pytest

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="there is no libfaketime on this machine")

START_S = 2 * 86_400
"""How far the clocks are ahead of the machine's from the start: to a signal handler the library may show the machine's,
and one that is ahead would end a timeout of the database too early."""

# It refuses Python's way to sleep, which is until a moment of the monotonic clock.
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"


class Clock:
    """The wall clock of all processes that are started with `env`, until it is removed."""

    def __init__(self) -> None:
        # Not in a folder of pytest's, which it closes to the OS user of the embedded server with each session.
        self._folder = Path(tempfile.mkdtemp(prefix="clock-"))
        self._folder.chmod(0o755)
        (self._folder / "sitecustomize.py").write_text(_SLEEP)
        self._file = self._folder / "clock"
        self._offset_s = START_S
        self.jump(0)
        self.env = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(self._folder),
        }

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    @property
    def now(self) -> float:
        """What it shows, in seconds since 1970."""
        return time.time() + self._offset_s

    def jump(self, seconds: int) -> None:
        """Sets it ahead; back where that is negative."""
        self._offset_s += seconds
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{self._offset_s:+d}\n")
        draft.chmod(0o644)
        draft.replace(self._file)
