"""The supervisor's lock file: shows whether a supervisor is running for this home and database, and wakes it.

A supervisor holds the lock until its process ends; the kernel then releases it. The content of the file is informative,
with two exceptions: `is_leaving` means that the supervisor is about to exit, and an empty file means a clean exit. So a
free lock on a file that is not empty means a crash.
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
    """Return the path of the lock file: one per home and database."""
    database = hashlib.sha256((settings.database_url or "embedded").encode()).hexdigest()[:8]
    try:
        make_home(settings.home)
    except OSError as exc:
        raise ConfigError(
            f"The folder {settings.home} cannot be created: {exc.strerror}.",
            "Set FCST_HOME to a writable folder.",
        ) from exc
    return settings.home / f"supervisor-{database}.lock"


def holder(path: Path) -> dict[str, Any] | None:
    """Return the state of the running supervisor (`pid, version, is_leaving`; empty while it starts), or None."""
    if not is_held(path):
        return None
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def has_crashed(path: Path) -> bool:
    """Whether the last supervisor ended without a clean exit."""
    with contextlib.suppress(OSError):
        return path.stat().st_size > 0 and not is_held(path)
    return False


def announce(lock: FileLock, state: dict[str, Any]) -> None:
    """Write the state of the lock's holder; an empty state marks a clean exit."""
    if lock.fd is not None:
        os.ftruncate(lock.fd, 0)
        os.pwrite(lock.fd, json.dumps(state).encode() if state else b"", 0)


def wake(path: Path) -> None:
    """Wake an idle supervisor, which watches the modification time of the file."""
    with contextlib.suppress(OSError):
        os.utime(path)


def woken_at(path: Path) -> float:
    """Return the time of the last `wake` or `announce`."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
