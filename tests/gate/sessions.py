"""Sessions of pages without a browser: whatever can be sent over Streamlit's websocket, by whoever has which cookie."""

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
ORIGIN = "http://localhost"  # of the address to which the identity provider leads back
WAIT_S = 30.0
ENDS = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


class SignedAt(TimestampSigner):
    """Signs as if it were `seconds_ago`."""

    seconds_ago = 0

    def get_timestamp(self) -> int:
        return int(time.time()) - self.seconds_ago


def cookie(secret: str, email: str, age_s: int = 0, salt: str = USER, **claims: Any) -> str:
    """The cookie of somebody who signed in `age_s` seconds ago, as Streamlit makes it."""

    class Signer(SignedAt):
        seconds_ago = age_s

    payload = {"email": email, "sub": email, "nonce": str(time.perf_counter_ns()), **claims}
    payload |= {"origin": ORIGIN, "is_logged_in": True, "provider": "default"}
    value = URLSafeTimedSerializer(secret, salt=salt, signer=Signer).dumps(json.dumps(payload))
    return str(value)


@dataclass
class Session:
    """One session: what it sends, and all that came back for it."""

    stream: ClientConnection
    session_id: str = ""
    fragments: list[str] = field(default_factory=list)

    def send(self, message: BackMsg | bytes | str) -> None:
        self.stream.send(message.SerializeToString() if isinstance(message, BackMsg) else message)

    def run(
        self, page: str = "", query: str = "", fragment: str = "", widgets: list[WidgetState] | None = None
    ) -> list[ForwardMsg]:
        """Asks for a run of a page, or of a part of one; what came of it."""
        message = BackMsg()
        state = message.rerun_script
        state.page_name, state.query_string, state.fragment_id = page, query, fragment
        state.widget_states.widgets.extend(widgets or [])
        self.send(message)
        return self.read()

    def read(self) -> list[ForwardMsg]:
        """What comes until a run has ended."""
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

    def says_nothing(self, seconds: float = 1.0) -> bool:
        """Whether nothing comes for a while."""
        with contextlib.suppress(TimeoutError):
            self.stream.recv(timeout=seconds)
            return False
        return True


def words(messages: list[ForwardMsg]) -> str:
    """All that was sent, as text."""
    return "\n".join(map(str, messages))


@contextlib.contextmanager
def session(
    port: int, user: str | None = None, host: str = "localhost", origin: str | None = ORIGIN, existing: str = ""
) -> Iterator[Session]:
    """An open session, with the cookie of a user if there is one.

    Parameters
    ----------
    existing
        the number of a session that is to be taken up again.

    Raises
    ------
    InvalidStatus
        if the server refuses it.
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
    """The status with which a session is answered; 101 where it opens."""
    try:
        with session(port, **how):
            return 101
    except InvalidStatus as exc:
        return exc.response.status_code
