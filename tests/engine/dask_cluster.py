"""A Dask cluster on loopback: a real scheduler, real workers."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst.settings import PROJECT


class Dask:
    """A scheduler on loopback and its workers, without nannies unless told so: then the dead stay dead."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen | None = None
        self.workers: list[subprocess.Popen] = []
        self._folder = folder

    def start_scheduler(self) -> None:
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--dashboard-address", ":0")
        self.scheduler = self._start("dask_scheduler", self._folder, {}, *where)  # where there is no fcst

    def start_worker(self, cwd: Path = PROJECT, nthreads: int = 1, has_nanny: bool = False, **env: str) -> str:
        """Starts a worker; returns its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        nanny = "--nanny" if has_nanny else "--no-nanny"
        how = (nanny, "--no-dashboard", "--dashboard-address", ":0", "--memory-limit", "0")
        where = ("--worker-port", str(port), "--local-directory", str(self._folder))
        self.workers.append(
            self._start("dask_worker", cwd, env, self.address, "--nthreads", str(nthreads), *how, *where)
        )
        return f"tcp://127.0.0.1:{port}"

    def _start(self, program: str, cwd: Path, env: dict[str, str], *args: str) -> subprocess.Popen:
        with (self._folder / "dask.log").open("ab") as log:
            command = [sys.executable, "-m", f"distributed.cli.{program}", *args]
            return subprocess.Popen(command, cwd=cwd, env={**os.environ, **env}, stdout=log, stderr=log)

    def kill(self) -> None:
        for process in (self.scheduler, *self.workers):
            if process is not None:
                process.kill()
                process.wait()
        self.scheduler = None
        self.workers.clear()


@pytest.fixture
def dask(database: str, tmp_path: Path) -> Iterator[Dask]:
    """A scheduler, without workers yet; their database is the test's."""
    dask = Dask(tmp_path)
    dask.start_scheduler()
    yield dask
    dask.kill()
