"""Backups of the schema fcst_app, by PostgreSQL's own pg_dump, pg_restore and psql."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg2.extensions import make_dsn

from fcst.errors import ConfigError, InputError, StoreError
from fcst.settings import child_environment
from fcst.store.database import connect_kwargs, encryption, fetch_one
from fcst.store.embedded_paths import find_binaries
from fcst.store.queries import query

MAGIC = b"PGDMP"
SEAL = b"fcst sha256 "
"""Before the digest of all that stands above it, at the end of a backup; pg_restore does not look there."""
SCHEMA = "--schema=fcst_app"
PORTABLE = ("--no-owner", "--no-privileges")  # the roles may not be there where it is restored
PATIENCE = "60s"  # with somebody's lock on a table


@dataclass(frozen=True)
class Contents:
    """What a backup holds: the version of its schema, and how much."""

    version: int
    n_datasets: int
    n_runs: int

    def __str__(self) -> str:
        return f"datasets: {self.n_datasets:,}, runs: {self.n_runs:,}, schema version: {self.version}"


def dump(path: Path) -> None:
    """Writes the database as it is at one moment; work goes on meanwhile.

    Raises
    ------
    StoreError
        in pg_dump's words.
    """
    where, environment = _connection()
    form = ("--format=custom", SCHEMA, *PORTABLE, f"--lock-wait-timeout={PATIENCE}", "--no-password")
    command = (_program("pg_dump"), *form, f"--file={path}", f"--dbname={where}")
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        raise StoreError(f"The backup failed: {_reason(done.stderr)}.", "Nothing was written.")
    with path.open("r+b") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        file.seek(0, os.SEEK_END)
        file.write(SEAL + digest)


def _is_whole(path: Path) -> bool:
    """Whether a file is as `dump` wrote it: the archive's own table of contents has no checksum."""
    with path.open("rb") as file:
        n_left = file.seek(0, os.SEEK_END) - len(SEAL) - hashlib.sha256().digest_size
        if n_left < 0:
            return False
        file.seek(0)
        found = hashlib.sha256()
        while n_left and (block := file.read(min(n_left, 1 << 20))):
            found.update(block)
            n_left -= len(block)
        return file.read() == SEAL + found.digest()


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
            if file.read(len(MAGIC)) != MAGIC or not _is_whole(path):
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
    return Contents(max(versions), len(rows["datasets"]), len(rows["jobs"]))


def has_data() -> bool:
    """Whether anybody has loaded or run anything."""
    return bool((fetch_one("has_data") or {})["found"])


def load(path: Path) -> None:
    """Puts a backup in place of what the schema holds, in one transaction; tokens that are revoked stay so.

    Raises
    ------
    StoreError
        if the file is not whole, work is open, or the database refuses; all is as before then.
    """
    if not _is_whole(path):
        raise StoreError("The backup could not be restored: it is damaged.", "All is as it was before.")
    where, environment = _connection()
    read = (find_binaries(None) / "pg_restore", SCHEMA, *PORTABLE, "--file=-", path)
    form = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1")
    write = (_program("psql"), *form, f"--dbname={where}")
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as refused:
        with (
            subprocess.Popen(read, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as reader,
            subprocess.Popen(
                write, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=refused
            ) as writer,
        ):
            assert reader.stdout is not None and writer.stdin is not None
            is_whole = _pass_on(reader, reader.stdout, writer.stdin)
        for file in (said, refused):
            file.seek(0)
        if writer.returncode or not is_whole:
            reason = _reason(refused.read() if writer.returncode else said.read())
            raise StoreError(f"The backup could not be restored: {reason}.", "All is as it was before.")


def _pass_on(reader: "subprocess.Popen[bytes]", script: IO[bytes], to: IO[bytes]) -> bool:
    """Whether the script came to its end: only then is it committed. What ends without a COMMIT is rolled back."""
    try:
        begin = f"BEGIN; SET LOCAL lock_timeout = '{PATIENCE}';"
        to.write(f"{begin} {query('refuse_open_work')}; {query('clear_schema')};\n".encode())
        # A setting of PostgreSQL 17, which older servers do not know.
        to.write(script.read(8192).replace(b"\nSET transaction_timeout = 0;", b""))
        shutil.copyfileobj(script, to, 1 << 20)
        is_whole = reader.wait() == 0
        if is_whole:
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
    return is_whole


def _connection() -> tuple[str, dict[str, str]]:
    """Where the database is, and the environment with the password: everybody may read a command."""
    where = connect_kwargs()
    password = where.pop("password", None)
    return make_dsn(**where), child_environment() | ({} if password is None else {"PGPASSWORD": password})


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
