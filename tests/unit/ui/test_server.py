"""Server start: localhost only, unless there is a sign-in or FCST_OPEN_ADDRESS allows another address."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fcst.settings import PROJECT
from tests.servers import answers, free_port, serve, stop


def start(home: Path, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the server until it exits."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", *flags]
    environment = {**os.environ, "FCST_HOME": str(home), "FCST_WORKER": "external", **env}
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.full
@pytest.mark.parametrize("allowed", ["", "10.0.0.1"], ids=["nothing", "another address"])
def test_open_address_without_sign_in_is_refused(tmp_path: Path, allowed: str) -> None:
    flags = ("--server.address=0.0.0.0", f"--server.port={free_port()}")
    done = start(tmp_path / "home", *flags, FCST_OPEN_ADDRESS=allowed)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "At 0.0.0.0 the server can be reached from other machines without a sign-in." in done.stderr
    assert "FCST_OPEN_ADDRESS=0.0.0.0" in done.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.full
def test_sign_in_in_another_secrets_file_is_refused(tmp_path: Path) -> None:
    """Streamlit would offer the sign-in, but fcst would not check it."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text('[auth]\nclient_id = "fcst"\n')
    done = start(tmp_path / "home", f"--server.port={free_port()}", HOME=str(tmp_path))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Another secrets.toml, outside this project, has a section [auth]." in done.stderr


def test_invalid_setting_is_reported_before_start(tmp_path: Path) -> None:
    done = start(tmp_path / "home", f"--server.port={free_port()}", FCST_API_RATE="often")
    assert done.returncode == 1 and "FCST_API_RATE is 'often'." in done.stderr and "Traceback" not in done.stderr


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_files_written_by_libraries_are_private(tmp_path: Path) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    process = serve(tmp_path / "home", free_port(), DATABASE_URL=nowhere, FCST_WORKER="external")
    try:
        assert "\nUmask:\t0077\n" in Path(f"/proc/{process.pid}/status").read_text()
    finally:
        stop(process)


@pytest.mark.full
def test_allowed_address_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")
    port = free_port()
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    process = serve(tmp_path / "home", port, DATABASE_URL=nowhere, FCST_WORKER="external", FCST_OPEN_ADDRESS="0.0.0.0")
    try:
        assert answers(port)
    finally:
        stop(process)
