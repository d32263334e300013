"""What an operator can do with backups: write one, look into one, restore one."""

from datetime import datetime
from pathlib import Path

from fcst import supervisor_lock
from fcst.errors import InputError
from fcst.files import FileLock
from fcst.roles import Scope
from fcst.services import health, identity
from fcst.services.supervision import ensure_supervisor
from fcst.services.whole_file import home_beside, whole_file
from fcst.settings import load_settings
from fcst.store import actions, dump, statistics, workers
from fcst.store.dump import Contents
from fcst.store.migrate import latest_version, migrate


def check_target(path: Path, is_replacing: bool) -> None:
    """Refuses a place where no backup can be written."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path} cannot be written.", "Name a file in a folder that is there.")
    if path.exists() and not is_replacing:
        raise InputError(f"{path} is there already.", "Name another file, or say --replace.")


def back_up(path: Path, is_replacing: bool) -> Contents:
    """Writes all that is in the database at one moment to a file that only its owner reads; returns what is in it.

    Raises
    ------
    InputError
        if the file is there already and not to be replaced, or cannot be written.
    NoRoom
        if the disk is full, but for the reserve for the database; nothing is left behind then.
    StoreError
        if the database refuses; nothing is left behind then.
    """
    check_target(path, is_replacing)
    with whole_file(path) as unfinished:
        unfinished.touch(mode=0o600, exist_ok=False)
        dump.dump(unfinished, home_beside(path))
        contents = dump.look_into(unfinished)
        check_target(path, is_replacing)
    return contents


def look_into(path: Path) -> Contents:
    """What a backup holds.

    Raises
    ------
    InputError
        if it is no backup of fcst, or one of a newer program.
    """
    contents = dump.look_into(path)
    latest = latest_version()
    if contents.version > latest:
        raise InputError(
            f"{path} has schema version {contents.version}, made by a newer fcst; this one knows {latest}.",
            "Update this installation.",
        )
    return contents


def last_restore() -> datetime | None:
    """When a backup last took the place of what was in the database; None where none has."""
    return actions.last_restore()


def restore(path: Path, is_replacing: bool) -> list[str]:
    """Puts a backup in place of what is in the database, whole or not at all; work that was open in it goes on.

    Returns
    -------
    The migrations that a backup of an older version needed.

    Raises
    ------
    InputError
        if somebody works on the database, or it holds data that are not to be replaced.
    StoreError
        if the file is not whole, or the database refuses; all is as before then.
    NoRoom
        if the disk of the database has no room for it; all is as before then.
    """
    who = identity.require(Scope.ADMIN)
    lock = FileLock(supervisor_lock.lock_path(load_settings()))
    if health.has_supervisor() or not lock.acquire(blocking=False):
        raise InputError(
            "A supervisor is alive.",
            "Stop it, then restore: `python -m fcst doctor` tells its number. One that the app started ends by itself "
            "when nothing is left to do or to tell.",
        )
    try:
        if (now := workers.look(is_telling=False)).has_jobs or now.has_ingests:
            raise InputError("Runs or loadings of sales have not ended.", "Cancel or finish them, then restore.")
        if dump.has_data() and not is_replacing:
            raise InputError(
                "There are data in the database, which the backup would replace.",
                "Back them up, then say --replace; or restore into another database.",
            )
        dump.load(path)
        applied = migrate()
        statistics.analyze_now()
        actions.note(who, "restore", "schema", latest_version(), path.name)
    finally:
        lock.release()
    if workers.has_work(is_telling=load_settings().webhook is not None):
        ensure_supervisor()
    return applied
