"""Roles and names of users, from the claims of the identity provider."""

import pytest

from fcst.roles import RoleRules, Scope, name_of

RULES = RoleRules({"admin": ["ada@shop.example"], "analyst": ["*@SHOP.example"], "viewer": ["*@audit.example"]})


@pytest.mark.parametrize(
    ("claims", "scope"),
    [
        ({"email": "ada@shop.example"}, Scope.ADMIN),
        ({"email": "Ada@Shop.Example", "email_verified": True}, Scope.ADMIN),
        ({"email": "ann@shop.example"}, Scope.RUN),
        ({"email": "vera@audit.example"}, Scope.READ),
        ({"email": "ada@shop.example.evil.example"}, None),
        ({"email": "ada@shop.example", "email_verified": False}, None),
        ({"email": "ada@shop.example", "email_verified": "False"}, None),
        ({"preferred_username": "ada@shop.example"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_role_needs_a_verified_address(claims: dict, scope: Scope | None) -> None:
    assert RULES.scope_of(claims) == scope


def test_role_can_come_from_another_claim() -> None:
    rules = RoleRules({"admin": ["planners"], "viewer": ["all"]}, claim="groups")
    assert rules.scope_of({"groups": ["all", "planners"]}) == Scope.ADMIN
    assert rules.scope_of({"groups": "all", "email": "planners"}) == Scope.READ
    assert rules.scope_of({"email": "planners"}) is None


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "ann@shop.example", "name": "Ann"}, "ann@shop.example"),
        ({"email": "boss@shop.example", "email_verified": False, "sub": "4711"}, "4711"),
        ({"email": "a@x", "email_verified": False, "preferred_username": "boss@shop.example", "sub": "4711"}, "4711"),
        ({"preferred_username": "ann", "sub": "4711"}, "ann"),
        ({"name": "The Boss", "sub": "4711"}, "4711"),
        ({"sub": "token nightly-load"}, "token_nightly-load"),  # names of programs have a space instead
        ({"sub": "x" * 200}, "x" * 100),
        ({}, "unknown_user"),
    ],
    ids=str,
)
def test_name_uses_verified_claims(claims: dict, name: str) -> None:
    assert name_of(claims) == name
