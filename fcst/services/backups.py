"""Backups of the database: write, inspect, restore."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from fcst import supervisor_lock
from fcst.errors import DiskFull, InputError
from fcst.files import FileLock, disk_full_error, free_space, make_home, open_private, private_folder
from fcst.names import SCRATCH
from fcst.roles import Scope
from fcst.services import health, identity
from fcst.services.atomic_files import atomic_file, home_on_same_disk
from fcst.services.supervision import Upgrade, ensure_supervisor, prepare_database
from fcst.settings import load_settings
from fcst.store import actions, dump, ingests, statistics, workers
from fcst.store.backup_file import read_manifest, read_uploads
from fcst.store.dump import Contents, OnProgress, no_progress
from fcst.store.migrate import latest_version


def check_target(path: Path, is_replacing: bool) -> None:
    """Raises InputError if no backup can be written to `path`."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path} cannot be written.", "Give a file in an existing folder.")
    if path.exists() and not is_replacing:
        raise InputError(f"{path} already exists.", "Choose another file, or use --replace.")


def write_backup(
    path: Path, is_replacing: bool, has_uploads: bool = False, on_progress: OnProgress = no_progress
) -> Contents:
    """Writes a consistent snapshot of the database to a file with owner-only permissions; returns its contents.

    Parameters
    ----------
    has_uploads
        include uploaded files that loads still refer to.
    on_progress
        called every second.

    Raises
    ------
    InputError
        if the file exists and `is_replacing` is off, or it cannot be written.
    DiskFull
        if the disk is full, except the reserve for the database; no partial file is left then.
    StoreError
        if the database reports an error; no partial file is left then.
    """
    check_target(path, is_replacing)
    with atomic_file(path) as unfinished, _links_to_uploads() as copy_uploads:
        unfinished.touch(mode=0o600, exist_ok=False)
        dump.dump(unfinished, home_on_same_disk(path), copy_uploads if has_uploads else None, on_progress)
        contents = dump.read_contents(unfinished)
        check_target(path, is_replacing)
    return contents


@contextmanager
def _links_to_uploads() -> Iterator[Callable[[], Path]]:
    """Yields a function that hard-links uploads into a scratch folder: a load deletes its uploads when it ends."""
    settings = load_settings()
    folder = settings.home / SCRATCH / f"backup-{uuid.uuid4().hex}"

    def copy_uploads() -> Path:
        private_folder(folder, make_home(settings.home))
        for path in map(Path, ingests.list_uploads()):
            if path.parent.parent == settings.uploads and path.is_file():
                kept = private_folder(folder / path.parent.name, settings.home) / path.name
                with suppress(FileExistsError, FileNotFoundError):
                    os.link(path, kept)
        return folder

    try:
        yield copy_uploads
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _uploads_of(path: Path) -> Iterator[bool]:
    """Restores the uploads of a backup; yields whether it includes uploads.

    Skips files that exist with the same content. After an error, removes the files that it has written.

    Raises
    ------
    InputError
        if the uploads exceed FCST_UNPACK_LIMIT, have paths outside the folder, exist with different content, or cannot
        be written.
    DiskFull
        if the disk lacks free space for them.
    """
    settings, manifest = load_settings(), read_manifest(path)
    if manifest.upload_bytes > settings.unpack_limit:
        message = f"The uploads of {path} have {manifest.upload_bytes:,} bytes, more than FCST_UNPACK_LIMIT allows."
        raise InputError(message, "Raise FCST_UNPACK_LIMIT, then restore.")
    if manifest.upload_bytes > max(n_free := free_space(settings.home), 0):
        raise disk_full_error("the uploads of the backup", "FCST_HOME", manifest.upload_bytes, n_free)
    written: list[Path] = []
    try:
        for name, content in read_uploads(path, manifest):
            target = settings.uploads / name
            if target.is_file():
                if not _has_same_content(target, content):
                    raise InputError(
                        f"{target} exists with different content than in {path}.", "Move it away, then restore."
                    )
                continue
            private_folder(target.parent, make_home(settings.home))
            written.append(target)
            with atomic_file(target) as unfinished, open(unfinished, "xb", opener=open_private) as out:
                shutil.copyfileobj(content, out, 1 << 20)
        yield manifest.n_uploads is not None
    except BaseException:
        for target in written:
            target.unlink(missing_ok=True)
            with suppress(OSError):
                target.parent.rmdir()
        raise


def _has_same_content(path: Path, content: IO[bytes]) -> bool:
    with path.open("rb") as file:
        blocks = iter(lambda: (file.read(1 << 20), content.read(1 << 20)), (b"", b""))
        return all(ours == theirs for ours, theirs in blocks)


def read_contents(path: Path) -> Contents:
    """Reads the contents of a backup file.

    Raises
    ------
    InputError
        if the file is not a backup of fcst, or has a newer schema version.
    """
    contents = dump.read_contents(path)
    latest = latest_version()
    if contents.version > latest:
        raise InputError(
            f"{path} has schema version {contents.version} of a newer fcst; this fcst supports up to {latest}.",
            "Upgrade this installation.",
        )
    return contents


def last_restore() -> datetime | None:
    """Time of the last restore into this database; None if there was none."""
    return actions.last_restore()


def restore(
    path: Path,
    is_replacing: bool,
    on_progress: OnProgress = no_progress,
    on_upgrade: Callable[[Upgrade], None] | None = None,
) -> list[str]:
    """Replaces the content of the database with a backup, in one transaction; open work in it resumes.

    Parameters
    ----------
    on_progress
        called with the bytes read from the file; building indexes follows.
    on_upgrade
        called with each migration step if the backup has an older schema version.

    Returns
    -------
    Names of the migrations applied to a backup with an older schema version.

    Raises
    ------
    InputError
        if the database is in use, or has data and `is_replacing` is off.
    StoreError
        if the file is incomplete, or the database reports an error; the database is unchanged then.
    DiskFull
        if the disk of the database lacks free space; the database is unchanged then.
    """
    who = identity.require(Scope.ADMIN)
    lock = FileLock(supervisor_lock.lock_path(load_settings()))
    if health.has_supervisor() or not lock.acquire(blocking=False):
        raise InputError(
            "A supervisor is running.",
            "Stop it, then restore: `python -m fcst doctor` shows its process id. A supervisor started by the app "
            "exits when no work and no notifications are left.",
        )
    try:
        if (now := workers.find_pending_work(include_notifications=False)).has_jobs or now.has_ingests:
            raise InputError("Runs or loads have not ended.", "Cancel them or wait, then restore.")
        if dump.has_data() and not is_replacing:
            raise InputError(
                "The database has data, which the restore would replace.",
                "Back it up, then use --replace; or restore into another database.",
            )
        dump.check_whole(path)
        try:
            with _uploads_of(path) as has_uploads:
                dump.load(path, on_progress)
        except DiskFull as exc:
            raise DiskFull(exc.message, f"{exc.hint} {dump.UNCHANGED}") from exc
        applied = prepare_database(on_upgrade)
        if has_uploads:
            ingests.move_uploads(str(load_settings().uploads))
        statistics.analyze_now()
        actions.note(who, "restore", "schema", latest_version(), path.name)
    finally:
        lock.release()
    if workers.has_work(include_notifications=load_settings().webhook is not None):
        ensure_supervisor()
    return applied
