"""Sign-in with an identity provider, permissions by role, and API tokens."""

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from fcst.engine.task import run_batch
from fcst.filters import Selection
from fcst.services import jobs
from fcst.settings import PROJECT
from fcst.specs import JobSpec
from fcst.store import actions, attempts
from fcst.store import jobs as store
from tests.conftest import wait_until, write_sales
from tests.docs import examples
from tests.e2e.conftest import BROWSER, free_port, load_here, own_database, serve_own, settled, stop
from tests.e2e.page_checks import faults

pytestmark = BROWSER

(SECRETS,) = examples("how-to/teams.md", "toml")
REPLACEMENTS = {
    "https://fcst.shop.example": "http://localhost:{port}",
    "https://login.shop.example": "http://localhost:{provider}",
    "change me": "a secret that the provider gave",
}
"""Text in the example of the README -> its replacement in this test."""


@dataclass
class Office:
    """A copy of the project with sign-in, its server, and a completed run."""

    url: str
    home: Path
    project: Path
    job_id: int

    def token(self, scope: str) -> str:
        command = [sys.executable, "-m", "fcst", "token", "create", f"{scope} program", "--scope", scope]
        done = subprocess.run(command, cwd=self.project, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@contextmanager
def provider() -> Iterator[int]:
    """Starts an identity provider that accepts any user; yields its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "oidc_provider_mock", "--port", str(port)])
    try:
        address = f"http://localhost:{port}/.well-known/openid-configuration"
        wait_until(lambda: status_of(address) == 200, what="for the identity provider")
        yield port
    finally:
        process.terminate()
        process.wait()


def status_of(address: str, **headers: str) -> int:
    """HTTP status of a response; 0 if there is none."""
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20).status
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code
    except OSError:
        return 0


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    place = tmp_path_factory.mktemp("office")
    project = place / "project"
    skip = shutil.ignore_patterns("local", "__pycache__", "tests", "docs", ".*_cache")
    for name in ("app.py", "pages", "fcst", "data", ".streamlit"):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=skip)
        else:
            project.mkdir(exist_ok=True)
            shutil.copy(source, project)
    port = free_port()
    with provider() as provider_port, own_database(place):
        secrets = SECRETS
        for text, replacement in REPLACEMENTS.items():
            secrets = secrets.replace(text, replacement.format(port=port, provider=provider_port))
        (project / ".streamlit" / "secrets.toml").write_text(secrets)
        write_sales(place / "s.csv", 4, 60)
        dataset = load_here(place / "s.csv", "s")
        job_id = jobs.submit_job(
            dataset.dataset_id, jobs.choose_largest(dataset, 4), JobSpec(models=("Naive",), h=4), "first"
        )
        (batch,) = attempts.claim("00000000-0000-4000-8000-000000000001", 1)
        run_batch(batch.batch_id, batch.attempt)
        store.freeze_ended()
        process = serve_own(place, port, project)
        try:
            yield Office(f"http://localhost:{port}", place / "home", project, job_id)
        finally:
            stop(process)


def sign_in(page: Page, address: str, who: str) -> None:
    """Opens a page and signs in at the provider."""
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_placeholder("sub").fill(who)
    page.get_by_role("button", name="Authorize").click()


def shown(words: str) -> re.Pattern[str]:
    """Pattern of an email address, which pages write so that browsers do not turn it into a link."""
    return re.compile(re.escape(words).replace("@", "@.?"))


@pytest.mark.full
def test_nothing_is_shown_before_sign_in_and_the_requested_page_after(
    office: Office, visit: Callable[[], Page], tmp_path: Path
) -> None:
    page, folder = visit(), Path(os.environ.get("FCST_PICTURES", tmp_path))
    address = f"{office.url}/forecasts?job={office.job_id}&item=item2"
    page.goto(address)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_text("item2")).to_have_count(0)
    expect(page.get_by_role("link", name="Runs")).to_have_count(0)
    assert not (found := faults(page, folder, "sign_in")), "\n".join(found)
    page.set_viewport_size({"width": 1280, "height": 720})
    sign_in(page, address, "ann@shop.example")
    expect(page.get_by_role("heading", name=re.compile("^item2"))).to_be_visible()
    assert page.url == address
    page.get_by_role("link", name=shown("ann@shop.example")).click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    assert not (found := faults(page, folder, "account")), "\n".join(found)


@pytest.mark.full
def test_viewer_can_read_and_analyst_actions_are_logged_by_name(office: Office, visit: Callable[[], Page]) -> None:
    page = visit()
    sign_in(page, f"{office.url}/forecasts?job={office.job_id}&item=item2", "vera@audit.example")
    expect(page.get_by_role("heading", name=re.compile("^item2"))).to_be_visible()
    expect(page.get_by_role("button", name="Adjust weeks …")).to_have_count(0)
    for path, hidden in (
        ("runs?job=1", "New run with these settings"),
        ("dataset?dataset=1", "Delete …"),
        ("data", "Load sales"),
    ):
        page.goto(f"{office.url}/{path}")
        expect(page.get_by_role("link", name=shown("vera@audit.example"))).to_be_visible()
        settled(page)
        expect(page.get_by_role("button", name=hidden)).to_have_count(0)
    for path in ("new-run", "load"):
        page.goto(f"{office.url}/{path}")
        expect(page.get_by_text(shown("vera@audit.example may not do this"))).to_be_visible()

    expect(page.get_by_role("link", name="Runs")).to_be_visible()
    expect(page.get_by_role("link", name="New run")).to_have_count(0)

    page = visit()
    sign_in(page, f"{office.url}/new-run?dataset=1", "ann@shop.example")
    expect(page.get_by_role("link", name="New run")).to_be_visible()
    page.get_by_role("button", name="Start run").click()
    expect(page).to_have_url(re.compile(r"/runs\?job=\d+"))
    job_id = int(page.url.rsplit("=", 1)[1])
    page.get_by_role("button", name="Cancel run …").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
    expect(page.get_by_role("button", name=re.compile("Finish 4 items"))).to_be_visible()
    done = [(row.who, row.action) for row in actions.find("job", job_id, 10)]
    assert done == [("ann@shop.example", "cancel"), ("ann@shop.example", "submit")]
    page.goto(f"{office.url}/dataset?dataset=1")
    expect(page.get_by_role("button", name="Forecast these items")).to_be_visible()
    expect(page.get_by_role("button", name="Delete …")).to_have_count(0)
    page.goto(f"{office.url}/forecasts?job={office.job_id}&item=item2")
    page.get_by_role("button", name="Adjust weeks …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox", name="Your name")).to_have_count(0)
    dialog.get_by_role("textbox", name="Reason").fill("a campaign")
    dialog.get_by_role("button", name="Save adjustment").click()
    expect(page.get_by_text(shown("ann@shop.example, "))).to_be_visible()
    page.get_by_role("link", name=shown("ann@shop.example")).click()
    expect(page.get_by_text("(analyst)", exact=False)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()  # confirmation by the provider
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


@pytest.mark.full
def test_visitor_without_a_role_sees_nothing(office: Office, visit: Callable[[], Page]) -> None:
    page = visit()
    sign_in(page, f"{office.url}/runs", "eve@elsewhere.example")
    for path in ("runs", "nonsense", "glossary"):
        expect(page.get_by_text("You have no access.", exact=False)).to_be_visible()
        expect(page.get_by_role("link", name="Runs")).to_have_count(0)
        page.goto(f"{office.url}/{path}")
    page.get_by_role("button", name="Sign out").click()


@pytest.mark.full
def test_live_page_shows_nothing_after_the_role_is_removed(office: Office, visit: Callable[[], Page]) -> None:
    job_id = jobs.submit_job(1, Selection(keys=("item1",)), JobSpec(models=("Naive",), h=4), "waits")
    page = visit()
    sign_in(page, f"{office.url}/runs?job={job_id}", "vera@audit.example")
    expect(page.get_by_text("waits", exact=False).first).to_be_visible()
    secrets = office.project / ".streamlit" / "secrets.toml"
    before = secrets.read_text()
    try:
        secrets.write_text(before.replace("*@audit.example", "*@nobody.example"))
        expect(page.get_by_text("You have no access.", exact=False)).to_be_visible()
        expect(page.get_by_text("waits", exact=False)).to_have_count(0)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    finally:
        secrets.write_text(before)
        jobs.cancel_job(job_id)


@pytest.mark.full
def test_uploads_need_run_scope(office: Office, visit: Callable[[], Page], tmp_path: Path) -> None:
    """The upload route of Streamlit accepts any open session, also of visitors who are not signed in."""
    for who, status in (("", 403), ("vera@audit.example", 403), ("ann@shop.example", 204)):
        page, sessions = visit(), []
        page.on("websocket", lambda socket, found=sessions: socket.on("framereceived", keep_session(found)))
        if who:
            sign_in(page, f"{office.url}/load", who)
            expect(page.get_by_role("link", name=shown(who))).to_be_visible()
        else:
            page.goto(f"{office.url}/load")
            expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        (cookie,) = [c["value"] for c in page.context.cookies() if c["name"] == "_streamlit_xsrf"]
        answer = page.request.put(
            f"{office.url}/_stcore/upload_file/{sessions[-1]}/a-file",
            multipart={"a": {"name": "s.csv", "mimeType": "text/csv", "buffer": b"a"}},
            headers={"X-Xsrftoken": cookie},
        )
        assert answer.status == status, (who, answer.text())
    write_sales(tmp_path / "own.csv", 2, 60)
    page.set_input_files("input[type=file]", tmp_path / "own.csv")
    expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()


def keep_session(found: list[str]) -> Callable[[str | bytes], None]:
    def keep(message: str | bytes) -> None:
        read = ForwardMsg.FromString(message) if isinstance(message, bytes) else ForwardMsg()
        if read.HasField("new_session"):
            found.append(read.new_session.initialize.session_id)

    return keep


@pytest.mark.full
def test_downloads_need_a_signed_link(office: Office, visit: Callable[[], Page]) -> None:
    page = visit()
    sign_in(page, f"{office.url}/forecasts?job={office.job_id}&item=item2", "vera@audit.example")
    expect(page.get_by_role("heading", name=re.compile("^item2"))).to_be_visible()
    page.get_by_test_id("stPopoverButton").click()
    link = page.locator(".st-key-downloads_this-item").get_by_role("link", name="CSV")
    address = urljoin(page.url, link.get_attribute("href") or "")
    assert status_of(address) == 200
    for wrong in (
        address.replace("item=item2", "item=item1"),
        address.replace("forecasts.csv", "forecasts.xlsx"),
        re.sub("until=(\\d)", "until=9\\1", address),
        address.partition("&until")[0],
        f"{office.url}/downloads/{office.job_id}/forecasts.csv",
    ):
        assert wrong != address and status_of(wrong) == 403, wrong


@pytest.mark.full
def test_programs_need_a_token_and_its_scope(office: Office, visit: Callable[[], Page]) -> None:
    page = visit()
    sign_in(page, office.url, "ada@shop.example")
    expect(page.get_by_role("link", name=shown("ada@shop.example"))).to_be_visible()
    for path in ("/api/jobs", "/metrics"):
        assert page.request.get(office.url + path).status == 401  # cookies do not authenticate programs
        assert status_of(office.url + path, Authorization="Bearer fcst_made-up") == 401
        assert status_of(office.url + path, Authorization=f"Bearer {office.token('read')}") == 200
    body = {"dataset": "s", "items": 2, "models": ["Naive"], "horizon": 2}
    answers = {
        scope: page.request.post(
            f"{office.url}/api/jobs", data=body, headers={"Authorization": f"Bearer {office.token(scope)}"}
        )
        for scope in ("read", "run", "admin")
    }
    assert {scope: answer.status for scope, answer in answers.items()} == {"read": 403, "run": 201, "admin": 201}
    (action,) = actions.find("job", answers["run"].json()["job_id"], 10)
    assert (action.who, action.action) == ("token run program", "submit")
    assert status_of(f"{office.url}/api/docs") == status_of(f"{office.url}/healthz") == 200
