"""Settings: from environment variables, then `.streamlit/secrets.toml`, then defaults.

Only this module uses `os.environ`. README.md has the table of settings; a test compares both.
"""

import base64
import importlib.util
import json
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from fcst.errors import ConfigError
from fcst.roles import ROLES, RoleRules

_CHECKOUT = Path(__file__).resolve().parents[1]
IS_CHECKOUT = (_CHECKOUT / "app.py").is_file() and (_CHECKOUT / "pages").is_dir()
PROJECT = _CHECKOUT if IS_CHECKOUT else Path(__file__).resolve().parent / "bundle"
"""Folder of app.py, pages/, .streamlit/config.toml and data/sample/. The wheel has them in fcst/bundle/."""
DEFAULT_HOME = PROJECT / "data" / "local" if IS_CHECKOUT else platformdirs.user_data_path("fcst", appauthor=False)
SAMPLE = PROJECT / "data" / "sample"
LEAST_SECRET = 16  # characters
MOST_SIGN_IN_HOURS = 30 * 24  # lifetime of the cookie
SECRETS = (
    PROJECT / ".streamlit" / "secrets.toml"
    if IS_CHECKOUT
    else platformdirs.user_config_path("fcst", appauthor=False) / "secrets.toml"
)
_EXAMPLE = re.compile(r"change.?me|^x+$|^<.*>$|^your\b", re.IGNORECASE)

# name -> (default as shown to users, description)
SETTINGS: dict[str, tuple[str, str]] = {
    "DATABASE_URL": (
        "(embedded server)",
        "libpq URL of the Postgres database; without it fcst starts an embedded server",
    ),
    "FCST_HOME": (
        "`data/local` in a checkout, else the user's data folder",
        "folder of the embedded database, uploads, logs and locks",
    ),
    "FCST_PROCESSES": ("cores of this process", "number of worker processes"),
    "FCST_WORKER": (
        "auto",
        "`external`: never start a supervisor; the operator runs `python -m fcst worker`",
    ),
    "FCST_IDLE_EXIT_S": ("120", "seconds without work after which a supervisor stops"),
    "FCST_LEASE_S": (
        "20",
        "seconds without a heartbeat after which another supervisor takes over the batches",
    ),
    "FCST_GRACE_S": ("20", "seconds for running batches to finish when a supervisor is stopped"),
    "FCST_ITEM_LIMIT_S": ("300", "maximum seconds to compute an item; after that the item fails"),
    "FCST_PROCESS_MEMORY": (
        "4GB",
        "maximum memory of a worker process; beyond it the current item fails",
    ),
    "FCST_DASK_SCHEDULER": (
        "(none)",
        "a Dask scheduler such as `tcp://host:8786`; its workers run the batches instead of local processes",
    ),
    "FCST_INGEST_MEMORY": ("1GB", "maximum memory to read a file; the rest goes to disk"),
    "FCST_INGEST_ROOTS": (
        "your home and the project's folder; none with a sign-in or an open address",
        "folders that pages and API may read files from, separated by `:`",
    ),
    "FCST_UNPACK_LIMIT": ("50GB", "maximum unpacked size of an archive"),
    "FCST_PRIVATE_HOSTS": (
        "all; none with a sign-in or an open address",
        "hosts with private addresses that sources may read from, separated by `,`",
    ),
    "FCST_OPEN_ADDRESS": (
        "(none)",
        "address, such as `0.0.0.0`, on which the server accepts other machines without sign-in",
    ),
    "FCST_HOSTS": (
        "(none)",
        "host names that browsers and programs use for this server, separated by `,`, such as `fcst.shop.example`",
    ),
    "FCST_SIGN_IN_HOURS": ("12", "hours after which users must sign in again, at most 720"),
    "FCST_WEBHOOK_URL": ("(none)", "URL that receives a notification when a run ends"),
    "FCST_WEBHOOK_SECRET": ("(none)", "key that signs webhook messages: `whsec_` and 24 to 64 bytes in base64"),
    "FCST_API_RATE": ("600/minute", "maximum requests of one caller of the HTTP API"),
}


@dataclass(frozen=True)
class Webhook:
    """URL of the webhook for ended runs, and the key that signs its messages."""

    url: str
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """The settings.

    Parameters
    ----------
    private_hosts
        hosts with private addresses that sources may read from; None: all.
    """

    database_url: str | None
    home: Path
    processes: int
    is_worker_external: bool
    idle_exit_s: float
    lease_s: float
    grace_s: float
    item_limit_s: float
    process_memory: int
    dask_scheduler: str | None
    ingest_memory: str
    ingest_roots: tuple[Path, ...]
    unpack_limit: int
    private_hosts: tuple[str, ...] | None
    open_address: str | None
    hosts: tuple[str, ...]
    sign_in_hours: float
    api_rate: tuple[int, str]
    role_rules: RoleRules | None
    cookie_secret: str = field(repr=False)
    webhook: Webhook | None

    @property
    def has_sign_in(self) -> bool:
        """Whether users must sign in and programs need a token; otherwise everyone with access may do everything."""
        return self.role_rules is not None

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def uploads(self) -> Path:
        return self.home / "uploads"

    @property
    def is_local(self) -> bool:
        """Whether only local users can reach the server: no sign-in and no open address."""
        return not self.has_sign_in and self.open_address is None


def load_settings() -> Settings:
    """Return the current settings.

    Raises
    ------
    ConfigError
        if a value is invalid; the message has its name and the expected format.
    """
    environment = tuple((name, os.environ.get(name, "").strip()) for name in (*SETTINGS, "HOME"))
    try:
        found = SECRETS.stat()
        version = (found.st_mtime_ns, found.st_size)
    except OSError:
        version = None
    return _parse_settings(environment, SECRETS, version)


@lru_cache(maxsize=1)  # every transaction loads the settings
def _parse_settings(
    environment: tuple[tuple[str, str], ...], secrets_path: Path, secrets_version: tuple[int, int] | None
) -> Settings:
    values = dict(environment)
    secrets = _read_secrets(secrets_path)

    def get(name: str) -> str | None:
        return values[name] or str(secrets.get(name, "")).strip() or None

    def number(name: str, default: float, least: float) -> float:
        text = get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value < float("inf"):
            raise ConfigError(f"{name} is {text!r}.", f"Set it to a number of at least {least:g}, or unset it.")
        return value

    def whole(name: str, default: int) -> int:
        value = number(name, default, 1)
        if value != int(value):
            raise ConfigError(f"{name} is {value:g}.", "Set it to a whole number of at least 1, or unset it.")
        return int(value)

    auth = secrets.get("auth")
    auth = auth if isinstance(auth, dict) else {}
    open_address = get("FCST_OPEN_ADDRESS")
    role_rules = _role_rules(secrets)
    _refuse_lost_sign_in(role_rules, secrets_path)
    is_local = role_rules is None and open_address is None
    private = get("FCST_PRIVATE_HOSTS") or ""
    worker = get("FCST_WORKER") or "auto"
    if worker not in ("auto", "external"):
        raise ConfigError(f"FCST_WORKER is {worker!r}.", "Set it to 'auto' or 'external', or unset it.")
    return Settings(
        database_url=get("DATABASE_URL"),
        home=_home(get("FCST_HOME")),
        processes=whole("FCST_PROCESSES", len(os.sched_getaffinity(0))),
        is_worker_external=worker == "external",
        idle_exit_s=number("FCST_IDLE_EXIT_S", 120, 0),
        lease_s=number("FCST_LEASE_S", 20, 1),
        grace_s=number("FCST_GRACE_S", 20, 0),
        item_limit_s=number("FCST_ITEM_LIMIT_S", 300, 0.1),
        process_memory=_size("FCST_PROCESS_MEMORY", get("FCST_PROCESS_MEMORY") or "4GB")[1],
        dask_scheduler=_dask_scheduler(get("FCST_DASK_SCHEDULER")),
        ingest_memory=_size("FCST_INGEST_MEMORY", get("FCST_INGEST_MEMORY") or "1GB")[0],
        ingest_roots=_folders(roots) if (roots := get("FCST_INGEST_ROOTS")) else _own_folders(is_local),
        unpack_limit=_size("FCST_UNPACK_LIMIT", get("FCST_UNPACK_LIMIT") or "50GB")[1],
        private_hosts=_hosts("FCST_PRIVATE_HOSTS", private) if private or not is_local else None,
        open_address=open_address,
        hosts=(*_hosts("FCST_HOSTS", get("FCST_HOSTS") or ""), *_host_of_sign_in(auth)),
        sign_in_hours=min(number("FCST_SIGN_IN_HOURS", 12, 0.01), MOST_SIGN_IN_HOURS),
        api_rate=_rate(get("FCST_API_RATE") or "600/minute"),
        role_rules=role_rules,
        webhook=_webhook(get("FCST_WEBHOOK_URL"), get("FCST_WEBHOOK_SECRET") or ""),
        cookie_secret=str(auth.get("cookie_secret", "")),
    )


def _size(name: str, text: str) -> tuple[str, int]:
    """Parse a size; return it as text and in bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT])(i?)B", text, re.IGNORECASE)
    if not match:
        raise ConfigError(f"{name} is {text!r}.", "Set it to a size such as 500MB or 2GB, or unset it.")
    number, letter, is_binary = match.groups()
    return text, int(float(number) * (1024 if is_binary else 1000) ** ("KMGT".index(letter.upper()) + 1))


def _dask_scheduler(address: str | None) -> str | None:
    if address is not None and importlib.util.find_spec("distributed") is None:
        raise ConfigError(
            "FCST_DASK_SCHEDULER is set, but Dask is not installed.",
            "Install it (pip install 'fcst[dask]', in a checkout pip install '.[dask]'), or unset FCST_DASK_SCHEDULER.",
        )
    return address


def _webhook(url: str | None, secret: str) -> Webhook | None:
    if url is None:
        return None
    found = re.fullmatch(r"https?://[\w.-]+(?::(\d{1,5}))?(/[!-~]*)?", url, re.ASCII)
    if not found or int(found[1] or 443) > 65535:
        raise ConfigError("FCST_WEBHOOK_URL is not a valid URL.", "Set it to https://…, or unset it.")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not (secret.startswith("whsec_") and 24 <= len(key) <= 64):
        raise ConfigError(
            "FCST_WEBHOOK_SECRET is missing, or is not `whsec_` and 24 to 64 bytes in base64.",
            "Create one: python -c \"import base64, secrets; print('whsec_' + "
            'base64.b64encode(secrets.token_bytes(32)).decode())".',
        )
    return Webhook(url, key)


def _rate(text: str) -> tuple[int, str]:
    """Parse a rate; return the number and the time unit."""
    match = re.fullmatch(r"([1-9]\d{0,8}) ?/ ?(second|minute|hour)", text)
    if not match:
        raise ConfigError(f"FCST_API_RATE is {text!r}.", "Set it to a rate such as 600/minute, or unset it.")
    return int(match[1]), match[2]


def _role_rules(secrets: dict[str, object]) -> RoleRules | None:
    """Return the role rules if sign-in is configured. Without a role, users of the identity provider have no access."""
    if "auth" not in secrets:
        return None
    roles = secrets.get("roles")
    auth = secrets["auth"]
    if not isinstance(auth, dict):
        raise ConfigError(f"{SECRETS} has a value auth, not a section.", "Use a section [auth] (docs/how-to/teams.md).")
    if len(str(auth.get("cookie_secret", "x" * LEAST_SECRET))) < LEAST_SECRET:
        raise ConfigError(
            f"{SECRETS} has a cookie_secret of fewer than {LEAST_SECRET} characters.",
            "Remove the line: fcst then creates a secret in FCST_HOME.",
        )
    for name in _example_secrets(auth):
        raise ConfigError(
            f"{SECRETS} has a {name} that is an example.",
            "Remove the line: fcst then creates a secret in FCST_HOME."
            if name == "cookie_secret"
            else "Use the secret from your identity provider.",
        )
    if not isinstance(roles, dict) or not set(roles) & set(ROLES):
        raise ConfigError(
            f"{SECRETS} has a section [auth] but no section [roles], so no user would have access.",
            'Add [roles] with lists of users, such as admin = ["ann@shop.example"] and viewer = ["*"].',
        )
    for name, values in roles.items():
        is_list = isinstance(values, list) and all(isinstance(value, str) for value in values)
        if not (is_list if name in ROLES else name == "claim" and isinstance(values, str)):
            raise ConfigError(
                f"{SECRETS} has {name} = {values!r} in [roles].",
                f"Use lists of texts for {', '.join(ROLES)}, and a text for claim.",
            )
    return RoleRules({name: tuple(roles[name]) for name in ROLES if name in roles}, roles.get("claim", "email"))


_with_sign_in: set[Path] = set()
"""Secrets files that had a section [auth] when this process read them."""


def _refuse_lost_sign_in(role_rules: RoleRules | None, secrets_path: Path) -> None:
    """Raise if the section [auth] was removed while the server runs: every caller would get admin rights."""
    if role_rules is not None:
        _with_sign_in.add(secrets_path)
    elif secrets_path in _with_sign_in:
        raise ConfigError(
            f"The section [auth] was removed from {secrets_path}.",
            "Restore it. To run without sign-in, restart the server.",
        )


def _example_secrets(section: dict[str, object]) -> Iterator[str]:
    """Yield names of secrets whose values are examples from documentation."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _example_secrets(value)
        elif name in ("cookie_secret", "client_secret") and _EXAMPLE.search(str(value)):
            yield name


def _hosts(setting: str, text: str) -> tuple[str, ...]:
    names = tuple(part.strip().lower().rstrip(".") for part in text.split(",") if part.strip())
    for name in names:
        if not re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
            raise ConfigError(
                f"{setting} has {name!r}, which is not a valid host name.",
                "Set it to names without a port, separated by commas, such as fcst.shop.example or *.shop.example.",
            )
    return names


def _host_of_sign_in(auth: dict[str, object]) -> tuple[str, ...]:
    """Return the host of redirect_uri, the URL to which the identity provider redirects after sign-in."""
    try:
        host = urlsplit(str(auth.get("redirect_uri", ""))).hostname
    except ValueError:
        host = None
    return (host,) if host else ()


def _own_folders(is_local: bool) -> tuple[Path, ...]:
    """Return the default of FCST_INGEST_ROOTS; without the home folder if it is `/`, as for system accounts."""
    if not is_local:
        return ()
    try:
        home = Path.home().resolve()
    except RuntimeError:
        return (PROJECT,)
    return (PROJECT,) if home == Path(home.anchor) else (home, PROJECT)


def _folders(text: str) -> tuple[Path, ...]:
    try:
        return tuple(Path(part).expanduser().resolve() for part in text.split(os.pathsep) if part.strip())
    except RuntimeError as exc:
        raise ConfigError(f"FCST_INGEST_ROOTS is {text!r}, with the home of an unknown user.", "Correct it.") from exc


def _home(text: str | None) -> Path:
    try:
        return Path(text or DEFAULT_HOME).expanduser().resolve()
    except RuntimeError as exc:
        raise ConfigError(f"FCST_HOME is {text!r}, the home of an unknown user.", "Set another folder.") from exc


def _read_secrets(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}.", "Check its permissions.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read as TOML: {exc}.", "Correct the file or remove it.") from exc


def source_secret(name: str) -> str:
    """Return a secret of a source: from `FCST_SECRET_NAME`, or `name` in the section [source_secrets] of secrets.toml.

    Raises
    ------
    ConfigError
        if there is none.
    """
    section = _source_secrets()
    value = os.environ.get(f"FCST_SECRET_{name.upper()}", "").strip() or section.get(name, "")
    if isinstance(value, dict):
        return json.dumps(value)
    if not str(value).strip():
        raise ConfigError(
            f"There is no secret {name!r}.",
            f"Set FCST_SECRET_{name.upper()}, or {name} in the section [source_secrets] of {SECRETS}.",
        )
    return str(value).strip()


def list_source_secrets() -> list[str]:
    """Return the names of the secrets of sources."""
    prefix = "FCST_SECRET_"
    names = {name.removeprefix(prefix).lower() for name in os.environ if name.startswith(prefix)}
    return sorted(names | _source_secrets().keys())


def _source_secrets() -> dict[str, object]:
    section = _read_secrets(SECRETS).get("source_secrets", {})
    if not isinstance(section, dict):
        raise ConfigError(f"{SECRETS} has a value source_secrets, not a section.", "Use a section [source_secrets].")
    return section


def child_environment() -> dict[str, str]:
    """Return the environment for child processes, with an absolute FCST_HOME."""
    return {**os.environ, "FCST_HOME": str(load_settings().home)}


def limit_compute_threads() -> None:
    """Limit numeric libraries to one thread per process, because the pool runs one process per core.

    Call it before numpy is imported.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
