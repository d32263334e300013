"""Whether a supervisor lives for this home and database, and how to wake it.

A supervisor holds a file lock for its whole life; the kernel frees it on any death. What it writes into the file is
for people, except two things: a supervisor that is about to leave says so, and one that has left in good order
leaves the file empty, so a free lock on a file that is not empty tells of a crash.
"""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from fcst.errors import ConfigError
from fcst.files import FileLock, is_held, make_home
from fcst.settings import Settings


def lock_path(settings: Settings) -> Path:
    """The supervisor's lock file: one for each database that is used from this home."""
    database = hashlib.sha256((settings.database_url or "embedded").encode()).hexdigest()[:8]
    try:
        make_home(settings.home)
    except OSError as exc:
        raise ConfigError(
            f"The folder {settings.home} cannot be made: {exc.strerror}.",
            "Set FCST_HOME to one that can be written.",
        ) from exc
    return settings.home / f"supervisor-{database}.lock"


def holder(path: Path) -> dict[str, Any] | None:
    """What the living supervisor wrote (`pid, version, is_leaving`; empty while it starts), None if there is none."""
    if not is_held(path):
        return None
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def has_crashed(path: Path) -> bool:
    """Whether the last supervisor ended without leaving in good order."""
    with contextlib.suppress(OSError):
        return path.stat().st_size > 0 and not is_held(path)
    return False


def announce(lock: FileLock, state: dict[str, Any]) -> None:
    """The holder writes what it is; an empty state is the last thing it writes."""
    if lock.fd is not None:
        os.ftruncate(lock.fd, 0)
        os.pwrite(lock.fd, json.dumps(state).encode() if state else b"", 0)


def wake(path: Path) -> None:
    """Tells a supervisor that rests to look for work now: it watches the file's time."""
    with contextlib.suppress(OSError):
        os.utime(path)


def woken_at(path: Path) -> float:
    """When it was last woken, or wrote."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
