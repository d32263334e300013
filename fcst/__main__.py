"""The command line: `fcst`, or `python -m fcst` in a checkout."""

import sys

from fcst.cli.interrupts import reach_statements
from fcst.cli.main import main


def run() -> None:
    """Runs one command and exits with its code."""
    reach_statements()
    sys.exit(main())


if __name__ == "__main__":
    run()
