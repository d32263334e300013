"""What an operator can do with backups: write one, look into one, restore one."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from fcst import supervisor_lock
from fcst.errors import InputError, NoRoom
from fcst.files import FileLock, make_home, no_room, open_private, private_folder, room_in
from fcst.names import SCRATCH
from fcst.roles import Scope
from fcst.services import health, identity
from fcst.services.supervision import Upgrade, ensure_supervisor, prepare_database
from fcst.services.whole_file import home_beside, whole_file
from fcst.settings import load_settings
from fcst.store import actions, dump, ingests, statistics, workers
from fcst.store.backup_file import read_manifest, read_uploads
from fcst.store.dump import Contents, OnProgress, no_progress
from fcst.store.migrate import latest_version


def check_target(path: Path, is_replacing: bool) -> None:
    """Refuses a place where no backup can be written."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path} cannot be written.", "Name a file in a folder that is there.")
    if path.exists() and not is_replacing:
        raise InputError(f"{path} is there already.", "Name another file, or say --replace.")


def back_up(
    path: Path, is_replacing: bool, has_uploads: bool = False, on_progress: OnProgress = no_progress
) -> Contents:
    """Writes all that is in the database at one moment to a file that only its owner reads; returns what is in it.

    Parameters
    ----------
    has_uploads
        uploaded files that loads still refer to go with it.
    on_progress
        is called every second.

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
    with whole_file(path) as unfinished, _links_to_uploads() as keep_uploads:
        unfinished.touch(mode=0o600, exist_ok=False)
        dump.dump(unfinished, home_beside(path), keep_uploads if has_uploads else None, on_progress)
        contents = dump.look_into(unfinished)
        check_target(path, is_replacing)
    return contents


@contextmanager
def _links_to_uploads() -> Iterator[Callable[[], Path]]:
    """Keeps uploads by hard links, for a load that ends meanwhile removes its own."""
    settings = load_settings()
    folder = settings.home / SCRATCH / f"backup-{uuid.uuid4().hex}"

    def keep_uploads() -> Path:
        private_folder(folder, make_home(settings.home))
        for path in map(Path, ingests.list_uploads()):
            if path.parent.parent == settings.uploads and path.is_file():
                kept = private_folder(folder / path.parent.name, settings.home) / path.name
                with suppress(FileExistsError, FileNotFoundError):
                    os.link(path, kept)
        return folder

    try:
        yield keep_uploads
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _uploads_of(path: Path) -> Iterator[bool]:
    """Puts the uploads of a backup into their folder, where a file with the same content is left alone; whether it has
    any. After an error those that were put there are removed again.

    Raises
    ------
    InputError
        if they are larger than FCST_UNPACK_LIMIT, lead elsewhere, are there with other content, or cannot be written.
    NoRoom
        if the disk has no room for them.
    """
    settings, manifest = load_settings(), read_manifest(path)
    if manifest.upload_bytes > settings.unpack_limit:
        words = f"The uploads of {path} have {manifest.upload_bytes:,} bytes, more than FCST_UNPACK_LIMIT allows."
        raise InputError(words, "Raise it, then restore.")
    if manifest.upload_bytes > max(n_free := room_in(settings.home), 0):
        raise no_room("the uploads of the backup", "FCST_HOME", manifest.upload_bytes, n_free)
    written: list[Path] = []
    try:
        for name, content in read_uploads(path, manifest):
            target = settings.uploads / name
            if target.is_file():
                if not _has_same_content(target, content):
                    raise InputError(f"{target} is there, with other content than in {path}.", "Move it away.")
                continue
            private_folder(target.parent, make_home(settings.home))
            written.append(target)
            with whole_file(target) as unfinished, open(unfinished, "xb", opener=open_private) as out:
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


def restore(
    path: Path,
    is_replacing: bool,
    on_progress: OnProgress = no_progress,
    on_upgrade: Callable[[Upgrade], None] | None = None,
) -> list[str]:
    """Puts a backup in place of what is in the database, whole or not at all; work that was open in it goes on.

    Parameters
    ----------
    on_progress
        is called with what is read of the file; then indexes are made.
    on_upgrade
        is called with each step of the migrations that a backup of an older version needs.

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
        dump.check_whole(path)
        try:
            with _uploads_of(path) as has_uploads:
                dump.load(path, on_progress)
        except NoRoom as exc:
            raise NoRoom(exc.message, f"{exc.hint} {dump.UNCHANGED}") from exc
        applied = prepare_database(on_upgrade)
        if has_uploads:
            ingests.move_uploads(str(load_settings().uploads))
        statistics.analyze_now()
        actions.note(who, "restore", "schema", latest_version(), path.name)
    finally:
        lock.release()
    if workers.has_work(is_telling=load_settings().webhook is not None):
        ensure_supervisor()
    return applied
