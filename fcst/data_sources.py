"""Data sources: where the sales of a dataset come from, so that fcst can read them again."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from fcst.errors import InputError

MAX_LOCATION = 4_000
MAX_QUERY = 100_000


class SourceKind(StrEnum):
    FILES = "files"
    URL = "url"
    STORAGE = "storage"
    SQL = "sql"


KINDS: dict[SourceKind, str] = {
    SourceKind.FILES: "Files on the server",
    SourceKind.URL: "Web address",
    SourceKind.STORAGE: "Object storage",
    SourceKind.SQL: "SQL query",
}
"""Kind -> label."""

STORAGE_PROTOCOLS = ("s3", "gs", "gcs", "az", "abfs")
SECRET_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")


@dataclass(frozen=True)
class DataSource:
    """Where the sales of a dataset come from. It names its secret and does not contain it.

    Parameters
    ----------
    location
        files: a path, or a pattern with `*` and `?`, several separated by `;`; url: an HTTP or HTTPS address; storage:
        such as `s3://bucket/sales/*.parquet`; sql: empty.
    query
        the statement of an SQL source.
    secret
        name of a secret of the installation. url: value of the Authorization header; storage: options of the fsspec
        file system as JSON; sql: URL of the database; files: empty.

    Raises
    ------
    InputError
        if a part is missing or not valid.
    """

    kind: SourceKind
    location: str = ""
    query: str = ""
    secret: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", SourceKind(self.kind))
        if self.secret and not SECRET_NAME.fullmatch(self.secret):
            raise InputError(
                f"The name of a secret is {self.secret[:60]!r}.", "Use up to 50 of a-z, 0-9 and _, such as warehouse."
            )
        if len(self.location) > MAX_LOCATION or not self.location.isprintable() or "\0" in self.query:
            raise InputError("The source is too long, or contains control characters.", "Correct it.")
        if self.kind == SourceKind.SQL:
            if not self.query.strip() or len(self.query) > MAX_QUERY:
                raise InputError("There is no SQL query, or it is too long.", f"Write up to {MAX_QUERY:,} characters.")
            if not self.secret:
                raise InputError("No database was given.", "Name the secret that has its URL.")
        elif not self.location.strip():
            raise InputError(f"No {KINDS[self.kind].lower()} given.", "Enter the path or address.")
        if self.kind == SourceKind.FILES and self.secret:
            raise InputError("Files on the server need no secret.", "Remove it.")
        if self.kind == SourceKind.URL:
            self._check_url(_split(self.location))
        if self.kind == SourceKind.STORAGE and _split(self.location).scheme not in STORAGE_PROTOCOLS:
            known = ", ".join(f"{name}://" for name in STORAGE_PROTOCOLS)
            raise InputError(f"{self.location[:100]!r} is not an object in a storage.", f"It begins with {known}.")

    def _check_url(self, parts: SplitResult) -> None:
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{self.location[:100]!r} is not a web address.", "It begins with https://.")
        if parts.username is not None or parts.password is not None:
            raise InputError(
                "The address contains a user or password.", "Use a secret with the value of the Authorization header."
            )

    @property
    def label(self) -> str:
        """A short description: the kind and the path, address, or first line of the query."""
        lines = self.query.strip().splitlines()
        about = self.location or (lines[0] + (" …" if len(lines) > 1 else ""))
        return f"{KINDS[self.kind]}: {about[:200]}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)


def _split(location: str) -> SplitResult:
    try:
        parts = urlsplit(location)
        _ = parts.port  # raises if it is not a number
    except ValueError as exc:
        raise InputError(f"The address {location[:100]!r} cannot be read: {exc}.", "Correct it.") from exc
    return parts
