"""A local Dask cluster with real scheduler and workers, and a network that can be cut."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst.settings import PROJECT


class Network:
    """A network namespace for workers, connected by a virtual cable."""

    def __init__(self) -> None:
        self.name = f"fcst{os.getpid()}"
        part = os.getpid() % 250
        self.here, self.there = f"10.77.{part}.1", f"10.77.{part}.2"
        self.inside = ("ip", "netns", "exec", self.name)

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> "Iterator[Network | None]":
        """Create the network; None if the machine or user does not support it."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            yield None
            return
        network = cls()
        cable, end = f"{network.name}a", f"{network.name}b"
        _ip("netns", "add", network.name)
        try:
            _ip("link", "add", cable, "type", "veth", "peer", "name", end, "netns", network.name)
            _ip("addr", "add", f"{network.here}/24", "dev", cable)
            _ip("link", "set", cable, "up")
            _ip("-n", network.name, "addr", "add", f"{network.there}/24", "dev", end)
            _ip("-n", network.name, "link", "set", end, "up")
            _ip("-n", network.name, "link", "set", "lo", "up")
            yield network
        finally:
            _ip("netns", "del", network.name)

    @contextlib.contextmanager
    def lost(self) -> Iterator[None]:
        """Cut the network without closing connections."""
        _ip("link", "set", f"{self.name}a", "down")
        try:
            yield
        finally:
            _ip("link", "set", f"{self.name}a", "up")


def _ip(*args: str) -> None:
    subprocess.run(("ip", *args), check=True, capture_output=True)


class Dask:
    """A scheduler and its workers; without nannies by default, so killed workers are not restarted.

    They use loopback. With a `Network`, workers are at its other end and reach a database by its local socket only.
    """

    def __init__(self, folder: Path, network: Network | None = None) -> None:
        self._host = network.here if network else "127.0.0.1"
        self._inside = network.inside if network else ()
        self._there = network.there if network else "127.0.0.1"
        with socket.socket() as probe:
            probe.bind((self._host, 0))
            self.port = probe.getsockname()[1]
        self.address = f"tcp://{self._host}:{self.port}"
        self.scheduler: subprocess.Popen | None = None
        self.workers: list[subprocess.Popen] = []
        self._folder = folder

    def start_scheduler(self) -> None:
        where = ("--host", self._host, "--port", str(self.port), "--no-dashboard", "--dashboard-address", ":0")
        self.scheduler = self._start((), "dask_scheduler", self._folder, {}, *where)  # in a folder without fcst

    def start_worker(self, cwd: Path = PROJECT, nthreads: int = 1, has_nanny: bool = False, **env: str) -> str:
        """Start a worker and return its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        nanny = "--nanny" if has_nanny else "--no-nanny"
        how = (nanny, "--no-dashboard", "--dashboard-address", ":0", "--memory-limit", "0")
        where = ("--worker-port", str(port), "--local-directory", str(self._folder))
        self.workers.append(
            self._start(self._inside, "dask_worker", cwd, env, self.address, "--nthreads", str(nthreads), *how, *where)
        )
        return f"tcp://{self._there}:{port}"

    def _start(
        self, inside: tuple[str, ...], program: str, cwd: Path, env: dict[str, str], *args: str
    ) -> subprocess.Popen:
        with (self._folder / "dask.log").open("ab") as log:
            command = [*inside, sys.executable, "-m", f"distributed.cli.{program}", *args]
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
    """A scheduler without workers; workers use the test's database."""
    dask = Dask(tmp_path)
    dask.start_scheduler()
    yield dask
    dask.kill()
