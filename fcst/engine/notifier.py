"""Delivers job.ended to the webhook; retries for a day until a 2xx (Standard Webhooks: signed, at least once).

The supervisor calls `look` now and then; a thread delivers, so that the supervisor does not wait for a receiver.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from fcst import __version__, logs
from fcst.errors import DatabaseAway, StoreError
from fcst.settings import Webhook
from fcst.store import notifications
from fcst.store.notifications import Notification

LOOK_EVERY_S = 1.0
ANSWER_LIMIT_S = 10.0
HOLD_S = 60.0
AT_ONCE = 8
WAITS_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 4 * 3600.0)
"""Before the second attempt, the third, …; the last holds from there on."""

log = logging.getLogger(__name__)


class Notifier:
    """Delivers the notifications that are due."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def look(self) -> None:
        """Starts to deliver what is due, unless it does so already or has just looked."""
        if time.monotonic() < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        self._due = time.monotonic() + LOOK_EVERY_S
        self._thread = threading.Thread(target=self._deliver_all, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Waits for the deliveries that have begun."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _deliver_all(self) -> None:
        try:
            while found := notifications.claim(AT_ONCE, HOLD_S):
                send(self._webhook, found)
        except DatabaseAway:
            pass  # the supervisor notices it as well; what was claimed is due again in a while
        except StoreError:
            log.exception("notifications cannot be read")


@dataclass(frozen=True)
class Answer:
    """Why a message was not delivered, empty if it was; and whether no further attempt is made."""

    error: str = ""
    is_final: bool = False


def _note(row: Notification, answer: Answer) -> None:
    ids: dict[str, Any] = {"job": row.job_id, "attempt": row.attempts}
    if not answer.error:
        notifications.note_delivery(row.notification_id)
        logs.event(log, logging.INFO, "notification_delivered", **ids)
        return
    wait_s = WAITS_S[min(row.attempts, len(WAITS_S)) - 1]
    notifications.note_failure(row.notification_id, answer.error, wait_s, answer.is_final)
    logs.event(log, logging.WARNING, "notification_failed", answer.error, **ids)


def send(webhook: Webhook, found: Sequence[Notification]) -> None:
    """Sends several at the same time, and notes the answer to each as it comes: not with the slowest of them.

    Raises
    ------
    DatabaseAway
        if an answer could not be noted; that message is sent again.
    """

    async def deliver(client: httpx.AsyncClient, row: Notification) -> None:
        answer = await _send(client, webhook, _message_id(row), _body(row))
        await asyncio.to_thread(_note, row, answer)

    async def deliver_all() -> list[BaseException | None]:
        # As the machine trusts, and not only as the package's own list of authorities does.
        async with httpx.AsyncClient(verify=ssl.create_default_context(), timeout=None) as client:
            return await asyncio.gather(*(deliver(client, row) for row in found), return_exceptions=True)

    try:
        failures = [exc for exc in asyncio.run(deliver_all()) if exc is not None]
    except Exception as exc:  # noqa: BLE001  such as a proxy setting that is not an address
        for row in found:
            _note(row, _unreachable(exc))
        return
    if failures:
        raise failures[0]


async def _send(client: httpx.AsyncClient, webhook: Webhook, message_id: str, body: bytes) -> Answer:
    """Sends to the address of the settings: a redirection counts as a failure. The body of the answer is not read."""
    headers = _headers(webhook, message_id, body)
    try:
        async with (
            asyncio.timeout(ANSWER_LIMIT_S),
            client.stream("POST", webhook.url, content=body, headers=headers) as response,
        ):
            if response.is_success:
                return Answer()
            return Answer(f"the webhook answered {response.status_code}", response.status_code == httpx.codes.GONE)
    except TimeoutError:
        return Answer(f"the webhook did not answer within {ANSWER_LIMIT_S:.0f} s")
    except Exception as exc:  # noqa: BLE001  whatever it is, another attempt is made
        return _unreachable(exc)


def _unreachable(exc: Exception) -> Answer:
    return Answer(f"the webhook cannot be reached: {logs.mask(str(exc)) or type(exc).__name__}")


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


def _message_id(row: Notification) -> str:
    """The same for each try. Numbers come again after a restore, and name other ends then."""
    return f"msg_{row.notification_id}_{int(row.ended_at.timestamp() * 1e6)}"


def _body(row: Notification) -> bytes:
    message = {"type": "job.ended", "timestamp": row.ended_at.isoformat(), "data": row.data}
    return json.dumps(message, ensure_ascii=False).encode()
