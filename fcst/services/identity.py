"""Who acts now. Whoever calls a service says so once; where nobody did and people have to sign in, nothing is done."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fcst.errors import NotAllowed
from fcst.roles import Actor, Scope
from fcst.settings import load_settings

_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)
_asked: list[Callable[[], Actor | None]] = []


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """What is done within is done by `actor`."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def ask_who(ask: Callable[[], Actor | None]) -> None:
    """Has `ask` tell who acts where nobody has said so: the pages know it of their visitor."""
    _asked[:] = [ask]


def operator() -> Actor:
    """Whoever has a shell on this machine, and with it everything."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        name = "operator"
    return Actor(name, Scope.ADMIN, is_known=False)


def current() -> Actor:
    """Who acts now.

    Raises
    ------
    NotAllowed
        if people have to sign in, and nobody has.
    """
    found = _acting.get() or next((actor for ask in _asked if (actor := ask())), None)
    if found is not None:
        return found
    if load_settings().has_sign_in:
        raise NotAllowed("Nobody has signed in.", "Sign in first.")
    return operator()


def require(scope: Scope) -> str:
    """The name of who acts now.

    Raises
    ------
    NotAllowed
        if they may not do what is in `scope`.
    """
    actor = current()
    if not actor.may(scope):
        raise NotAllowed(
            f"{actor.name} may not do this: it needs the scope {scope}.",
            "Ask who runs this server for another role, or take a token with that scope.",
        )
    return actor.name
