"""The secret that signs cookies and links: from secrets.toml, or generated once and stored in FCST_HOME."""

import contextlib
import os
import secrets
from functools import lru_cache
from pathlib import Path

from fcst.errors import ConfigError
from fcst.files import make_home, open_private
from fcst.settings import LEAST_SECRET, load_settings

FILE = "cookie.secret"


def signing_secret() -> str:
    """Returns the secret of this installation. Servers that share users need the same secret in secrets.toml.

    Raises
    ------
    ConfigError
        if the secret cannot be stored.
    """
    settings = load_settings()
    return settings.cookie_secret or _stored_secret(settings.home / FILE)


@lru_cache(maxsize=4)  # used for every link
def _stored_secret(path: Path) -> str:
    try:
        if not path.exists():
            draft = make_home(path.parent) / f"{FILE}.{secrets.token_hex(6)}"
            with open(draft, "x", opener=open_private) as file:
                file.write(secrets.token_urlsafe(32))
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.link(draft, path)
            draft.unlink()
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ConfigError(
            f"The secret {path} cannot be stored: {exc.strerror}.", "Check the folder FCST_HOME."
        ) from exc
    if len(secret) < LEAST_SECRET:
        raise ConfigError(
            f"The secret {path} is shorter than {LEAST_SECRET} characters.", "Delete the file, to generate a new one."
        )
    return secret
