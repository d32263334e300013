"""Copies objects of a storage (S3 and alike) by fsspec."""

import json
from typing import Any

from fcst.errors import ConfigError, InputError
from fcst.fetch.limits import Fetching, LimitedFile

MAX_OBJECTS = 2_000
PART = 1 << 20


def copy_objects(location: str, options: str, fetching: Fetching) -> tuple[str, ...]:
    """Copies the objects at a location, which may be a pattern; returns the paths of the copies.

    Parameters
    ----------
    options
        options of the fsspec file system as JSON, such as its keys and endpoint; empty: those of the environment.

    Raises
    ------
    ConfigError
        if the options are not a JSON object.
    InputError
        if there is no such object, or it cannot be read.
    """
    protocol = location.partition("://")[0]
    try:
        import fsspec

        # Without caches: this process lists the objects again at the next refresh.
        system = fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **_options(options))
    except ImportError as exc:
        raise InputError(
            f"Reading from {protocol}:// needs a package that is not installed: {exc.name or 'fsspec'}.",
            "Install it: pip install 'fcst[s3]' for s3://, the package of fsspec for others.",
        ) from exc
    path = location.partition("://")[2]
    try:
        names = sorted(system.glob(path)) if set(path) & set("*?[") else [path]
        if not names:
            raise InputError(f"There is no object {location}.", "Check the pattern.")
        if len(names) > MAX_OBJECTS:
            raise InputError(f"{location} has more than {MAX_OBJECTS:,} objects.", "Narrow the pattern.")
        return tuple(_copy(system, name, f"{number:04}_", fetching) for number, name in enumerate(names))
    except InputError:
        raise
    except Exception as exc:  # each storage has errors of its own
        why = str(exc).strip().splitlines()[0][:300] if str(exc).strip() else type(exc).__name__
        raise InputError(f"{location} cannot be read: {why}.", "Check the location and its secret.") from exc


def _options(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(
            "The secret of an object storage is not a JSON object.",
            'Set it to options of its fsspec file system, such as {"key": "…", "secret": "…"}.',
        )
    return found


def _copy(system: Any, name: str, prefix: str, fetching: Fetching) -> str:
    last = "".join(char if char.isalnum() or char in "._-" else "_" for char in name.rsplit("/", 1)[-1])
    file = LimitedFile(fetching, f"{prefix}{last[-80:]}", int(system.size(name) or 0))
    try:
        with system.open(name, "rb") as source:
            while part := source.read(PART):
                file.write(part)
    finally:
        file.close()
    return str(file.path)
