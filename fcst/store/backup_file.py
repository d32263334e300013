"""The backup file: pg_dump's archive, an optional tar archive of uploads, the `Manifest`, and a digest.

pg_restore reads the first archive and ignores the rest. Files of older versions have no manifest.
"""

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from fcst.errors import InputError

MAGIC = b"PGDMP"
_SEAL = b"fcst sha256 "
_MARK = b"fcst manifest "
_LENGTH = 8
_UPLOAD = re.compile(r"[0-9a-f]{32}/(?!\.{1,2}$)[\w.-]{1,100}")
"""Folder and file name of an upload, as `loading.save_upload` makes them. Blocks path traversal."""
_END = len(_SEAL) + hashlib.sha256().digest_size


@dataclass(frozen=True)
class Manifest:
    """Metadata of a backup.

    Parameters
    ----------
    data_bytes
        size of the tables and indexes in the database; 0 if unknown.
    n_uploads
        number of uploaded files; None if the backup has no uploads.
    upload_bytes
        total size of the uploads.
    uploads_at
        offset of the uploads' archive.
    """

    data_bytes: int = 0
    n_uploads: int | None = None
    upload_bytes: int = 0
    uploads_at: int = 0


def add_uploads(path: Path, folder: Path, manifest: Manifest) -> Manifest:
    """Appends a folder of uploads to the file; returns the updated manifest."""
    files = sorted(folder.glob("*/*"))
    with path.open("r+b") as file:
        at = file.seek(0, os.SEEK_END)
        with tarfile.open(fileobj=file, mode="w") as archive:
            for upload in files:
                archive.add(upload, f"{upload.parent.name}/{upload.name}", recursive=False)
    return replace(
        manifest, n_uploads=len(files), upload_bytes=sum(upload.stat().st_size for upload in files), uploads_at=at
    )


def read_uploads(path: Path, manifest: Manifest) -> Iterator[tuple[str, IO[bytes]]]:
    """Yields the uploads of a backup: path and content; read the content before the next iteration.

    Raises
    ------
    InputError
        if an entry is not a regular file, has an invalid path, or exceeds the size in the manifest.
    """
    if manifest.n_uploads is None:
        return
    with path.open("rb") as file:
        file.seek(manifest.uploads_at)
        n_left = manifest.upload_bytes
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                n_left -= member.size
                content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if content is None or not _UPLOAD.fullmatch(member.name) or n_left < 0:
                    raise InputError(f"{path} has an invalid upload: {member.name!r}.", "Do not restore this backup.")
                yield member.name, content


def seal(path: Path, manifest: Manifest) -> None:
    """Appends the manifest and a digest of the whole file."""
    with path.open("r+b") as file:
        data = json.dumps(asdict(manifest)).encode()
        file.seek(0, os.SEEK_END)
        file.write(data + len(data).to_bytes(_LENGTH, "big") + _MARK)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").digest()
        file.write(_SEAL + digest)


def is_intact(path: Path) -> bool:
    """Whether the digest of `seal` matches. pg_dump's archive has no checksum of its own."""
    with path.open("rb") as file:
        n_left = file.seek(0, os.SEEK_END) - _END
        if n_left < 0:
            return False
        file.seek(0)
        found = hashlib.sha256()
        while n_left and (block := file.read(min(n_left, 1 << 20))):
            found.update(block)
            n_left -= len(block)
        return file.read() == _SEAL + found.digest()


def read_manifest(path: Path) -> Manifest:
    """The manifest of an intact backup; an empty one for backups of older versions."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END) - _END - len(_MARK) - _LENGTH
        file.seek(max(at, 0))
        length = int.from_bytes(file.read(_LENGTH), "big")
        if at < 0 or file.read(len(_MARK)) != _MARK:
            return Manifest()
        file.seek(at - length)
        return Manifest(**json.loads(file.read(length)))
