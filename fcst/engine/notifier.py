"""Tells a webhook that a job has ended, until it has heard (Standard Webhooks: signed, with an id, at least once).

The supervisor asks it to look now and then; the telling itself is a thread's, so that nobody waits for a receiver.
"""

import base64
import hashlib
import hmac
import http.client
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from fcst import __version__, logs
from fcst.errors import DatabaseAway, InputError, StoreError
from fcst.settings import Webhook
from fcst.store import jobs, notifications

LOOK_EVERY_S = 1.0
ANSWER_LIMIT_S = 10.0
HOLD_S = 60.0
WAITS_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 4 * 3600.0)
"""Before the second try, the third, …; the last holds from there on."""
TOLD = ("name", "dataset", "dataset_version", "n_items", "n_completed", "n_failed", "n_cancelled")

log = logging.getLogger(__name__)


class Notifier:
    """Tells what is due, one after the other. Without a webhook it gives up what an earlier setting has left."""

    def __init__(self, webhook: Webhook | None) -> None:
        self._webhook = webhook
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def look(self) -> None:
        """Begins to tell what is due, unless it does so already or has just looked."""
        if time.monotonic() < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        self._due = time.monotonic() + LOOK_EVERY_S
        self._thread = threading.Thread(target=self._tell_all, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """For the one that is being told."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _tell_all(self) -> None:
        try:
            while (found := notifications.claim(HOLD_S)) is not None:
                self._tell(found)
        except DatabaseAway:
            pass  # the supervisor notices it as well; what was claimed is due again in a while
        except StoreError:
            log.exception("notifications cannot be read")

    def _tell(self, found: dict[str, Any]) -> None:
        number = found["notification_id"]
        if self._webhook is None:
            notifications.note_failure(number, "no webhook is set any more", 0, True)
            return
        try:
            body = _body(found)
        except InputError:  # the job was deleted this instant
            return
        error, is_final = send(self._webhook, f"msg_{number}", body)
        if not error:
            notifications.note_delivery(number)
            logs.event(log, logging.INFO, "end_told", job=found["job_id"], attempt=found["attempts"])
            return
        wait_s = WAITS_S[min(found["attempts"], len(WAITS_S)) - 1]
        notifications.note_failure(number, error, wait_s, is_final)
        logs.event(log, logging.WARNING, "end_not_told", error, job=found["job_id"], attempt=found["attempts"])


def send(webhook: Webhook, message_id: str, body: bytes) -> tuple[str, bool]:
    """Sends one message; why it was not heard, empty if it was, and whether it is in vain to send it again."""
    request = urllib.request.Request(webhook.url, body, method="POST", headers=_headers(webhook, message_id, body))
    try:
        with _opener.open(request, timeout=ANSWER_LIMIT_S):
            return "", False
    except urllib.error.HTTPError as exc:
        with exc:
            return f"the webhook answered {exc.code}", exc.code == http.client.GONE
    except (OSError, http.client.HTTPException, ValueError) as exc:
        reason = logs.mask(str(getattr(exc, "reason", exc)))
        return f"the webhook cannot be reached: {reason}", False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What was set is where it goes: a redirection is an answer like another."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def _headers(webhook: Webhook, message_id: str, body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    signed = hmac.new(webhook.key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": f"fcst/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _body(found: dict[str, Any]) -> bytes:
    job = jobs.get(found["job_id"])
    data = {"job_id": found["job_id"], "status": job["status"]} | {name: job[name] for name in TOLD}
    message = {"type": "job.ended", "timestamp": found["ended_at"].isoformat(), "data": data}
    return json.dumps(message, ensure_ascii=False).encode()
