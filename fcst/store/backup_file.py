"""The file of a backup: pg_dump's archive, uploads as a tar archive where it has them, the `Manifest`, a digest of all.

pg_restore reads the first archive and does not look behind it. Files of older versions have no manifest.
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
"""The folder of an upload and the name of a file in it, as `loading.save_upload` makes them; none leads elsewhere."""
_END = len(_SEAL) + hashlib.sha256().digest_size


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    Parameters
    ----------
    data_bytes
        of tables and indexes in the database it was made of; 0 where that is not known.
    n_uploads
        files that were uploaded; None where the backup is without them.
    upload_bytes
        of all of them.
    uploads_at
        where their archive begins.
    """

    data_bytes: int = 0
    n_uploads: int | None = None
    upload_bytes: int = 0
    uploads_at: int = 0


def add_uploads(path: Path, folder: Path, manifest: Manifest) -> Manifest:
    """Writes what is in a folder of uploads behind what is in the file; returns the manifest that says so."""
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
    """The uploads of a backup: folder and name of each, and its content, to be read before the next is asked for.

    Raises
    ------
    InputError
        if one is no plain file, is not where uploads are, or they are larger than the manifest says.
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
                    raise InputError(
                        f"{path} has an upload that cannot be used: {member.name!r}.", "Do not restore it."
                    )
                yield member.name, content


def seal(path: Path, manifest: Manifest) -> None:
    """Writes the manifest behind what is in the file, and the digest of all."""
    with path.open("r+b") as file:
        said = json.dumps(asdict(manifest)).encode()
        file.seek(0, os.SEEK_END)
        file.write(said + len(said).to_bytes(_LENGTH, "big") + _MARK)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").digest()
        file.write(_SEAL + digest)


def is_whole(path: Path) -> bool:
    """Whether a file is as `seal` left it: the archive's own table of contents has no checksum."""
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
    """What a whole backup says of itself; of a backup of an older version nothing is known."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END) - _END - len(_MARK) - _LENGTH
        file.seek(max(at, 0))
        length = int.from_bytes(file.read(_LENGTH), "big")
        if at < 0 or file.read(len(_MARK)) != _MARK:
            return Manifest()
        file.seek(at - length)
        return Manifest(**json.loads(file.read(length)))
