"""Page sessions without a browser: sends messages over Streamlit's websocket, with or without a sign-in cookie."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

USER = "_streamlit_user"
XSRF = "2|00000000|6162636465666768696a6b6c6d6e6f70|1700000000"
ORIGIN = "http://localhost"  # origin of the identity provider's redirect URI
WAIT_S = 30.0
ENDS = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


class SignedAt(TimestampSigner):
    """Signer with a timestamp `seconds_ago`."""

    seconds_ago = 0

    def get_timestamp(self) -> int:
        return int(time.time()) - self.seconds_ago


def cookie(secret: str, email: str, age_s: int = 0, salt: str = USER, **claims: Any) -> str:
    """A sign-in cookie in Streamlit's format, `age_s` seconds old."""

    class Signer(SignedAt):
        seconds_ago = age_s

    payload = {"email": email, "sub": email, "nonce": str(time.perf_counter_ns()), **claims}
    payload |= {"origin": ORIGIN, "is_logged_in": True, "provider": "default"}
    value = URLSafeTimedSerializer(secret, salt=salt, signer=Signer).dumps(json.dumps(payload))
    return str(value)


@dataclass
class Session:
    """A page session over a websocket."""

    stream: ClientConnection
    session_id: str = ""
    fragments: list[str] = field(default_factory=list)

    def send(self, message: BackMsg | bytes | str) -> None:
        self.stream.send(message.SerializeToString() if isinstance(message, BackMsg) else message)

    def run(
        self, page: str = "", query: str = "", fragment: str = "", widgets: list[WidgetState] | None = None
    ) -> list[ForwardMsg]:
        """Requests a run of a page or fragment; returns the messages of the run."""
        message = BackMsg()
        state = message.rerun_script
        state.page_name, state.query_string, state.fragment_id = page, query, fragment
        state.widget_states.widgets.extend(widgets or [])
        self.send(message)
        return self.read()

    def read(self) -> list[ForwardMsg]:
        """Reads messages until the run ends."""
        found: list[ForwardMsg] = []
        deadline = time.monotonic() + WAIT_S
        while True:
            message = ForwardMsg.FromString(self.stream.recv(timeout=deadline - time.monotonic()))  # type: ignore[arg-type]
            found.append(message)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session_id = message.new_session.initialize.session_id
            elif kind == "auto_rerun":
                self.fragments.append(message.auto_rerun.fragment_id)
            elif kind == "script_finished" and message.script_finished in ENDS:
                return found

    def is_silent(self, seconds: float = 1.0) -> bool:
        """Whether no message arrives for some seconds."""
        with contextlib.suppress(TimeoutError):
            self.stream.recv(timeout=seconds)
            return False
        return True


def words(messages: list[ForwardMsg]) -> str:
    """The messages as text."""
    return "\n".join(map(str, messages))


@contextlib.contextmanager
def session(
    port: int, user: str | None = None, host: str = "localhost", origin: str | None = ORIGIN, existing: str = ""
) -> Iterator[Session]:
    """Opens a session, optionally with a user's cookie.

    Parameters
    ----------
    existing
        id of a session to reconnect to.

    Raises
    ------
    InvalidStatus
        if the server rejects it.
    """
    cookies = f"_streamlit_xsrf={XSRF}" + (f"; {USER}={user}" if user is not None else "")
    headers = {"Cookie": cookies} | ({} if origin is None else {"Origin": origin})
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as sock:
        stream = connect(
            f"ws://{host}/_stcore/stream",
            sock=sock,
            subprotocols=["streamlit", XSRF, *([existing] if existing else [])],  # type: ignore[list-item]
            additional_headers=headers,
            max_size=None,
            compression=None,
            proxy=None,
        )
        with stream:
            yield Session(stream)


def status_of_session(port: int, **how: Any) -> int:
    """The HTTP status of opening a session; 101 if it opens."""
    try:
        with session(port, **how):
            return 101
    except InvalidStatus as exc:
        return exc.response.status_code


SECRET = "a secret of sixteen characters or more"
