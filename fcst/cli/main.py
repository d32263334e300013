"""The command line, `python -m fcst`: data on stdout, messages on stderr.

Exit codes: 0 success, 1 failure while running, 2 bad usage, bad input, or a missing resource such as the database.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fcst.cli import admin, attributes, drivers, lifecycles, loading, plans, publishing, runs, serve, sources, stock
from fcst.errors import FcstError
from fcst.files import disk_full_error, is_full
from fcst.services import identity
from fcst.terminal import DONE, FAILED, REFUSED, Parser, print_message, say_error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    args = make_parser().parse_args(argv)
    try:
        with identity.acting_as(identity.operator()):
            return int(args.run(args))
    except FcstError as exc:
        say_error(exc)
        return REFUSED
    except BrokenPipeError:  # the reader closed the pipe, as `head` does
        sys.stderr.close()
        return DONE
    except OSError as exc:
        if not is_full(exc):
            raise
        say_error(disk_full_error("the output of the command", "the output folder"))
        return REFUSED
    except KeyboardInterrupt:
        print_message("Stopped.")
        return FAILED


def make_parser() -> argparse.ArgumentParser:
    prog = "fcst" if Path(sys.argv[0]).name == "fcst" else "python -m fcst"
    parser = Parser(prog=prog, description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve.add_commands(commands)
    loading.add_commands(commands)
    sources.add_commands(commands)
    runs.add_commands(commands)
    plans.add_commands(commands)
    publishing.add_commands(commands)
    drivers.add_commands(commands)
    lifecycles.add_commands(commands)
    attributes.add_commands(commands)
    stock.add_commands(commands)
    admin.add_commands(commands)
    return parser
