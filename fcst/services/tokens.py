"""API tokens: create, list, revoke, check."""

import hashlib
import secrets

from fcst.errors import InputError, NotAllowed, NotFound
from fcst.roles import Actor, Scope
from fcst.services import identity
from fcst.store import tokens
from fcst.store.tokens import Token

PREFIX = "fcst_"
"""Prefix that lets secret scanners find leaked tokens."""
MAX_NAME = 100
MAX_DAYS = 3650


def create_token(name: str, scope: str, days: int | None = None) -> str:
    """Creates a token and returns it. Only its hash is stored.

    Parameters
    ----------
    name
        name of the program that uses the token; shown with its actions.
    days
        validity in days; None: unlimited.

    Raises
    ------
    InputError
        if a value is invalid.
    """
    who = identity.require(Scope.ADMIN)
    name = name.replace("\0", "").strip()
    if not 0 < len(name) <= MAX_NAME:
        raise InputError(
            f"A token's name has 1 to {MAX_NAME} characters.", "Give the name of the program that uses it."
        )
    if scope not in list(Scope):
        raise InputError(f"There is no scope {scope!r}.", f"Choose one of {', '.join(Scope)}.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise InputError(f"A validity of {days:,} days is out of range.", f"Choose 1 to {MAX_DAYS:,} days.")
    token = PREFIX + secrets.token_urlsafe(32)
    tokens.insert(name, scope, _hash(token), days, who)
    return token


def list_tokens() -> list[Token]:
    """All tokens, newest first."""
    identity.require(Scope.ADMIN)
    return tokens.list_all()


def revoke_token(token_id: int) -> None:
    """Revokes a token at once.

    Raises
    ------
    InputError
        if there is no such token, or it was revoked before.
    """
    who = identity.require(Scope.ADMIN)
    if not (0 < token_id < 2**31 and tokens.revoke(token_id, who)):
        raise NotFound(f"There is no token {token_id} to revoke.", "`token list` shows all tokens.")


def check_token(token: str) -> Actor:
    """Returns the actor of a token.

    Raises
    ------
    NotAllowed
        if the token is unknown, revoked or expired.
    """
    found = tokens.find(_hash(token)) if token.startswith(PREFIX) else None
    if found is None:
        raise NotAllowed("This token is unknown.", "Create one with `python -m fcst token create`.")
    if found.state != "valid":
        state = "was revoked" if found.state == "revoked" else "has expired"
        raise NotAllowed(f"This token {state}.", "Create a new one with `python -m fcst token create`.")
    return Actor(f"token {found.name}", Scope(found.scope), key=f"token:{found.token_id}")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
