"""Session permissions by role: pages, fragments, widgets, protocol messages, cookies and Streamlit's routes."""

import contextlib
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from itsdangerous import URLSafeTimedSerializer
from streamlit.auth_util import set_cookie_with_chunks
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from fcst.filters import Selection
from fcst.roles import Actor, Scope
from fcst.services import identity, jobs, sign_ins
from fcst.specs import JobSpec
from fcst.ui.access_control import is_allowed, without_user_cookies
from tests.api.conftest import SIGN_IN, ApiServer, ask_database, bearer, make_token
from tests.conftest import wait_until
from tests.gate.sessions import ORIGIN, SECRET, USER, XSRF, Session, SignedAt, cookie, session, words

PEOPLE = {None: "eve@elsewhere.example", "viewer": "vera@audit.example", "analyst": "ann@shop.example"} | {
    "admin": "ada@shop.example"
}
ROLES = """
admin = ["ada@shop.example"]
analyst = ["ann@shop.example"]
viewer = ["vera@audit.example"]
"""
PAGES = {
    "": "Home",
    "data": "Data",
    "load": "Load sales",
    "dataset?dataset=1": "Units per week",
    "new-run?dataset=1": "New run",
    "runs": "Runs",
    "runs?job=1": "Run",
    "forecasts?job=1": "Forecasts",
    "accuracy?job=1": "Accuracy",
    "compare": "Compare",
    "glossary": "Glossary",
}
FOR_ANALYSTS = ("load", "new-run?dataset=1")


@dataclass
class SecuredServer:
    """A server with sign-in and an open run."""

    api: ApiServer
    job_id: int

    @property
    def port(self) -> int:
        return self.api.port

    @contextlib.contextmanager
    def roles(self, text: str) -> Iterator[None]:
        """Changes the roles temporarily."""
        path = self.api.project / ".streamlit" / "secrets.toml"
        before = path.read_text()
        path.write_text(SIGN_IN.partition("[roles]")[0] + "[roles]\n" + text)
        try:
            yield
        finally:
            path.write_text(before)


@pytest.fixture(scope="module")
def secured(secured_api: ApiServer) -> Iterator[SecuredServer]:
    with identity.acting_as(identity.operator()):
        job_id = jobs.submit_job(
            1, Selection(keys=("item1", "item2")), JobSpec(models=("Naive",), h=4), "the autumn run"
        )
    secured = SecuredServer(secured_api, job_id)
    with secured.roles(ROLES):
        yield secured


def user(role: str | None, age_s: int = 0) -> str:
    return cookie(SECRET, PEOPLE[role], age_s)


def is_page_of(visitor: Session, page: str) -> bool:
    """Whether a visitor sees a page, and not the sign-in page."""
    path, _, query = page.partition("?")
    shown = words(visitor.run(path, query))
    assert "Traceback" not in shown
    needs_sign_in = 'label: "Sign in"' in shown
    if needs_sign_in:
        for secret in ("item1", "the autumn run", '"s"', "small"):
            assert secret not in shown, (page, secret)
    return not needs_sign_in and PAGES[page] in shown


# Pages


@pytest.mark.few(2)
@pytest.mark.parametrize("page", PAGES)
def test_page_needs_a_role(secured: SecuredServer, page: str) -> None:
    with session(secured.port) as visitor:
        assert not is_page_of(visitor, page)
    with session(secured.port, user(None)) as visitor:
        path, _, query = page.partition("?")
        shown = words(visitor.run(path, query))
        assert "no role" in shown and "item1" not in shown and "the autumn run" not in shown
    for role in ("viewer", "analyst", "admin"):
        with session(secured.port, user(role)) as visitor:
            if role == "viewer" and page in FOR_ANALYSTS:
                assert "may not do this" in words(visitor.run(*page.split("?")))
            else:
                assert is_page_of(visitor, page), (role, page)


# Fragments and widgets


def test_fragment_needs_a_role(secured: SecuredServer) -> None:
    """A fragment runs without the rest of the page, which has the sign-in check."""
    with session(secured.port, user("viewer")) as visitor:
        visitor.run("runs", f"job={secured.job_id}")
        fragments = sorted(set(visitor.fragments))
        drawn = [words(visitor.run("runs", f"job={secured.job_id}", fragment)) for fragment in fragments]
        assert any("items" in part for part in drawn) and not any("Sign out" in part for part in drawn)
        for fragment in fragments:
            with secured.roles('admin = ["ada@shop.example"]'):
                shown = words(visitor.run("runs", f"job={secured.job_id}", fragment))
                assert "no role" in shown and "Sign out" in shown and "items" not in shown
            visitor.run("runs", f"job={secured.job_id}")
    for who in (None, user(None)):
        with session(secured.port, who) as visitor:
            visitor.run()
            for fragment in fragments:
                shown = words(visitor.run("runs", f"job={secured.job_id}", fragment))
                assert "items" not in shown and ("no role" in shown or 'label: "Sign in"' in shown)


def buttons(messages: list) -> list[str]:
    """The ids of all buttons in the messages."""
    found = (message.delta.new_element for message in messages if message.WhichOneof("type") == "delta")
    return [element.button.id for element in found if element.WhichOneof("type") == "button"]


def test_widget_does_nothing_without_permission(secured: SecuredServer) -> None:
    """A widget has the same id in every session, so any session can send that it was pressed."""
    pages = {"dataset": "dataset=2", "runs": f"job={secured.job_id}", "forecasts": f"job={secured.job_id}", "load": ""}
    with session(secured.port, user("admin")) as visitor:
        ids = {button: page for page, query in pages.items() for button in buttons(visitor.run(page, query))}
    assert len(ids) >= 4
    before = ask_database("SELECT count(*) AS n FROM fcst_app.actions")
    for who in (None, user(None), user("viewer")):
        with session(secured.port, who) as visitor:
            for button, page in ids.items():
                pressed = WidgetState(id=button, trigger_value=True)
                visitor.run(page, pages[page], widgets=[pressed])
                visitor.run(page, pages[page], widgets=[pressed])  # the first run may have rendered it
    assert ask_database("SELECT count(*) AS n FROM fcst_app.actions") == before
    assert ask_database("SELECT count(*) AS n FROM fcst_app.datasets") == [{"n": 2}]
    (job,) = ask_database("SELECT cancel_requested_at FROM fcst_app.jobs WHERE job_id = %(n)s", n=secured.job_id)
    assert job["cancel_requested_at"] is None


# Messages


def message(kind: str) -> BackMsg:
    """A protocol message with this field set."""
    sent = BackMsg()
    kind, _, payload = kind.partition(".")
    field = BackMsg.DESCRIPTOR.fields_by_name[kind]
    if field.message_type is None:
        setattr(sent, kind, True)
    else:
        getattr(sent, kind).SetInParent()
        if payload:
            getattr(getattr(sent, kind), payload).SetInParent()
    return sent


ALL = (None, "none", Scope.READ, Scope.RUN, Scope.ADMIN)
FROM = {
    "rerun_script": ALL,
    "app_heartbeat": ALL,
    "file_urls_request": (Scope.RUN, Scope.ADMIN),
    "backend_operation_request.deferred_file": (Scope.READ, Scope.RUN, Scope.ADMIN),
    "backend_operation_request.dataframe_chunk": (Scope.READ, Scope.RUN, Scope.ADMIN),
    "backend_operation_request.install_skills": (Scope.ADMIN,),
    "backend_operation_request.dismiss_skills_nudge": (Scope.ADMIN,),
    "clear_cache": (Scope.ADMIN,),
    "set_run_on_save": (Scope.ADMIN,),
    "stop_script": (Scope.ADMIN,),
    "load_git_info": (Scope.ADMIN,),
    "debug_disconnect_websocket": (Scope.ADMIN,),
    "debug_shutdown_runtime": (Scope.ADMIN,),
}
"""Message -> scopes that may send it to Streamlit; `none`: without a role; None: not signed in."""


def test_every_protocol_message_has_a_rule() -> None:
    kinds = set()
    for name, field in BackMsg.DESCRIPTOR.fields_by_name.items():
        if name == "backend_operation_request":
            kinds |= {f"{name}.{part.name}" for part in field.message_type.oneofs_by_name["payload"].fields}
        else:
            kinds.add(name)
    assert kinds == set(FROM)


@pytest.mark.parametrize("kind", FROM)
def test_message_needs_its_scope(kind: str) -> None:
    sent = message(kind)
    assert sent.WhichOneof("type") == kind.partition(".")[0]
    for scope in ALL:
        actor = None if scope is None else Actor("ann", None if scope == "none" else Scope(scope))
        assert is_allowed(sent, actor) == (scope in FROM[kind]), scope
    operator = Actor("root", Scope.ADMIN, is_known=False)  # without sign-in; developer messages are not allowed
    assert is_allowed(sent, operator) == (Scope.READ in FROM[kind] or Scope.RUN in FROM[kind])


def n_missed(secured: SecuredServer, token: str) -> float:
    """Number of misses of the cache shared by all sessions."""
    text = httpx.get(f"{secured.api.url}/_stcore/metrics", headers=bearer(token)).text
    lines = [line for line in text.splitlines() if 'shell._prepare_once"' in line and 'result="miss"' in line]
    return float(lines[0].split()[1]) if lines else 0


def test_only_an_administrator_clears_shared_caches(secured: SecuredServer) -> None:
    token = make_token("caches", "read")
    with session(secured.port, user("viewer")) as visitor:
        visitor.run("data")
        before = n_missed(secured, token)
        for who in (None, user(None), user("viewer"), user("analyst"), user("admin", age_s=13 * 3600)):
            with session(secured.port, who) as other:
                other.send(message("clear_cache"))
                other.run("data")
        visitor.run("data")
        assert n_missed(secured, token) == before > 0
        with session(secured.port, user("admin")) as other:
            other.send(message("clear_cache"))
            other.run("data")
        assert n_missed(secured, token) == before + 1


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", [kind for kind, scopes in FROM.items() if Scope.RUN not in scopes])
def test_ignored_message_changes_nothing(secured: SecuredServer, kind: str) -> None:
    for who in (None, user("viewer")):
        with session(secured.port, who) as visitor:
            visitor.run("glossary")
            wait_until(lambda current=visitor: current.is_silent(0.3))
            visitor.send(message(kind))
            assert visitor.is_silent(0.3)
            assert PAGES["glossary"] in words(visitor.run("glossary")) or who is None


@pytest.mark.parametrize("data", ["text", b"\xff\xff\xff\xff", b"\x00" * 10], ids=["text", "no message", "zeros"])
def test_invalid_message_ends_only_its_session(secured: SecuredServer, data: bytes | str) -> None:
    before = secured.api.log
    with session(secured.port) as visitor:
        visitor.run()
        visitor.send(data)
        with pytest.raises(Exception, match="close|1002|1003|1000|1005|1006"):
            while True:
                visitor.stream.recv(timeout=10)
    assert "Traceback" not in secured.api.log[len(before) :]


# Cookies


def is_signed_in(secured: SecuredServer, value: str, **how: str) -> bool:
    with session(secured.port, value, **how) as visitor:
        return is_page_of(visitor, "glossary")


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("changed last letter", lambda: re.sub(".$", lambda last: "E" if last[0] == "A" else "A", user("admin"))),
        ("content of another cookie", lambda: ".".join(
            [user("admin").rsplit(".", 2)[0], *user("viewer").rsplit(".", 2)[1:]])),
        ("signed with another secret", lambda: cookie("x" * 20, PEOPLE["admin"])),
        ("signed with the README's secret", lambda: cookie("change me: 16 characters or more", PEOPLE["admin"])),
        ("signed for another cookie", lambda: cookie(SECRET, PEOPLE["admin"], salt="_streamlit_user_tokens")),
        ("twelve hours old", lambda: user("admin", age_s=12 * 3600)),
        ("a month old", lambda: user("admin", age_s=30 * 24 * 3600)),
        ("empty", lambda: ""),
        ("not a sign-in cookie", lambda: "true"),
        ("e-mail address not verified", lambda: cookie(SECRET, PEOPLE["admin"], email_verified=False)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_invalid_cookie_is_not_a_sign_in(secured: SecuredServer, what: str, value: object) -> None:
    with session(secured.port, value()) as visitor:  # type: ignore[operator]
        shown = words(visitor.run("runs", f"job={secured.job_id}"))
        assert "the autumn run" not in shown
        assert 'label: "Sign in"' in shown or "no role" in shown
    assert is_signed_in(secured, user("admin"))


@pytest.mark.full
def test_sign_in_expires_after_twelve_hours_also_in_an_open_session(secured: SecuredServer) -> None:
    assert is_signed_in(secured, user("viewer", age_s=12 * 3600 - 60))
    with session(secured.port, user("viewer", age_s=12 * 3600 - 3)) as visitor:
        assert is_page_of(visitor, "glossary")
        wait_until(lambda: not is_page_of(visitor, "glossary"), 20)


def test_cookie_is_invalid_after_sign_out(secured: SecuredServer) -> None:
    value, other = user("analyst"), user("analyst")
    with session(secured.port, value) as visitor:
        assert is_page_of(visitor, "glossary")
        headers = {"Cookie": f"{USER}={value}", "Host": "localhost"}
        answer = httpx.get(f"{secured.api.url}/auth/logout", headers=headers)
        assert answer.status_code == 302
        assert not is_page_of(visitor, "glossary")  # the open session
        token = visitor.session_id
    assert not is_signed_in(secured, value)
    assert put(secured, value, token).status_code == 403
    assert is_signed_in(secured, other)  # another browser of the same person


def test_sign_out_person_ends_all_their_sign_ins(secured: SecuredServer) -> None:
    values = [user("analyst"), user("analyst")]
    with session(secured.port, values[0]) as visitor:
        assert is_page_of(visitor, "glossary")
        with identity.acting_as(identity.operator()):
            assert sign_ins.sign_out_person(" Ann@Shop.example ") == "ann@shop.example"
        wait_until(lambda: not is_page_of(visitor, "glossary"), 10)
    assert not any(is_signed_in(secured, value) for value in values)
    assert is_signed_in(secured, user("viewer"))
    time.sleep(1.1)  # a sign-in in the same second counts as earlier
    assert is_signed_in(secured, user("analyst"))
    (action,) = ask_database("SELECT action, noun, words FROM fcst_app.actions WHERE action = 'sign out'")
    assert action == {"action": "sign out", "noun": "person", "words": "ann@shop.example"}


def in_parts(value: dict[str, object], age_s: int = 0) -> dict[str, str]:
    """The cookies of a sign-in whose claims do not fit into one cookie."""
    parts: dict[str, str] = {}

    class Signer(SignedAt):
        seconds_ago = age_s

    def sign(name: str, text: str) -> bytes:
        return str(URLSafeTimedSerializer(SECRET, salt=name, signer=Signer).dumps(text)).encode()

    def keep(name: str, text: str) -> None:
        parts[name] = sign(name, text).decode()

    set_cookie_with_chunks(keep, sign, USER, value, cookie_attr_size=100)
    return parts


def test_split_cookie_is_valid_only_with_all_its_own_parts(secured: SecuredServer) -> None:
    """Otherwise the parts of two ended sign-ins could form a valid one."""
    groups = [secrets.token_hex(32) for _ in range(200)]
    people = [
        {"email": PEOPLE["admin"], "nonce": nonce, "groups": groups, "origin": ORIGIN, "is_logged_in": True}
        for nonce in ("first", "other")
    ]
    first, other = in_parts(people[0]), in_parts(people[1], age_s=60)
    assert len(first) == len(other) > 2

    def status(parts: dict[str, str]) -> int:
        cookies = "; ".join(f"{name}={value}" for name, value in parts.items())
        return httpx.get(f"{secured.api.url}/media/x", headers={"Host": "localhost", "Cookie": cookies}).status_code

    assert [status(first), status(other)] == [404, 404]
    last = max(first)
    assert status(first | {last: other[last]}) == status(other | {last: first[last]}) == 403
    assert status({name: value for name, value in first.items() if name != last}) == 403


def test_other_sites_cannot_sign_users_out(secured: SecuredServer) -> None:
    value = user("viewer")
    headers = {"Cookie": f"{USER}={value}", "Host": "localhost", "Sec-Fetch-Mode": "navigate"}
    answer = httpx.get(f"{secured.api.url}/auth/logout", headers=headers | {"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403 and is_signed_in(secured, value)
    assert httpx.get(f"{secured.api.url}/auth/logout", headers=headers | {"Sec-Fetch-Site": "none"}).status_code == 302
    assert not is_signed_in(secured, value)


@pytest.mark.parametrize("space", ["", " ", "\xa0", "\x85", "\t"])
def test_cookie_of_an_ended_sign_in_is_not_passed_to_streamlit(space: str) -> None:
    cookies = f"a=1;{space}{USER}=x;{space}{USER}_1=y; {USER}_tokens=z; b=2".encode("latin-1")
    (left,) = without_user_cookies([(b"cookie", cookies)])
    assert left == (b"cookie", b"a=1; b=2")


def test_session_of_another_user_cannot_be_reconnected(secured: SecuredServer) -> None:
    """By its id, which a browser sends to reconnect to its own session."""
    with session(secured.port, user("admin")) as visitor:
        visitor.run("glossary")
        for who in (None, user("viewer")):
            with session(secured.port, who, existing=visitor.session_id) as other:
                other.run("glossary")
                assert other.session_id != visitor.session_id
        assert is_page_of(visitor, "glossary")


# Streamlit's own routes


def put(secured: SecuredServer, value: str | None, session_id: str) -> httpx.Response:
    """Uploads a file the way a page does."""
    cookies = f"_streamlit_xsrf={XSRF}" + (f"; {USER}={value}" if value is not None else "")
    headers = {"Cookie": cookies, "X-Xsrftoken": XSRF, "Origin": ORIGIN, "Host": "localhost"}
    address = f"{secured.api.url}/_stcore/upload_file/{session_id}/a-file"
    return httpx.put(address, files={"f": ("s.csv", b"a")}, headers=headers)


def test_upload_needs_current_permission_to_load(secured: SecuredServer) -> None:
    value = user("analyst")
    with session(secured.port, value) as visitor:
        visitor.run("load")
        assert put(secured, value, visitor.session_id).status_code == 204
        for who in (None, user(None), user("viewer"), user("analyst", age_s=13 * 3600)):
            assert put(secured, who, visitor.session_id).status_code == 403
        with secured.roles('admin = ["ada@shop.example"]\nviewer = ["ann@shop.example"]'):
            assert put(secured, value, visitor.session_id).status_code == 403
        assert put(secured, value, visitor.session_id).status_code == 204


def test_streamlit_routes_need_permission(secured: SecuredServer) -> None:
    def status(path: str, who: str | None = None, **headers: str) -> int:
        more = {"Host": "localhost"} | ({"Cookie": f"{USER}={who}"} if who else {})
        return httpx.get(f"{secured.api.url}{path}", headers=more | headers).status_code

    for path in ("/media/x.csv", "/media/" + "0" * 56 + ".png"):
        assert [status(path), status(path, user(None)), status(path, user("viewer"))] == [403, 403, 404]
    assert [status("/_stcore/metrics"), status("/_stcore/metrics", user("admin"))] == [401, 401]
    assert status("/_stcore/metrics", Authorization=f"Bearer {make_token('m', 'read')}") == 200
    for path in ("/_stcore/agent/openapi.json", "/_stcore/agent/interact", "/_stcore/agent/mcp"):
        assert status(path, user("admin")) == 404
    assert status("/_stcore/health") == status("/_stcore/host-config") == 200  # requested before sign-in
