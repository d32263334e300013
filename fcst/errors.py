"""Errors shown to users.

    FcstError              message: what happened, to which data; `hint`: what to do
    ├── InputError         invalid input: a file, a value, a name
    │   ├── BadRows        rows of a file cannot be read; `report` lists them
    │   ├── NotFound       unknown name or number
    │   └── Conflict       not possible in the current state
    ├── NotAllowed         not signed in, or not permitted
    ├── ConfigError        invalid installation: a setting, a folder, a missing part
    ├── DiskFull             a disk is full, or would be; nothing was written
    ├── StoreError         the database rejected a statement
    │   ├── DatabaseUnreachable   the database is unreachable, or the connection was lost; a retry may succeed
    │   │   └── DatabaseFull   the disk of the database is full
    │   └── StaleState     the row has changed since it was read: another supervisor has taken it over
    └── ComputeError       a forecast could not be computed

Errors of libraries are wrapped once, in the module that imports the library.
Arguments are positional, so errors can be pickled between processes.
"""

from fcst.quality_report import ReadingReport


class FcstError(Exception):
    """Base error: `message` is one sentence about what happened; `hint` says what to do, or is empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(FcstError):
    """The user's input is invalid."""


class BadRows(InputError):
    """Rows of a file cannot be read, and the user did not choose to load only the valid rows."""

    def __init__(self, message: str, hint: str, report: ReadingReport) -> None:
        super().__init__(message, hint)
        self.args = (message, hint, report)
        self.report = report


class NotFound(InputError):
    """No object has the given name or number."""


class Conflict(InputError):
    """The request is not possible in the current state."""


class NotAllowed(FcstError):
    """The user is not signed in, or lacks the permission."""


class ConfigError(FcstError):
    """The installation or its settings are invalid."""


class DiskFull(FcstError):
    """A disk is full, or would be; nothing was written."""


class StoreError(FcstError):
    """The database rejected a statement."""


class DatabaseUnreachable(StoreError):
    """The database is unreachable, or the connection was lost; nothing was written, and a retry may succeed."""


class DatabaseFull(DatabaseUnreachable):
    """The disk of the database is full; nothing was written, and a retry may succeed."""


class StaleState(StoreError):
    """The row has changed since it was read: another supervisor owns it, or it is final."""


class ComputeError(FcstError):
    """A forecast could not be computed."""
