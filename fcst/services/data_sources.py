"""Data sources: load a dataset from one, and refresh it."""

import shutil
import uuid
from dataclasses import replace

from fcst.data_sources import DataSource, SourceKind
from fcst.errors import NotFound
from fcst.fetch.limits import Fetching
from fcst.fetch.sources import fetch
from fcst.files import make_home, private_folder
from fcst.ingest.folders import folders_for
from fcst.ingest.sources import no_progress, with_file_errors
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.supervision import ensure_supervisor
from fcst.settings import list_source_secrets, load_settings
from fcst.specs import IngestSpec
from fcst.store import data_sources
from fcst.store.data_sources import StoredSource

PREVIEW_ROWS = 20_000
"""Rows of an SQL query that are fetched to propose a column mapping."""


def list_sources() -> list[StoredSource]:
    """The sources of all dataset names, by name."""
    return data_sources.list_all()


def find_source(dataset: str) -> StoredSource | None:
    """The source of a dataset name; None if it has none."""
    return data_sources.find(dataset)


def list_secrets() -> list[str]:
    """Names of the secrets that sources can use."""
    return list_source_secrets()


def check_permission(source: DataSource) -> str:
    """Checks that the current actor may use this source; returns the actor's name.

    A source with a secret acts with the rights of the installation, so only administrators may set one. Everyone
    who may start runs can refresh a dataset from it.

    Raises
    ------
    NotAllowed
        if the actor may not.
    """
    return identity.require(Scope.ADMIN if source.secret else Scope.RUN)


@with_file_errors()
def fetch_preview(source: DataSource) -> tuple[tuple[str, ...], bool]:
    """Fetches a source, or the first rows of an SQL query, to inspect it.

    Returns
    -------
    tuple
        paths, and whether they are copies, which the caller discards with `loading.discard_upload`.

    Raises
    ------
    ConfigError
        if its secret is missing or not valid.
    InputError
        if it cannot be fetched.
    """
    check_permission(source)
    settings = load_settings()
    folder = settings.uploads / uuid.uuid4().hex
    fetching = Fetching(folder, settings.unpack_limit, settings.private_hosts, no_progress, PREVIEW_ROWS)
    folders = folders_for(IngestSpec((source.location or "query",), "preview"), settings)
    if source.kind == SourceKind.FILES:
        return fetch(source, fetching, folders), False
    try:
        private_folder(folder, make_home(settings.home))
        return fetch(source, fetching, folders), True
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def load(source: DataSource, spec: IngestSpec) -> int:
    """Saves the source of the dataset `spec.name` with its column mapping, and requests an ingest; returns its id.

    Raises
    ------
    Conflict
        if a refresh of the dataset has not ended.
    """
    who = check_permission(source)
    spec = replace(
        spec,
        paths=(),
        from_source=True,
        is_upload=False,
        fingerprint="",
        requested_by=who if spec.then_run else "",
    )
    ensure_supervisor()  # before: insert nothing if no supervisor can start
    ingest_id = data_sources.save_and_load(source, spec, who)
    ensure_supervisor()
    return ingest_id


def refresh(dataset: str) -> int:
    """Requests an ingest from the source of a dataset name, with the same column mapping; returns its id.

    Raises
    ------
    Conflict
        if a refresh of the dataset has not ended.
    NotFound
        if it has no source.
    """
    who = identity.require(Scope.RUN)
    ensure_supervisor()
    ingest_id = data_sources.refresh(dataset, who)
    ensure_supervisor()
    return ingest_id


def remove(dataset: str) -> None:
    """Removes the source of a dataset name; its versions stay.

    Raises
    ------
    NotFound
        if it has no source.
    """
    stored = data_sources.find(dataset)
    who = check_permission(stored.source) if stored else identity.require(Scope.RUN)
    if not data_sources.delete(dataset, who):
        raise NotFound(f"The dataset {dataset!r} has no source.", "It may have been removed already.")
