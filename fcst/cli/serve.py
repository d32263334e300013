"""`fcst serve`: starts the pages and the API, as `streamlit run app.py` does in a checkout."""

import argparse
import runpy
import sys
from typing import Any

from fcst.settings import PROJECT, SECRETS, load_settings
from fcst.terminal import add_command


def add_commands(commands: Any) -> None:
    sub = add_command(commands, "serve", _serve, "start the pages and the API at http://localhost:8501")
    sub.add_argument("--port", type=int, default=8501, metavar="N")
    sub.add_argument("--address", metavar="ADDRESS", help="default: 127.0.0.1, this machine only")
    sub.add_argument("--no-browser", action="store_true", help="do not open a browser")


def _serve(args: argparse.Namespace) -> int:
    """Runs Streamlit's command in this process: it gets the signals of a terminal or service manager itself."""
    load_settings()  # refuses wrong settings before the server starts
    command = ["streamlit", "run", str(PROJECT / "app.py"), f"--server.port={args.port}"]
    command += [f"--server.headless={str(args.no_browser).lower()}", f"--secrets.files={SECRETS}"]
    if args.address:
        command.append(f"--server.address={args.address}")
    sys.argv = command
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
    return 0
