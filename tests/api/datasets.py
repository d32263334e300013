"""Datasets loaded by requests."""

from typing import Any

from tests.api.conftest import ApiServer
from tests.servers import read


def load(api: ApiServer, **body: Any) -> Any:
    return api.post("/api/datasets", json=body)


def finish(api: ApiServer, answer: Any) -> dict[str, Any]:
    """Runs the submitted ingest and returns it."""
    assert (answer.status_code, answer.json()["status"]) == (202, "submitted"), answer.text
    assert answer.headers["location"] == f"/api/ingests/{answer.json()['ingest_id']}"
    read()
    return api.get(answer.headers["location"]).json()


def dataset_of(api: ApiServer, answer: Any) -> dict[str, Any]:
    ingest = finish(api, answer)
    assert (ingest["status"], ingest["error"]) == ("completed", None), ingest
    return api.get(f"/api/datasets/{ingest['dataset_id']}").json()


def named_dataset(api: ApiServer) -> dict[str, Any]:
    return next(row for row in api.get("/api/datasets").json()["datasets"] if row["name"] == "s")
