"""Who acts, and what they may do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase


class Scope(StrEnum):
    """What somebody may do; each has those above it."""

    READ = "read"
    """Look at everything."""
    RUN = "run"
    """And load sales, run forecasts, stop them, change them."""
    ADMIN = "admin"
    """And delete."""

    def includes(self, other: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


ROLES = {"viewer": Scope.READ, "analyst": Scope.RUN, "admin": Scope.ADMIN}
"""What people are called who may do it."""


@dataclass(frozen=True)
class Actor:
    """Somebody who acts.

    Parameters
    ----------
    name
        by which others know them.
    scope
        None: they may not even look.
    is_known
        they have signed in or shown a token; else it is whoever sits at this machine.
    key
        by which they differ from others of the same name; empty where the name does.
    """

    name: str
    scope: Scope | None
    is_known: bool = True
    key: str = ""

    @property
    def own_key(self) -> str:
        """What is counted and kept for this one alone, and not for others of the same name, goes by it."""
        return self.key or f"name:{self.name}"

    def may(self, scope: Scope) -> bool:
        return self.scope is not None and self.scope.includes(scope)

    @property
    def role(self) -> str:
        return next((role for role, scope in ROLES.items() if scope == self.scope), "no role")


@dataclass(frozen=True)
class SignIn:
    """One sign-in of a person with the identity provider.

    Parameters
    ----------
    key
        a hash by which it is known, other than each other sign-in of the same person.
    at
        when it was, by the clock of the server that signed its cookie, in whole seconds.
    claims
        what the identity provider told of them.
    """

    key: bytes
    at: datetime
    claims: Mapping[str, object] = field(repr=False, hash=False)

    @property
    def names(self) -> list[str]:
        """All names by which an administrator may call them, in small letters."""
        found = (self.claims.get(name) for name in ("email", "preferred_username", "sub"))
        return sorted({str(name).lower() for name in found if name} | {name_of(self.claims).lower()})


@dataclass(frozen=True)
class RoleRules:
    """Which role people have who sign in.

    Parameters
    ----------
    patterns
        role -> values that give it, such as `ann@shop.example` or `*@shop.example`, in capitals or not.
    claim
        of what the identity provider tells of them, the one whose values are looked at.
    """

    patterns: Mapping[str, Collection[str]]
    claim: str = "email"

    def scope_of(self, claims: Mapping[str, object]) -> Scope | None:
        """The most that one of their values gives; None for nothing."""
        found = claims.get(self.claim)
        if self.claim == "email" and not _is_verified(claims):
            return None
        values = [str(value).lower() for value in (found if isinstance(found, list | tuple) else [found]) if value]
        for role in reversed(ROLES):
            patterns = [pattern.lower() for pattern in self.patterns.get(role, ())]
            if any(fnmatchcase(value, pattern) for value in values for pattern in patterns):
                return ROLES[role]
        return None


def name_of(claims: Mapping[str, object]) -> str:
    """By which somebody is known who has signed in; only by their number where their address may be another's.

    No name has a space: those of programs do.
    """
    names = ("email", "preferred_username", "sub") if _is_verified(claims) else ("sub",)
    name = next(filter(None, map(claims.get, names)), "somebody")
    return "_".join(str(name).split())[:100]


def _is_verified(claims: Mapping[str, object]) -> bool:
    """Whether the address is theirs: where the provider says that it does not know, anybody may claim it."""
    return str(claims.get("email_verified", True)).lower() != "false"
