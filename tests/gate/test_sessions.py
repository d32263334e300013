"""What a session may do without a sign-in and with each role: pages, parts of pages, widgets, messages, cookies."""

import contextlib
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
from fcst.ui.visits import is_allowed, without_user_cookies
from tests.api.conftest import SIGN_IN, Desk, ask_database, bearer, make_token
from tests.conftest import wait_until
from tests.gate.sessions import ORIGIN, USER, XSRF, Session, SignedAt, cookie, session, words

SECRET = "a secret of sixteen characters or more"
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
    "dataset?dataset=1": "Units a week",
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
class Firm:
    """A server where people sign in, with a run that is open."""

    desk: Desk
    job_id: int

    @property
    def port(self) -> int:
        return self.desk.port

    @contextlib.contextmanager
    def roles(self, text: str) -> Iterator[None]:
        """With other roles for a while."""
        path = self.desk.project / ".streamlit" / "secrets.toml"
        before = path.read_text()
        path.write_text(SIGN_IN.partition("[roles]")[0] + "[roles]\n" + text)
        try:
            yield
        finally:
            path.write_text(before)


@pytest.fixture(scope="module")
def firm(office: Desk) -> Iterator[Firm]:
    with identity.acting_as(identity.operator()):
        job_id = jobs.submit_job(
            1, Selection(keys=("item1", "item2")), JobSpec(models=("Naive",), h=4), "the autumn run"
        )
    firm = Firm(office, job_id)
    with firm.roles(ROLES):
        yield firm


def user(role: str | None, age_s: int = 0) -> str:
    return cookie(SECRET, PEOPLE[role], age_s)


def is_page_of(visitor: Session, page: str) -> bool:
    """Whether a visitor sees a page, and not the one that asks to sign in."""
    path, _, query = page.partition("?")
    shown = words(visitor.run(path, query))
    assert "Traceback" not in shown
    is_asked = 'label: "Sign in"' in shown
    if is_asked:
        for secret in ("item1", "the autumn run", '"s"', "small"):
            assert secret not in shown, (page, secret)
    return not is_asked and PAGES[page] in shown


# Pages


@pytest.mark.parametrize("page", PAGES)
def test_page_is_shown_to_those_with_a_role(firm: Firm, page: str) -> None:
    with session(firm.port) as visitor:
        assert not is_page_of(visitor, page)
    with session(firm.port, user(None)) as visitor:
        path, _, query = page.partition("?")
        shown = words(visitor.run(path, query))
        assert "no role" in shown and "item1" not in shown and "the autumn run" not in shown
    for role in ("viewer", "analyst", "admin"):
        with session(firm.port, user(role)) as visitor:
            if role == "viewer" and page in FOR_ANALYSTS:
                assert "may not do this" in words(visitor.run(*page.split("?")))
            else:
                assert is_page_of(visitor, page), (role, page)


# Parts of pages, and widgets


def test_part_of_a_page_is_drawn_for_those_alone_who_have_a_role(firm: Firm) -> None:
    """It is drawn without the page around it, which is what asks for the sign-in."""
    with session(firm.port, user("viewer")) as visitor:
        visitor.run("runs", f"job={firm.job_id}")
        fragments = sorted(set(visitor.fragments))
        drawn = [words(visitor.run("runs", f"job={firm.job_id}", fragment)) for fragment in fragments]
        assert any("items" in part for part in drawn) and not any("Sign out" in part for part in drawn)
        for fragment in fragments:
            with firm.roles('admin = ["ada@shop.example"]'):
                shown = words(visitor.run("runs", f"job={firm.job_id}", fragment))
                assert "no role" in shown and "Sign out" in shown and "items" not in shown
            visitor.run("runs", f"job={firm.job_id}")
    for who in (None, user(None)):
        with session(firm.port, who) as visitor:
            visitor.run()
            for fragment in fragments:
                shown = words(visitor.run("runs", f"job={firm.job_id}", fragment))
                assert "items" not in shown and ("no role" in shown or 'label: "Sign in"' in shown)


def buttons(messages: list) -> list[str]:
    """The ids of all buttons that were drawn."""
    found = (message.delta.new_element for message in messages if message.WhichOneof("type") == "delta")
    return [element.button.id for element in found if element.WhichOneof("type") == "button"]


def test_widget_of_another_does_nothing_for_those_who_may_not(firm: Firm) -> None:
    """A widget's id is the same in every session: whoever knows it can say that it was pressed."""
    pages = {"dataset": "dataset=2", "runs": f"job={firm.job_id}", "forecasts": f"job={firm.job_id}", "load": ""}
    with session(firm.port, user("admin")) as visitor:
        ids = {button: page for page, query in pages.items() for button in buttons(visitor.run(page, query))}
    assert len(ids) >= 4
    before = ask_database("SELECT count(*) AS n FROM fcst_app.actions")
    for who in (None, user(None), user("viewer")):
        with session(firm.port, who) as visitor:
            for button, page in ids.items():
                pressed = WidgetState(id=button, trigger_value=True)
                visitor.run(page, pages[page], widgets=[pressed])
                visitor.run(page, pages[page], widgets=[pressed])  # the first may have drawn it
    assert ask_database("SELECT count(*) AS n FROM fcst_app.actions") == before
    assert ask_database("SELECT count(*) AS n FROM fcst_app.datasets") == [{"n": 2}]
    (job,) = ask_database("SELECT cancel_requested_at FROM fcst_app.jobs WHERE job_id = %(n)s", n=firm.job_id)
    assert job["cancel_requested_at"] is None


# Messages


def message(kind: str) -> BackMsg:
    """A message of the protocol with this field set."""
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


ALL, NOBODY = (None, "none", Scope.READ, Scope.RUN, Scope.ADMIN), ()
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
"""message -> the scopes from which Streamlit sees it; `none`: without a role; None: not signed in."""


def test_every_message_of_the_protocol_has_its_rule() -> None:
    kinds = set()
    for name, field in BackMsg.DESCRIPTOR.fields_by_name.items():
        if name == "backend_operation_request":
            kinds |= {f"{name}.{part.name}" for part in field.message_type.oneofs_by_name["payload"].fields}
        else:
            kinds.add(name)
    assert kinds == set(FROM)


@pytest.mark.parametrize("kind", FROM)
def test_message_is_seen_from_those_who_may_send_it(kind: str) -> None:
    sent = message(kind)
    assert sent.WhichOneof("type") == kind.partition(".")[0]
    for scope in ALL:
        actor = None if scope is None else Actor("ann", None if scope == "none" else Scope(scope))
        assert is_allowed(sent, actor) == (scope in FROM[kind]), scope
    operator = Actor("root", Scope.ADMIN, is_known=False)  # nobody has to sign in: developers have a shell
    assert is_allowed(sent, operator) == (Scope.READ in FROM[kind] or Scope.RUN in FROM[kind])


def n_missed(firm: Firm, token: str) -> float:
    """How often what is kept for all sessions was not in the cache."""
    text = httpx.get(f"{firm.desk.url}/_stcore/metrics", headers=bearer(token)).text
    lines = [line for line in text.splitlines() if 'shell._prepare_once"' in line and 'result="miss"' in line]
    return float(lines[0].split()[1]) if lines else 0


def test_caches_of_all_are_cleared_by_an_administrator_alone(firm: Firm) -> None:
    token = make_token("caches", "read")
    with session(firm.port, user("viewer")) as visitor:
        visitor.run("data")
        before = n_missed(firm, token)
        for who in (None, user(None), user("viewer"), user("analyst"), user("admin", age_s=13 * 3600)):
            with session(firm.port, who) as other:
                other.send(message("clear_cache"))
                other.run("data")
        visitor.run("data")
        assert n_missed(firm, token) == before > 0
        with session(firm.port, user("admin")) as other:
            other.send(message("clear_cache"))
            other.run("data")
        assert n_missed(firm, token) == before + 1


@pytest.mark.parametrize("kind", [kind for kind, scopes in FROM.items() if Scope.RUN not in scopes])
def test_message_that_is_ignored_changes_nothing(firm: Firm, kind: str) -> None:
    for who in (None, user("viewer")):
        with session(firm.port, who) as visitor:
            visitor.run("glossary")
            wait_until(lambda current=visitor: current.says_nothing(0.3))
            visitor.send(message(kind))
            assert visitor.says_nothing(0.3)
            assert PAGES["glossary"] in words(visitor.run("glossary")) or who is None


@pytest.mark.parametrize("data", ["text", b"\xff\xff\xff\xff", b"\x00" * 10], ids=["text", "no message", "zeros"])
def test_what_is_no_message_ends_the_session_and_nothing_else(firm: Firm, data: bytes | str) -> None:
    before = firm.desk.log
    with session(firm.port) as visitor:
        visitor.run()
        visitor.send(data)
        with pytest.raises(Exception, match="close|1002|1003|1000|1005|1006"):
            while True:
                visitor.stream.recv(timeout=10)
    assert "Traceback" not in firm.desk.log[len(before) :]


# Cookies


def is_signed_in(firm: Firm, value: str, **how: str) -> bool:
    with session(firm.port, value, **how) as visitor:
        return is_page_of(visitor, "glossary")


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("its last letter is another", lambda: user("admin")[:-1] + ("A" if user("admin")[-1] != "A" else "E")),
        ("its content is another's", lambda: ".".join(
            [user("admin").rsplit(".", 2)[0], *user("viewer").rsplit(".", 2)[1:]])),
        ("signed by another secret", lambda: cookie("x" * 20, PEOPLE["admin"])),
        ("signed by the README's secret", lambda: cookie("change me: 16 characters or more", PEOPLE["admin"])),
        ("signed for another cookie", lambda: cookie(SECRET, PEOPLE["admin"], salt="_streamlit_user_tokens")),
        ("twelve hours old", lambda: user("admin", age_s=12 * 3600)),
        ("a month old", lambda: user("admin", age_s=30 * 24 * 3600)),
        ("empty", lambda: ""),
        ("no cookie of ours", lambda: "true"),
        ("an address that is not verified", lambda: cookie(SECRET, PEOPLE["admin"], email_verified=False)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_cookie_that_does_not_hold_is_none(firm: Firm, what: str, value: object) -> None:
    with session(firm.port, value()) as visitor:  # type: ignore[operator]
        shown = words(visitor.run("runs", f"job={firm.job_id}"))
        assert "the autumn run" not in shown
        assert 'label: "Sign in"' in shown or "no role" in shown
    assert is_signed_in(firm, user("admin"))


def test_sign_in_holds_for_twelve_hours_also_in_an_open_session(firm: Firm) -> None:
    assert is_signed_in(firm, user("viewer", age_s=12 * 3600 - 60))
    with session(firm.port, user("viewer", age_s=12 * 3600 - 3)) as visitor:
        assert is_page_of(visitor, "glossary")
        wait_until(lambda: not is_page_of(visitor, "glossary"), 20)


def test_cookie_is_of_no_use_after_the_sign_out(firm: Firm) -> None:
    value, other = user("analyst"), user("analyst")
    with session(firm.port, value) as visitor:
        assert is_page_of(visitor, "glossary")
        headers = {"Cookie": f"{USER}={value}", "Host": "localhost"}
        answer = httpx.get(f"{firm.desk.url}/auth/logout", headers=headers)
        assert answer.status_code == 302
        assert not is_page_of(visitor, "glossary")  # the session that is open
        token = visitor.session_id
    assert not is_signed_in(firm, value)
    assert put(firm, value, token).status_code == 403
    assert is_signed_in(firm, other)  # another browser of the same person


def test_all_sign_ins_of_a_person_end_by_their_address(firm: Firm) -> None:
    values = [user("analyst"), user("analyst")]
    with session(firm.port, values[0]) as visitor:
        assert is_page_of(visitor, "glossary")
        with identity.acting_as(identity.operator()):
            assert sign_ins.sign_out_person(" Ann@Shop.example ") == "ann@shop.example"
        wait_until(lambda: not is_page_of(visitor, "glossary"), 10)
    assert not any(is_signed_in(firm, value) for value in values)
    assert is_signed_in(firm, user("viewer"))
    time.sleep(1.1)  # a sign-in of the same second is taken for an earlier one
    assert is_signed_in(firm, user("analyst"))
    (action,) = ask_database("SELECT action, noun, words FROM fcst_app.actions WHERE action = 'sign out'")
    assert action == {"action": "sign out", "noun": "person", "words": "ann@shop.example"}


def in_parts(value: dict[str, object], age_s: int = 0) -> dict[str, str]:
    """The cookies of a sign-in whose claims are too long for one."""
    parts: dict[str, str] = {}

    class Signer(SignedAt):
        seconds_ago = age_s

    def sign(name: str, text: str) -> bytes:
        return str(URLSafeTimedSerializer(SECRET, salt=name, signer=Signer).dumps(text)).encode()

    def keep(name: str, text: str) -> None:
        parts[name] = sign(name, text).decode()

    set_cookie_with_chunks(keep, sign, USER, value, cookie_attr_size=100)
    return parts


def test_cookie_in_parts_holds_whole_and_not_mixed(firm: Firm) -> None:
    """Else the parts of two sign-ins that have ended would make one that has not."""
    groups = [secrets.token_hex(32) for _ in range(200)]
    people = [
        {"email": PEOPLE["admin"], "nonce": nonce, "groups": groups, "origin": ORIGIN, "is_logged_in": True}
        for nonce in ("first", "other")
    ]
    first, other = in_parts(people[0]), in_parts(people[1], age_s=60)
    assert len(first) == len(other) > 2

    def status(parts: dict[str, str]) -> int:
        cookies = "; ".join(f"{name}={value}" for name, value in parts.items())
        return httpx.get(f"{firm.desk.url}/media/x", headers={"Host": "localhost", "Cookie": cookies}).status_code

    assert [status(first), status(other)] == [404, 404]
    last = max(first)
    assert status(first | {last: other[last]}) == status(other | {last: first[last]}) == 403
    assert status({name: value for name, value in first.items() if name != last}) == 403


def test_page_of_another_site_signs_nobody_out(firm: Firm) -> None:
    value = user("viewer")
    headers = {"Cookie": f"{USER}={value}", "Host": "localhost", "Sec-Fetch-Mode": "navigate"}
    answer = httpx.get(f"{firm.desk.url}/auth/logout", headers=headers | {"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403 and is_signed_in(firm, value)
    assert httpx.get(f"{firm.desk.url}/auth/logout", headers=headers | {"Sec-Fetch-Site": "none"}).status_code == 302
    assert not is_signed_in(firm, value)


@pytest.mark.parametrize("space", ["", " ", "\xa0", "\x85", "\t"])
def test_cookie_of_an_ended_sign_in_is_not_shown_to_streamlit(space: str) -> None:
    cookies = f"a=1;{space}{USER}=x;{space}{USER}_1=y; {USER}_tokens=z; b=2".encode("latin-1")
    (left,) = without_user_cookies([(b"cookie", cookies)])
    assert left == (b"cookie", b"a=1; b=2")


def test_session_of_another_is_not_taken_over(firm: Firm) -> None:
    """By its number, which a browser sends to get its own back."""
    with session(firm.port, user("admin")) as visitor:
        visitor.run("glossary")
        for who in (None, user("viewer")):
            with session(firm.port, who, existing=visitor.session_id) as other:
                other.run("glossary")
                assert other.session_id != visitor.session_id
        assert is_page_of(visitor, "glossary")


# Streamlit's own routes


def put(firm: Firm, value: str | None, session_id: str) -> httpx.Response:
    """Sends a file as a page does."""
    cookies = f"_streamlit_xsrf={XSRF}" + (f"; {USER}={value}" if value is not None else "")
    headers = {"Cookie": cookies, "X-Xsrftoken": XSRF, "Origin": ORIGIN, "Host": "localhost"}
    address = f"{firm.desk.url}/_stcore/upload_file/{session_id}/a-file"
    return httpx.put(address, files={"f": ("s.csv", b"a")}, headers=headers)


def test_files_are_taken_from_those_alone_who_may_load_them_now(firm: Firm) -> None:
    value = user("analyst")
    with session(firm.port, value) as visitor:
        visitor.run("load")
        assert put(firm, value, visitor.session_id).status_code == 204
        for who in (None, user(None), user("viewer"), user("analyst", age_s=13 * 3600)):
            assert put(firm, who, visitor.session_id).status_code == 403
        with firm.roles('admin = ["ada@shop.example"]\nviewer = ["ann@shop.example"]'):
            assert put(firm, value, visitor.session_id).status_code == 403
        assert put(firm, value, visitor.session_id).status_code == 204


def test_routes_of_streamlit_are_for_those_who_may(firm: Firm) -> None:
    def status(path: str, who: str | None = None, **headers: str) -> int:
        more = {"Host": "localhost"} | ({"Cookie": f"{USER}={who}"} if who else {})
        return httpx.get(f"{firm.desk.url}{path}", headers=more | headers).status_code

    for path in ("/media/x.csv", "/media/" + "0" * 56 + ".png"):
        assert [status(path), status(path, user(None)), status(path, user("viewer"))] == [403, 403, 404]
    assert [status("/_stcore/metrics"), status("/_stcore/metrics", user("admin"))] == [401, 401]
    assert status("/_stcore/metrics", Authorization=f"Bearer {make_token('m', 'read')}") == 200
    for path in ("/_stcore/agent/openapi.json", "/_stcore/agent/interact", "/_stcore/agent/mcp"):
        assert status(path, user("admin")) == 404
    assert status("/_stcore/health") == status("/_stcore/host-config") == 200  # a page asks before it signs in
