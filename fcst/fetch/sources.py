"""Fetches a data source of any kind."""

from pathlib import Path

from fcst.data_sources import DataSource, SourceKind
from fcst.errors import InputError
from fcst.fetch.databases import query_rows
from fcst.fetch.limits import Fetching
from fcst.fetch.storage import copy_objects
from fcst.ingest.folders import Folders
from fcst.settings import source_secret


def fetch(source: DataSource, fetching: Fetching, folders: Folders) -> tuple[str, ...]:
    """Fetches a source into the folder of `fetching`; returns the paths of its files.

    Files on the server are not copied: their own paths are returned.

    Parameters
    ----------
    folders
        folders on the server that files may be read from.

    Raises
    ------
    ConfigError
        if its secret is missing or not valid.
    InputError
        if it cannot be fetched whole.
    """
    if source.kind == SourceKind.FILES:
        return find_files(source.location, folders)
    secret = source_secret(source.secret) if source.secret else ""
    if source.kind == SourceKind.URL:
        from fcst.fetch.http import download  # imports httpx, which pages do not need

        return (download(source.location, secret, fetching),)
    if source.kind == SourceKind.STORAGE:
        return copy_objects(source.location, secret, fetching)
    return (query_rows(secret, source.query, fetching),)


def find_files(location: str, folders: Folders) -> tuple[str, ...]:
    """The paths that match a location: paths, and patterns with `*` and `?`, separated by `;`.

    Raises
    ------
    InputError
        if a pattern begins outside the folders, or matches nothing.
    """
    found: list[str] = []
    for part in filter(None, map(str.strip, location.split(";"))):
        found += _match(part, folders) if set(part) & set("*?") else [part]
    return tuple(found)


def _match(pattern: str, folders: Folders) -> list[str]:
    parts = Path(pattern).expanduser().parts
    n_fixed = next(number for number, part in enumerate(parts) if set(part) & set("*?"))
    try:
        top = Path(*parts[:n_fixed]).resolve()
    except (OSError, RuntimeError, ValueError):
        raise folders.refusal(pattern) from None
    if not folders.allow(top):  # before looking: the answer could reveal what exists
        raise folders.refusal(pattern)
    below = "/".join(parts[n_fixed:]).replace("[", "[[]")
    paths = sorted(str(path) for path in top.glob(below) if path.is_file())
    if not paths:
        raise InputError(f"No file matches {pattern!r}.", "Check the pattern.")
    return paths
