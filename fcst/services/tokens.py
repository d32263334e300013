"""Tokens by which programs are let in: made, listed, ended, checked."""

import hashlib
import secrets

from fcst.errors import InputError, NotAllowed, NotFound
from fcst.roles import Actor, Scope
from fcst.services import identity
from fcst.store import tokens
from fcst.store.tokens import Token

PREFIX = "fcst_"
"""By which a leaked one is found."""
MAX_NAME = 100
MAX_DAYS = 3650


def create_token(name: str, scope: str, days: int | None = None) -> str:
    """A new token, which nobody can read again.

    Parameters
    ----------
    name
        of the program it is for; what it does is known by it.
    days
        after which it ends; None: never.

    Raises
    ------
    InputError
        if a value cannot be used.
    """
    who = identity.require(Scope.ADMIN)
    name = name.replace("\0", "").strip()
    if not 0 < len(name) <= MAX_NAME:
        raise InputError(f"A token's name has 1 to {MAX_NAME} characters.", "Name the program it is for.")
    if scope not in list(Scope):
        raise InputError(f"There is no scope {scope!r}.", f"Choose among {', '.join(Scope)}.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise InputError(f"A token of {days:,} days was asked for.", f"Choose 1 to {MAX_DAYS:,}.")
    token = PREFIX + secrets.token_urlsafe(32)
    tokens.insert(name, scope, _hash(token), days, who)
    return token


def list_tokens() -> list[Token]:
    """All tokens, the newest first."""
    identity.require(Scope.ADMIN)
    return tokens.list_all()


def revoke_token(token_id: int) -> None:
    """Ends a token at once.

    Raises
    ------
    InputError
        if there is none, or it was ended before.
    """
    who = identity.require(Scope.ADMIN)
    if not (0 < token_id < 2**31 and tokens.revoke(token_id, who)):
        raise NotFound(f"There is no token {token_id} that could be revoked.", "`token list` lists what there is.")


def check_token(token: str) -> Actor:
    """Who shows this token.

    Raises
    ------
    NotAllowed
        if it is none of ours, or does not hold any more.
    """
    found = tokens.find(_hash(token)) if token.startswith(PREFIX) else None
    if found is None:
        raise NotAllowed("This token is not known here.", "Make one with `python -m fcst token create`.")
    if found.state != "valid":
        state = "was revoked" if found.state == "revoked" else "has expired"
        raise NotAllowed(f"This token {state}.", "Make another with `python -m fcst token create`.")
    return Actor(f"token {found.name}", Scope(found.scope), key=f"token:{found.token_id}")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
