"""`python -m fcst`: the command line."""

import sys

from fcst.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
