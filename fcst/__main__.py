"""The command line: `fcst`, or `python -m fcst` in a checkout."""

import sys

from fcst.cli.interrupts import cancel_statements_on_interrupt
from fcst.cli.main import main


def run() -> None:
    """Runs one command and exits with its code."""
    cancel_statements_on_interrupt()
    sys.exit(main())


if __name__ == "__main__":
    run()
