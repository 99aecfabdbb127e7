"""What tests of several floors share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import PostgresServer, programs

# The same examples in each run, so that a change is judged by what it changed; `make explore`
# draws others.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("other", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server for all tests that need one; it listens again for each."""
    if programs() is None:
        reason = "the Debian package postgresql is not installed: run tests/install-packages"
        # Where changes are judged nothing may go untested.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
