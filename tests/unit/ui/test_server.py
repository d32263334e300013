"""Where the server may be reached: on this machine, unless people sign in or somebody has allowed it by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fcst.settings import PROJECT
from tests.servers import answers, free_port, serve, stop


def start(home: Path, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The server as it ends by itself."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", *flags]
    everything = {**os.environ, "FCST_HOME": str(home), "FCST_WORKER": "external", **env}
    return subprocess.run(command, cwd=PROJECT, env=everything, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("allowed", ["", "10.0.0.1"], ids=["nothing", "another address"])
def test_server_does_not_start_where_anybody_could_reach_it(tmp_path: Path, allowed: str) -> None:
    flags = ("--server.address=0.0.0.0", f"--server.port={free_port()}")
    done = start(tmp_path / "home", *flags, FCST_OPEN_ADDRESS=allowed)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "reached from other machines at 0.0.0.0, and nobody has to sign in" in done.stderr
    assert "FCST_OPEN_ADDRESS=0.0.0.0" in done.stderr
    assert not (tmp_path / "home").exists()


def test_sign_in_that_would_guard_nothing_is_refused(tmp_path: Path) -> None:
    """Streamlit would let people sign in by it, and we would show everything to everybody."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text('[auth]\nclient_id = "fcst"\n')
    done = start(tmp_path / "home", f"--server.port={free_port()}", HOME=str(tmp_path))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "There is a sign-in in secrets that are not this project's." in done.stderr


def test_wrong_setting_is_told_before_anything_starts(tmp_path: Path) -> None:
    done = start(tmp_path / "home", f"--server.port={free_port()}", FCST_API_RATE="often")
    assert done.returncode == 1 and "FCST_API_RATE is 'often'." in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_what_libraries_write_in_the_server_is_private(tmp_path: Path) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    process = serve(tmp_path / "home", free_port(), DATABASE_URL=nowhere, FCST_WORKER="external")
    try:
        assert "\nUmask:\t0077\n" in Path(f"/proc/{process.pid}/status").read_text()
    finally:
        stop(process)


def test_address_that_was_allowed_by_name_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")
    port = free_port()
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    process = serve(tmp_path / "home", port, DATABASE_URL=nowhere, FCST_WORKER="external", FCST_OPEN_ADDRESS="0.0.0.0")
    try:
        assert answers(port)
    finally:
        stop(process)
