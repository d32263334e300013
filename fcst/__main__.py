"""`python -m fcst`: the command line."""

import sys

from fcst.cli.interrupts import reach_statements
from fcst.cli.main import main

if __name__ == "__main__":
    reach_statements()
    sys.exit(main())
