"""Whether all is well: what `doctor` and the pages tell of database, schema and supervisor."""

from dataclasses import asdict, dataclass
from typing import Any

from fcst import __version__, presence
from fcst.errors import FcstError
from fcst.settings import load_settings
from fcst.store import queries, workers
from fcst.store.database import database_label, fetch_one


@dataclass(frozen=True)
class Check:
    """One thing looked at; `hint` says what to do where it is not well."""

    name: str
    is_ok: bool
    text: str
    hint: str = ""


def run_checks() -> list[Check]:
    """Looks at settings, database, schema and supervisor. Later checks are left out where an earlier one fails."""
    try:
        settings = load_settings()
        label = database_label()
    except FcstError as exc:
        return [Check("settings", False, exc.message, exc.hint)]
    checks = [Check("settings", True, f"fcst {__version__}, home {settings.home}, {settings.processes} processes")]
    try:
        version = (fetch_one("server_version") or {})["version"]
        checks.append(Check("database", True, f"{label}, PostgreSQL {version}"))
        checks.append(_check_schema())
        if checks[-1].is_ok:
            checks.append(_check_supervisor())
    except FcstError as exc:
        checks.append(Check("database", False, f"{label}: {exc.message}", exc.hint))
    return checks


def _check_schema() -> Check:
    latest = queries.migrations()[-1][0]
    if not (fetch_one("schema_version") or {})["found"]:
        return Check("schema", False, "the schema is not there yet", "Run `python -m fcst migrate`.")
    applied = (fetch_one("newest_migration") or {})["version"]
    if applied != latest:
        return Check("schema", False, f"version {applied}; this program has {latest}", "Run `python -m fcst migrate`.")
    return Check("schema", True, f"version {applied}")


def _check_supervisor() -> Check:
    settings = load_settings()
    live = workers.list_live()
    if live:
        places = ", ".join(f"{row['host']}:{row['pid']} ({row['processes']} processes)" for row in live)
        return Check("supervisor", True, f"alive: {places}")
    state = presence.holder(presence.lock_path(settings))
    if state is not None:
        return Check("supervisor", True, "starting")
    if not workers.has_work():
        return Check("supervisor", True, "none alive, and nothing to do: one starts when work comes")
    hint = "Start one: `python -m fcst worker`."
    return Check("supervisor", False, "none alive, and work is waiting", hint)


def as_dict(checks: list[Check]) -> dict[str, Any]:
    return {"is_ok": all(check.is_ok for check in checks), "checks": [asdict(check) for check in checks]}
