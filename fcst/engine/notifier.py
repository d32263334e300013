"""Delivers job.ended to the webhook; retries for a day until a 2xx (Standard Webhooks: signed, at least once).

The supervisor calls `deliver_due` regularly. A thread delivers, so the supervisor does not wait for the receiver.
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
from fcst.errors import DatabaseUnreachable, StoreError
from fcst.settings import Webhook
from fcst.store import notifications
from fcst.store.notifications import Notification

POLL_EVERY_S = 1.0
ANSWER_LIMIT_S = 10.0
HOLD_S = 60.0
MAX_CONCURRENT = 8
WAITS_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 4 * 3600.0)
"""Waits before the second attempt, the third, …; the last one repeats."""

log = logging.getLogger(__name__)


class Notifier:
    """Delivers due notifications in a thread."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def deliver_due(self) -> None:
        """Start to deliver due notifications, unless a delivery runs or was started within POLL_EVERY_S."""
        if time.monotonic() < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        self._due = time.monotonic() + POLL_EVERY_S
        self._thread = threading.Thread(target=self._deliver_all, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for running deliveries."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _deliver_all(self) -> None:
        try:
            while found := notifications.claim(MAX_CONCURRENT, HOLD_S):
                send(self._webhook, found)
        except DatabaseUnreachable:
            pass  # the supervisor handles it; claimed notifications are due again after HOLD_S
        except StoreError:
            log.exception("cannot read notifications")


@dataclass(frozen=True)
class Response:
    """Result of a delivery: the error, empty on success, and whether it is final, so that no retry follows."""

    error: str = ""
    is_final: bool = False


def _save_response(row: Notification, response: Response) -> None:
    ids: dict[str, Any] = {"job": row.job_id, "attempt": row.attempts}
    if not response.error:
        notifications.mark_delivered(row.notification_id)
        logs.event(log, logging.INFO, "notification_delivered", **ids)
        return
    wait_s = WAITS_S[min(row.attempts, len(WAITS_S)) - 1]
    notifications.record_failure(row.notification_id, response.error, wait_s, response.is_final)
    logs.event(log, logging.WARNING, "notification_failed", response.error, **ids)


def send(webhook: Webhook, found: Sequence[Notification]) -> None:
    """Send notifications concurrently, and save each response as it arrives.

    Raises
    ------
    DatabaseUnreachable
        if a response could not be saved; that message is sent again.
    """

    async def deliver(client: httpx.AsyncClient, row: Notification) -> None:
        response = await _send(client, webhook, _message_id(row), _body(row))
        await asyncio.to_thread(_save_response, row, response)

    async def deliver_all() -> list[BaseException | None]:
        # Trust the certificates of the machine, not only those of the certifi package.
        async with httpx.AsyncClient(verify=ssl.create_default_context(), timeout=None) as client:
            return await asyncio.gather(*(deliver(client, row) for row in found), return_exceptions=True)

    try:
        failures = [exc for exc in asyncio.run(deliver_all()) if exc is not None]
    except Exception as exc:  # noqa: BLE001  for example an invalid proxy setting
        for row in found:
            _save_response(row, _unreachable(exc))
        return
    if failures:
        raise failures[0]


async def _send(client: httpx.AsyncClient, webhook: Webhook, message_id: str, body: bytes) -> Response:
    """Post one message. Redirects are not followed and count as failures. The response body is not read."""
    headers = _headers(webhook, message_id, body)
    try:
        async with (
            asyncio.timeout(ANSWER_LIMIT_S),
            client.stream("POST", webhook.url, content=body, headers=headers) as response,
        ):
            if response.is_success:
                return Response()
            return Response(f"the webhook answered {response.status_code}", response.status_code == httpx.codes.GONE)
    except TimeoutError:
        return Response(f"the webhook did not answer within {ANSWER_LIMIT_S:.0f} s")
    except Exception as exc:  # noqa: BLE001  any error leads to a retry
        return _unreachable(exc)


def _unreachable(exc: Exception) -> Response:
    return Response(f"the webhook cannot be reached: {logs.mask(str(exc)) or type(exc).__name__}")


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
    """Return the same id for each attempt. It includes the time, because ids are reused after a restore."""
    return f"msg_{row.notification_id}_{int(row.ended_at.timestamp() * 1e6)}"


def _body(row: Notification) -> bytes:
    message = {"type": "job.ended", "timestamp": row.ended_at.isoformat(), "data": row.data}
    return json.dumps(message, ensure_ascii=False).encode()
