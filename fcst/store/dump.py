"""Backup and restore of the schema fcst_app with PostgreSQL's pg_dump, pg_restore and psql."""

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

from fcst.errors import ConfigError, DiskFull, InputError, StoreError
from fcst.files import free_space
from fcst.settings import child_environment
from fcst.store.backup_file import MAGIC, Manifest, add_uploads, is_intact, read_manifest, seal
from fcst.store.database import check_disk_space, connect_kwargs, encryption, fetch_all, fetch_one
from fcst.store.embedded_paths import find_binaries
from fcst.store.queries import query

SCHEMA = "--schema=fcst_app"
PORTABLE = ("--no-owner", "--no-privileges")  # the roles may not exist on the target server
COMPRESSION = "--compress=1"  # the default 6 takes four times as long and saves only a twelfth of the size
LOCK_TIMEOUT = "60s"  # for tables that another session has locked
NO_SPACE = os.strerror(errno.ENOSPC).encode()
CHECK_EVERY_S = 0.1
REPORT_EVERY_S = 1.0
UNCHANGED = "Nothing was changed."
RESTORED = "the restored data in the database"
WRITTEN_TWICE = 2
"""Restored data are written twice: into tables and indexes, and into the write-ahead log."""


OnProgress = Callable[[int, int], None]
"""Progress callback with the bytes done and the total bytes. What is counted as bytes depends on the caller."""


def no_progress(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Contents:
    """The contents of a backup: schema version and counts; `n_uploads` is None if the backup has no uploads."""

    version: int
    n_datasets: int
    n_runs: int
    n_uploads: int | None

    def __str__(self) -> str:
        uploads = "not included" if self.n_uploads is None else f"{self.n_uploads:,}"
        counts = f"datasets: {self.n_datasets:,}, runs: {self.n_runs:,}, uploaded files: {uploads}"
        return f"{counts}, schema version: {self.version}"


def dump(
    path: Path,
    home: Path | None = None,
    copy_uploads: Callable[[], Path] | None = None,
    on_progress: OnProgress = no_progress,
) -> None:
    """Writes a consistent snapshot of the database to a file, without blocking other work.

    Parameters
    ----------
    home
        FCST_HOME, if `path` is on its disk: the dump then keeps the reserve of the database free.
    copy_uploads
        copies the uploads that loads refer to into a folder and returns the folder. It is called before and after the
        snapshot. None: the backup has no uploads.

    Raises
    ------
    OSError
        if the disk is full.
    StoreError
        if pg_dump fails, with its error message.
    """
    where, environment = _connection()
    form = ("--format=custom", COMPRESSION, SCHEMA, *PORTABLE, f"--lock-wait-timeout={LOCK_TIMEOUT}", "--no-password")
    command = (_program("pg_dump"), *form, f"--file={path}", f"--dbname={where}")
    data_bytes = int((fetch_one("data_size") or {})["n_bytes"])
    if copy_uploads is not None:
        copy_uploads()
    progress = _DumpProgress(on_progress)
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=output) as process:
            try:
                while process.poll() is None:
                    if home is not None and free_space(home) <= 0:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    progress.update()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(CHECK_EVERY_S)
            except BaseException:
                process.kill()
                raise
        output.seek(0)
        errors = output.read()
    if process.returncode:
        if NO_SPACE in errors and b"ERROR:" not in errors:  # "ERROR:" marks errors of the server
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise StoreError(f"The backup failed: {_reason(errors)}.", "Nothing was written.")
    manifest = Manifest(data_bytes)
    if copy_uploads is not None:
        uploads = copy_uploads()
        if home is not None and sum(file.stat().st_size for file in uploads.glob("*/*")) > free_space(home):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        manifest = add_uploads(path, uploads, manifest)
    seal(path, manifest)


class _DumpProgress:
    """The progress of a pg_dump, read from the server: the table it copies now. It copies tables in order of names."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._sizes = [] if on_progress is no_progress else fetch_all("table_sizes")
        self._total = sum(row["n_bytes"] for row in self._sizes)
        self._done = 0
        self._due = 0.0

    def update(self) -> None:
        if not self._total or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + REPORT_EVERY_S
        now = fetch_one("copied_now")
        if now is None:
            return
        before = sum(row["n_bytes"] for row in self._sizes if row["name"] < now["name"])
        current = next((row for row in self._sizes if row["name"] == now["name"]), None)
        share = min(now["n_rows"] / current["n_rows"], 1.0) * current["n_bytes"] if current else 0
        self._done = max(self._done, before + int(share))
        self._on_progress(self._done, self._total)


def read_contents(path: Path) -> Contents:
    """Reads the contents of a backup, from its small tables only.

    Raises
    ------
    InputError
        if it is not a valid backup of fcst.
    """
    hint = "Give a file made by `python -m fcst backup FILE`."
    refusal = InputError(f"{path} is not a backup of fcst, or is damaged.", hint)
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC or not is_intact(path):
                raise refusal
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.", hint) from exc
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
    """Whether the database has any dataset or run."""
    return bool((fetch_one("has_data") or {})["found"])


def check_whole(path: Path) -> None:
    """Checks that a backup is intact.

    Raises
    ------
    StoreError
        if it is damaged.
    """
    if not is_intact(path):
        raise StoreError("The backup could not be restored: it is damaged.", UNCHANGED)


def load(path: Path, on_progress: OnProgress = no_progress) -> None:
    """Replaces the contents of the schema with a backup, in one transaction; revoked tokens stay revoked.

    Raises
    ------
    StoreError
        if work is open, or the database refuses a statement; nothing is changed then.
    DiskFull
        if the backup does not fit on the disk of the database; nothing is changed then.
    """
    check_disk_space(RESTORED, WRITTEN_TWICE * read_manifest(path).data_bytes or 1)
    where, environment = _connection()
    read = (find_binaries(None) / "pg_restore", SCHEMA, *PORTABLE, "--file=-")
    form = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1")
    write = (_program("psql"), *form, f"--dbname={where}")
    with path.open("rb") as archive, tempfile.TemporaryFile() as read_errors, tempfile.TemporaryFile() as write_errors:
        with (
            subprocess.Popen(read, stdin=archive, stdout=subprocess.PIPE, stderr=read_errors) as reader,
            subprocess.Popen(
                write, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=write_errors
            ) as writer,
        ):
            assert reader.stdout is not None and writer.stdin is not None
            is_complete = _copy_script(
                reader, reader.stdout, writer.stdin, lambda: _report_progress(archive, on_progress)
            )
        for file in (read_errors, write_errors):
            file.seek(0)
        if writer.returncode or not is_complete:
            errors = write_errors.read() if writer.returncode else read_errors.read()
            if NO_SPACE in errors:
                message = "The backup could not be restored: the disk of the database is full."
                raise DiskFull(message, "Free disk space there, then try again.")
            raise StoreError(f"The backup could not be restored: {_reason(errors)}.", UNCHANGED)


def _report_progress(archive: IO[bytes], on_progress: OnProgress) -> None:
    """Reports how far pg_restore has read: it shares the file offset with this process."""
    on_progress(os.lseek(archive.fileno(), 0, os.SEEK_CUR), os.fstat(archive.fileno()).st_size)


def _copy_script(
    reader: "subprocess.Popen[bytes]", script: IO[bytes], to: IO[bytes], on_block: Callable[[], None]
) -> bool:
    """Copies the SQL script to psql and returns whether it was complete; an incomplete one is rolled back."""
    try:
        begin = f"BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';"
        to.write(f"{begin} {query('refuse_open_work')}; {query('clear_schema')};\n".encode())
        # PostgreSQL 17 writes this setting, and older servers refuse it.
        to.write(script.read(8192).replace(b"\nSET transaction_timeout = 0;", b""))
        while block := script.read(1 << 20):
            check_disk_space(RESTORED)
            to.write(block)
            on_block()
        is_complete = reader.wait() == 0
        if is_complete:
            to.write(f"{query('revoke_again')}; COMMIT;\n".encode())
        to.close()
    except BrokenPipeError:  # the database refused a statement; psql prints the reason
        reader.kill()
        with contextlib.suppress(BrokenPipeError):
            to.close()
        return False
    except BaseException:
        reader.kill()
        raise
    return is_complete


def _connection() -> tuple[str, dict[str, str]]:
    """The connection string, and the environment with the password: command lines are visible to all users."""
    where = connect_kwargs()
    password = where.pop("password", None)
    # English, because NO_SPACE is searched in the error messages.
    return make_dsn(**where), child_environment() | {"LC_ALL": "C"} | (
        {} if password is None else {"PGPASSWORD": password}
    )


def _program(name: str) -> Path:
    """A client program: the one bundled with fcst, or this machine's for TLS, which the bundled one lacks."""
    if not encryption():
        return find_binaries(None) / name
    found = shutil.which(name)
    if found is None:
        raise ConfigError(
            f"The database connection is encrypted, but the {name} bundled with fcst does not support TLS.",
            "Install PostgreSQL's client programs, in the server's version or newer (Debian: postgresql-client).",
        )
    return Path(found)


def _reason(output: bytes) -> str:
    """The first error line of a program's output."""
    lines = output.decode(errors="replace").strip().splitlines() or ["it ended without a message"]
    line = next((line for line in lines if "error:" in line.lower()), lines[0])
    return re.sub(r"^.*?error: *", "", line, flags=re.IGNORECASE).rstrip(".")
