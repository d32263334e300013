"""The file of a backup: pg_dump's archive, then what is said of it (`Manifest`), and a digest of all above.

pg_restore reads the archive and does not look behind it. Files of older versions have no manifest.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

MAGIC = b"PGDMP"
_SEAL = b"fcst sha256 "
_MARK = b"fcst manifest "
_LENGTH = 8
_END = len(_SEAL) + hashlib.sha256().digest_size


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    Parameters
    ----------
    data_bytes
        of tables and indexes in the database it was made of; 0 where that is not known.
    """

    data_bytes: int = 0


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
