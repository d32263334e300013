"""Attacks by other sites in the browser of a user: another port of this machine, framing, DNS rebinding."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import BROWSER, CHROMIUM, FLAGS, Desk

pytestmark = [*BROWSER, pytest.mark.full]

# Requests that a script of another site can try.
ATTACK = """async port => {
    const found = {};
    for (const host of ['127.0.0.1', 'localhost']) {
        const own = `http://${host}:${port}`;
        found[`session ${host}`] = await new Promise(done => {
            const socket = new WebSocket(`ws://${host}:${port}/_stcore/stream`, ['streamlit']);
            socket.onopen = () => done('opened');
            socket.onerror = () => done('refused');
        });
        for (const path of ['/', '/api/jobs', '/_stcore/host-config', '/_stcore/metrics', '/metrics', '/media/x.csv',
                            '/downloads/1/forecasts.csv', '/_stcore/upload_file/x/y']) {
            try {
                found[`read ${host}${path}`] = await (await fetch(own + path)).text();
            } catch (error) { found[`read ${host}${path}`] = 'refused'; }
        }
        for (const method of ['POST', 'PUT', 'DELETE']) {
            try {
                await fetch(own + '/api/jobs/1/cancel', {method, credentials: 'include'});
                found[`${method} ${host}`] = 'sent';
            } catch (error) { found[`${method} ${host}`] = 'refused'; }
        }
        found[`picture ${host}`] = await new Promise(done => {
            const image = new Image();
            image.onload = () => done('shown');
            image.onerror = () => done('refused');
            image.src = own + '/static/media/fireworks.0906f02ea43f1018a6d2.gif';
        });
    }
    return found;
}"""


@pytest.fixture(scope="module")
def other_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of another site on this machine."""
    folder = tmp_path_factory.mktemp("other site")
    (folder / "index.html").write_text("<!doctype html><title>Another site</title><h1>Another site</h1>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()


@pytest.mark.few(1)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_page_on_another_port_is_rejected(desk: Desk, visit: Any, other_site: int, host: str) -> None:
    page: Page = visit()
    page.goto(f"http://127.0.0.1:{desk.port}/data")  # the browser has a session of the app
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible()
    page.goto(f"http://{host}:{other_site}/")
    found = page.evaluate(ATTACK, desk.port)
    assert len(found) > 20 and set(found.values()) == {"refused"}, json.dumps(found, indent=1)[:2_000]


def test_other_site_cannot_frame_the_app(desk: Desk, visit: Any, other_site: int) -> None:
    page: Page = visit()
    page.goto(f"http://localhost:{other_site}/")
    page.evaluate(
        """address => {
            const frame = document.createElement('iframe');
            frame.src = address;
            document.body.append(frame);
            return new Promise(done => { frame.onload = done; setTimeout(done, 5000); });
        }""",
        f"http://127.0.0.1:{desk.port}/",
    )
    (frame,) = page.frames[1:]
    assert "stApp" not in frame.content()


def test_foreign_host_name_is_rejected(desk: Desk, browser: Browser) -> None:
    """DNS rebinding: a foreign host name resolves to this server, so its scripts have the same origin."""
    rules = f"--host-resolver-rules=MAP evil.example 127.0.0.1:{desk.port}"
    with browser.browser_type.launch(executable_path=str(CHROMIUM), args=[*FLAGS.split(), rules]) as chromium:
        page = chromium.new_page()
        for path in ("", "data", "load?path=/etc/passwd", "api/jobs", "_stcore/host-config"):
            answer = page.goto(f"http://evil.example:{desk.port}/{path}")
            assert answer is not None and answer.status == 421
            assert "Unknown host name" in page.content() and "stApp" not in page.content()
        opened = page.evaluate(
            """port => new Promise(done => {
                const socket = new WebSocket(`ws://evil.example:${port}/_stcore/stream`, ['streamlit']);
                socket.onopen = () => done(true);
                socket.onerror = () => done(false);
            })""",
            desk.port,
        )
        assert opened is False
