"""Validity of sign-ins, also while the database is not reachable."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fcst.roles import SignIn
from fcst.services import sign_ins
from tests.servers import free_port


@pytest.fixture(autouse=True)
def empty_caches() -> Iterator[None]:
    for cache in (sign_ins._checked, sign_ins._away):
        cache.clear()
    yield
    sign_ins._away.clear()


def sign_in(name: str, age: timedelta = timedelta()) -> SignIn:
    at = (datetime.now(UTC) - age).replace(microsecond=0)
    return SignIn(name.encode(), at, {"email": f"{name}@shop.example", "sub": name})


def test_sign_in_expires_by_age(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not sign_ins.is_over(sign_in("ann", timedelta(hours=11.9)))
    assert sign_ins.is_over(sign_in("bob", timedelta(hours=12)))
    assert not sign_ins.is_over(sign_in("kim", timedelta(hours=-1)))
    assert sign_ins.is_over(sign_in("zoe", timedelta(days=-1))), "otherwise it would be valid for another day"
    monkeypatch.setenv("FCST_SIGN_IN_HOURS", "1")
    assert sign_ins.is_over(sign_in("eve", timedelta(hours=1)))


def test_cached_results_are_used_while_the_database_is_not_reachable(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, left, new = sign_in("known"), sign_in("left"), sign_in("new")
    assert not sign_ins.is_over(known) and not sign_ins.is_over(left)
    for key, (_, is_ended) in list(sign_ins._checked.items()):
        sign_ins._checked[key] = (float("-1e9"), is_ended)  # cached long ago
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    assert sign_ins.is_over(new) and not sign_ins.is_over(known)
    assert sign_ins.is_database_away()
    sign_ins.end(left)
    assert sign_ins.is_over(left)
    monkeypatch.setenv("DATABASE_URL", database)
    sign_ins._away.clear()
    assert not sign_ins.is_over(new) and sign_ins.is_over(left)
