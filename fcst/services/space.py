"""Disk space: how much each dataset version, run and published plan takes, and each folder of FCST_HOME."""

import os
from dataclasses import dataclass
from pathlib import Path

from fcst.names import SCRATCH
from fcst.settings import load_settings
from fcst.store import space


@dataclass(frozen=True)
class SpaceUse:
    """Bytes on disk.

    Parameters
    ----------
    kind
        `dataset`, `run`, `published plan` or `other` tables of the database; `folder` of FCST_HOME.
    id
        number of the dataset version, run or plan; None for others.
    """

    kind: str
    id: int | None
    name: str
    n_bytes: int


def list_space() -> list[SpaceUse]:
    """What uses how much space, the largest first: parts of the database, then folders of FCST_HOME.

    A part of the database is a share of its tables by numbers of items, weeks and models, so it is an estimate; their
    sum is exact. The files of the embedded server are not listed: they hold the database.
    """
    tables = [SpaceUse(**row) for row in space.list_tables()]
    home = load_settings().home
    folders = [_folder(home / name, about) for name, about in _FOLDERS.items() if (home / name).is_dir()]
    return tables + sorted(folders, key=lambda use: -use.n_bytes)


_FOLDERS = {"uploads": "uploaded files that may be needed", "logs": "logs", SCRATCH: "temporary files"}


def _folder(path: Path, about: str) -> SpaceUse:
    return SpaceUse("folder", None, f"{about}, {path}", _size(path))


def _size(folder: Path) -> int:
    """Bytes on disk of a folder; files that vanish meanwhile, and folders of other users, count as nothing."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(top) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total
