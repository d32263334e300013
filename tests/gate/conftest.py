"""Fixtures: servers with and without sign-in, shared with the API tests."""

from tests.api.conftest import api, patch, place, secured_api  # noqa: F401  fixtures
