"""The signing secret: configured, or generated once and stored with owner-only permissions."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fcst import settings
from fcst.errors import ConfigError
from fcst.services import signing
from fcst.services.signing import FILE, signing_secret


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "SECRETS", tmp_path / "secrets.toml")
    monkeypatch.setenv("FCST_HOME", str(tmp_path / "home"))
    signing._stored_secret.cache_clear()
    return tmp_path / "home"


def test_secret_is_generated_once_and_stored(home: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: signing._stored_secret.__wrapped__(home / FILE), range(16)))
    assert found == {signing_secret()} and len(signing_secret()) > 40
    assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [FILE]


def test_configured_secret_is_used(home: Path, tmp_path: Path) -> None:
    (tmp_path / "secrets.toml").write_text(
        '[auth]\ncookie_secret = "0123456789abcdef0123"\n[roles]\nadmin = ["ada@shop.example"]\n'
    )
    assert signing_secret() == "0123456789abcdef0123" and not home.exists()


def test_truncated_secret_is_refused(home: Path) -> None:
    home.mkdir()
    (home / FILE).write_text("abc")
    with pytest.raises(ConfigError, match="shorter than 16"):
        signing_secret()
