"""Wall clocks that tests set while processes run, by libfaketime. Monotonic clocks are not changed."""

import shutil
import tempfile
import time
from pathlib import Path

import pytest

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")

START_S = 2 * 86_400
"""Initial offset of the clocks. libfaketime may return the real time to signal handlers; a later real time would end
database timeouts too early."""

# libfaketime does not support time.sleep, which waits until a time of the monotonic clock.
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"


class Clock:
    """The wall clock of all processes started with `env`, until `remove`."""

    def __init__(self) -> None:
        # Not in pytest's temporary folder, which the OS user of the embedded server cannot enter.
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
        """Its time in seconds since 1970."""
        return time.time() + self._offset_s

    def jump(self, seconds: int) -> None:
        """Set it forward by `seconds`, or back if negative."""
        self._offset_s += seconds
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{self._offset_s:+d}\n")
        draft.chmod(0o644)
        draft.replace(self._file)
