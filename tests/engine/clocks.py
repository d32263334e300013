"""Wall clocks that a test sets while processes run: libfaketime. Other clocks of theirs go on, as on a real machine."""

import os
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
    """The wall clock of all processes that are started with `env`; `folder` is made."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_SLEEP)
        for path in (folder, *folder.parents):  # the embedded server may run as another OS user
            if path.is_relative_to("/tmp/") and path.stat().st_uid == os.geteuid():
                path.chmod(path.stat().st_mode | 0o055)
        self._file = folder / "clock"
        self._offset_s = START_S
        self.jump(0)
        self.env = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(folder),
        }

    def jump(self, seconds: int) -> None:
        """Sets it ahead; back where that is negative."""
        self._offset_s += seconds
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{self._offset_s:+d}\n")
        draft.chmod(0o644)
        draft.replace(self._file)
