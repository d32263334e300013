"""Runs the examples of docs/how-to/programs.md against a real server."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from fcst.engine import notifier
from fcst.settings import PROJECT, Webhook
from tests.conftest import wait_until
from tests.docs import examples
from tests.servers import free_port, serve, stop

pytestmark = pytest.mark.full

COMMANDS = re.sub(r"\\\n\s+", "", "".join(examples("how-to/programs.md", "sh"))).splitlines()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    process = serve(tmp_path / "home", port)
    yield port
    stop(process)
    if (tmp_path / "home" / "pg.location").exists():
        shutil.rmtree((tmp_path / "home" / "pg.location").read_text().strip(), ignore_errors=True)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_every_command_works_as_documented(port: int, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(PROJECT / "data")

    def run(command: str) -> str:
        here = command.replace("localhost:8501", f"localhost:{port}")
        done = subprocess.run(["bash", "-c", here], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    def ask(command: str) -> dict:
        answer = json.loads(run(command))
        assert "detail" not in answer, answer
        return answer

    load, datasets, submit, job, batches, forecasts, metrics, cancel = COMMANDS
    ingest = ask(load)
    address = f"curl -sS localhost:8501/api/ingests/{ingest['ingest_id']}"
    wait_until(lambda: ask(address)["status"] == "completed", what="for the upload to be read")
    assert [row["name"] for row in ask(datasets)["datasets"]] == ["shop"]
    assert ask(submit) == ask(submit) == {"job_id": 1}
    wait_until(lambda: ask(job)["status"] == "completed", 120, "for the job to end")
    found = ask(job)
    assert (found["n_completed"], found["n_items"], found["spec"]["h"]) == (40, 40, 8)
    assert sum(batch["n_completed"] for batch in ask(batches)["batches"]) == 40
    assert run(forecasts) == ""
    rows = list(csv.DictReader((tmp_path / "forecasts.csv").read_text().splitlines()))
    assert len(rows) == 40 * 8 and {row["model"] for row in rows} == {"AutoETS"}
    assert {row["model"] for row in ask(metrics)["metrics"]} >= {"AutoETS", "Naive"}
    assert ask(cancel) == {"job_id": 1, "is_new": False}


def test_notebook_runs_from_file_to_metrics(port: int) -> None:
    cells = json.loads((PROJECT / "docs" / "how-to" / "api.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    shown = [f"print({cell.splitlines()[-1]})" for cell in code[1:]]  # what a notebook shows below a cell
    program = "\n".join(line for pair in zip(code, ["", *shown], strict=True) for line in pair)
    env = {**os.environ, "FCST_URL": f"http://localhost:{port}"}
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "completed\n" in done.stdout and "completed 20\n" in done.stdout
    assert "AutoETS" in done.stdout and "wape" in done.stdout


def test_webhook_example_verifies_signatures(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = examples("how-to/programs.md", "python")
    secret = "whsec_" + "A" * 44
    names: dict = {}
    exec(code.replace("whsec_…", secret), names)
    body = json.dumps({"type": "job.ended", "data": {"job_id": 3, "status": "failed"}}).encode()
    headers = notifier._headers(Webhook("http://localhost", bytes(33)), "msg_1", body)
    names["hook"](body, headers)
    assert capsys.readouterr().out == "3 failed\n"
    with pytest.raises(WebhookVerificationError):
        names["hook"](body + b" ", headers)
