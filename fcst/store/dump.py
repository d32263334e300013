"""Backups of the schema fcst_app, by PostgreSQL's own pg_dump, pg_restore and psql."""

import contextlib
import errno
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg2.extensions import make_dsn

from fcst.errors import ConfigError, InputError, NoRoom, StoreError
from fcst.files import room_in
from fcst.settings import child_environment
from fcst.store.backup_file import MAGIC, Manifest, add_uploads, is_whole, read_manifest, seal
from fcst.store.database import check_room, connect_kwargs, encryption, fetch_all, fetch_one
from fcst.store.embedded_paths import find_binaries
from fcst.store.queries import query

SCHEMA = "--schema=fcst_app"
PORTABLE = ("--no-owner", "--no-privileges")  # the roles may not be there where it is restored
COMPRESSION = "--compress=1"  # the usual 6 takes four times as long for a file that is a twelfth smaller
PATIENCE = "60s"  # with somebody's lock on a table
NO_SPACE = os.strerror(errno.ENOSPC).encode()
LOOK_EVERY_S = 0.1
TELL_EVERY_S = 1.0
UNCHANGED = "All is as it was before."
RESTORED = "what the backup holds, in the database"
WRITTEN_TWICE = 2
"""What is restored is written into tables and indexes, and into the log of the database."""


OnProgress = Callable[[int, int], None]
"""Is called with what is done, and what that is in all; both are bytes, in a measure of its own."""


def no_progress(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Contents:
    """What a backup holds: the version of its schema, and how much; `n_uploads` is None where it has no uploads."""

    version: int
    n_datasets: int
    n_runs: int
    n_uploads: int | None

    def __str__(self) -> str:
        uploads = "not in it" if self.n_uploads is None else f"{self.n_uploads:,}"
        words = f"datasets: {self.n_datasets:,}, runs: {self.n_runs:,}, uploaded files: {uploads}"
        return f"{words}, schema version: {self.version}"


def dump(
    path: Path,
    home: Path | None = None,
    keep_uploads: Callable[[], Path] | None = None,
    on_progress: OnProgress = no_progress,
) -> None:
    """Writes the database as it is at one moment; work goes on meanwhile.

    Parameters
    ----------
    home
        FCST_HOME, where `path` is on its disk: the reserve for the database stays free.
    keep_uploads
        keeps what loads refer to now in a folder, which it returns. It is called before and after the moment that the
        backup shows. Without it the backup is without uploads.

    Raises
    ------
    OSError
        of a full disk.
    StoreError
        in pg_dump's words.
    """
    where, environment = _connection()
    form = ("--format=custom", COMPRESSION, SCHEMA, *PORTABLE, f"--lock-wait-timeout={PATIENCE}", "--no-password")
    command = (_program("pg_dump"), *form, f"--file={path}", f"--dbname={where}")
    data_bytes = int((fetch_one("data_size") or {})["n_bytes"])
    if keep_uploads is not None:
        keep_uploads()
    progress = _DumpProgress(on_progress)
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=said) as process:
            try:
                while process.poll() is None:
                    if home is not None and room_in(home) <= 0:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    progress.look()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK_EVERY_S)
            except BaseException:
                process.kill()
                raise
        said.seek(0)
        words = said.read()
    if process.returncode:
        if NO_SPACE in words and b"ERROR:" not in words:  # what it says of the server
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise StoreError(f"The backup failed: {_reason(words)}.", "Nothing was written.")
    manifest = Manifest(data_bytes)
    if keep_uploads is not None:
        uploads = keep_uploads()
        if home is not None and sum(file.stat().st_size for file in uploads.glob("*/*")) > room_in(home):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        manifest = add_uploads(path, uploads, manifest)
    seal(path, manifest)


class _DumpProgress:
    """How far a pg_dump is, which says nothing of it: the server knows which table it reads. It takes them by name."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._sizes = [] if on_progress is no_progress else fetch_all("table_sizes")
        self._total = sum(row["n_bytes"] for row in self._sizes)
        self._done = 0
        self._due = 0.0

    def look(self) -> None:
        if not self._total or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + TELL_EVERY_S
        now = fetch_one("copied_now")
        if now is None:
            return
        before = sum(row["n_bytes"] for row in self._sizes if row["name"] < now["name"])
        current = next((row for row in self._sizes if row["name"] == now["name"]), None)
        share = min(now["n_rows"] / current["n_rows"], 1.0) * current["n_bytes"] if current else 0
        self._done = max(self._done, before + int(share))
        self._on_progress(self._done, self._total)


def look_into(path: Path) -> Contents:
    """What a backup holds; of its data only the small tables are read.

    Raises
    ------
    InputError
        if it is no backup of ours.
    """
    refusal = InputError(f"{path} is no backup of fcst, or is damaged.", "`python -m fcst backup FILE` makes one.")
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC or not is_whole(path):
                raise refusal
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.", "Name a file that `backup` wrote.") from exc
    tables = ("migrations", "datasets", "jobs")
    form = ("--data-only", SCHEMA, *(f"--table={table}" for table in tables), "--file=-")
    done = subprocess.run(
        (find_binaries(None) / "pg_restore", *form, path), stdin=subprocess.DEVNULL, capture_output=True
    )
    found = dict(re.findall(rb"^COPY fcst_app\.(\w+) .*\n((?:(?!\\\.\n).*\n)*)", done.stdout, re.MULTILINE))
    rows = {table: found.get(table.encode(), b"").splitlines() for table in tables}
    if done.returncode or not rows["migrations"]:
        raise refusal
    versions = [int(row.split(b"\t")[0]) for row in rows["migrations"]]
    return Contents(max(versions), len(rows["datasets"]), len(rows["jobs"]), read_manifest(path).n_uploads)


def has_data() -> bool:
    """Whether anybody has loaded or run anything."""
    return bool((fetch_one("has_data") or {})["found"])


def check_whole(path: Path) -> None:
    """
    Raises
    ------
    StoreError
        if a backup is not as it was written.
    """
    if not is_whole(path):
        raise StoreError("The backup could not be restored: it is damaged.", UNCHANGED)


def load(path: Path, on_progress: OnProgress = no_progress) -> None:
    """Puts a whole backup in place of what the schema holds, in one transaction; tokens that are revoked stay so.

    Raises
    ------
    StoreError
        if work is open, or the database refuses; all is as before then.
    NoRoom
        if the disk of the database has no room for it; all is as before then.
    """
    check_room(RESTORED, WRITTEN_TWICE * read_manifest(path).data_bytes or 1)
    where, environment = _connection()
    read = (find_binaries(None) / "pg_restore", SCHEMA, *PORTABLE, "--file=-")
    form = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1")
    write = (_program("psql"), *form, f"--dbname={where}")
    with path.open("rb") as archive, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as refused:
        with (
            subprocess.Popen(read, stdin=archive, stdout=subprocess.PIPE, stderr=said) as reader,
            subprocess.Popen(
                write, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=refused
            ) as writer,
        ):
            assert reader.stdout is not None and writer.stdin is not None
            has_ended = _pass_on(reader, reader.stdout, writer.stdin, lambda: _tell_place(archive, on_progress))
        for file in (said, refused):
            file.seek(0)
        if writer.returncode or not has_ended:
            words = refused.read() if writer.returncode else said.read()
            if NO_SPACE in words:
                message = "The backup could not be restored: the disk of the database is full."
                raise NoRoom(message, "Make room there, then try again.")
            raise StoreError(f"The backup could not be restored: {_reason(words)}.", UNCHANGED)


def _tell_place(archive: IO[bytes], on_progress: OnProgress) -> None:
    """Where pg_restore reads now: it shares the place in the file with us."""
    on_progress(os.lseek(archive.fileno(), 0, os.SEEK_CUR), os.fstat(archive.fileno()).st_size)


def _pass_on(reader: "subprocess.Popen[bytes]", script: IO[bytes], to: IO[bytes], on_block: Callable[[], None]) -> bool:
    """Whether the script came to its end: only then is it committed. What ends without a COMMIT is rolled back."""
    try:
        begin = f"BEGIN; SET LOCAL lock_timeout = '{PATIENCE}';"
        to.write(f"{begin} {query('refuse_open_work')}; {query('clear_schema')};\n".encode())
        # A setting of PostgreSQL 17, which older servers do not know.
        to.write(script.read(8192).replace(b"\nSET transaction_timeout = 0;", b""))
        while block := script.read(1 << 20):
            check_room(RESTORED)
            to.write(block)
            on_block()
        has_ended = reader.wait() == 0
        if has_ended:
            to.write(f"{query('revoke_again')}; COMMIT;\n".encode())
        to.close()
    except BrokenPipeError:  # the database has refused, and psql tells why
        reader.kill()
        with contextlib.suppress(BrokenPipeError):
            to.close()
        return False
    except BaseException:
        reader.kill()
        raise
    return has_ended


def _connection() -> tuple[str, dict[str, str]]:
    """Where the database is, and the environment with the password: everybody may read a command."""
    where = connect_kwargs()
    password = where.pop("password", None)
    # What is said of a full disk is looked for, so it has to be in English.
    return make_dsn(**where), child_environment() | {"LC_ALL": "C"} | (
        {} if password is None else {"PGPASSWORD": password}
    )


def _program(name: str) -> Path:
    """A program that connects: the one that comes with fcst, which knows no TLS, or else this machine's."""
    if not encryption():
        return find_binaries(None) / name
    found = shutil.which(name)
    if found is None:
        raise ConfigError(
            f"The connection to the database is encrypted, and the {name} that comes with fcst knows no TLS.",
            "Install PostgreSQL's client programs, as new as the server or newer (Debian: postgresql-client).",
        )
    return Path(found)


def _reason(said: bytes) -> str:
    """The first line that tells of an error."""
    lines = said.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
    line = next((line for line in lines if "error:" in line.lower()), lines[0])
    return re.sub(r"^.*?error: *", "", line, flags=re.IGNORECASE).rstrip(".")
