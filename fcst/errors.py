"""The errors a user may see.

    FcstError              what happened, to which data; `hint` says what to do
    ├── InputError         what the user gave cannot be used: a file, a value, a name
    │   ├── BadRows        rows of a file cannot be read; `report` tells which
    │   ├── NotFound       there is nothing of that name or number
    │   └── Conflict       it cannot be done now, as things stand
    ├── NotAllowed         who asks has not signed in, or may not do this
    ├── ConfigError        the installation is set up wrongly: a setting, a folder, a missing part
    ├── NoRoom             a disk is full, or would be; nothing was kept of what did not fit
    ├── StoreError         the database refused
    │   ├── DatabaseAway   it cannot be reached, or went away; later it may be back
    │   │   └── DatabaseFull   its disk is full
    │   └── StaleState     a row has moved on since it was read: another supervisor has taken it over
    └── ComputeError       a forecast could not be computed

A foreign library's error is wrapped once, in the module that imports the library.
Arguments are positional, so that every error survives pickling between processes.
"""

from fcst.quality_report import ReadingReport


class FcstError(Exception):
    """What happened, in one sentence; `hint` says what to do about it, or is empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(FcstError):
    """What the user gave cannot be used."""


class BadRows(InputError):
    """Rows of a file cannot be read, and the user has not asked for the good ones alone."""

    def __init__(self, message: str, hint: str, report: ReadingReport) -> None:
        super().__init__(message, hint)
        self.args = (message, hint, report)
        self.report = report


class NotFound(InputError):
    """There is nothing of the name or number that the user gave."""


class Conflict(InputError):
    """What the user asks for cannot be done as things stand."""


class NotAllowed(FcstError):
    """Who asks has not signed in, or may not do this."""


class ConfigError(FcstError):
    """The installation is set up wrongly."""


class NoRoom(FcstError):
    """A disk is full, or would be; nothing was kept of what did not fit."""


class StoreError(FcstError):
    """The database refused."""


class DatabaseAway(StoreError):
    """The database cannot be reached, or went away in the middle; nothing was written, and later it may be back."""


class DatabaseFull(DatabaseAway):
    """The disk of the database is full; nothing was written, and later there may be room."""


class StaleState(StoreError):
    """The row has moved on since it was read: another worker owns it, or it is final."""


class ComputeError(FcstError):
    """A forecast could not be computed."""
