"""Shared parts of the commands: exit codes, output to stdout, messages to stderr, confirmation of deletions.

Only this module prints. It escapes control characters, because text from data could move the cursor, clear the screen
or reverse adjacent text.
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
from fcst.escaping import for_terminal, in_json

DONE, FAILED, REFUSED = 0, 1, 2
PROGRESS_EVERY_S = 2.0


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command; `run` executes it and returns the exit code."""
    sub: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    sub.set_defaults(run=run)
    return sub


def add_json_argument(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def prepare() -> list[str]:
    """Start and migrate the database; return the applied migrations."""
    from fcst.services.supervision import prepare_database

    return prepare_database(Progress().show)


class Progress:
    """Prints the progress of a command, at most every PROGRESS_EVERY_S."""

    def __init__(self) -> None:
        self._begin = self._shown_at = time.monotonic()

    def show(self, text: object) -> None:
        if time.monotonic() - self._shown_at > PROGRESS_EVERY_S:
            self._shown_at = time.monotonic()
            print_message(f"… {text}")

    def show_share(self, what: str, done: int, total: int) -> None:
        """Print the progress in percent, with the estimated time left."""
        seconds = time.monotonic() - self._begin
        left = f", about {seconds * (total - done) / done:,.0f} s left" if done else ""
        self.show(f"{what}, {done * 100 // max(total, 1)} %{left}")


class Parser(argparse.ArgumentParser):
    """Argument parser that escapes control characters in its error messages."""

    def error(self, message: str) -> NoReturn:
        super().error(for_terminal(message))


def print_message(text: str) -> None:
    print(for_terminal(text), file=sys.stderr, flush=True)


def print_output(text: str) -> None:
    """Print output for people to stdout."""
    print(for_terminal(text), flush=True)


def say_error(error: FcstError) -> None:
    print_message(f"{error.message}\n{error.hint}".strip())


def confirm(question: str, is_sure: bool) -> bool:
    """Ask the user for confirmation, unless `is_sure`.

    Raises
    ------
    InputError
        if stdin is not a terminal.
    """
    if is_sure:
        return True
    if not sys.stdin.isatty():
        raise InputError("Nothing was deleted.", "Use --yes to delete without confirmation.")
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
