"""The current actor and permission checks. With sign-in configured, calls without an actor are refused."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fcst.errors import NotAllowed
from fcst.roles import Actor, Scope
from fcst.settings import load_settings

_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)
_actor_source: list[Callable[[], Actor | None]] = []


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Sets the current actor within a `with` block."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def set_actor_source(ask: Callable[[], Actor | None]) -> None:
    """Registers the source of the current actor outside `acting_as`: the pages return their visitor."""
    _actor_source[:] = [ask]


def operator() -> Actor:
    """Returns the local operator, the OS user with a shell, with admin scope."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # the user of a container may have no name
        name = "operator"
    return Actor(name, Scope.ADMIN, is_known=False)


def current() -> Actor:
    """Returns the current actor.

    Raises
    ------
    NotAllowed
        if sign-in is configured and there is no actor.
    """
    found = _acting.get() or next((actor for ask in _actor_source if (actor := ask())), None)
    if found is not None:
        return found
    if load_settings().has_sign_in:
        raise NotAllowed("You are not signed in.", "Sign in first.")
    return operator()


def require(scope: Scope) -> str:
    """Checks that the current actor has `scope`; returns the actor's name.

    Raises
    ------
    NotAllowed
        if the actor lacks the scope.
    """
    actor = current()
    if not actor.may(scope):
        raise NotAllowed(
            f"{actor.name} may not do this: it needs the scope {scope}.",
            "Ask the administrator of this server for another role, or use a token with that scope.",
        )
    return actor.name
