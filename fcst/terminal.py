"""What the commands share: exit codes, data on stdout, talk on stderr, a question before what cannot be undone.

Nothing else prints: text from data could move the cursor, clear the screen or turn what stands beside it around, so
signs that a terminal obeys are shown in writing.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, NoReturn

from fcst.errors import FcstError, InputError
from fcst.harmless import for_terminal, in_json

DONE, FAILED, REFUSED = 0, 1, 2
PROGRESS_EVERY_S = 2.0


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """A command that `run` carries out and gives an exit code for."""
    sub: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    sub.set_defaults(run=run)
    return sub


def takes_json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def prepare() -> list[str]:
    """The database, ready and up to date; returns the migrations that were applied."""
    from fcst.services.supervision import prepare_database

    return prepare_database(Progress().show)


class Progress:
    """Says how far a command is, every two seconds at most."""

    def __init__(self) -> None:
        self._begin = self._said_at = time.monotonic()

    def show(self, words: object) -> None:
        if time.monotonic() - self._said_at > PROGRESS_EVERY_S:
            self._said_at = time.monotonic()
            say(f"… {words}")

    def show_share(self, what: str, done: int, total: int) -> None:
        """In percent, with the time that is left if it goes on as before."""
        seconds = time.monotonic() - self._begin
        left = f", about {seconds * (total - done) / done:,.0f} s left" if done else ""
        self.show(f"{what}, {done * 100 // max(total, 1)} %{left}")


class Parser(argparse.ArgumentParser):
    """Repeats what cannot be used of the command line in signs that are seen."""

    def error(self, message: str) -> NoReturn:
        super().error(for_terminal(message))


def say(text: str) -> None:
    print(for_terminal(text), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Prints what was asked for, to be read by people."""
    print(for_terminal(text), flush=True)


def say_error(error: FcstError) -> None:
    say(f"{error.message}\n{error.hint}".strip())


def confirms(question: str, is_sure: bool) -> bool:
    """Whether the user says yes; who is sure is not asked.

    Raises
    ------
    InputError
        if nobody is there to be asked.
    """
    if is_sure:
        return True
    if not sys.stdin.isatty():
        raise InputError("Nothing was deleted.", "Say --yes to delete it without being asked.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_json(value: Any) -> None:
    def plain(other: Any) -> Any:
        if isinstance(other, (date, datetime)):
            return other.isoformat()
        if dataclasses.is_dataclass(other) and not isinstance(other, type):
            return dataclasses.asdict(other)
        return str(other)

    print(in_json(json.dumps(value, default=plain, indent=1, ensure_ascii=False)))


def print_table(rows: Iterable[Mapping[str, Any]], *columns: str) -> None:
    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M:%S}"
        return f"{value:,.1f}" if isinstance(value, float) else for_terminal(" ".join(str(value).split()))

    lines = [list(columns), *([text(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
