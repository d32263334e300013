"""Delivery of job.ended to a real receiver that verifies the signature."""

import base64
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier

from fcst.dataset_records import Dataset
from fcst.engine import notifier
from fcst.engine.notifier import Notifier
from fcst.services import jobs
from fcst.settings import PROJECT, load_settings
from fcst.specs import JobSpec
from fcst.store import notifications, workers
from fcst.store.database import transaction
from tests.conftest import wait_until

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass
class Receiver:
    """A web server with configured responses that records the requests."""

    answers: list[int] = field(default_factory=list)
    """Status codes, one per message; 200 if there are none left, 0 for an endless slow response."""
    together: threading.Barrier | None = None
    """Responses wait until this many requests have arrived."""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def messages(self) -> list[dict]:
        """The received messages, after verification of each signature."""
        for headers, body in self.received:
            Verifier(SECRET).verify(body, headers)
        return [json.loads(body) for _, body in self.received]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    receiver = Receiver()
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if receiver.together is not None:
                receiver.together.wait(10)
            code = receiver.answers.pop(0) if receiver.answers else 200
            with contextlib.suppress(OSError):
                while not code and not is_over.wait(0.05):
                    self.wfile.write(b"H")
            self.send_response(code or 200)
            if code == 302:
                self.send_header("Location", f"{receiver.url}/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    monkeypatch.setenv("FCST_WEBHOOK_URL", receiver.url)
    monkeypatch.setenv("FCST_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(notifier, "WAITS_S", (0.0,))
    yield receiver
    is_over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def ended(load_dataset: Callable[..., Dataset], receiver: Receiver) -> int:
    """A run that has just ended: cancelled before its start."""
    return end_a_job(load_dataset())


def has_work() -> bool:
    return workers.has_work(include_notifications=True)


def end_a_job(dataset: Dataset) -> int:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 2), JobSpec(), "a <b>name</b>")
    assert jobs.cancel_job(job_id) and jobs.get_job(job_id).is_over
    return job_id


def deliver() -> None:
    """Deliver all due notifications."""
    webhook = load_settings().webhook
    assert webhook is not None
    delivering = Notifier(webhook)
    delivering.deliver_due()
    delivering.wait(20)


def test_end_is_delivered_once_with_a_valid_signature(ended: int, receiver: Receiver) -> None:
    deliver()
    deliver()
    (message,) = receiver.messages()
    assert (message["type"], message["data"]["job_id"], message["data"]["status"]) == ("job.ended", ended, "cancelled")
    assert message["data"]["n_items"] == message["data"]["n_cancelled"] == 2
    assert message["data"]["name"] == "a <b>name</b>"
    assert not notifications.list_undelivered(10)


def test_failed_delivery_is_retried_with_the_same_id(ended: int, receiver: Receiver) -> None:
    receiver.answers = [500, 302, 404]
    deliver()
    assert [message["data"]["job_id"] for message in receiver.messages()] == [ended] * 4
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    assert not notifications.list_undelivered(10) and not has_work()


def test_unreachable_receiver_is_retried_and_given_up_after_a_day(
    ended: int, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "WAITS_S", (3600.0,))
    monkeypatch.setenv("FCST_WEBHOOK_URL", "http://127.0.0.1:1/hook")
    assert workers.find_pending_work(include_notifications=True).is_busy
    deliver()
    (row,) = notifications.list_undelivered(10)
    assert row.attempts == 1 and "cannot be reached" in row.error and not row.is_given_up
    assert not workers.find_pending_work(include_notifications=True).is_busy and has_work()  # later
    move_back("1 hour")
    deliver()
    assert notifications.list_undelivered(10)[0].attempts == 2
    move_back("24 hours")
    deliver()
    (row,) = notifications.list_undelivered(10)
    assert row.attempts == 2 and row.is_given_up and not has_work()


def move_back(interval: str) -> None:
    """Simulate that this time has passed since the end, and that the notification is due."""
    with transaction() as cur:
        cur.execute(
            "UPDATE fcst_app.notifications SET due_at = now(), ended_at = ended_at - %(interval)s::interval",
            {"interval": interval},
        )


def test_end_is_delivered_after_the_clock_went_back_a_day(ended: int, receiver: Receiver) -> None:
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.notifications SET due_at = now() + interval '1 day'")
    assert workers.find_pending_work(include_notifications=True).is_notification_due
    deliver()
    assert [message["data"]["job_id"] for message in receiver.messages()] == [ended] and not has_work()


def test_delivery_is_not_retried_after_410(ended: int, receiver: Receiver) -> None:
    receiver.answers = [410]
    deliver()
    deliver()
    assert len(receiver.received) == 1 and not has_work()


def test_slow_response_is_limited_in_time(ended: int, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "WAITS_S", (3600.0,))
    monkeypatch.setattr(notifier, "ANSWER_LIMIT_S", 1.0)
    receiver.answers = [0]
    deliver()
    (row,) = notifications.list_undelivered(10)
    assert "did not answer within 1 s" in row.error


def test_slow_response_does_not_block_other_deliveries(
    load_dataset: Callable[..., Dataset], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "WAITS_S", (3600.0,))
    monkeypatch.setattr(notifier, "ANSWER_LIMIT_S", 2.0)
    dataset = load_dataset()
    ended = {end_a_job(dataset) for _ in range(4)}
    receiver.answers = [0, 0]
    receiver.together = threading.Barrier(4)
    deliver()
    assert {message["data"]["job_id"] for message in receiver.messages()} == ended
    assert len(notifications.list_undelivered(10)) == 2


@pytest.mark.full
def test_deliveries_are_saved_before_the_slowest_response(
    load_dataset: Callable[..., Dataset], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "WAITS_S", (3600.0,))
    monkeypatch.setattr(notifier, "ANSWER_LIMIT_S", 8.0)
    dataset = load_dataset()
    for _ in range(4):
        end_a_job(dataset)
    receiver.answers = [0]
    webhook = load_settings().webhook
    assert webhook is not None
    delivering = Notifier(webhook)
    delivering.deliver_due()
    wait_until(lambda: n_delivered() == 3, 5, "for three deliveries to be saved")
    assert delivering._thread is not None and delivering._thread.is_alive(), "the fourth still waits for its response"
    delivering.wait(20)
    assert n_delivered() == 3 and len(notifications.list_undelivered(10)) == 1


def n_delivered() -> int:
    with transaction() as cur:
        cur.execute("SELECT count(*) AS n FROM fcst_app.notifications WHERE delivered_at IS NOT NULL")
        return int(cur.fetchone()["n"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALL_PROXY", "socks5://127.0.0.1:1"), ("HTTP_PROXY", "foo://x"), ("NO_PROXY", "::1/128"), ("no_proxy", "[")],
)
def test_invalid_proxies_fail_the_attempt_with_a_message(
    ended: int, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setattr(notifier, "WAITS_S", (3600.0,))
    monkeypatch.setenv(name, value)
    deliver()
    assert receiver.received or "cannot be reached" in notifications.list_undelivered(1)[0].error


@pytest.mark.full
def test_secret_path_of_a_webhook_is_not_logged(
    ended: int, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FCST_WEBHOOK_URL", receiver.url + "/T0/S3cret?code=S3cret")
    code = "from fcst import logs; logs.configure(); from tests.engine.test_notifier import deliver; deliver()"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert len(receiver.received) == 1 and "notification_delivered" in done.stderr and "S3cret" not in done.stderr


def test_notification_does_not_change_after_a_retry_or_deletion(ended: int, receiver: Receiver) -> None:
    jobs.retry_job(ended)
    with transaction() as cur:
        cur.execute("DELETE FROM fcst_app.jobs")
    deliver()
    (message,) = receiver.messages()
    assert (message["data"]["status"], message["data"]["n_cancelled"]) == ("cancelled", 2)


def test_delivered_notifications_are_deleted_after_days(ended: int, receiver: Receiver, load_dataset) -> None:
    deliver()
    move_back("49 hours")
    end_a_job(load_dataset(name="later"))
    with transaction() as cur:
        cur.execute("SELECT count(*) AS n FROM fcst_app.notifications")
        assert cur.fetchone() == {"n": 1}


@pytest.mark.full
def test_supervisor_with_webhook_stays_for_pending_notifications(
    ended: int, receiver: Receiver, start_supervisor: Callable[..., subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_IDLE_EXIT_S", "0.5")
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.notifications SET due_at = now() + interval '1 hour'")
    without_webhook = start_supervisor(FCST_WORKER="auto", FCST_WEBHOOK_URL="", FCST_WEBHOOK_SECRET="")
    without_webhook.wait(30)
    assert receiver.received == [] and has_work()
    with_webhook = start_supervisor(FCST_WORKER="auto")
    with pytest.raises(subprocess.TimeoutExpired):
        with_webhook.wait(6)
    move_back("1 hour")
    with_webhook.wait(60)
    assert len(receiver.messages()) == 1 and not has_work()


@pytest.mark.full
def test_supervisor_delivers_each_end_also_after_a_retry(
    load_dataset: Callable[..., Dataset], receiver: Receiver, start_supervisor: Callable[..., object]
) -> None:
    job_id = end_a_job(load_dataset())
    start_supervisor()
    wait_until(lambda: len(receiver.received) == 1, 60, "for the first delivery")
    jobs.retry_job(job_id)
    wait_until(lambda: len(receiver.received) == 2, 60, "for the second delivery")
    assert [message["data"]["status"] for message in receiver.messages()] == ["cancelled", "completed"]
