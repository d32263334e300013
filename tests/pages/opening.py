"""Opens pages by Streamlit's AppTest, and reads what they show."""

import json
import uuid

from streamlit.testing.v1 import AppTest

from fcst.engine.task import run_batch, run_ingest
from fcst.settings import PROJECT
from fcst.store import attempts, ingests
from fcst.store import jobs as store


def open_page(name: str, **query: str | list[str]) -> AppTest:
    at = AppTest.from_file(str(PROJECT / "pages" / f"{name}.py"), default_timeout=30)
    for key, value in query.items():
        at.query_params[key] = value
    return at.run()


def open_app() -> AppTest:
    return AppTest.from_file(str(PROJECT / "app.py"), default_timeout=30).run()


def page_text(at: AppTest) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "error", "warning", "info", "success", "metric")
    return "\n".join(f"{getattr(e, 'label', '')} {e.value}" for kind in kinds for e in at.get(kind))


def run_waiting() -> None:
    worker = str(uuid.uuid4())
    while claimed := attempts.claim(worker, 1):
        run_batch(claimed[0].batch_id, claimed[0].attempt)
    store.freeze_ended()


def load_waiting() -> None:
    """Runs the waiting ingests, as a supervisor does."""
    while claimed := ingests.claim(str(uuid.uuid4())):
        run_ingest(claimed.ingest_id, claimed.attempt)


def components(at: AppTest) -> dict[str, dict]:
    """Arguments of the custom components, by key."""
    protos = [element.proto for element in at.get("bidi_component")]
    return {proto.id.rpartition("-")[2]: json.loads(proto.json) for proto in protos}
