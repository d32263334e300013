"""Actors, scopes, roles, and the rules that assign roles to users who sign in."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase


class Scope(StrEnum):
    """Permissions of an actor; each scope includes the previous ones."""

    READ = "read"
    """View everything."""
    RUN = "run"
    """Load sales; submit, cancel and change runs."""
    ADMIN = "admin"
    """Delete."""

    def includes(self, other: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


ROLES = {"viewer": Scope.READ, "analyst": Scope.RUN, "admin": Scope.ADMIN}
"""Role of a user -> its scope."""


@dataclass(frozen=True)
class Actor:
    """A user or program that acts.

    Parameters
    ----------
    name
        display name.
    scope
        None: no access.
    is_known
        whether they have signed in or used a token; otherwise it is the local user of this machine.
    key
        distinguishes actors with the same name; empty if the name is unique.
    """

    name: str
    scope: Scope | None
    is_known: bool = True
    key: str = ""

    @property
    def own_key(self) -> str:
        """Key for limits and data of this actor only, not of others with the same name."""
        return self.key or f"name:{self.name}"

    def may(self, scope: Scope) -> bool:
        return self.scope is not None and self.scope.includes(scope)

    @property
    def role(self) -> str:
        return next((role for role, scope in ROLES.items() if scope == self.scope), "no role")


@dataclass(frozen=True)
class SignIn:
    """One sign-in of a user with the identity provider.

    Parameters
    ----------
    key
        hash that is unique to this sign-in.
    at
        time by the clock of the server that signed its cookie, in whole seconds.
    claims
        claims of the identity provider.
    """

    key: bytes
    at: datetime
    claims: Mapping[str, object] = field(repr=False, hash=False)

    @property
    def names(self) -> list[str]:
        """All names by which an administrator may refer to the user, in lower case."""
        found = (self.claims.get(name) for name in ("email", "preferred_username", "sub"))
        return sorted({str(name).lower() for name in found if name} | {name_of(self.claims).lower()})


@dataclass(frozen=True)
class RoleRules:
    """Rules that assign roles to users who sign in.

    Parameters
    ----------
    patterns
        role -> patterns of users with this role, such as `ann@shop.example` or `*@shop.example`, ignoring case.
    claim
        the claim that is matched.
    """

    patterns: Mapping[str, Collection[str]]
    claim: str = "email"

    def scope_of(self, claims: Mapping[str, object]) -> Scope | None:
        """Return the highest scope that any value of the claim matches; None without a match."""
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
    """Return the name of a user who has signed in; the subject identifier if the e-mail is not verified.

    The name has no spaces, unlike names of programs.
    """
    names = ("email", "preferred_username", "sub") if _is_verified(claims) else ("sub",)
    name = next(filter(None, map(claims.get, names)), "unknown user")
    return "_".join(str(name).split())[:100]


def _is_verified(claims: Mapping[str, object]) -> bool:
    """Whether the e-mail address is verified; an unverified one may belong to another person."""
    return str(claims.get("email_verified", True)).lower() != "false"
