"""Servers with a sign-in and without, as those of the API's tests have them."""

from tests.api.conftest import desk, office, patch, place  # noqa: F401  fixtures
