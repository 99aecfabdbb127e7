"""What tests of several floors share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.postgres import PostgresServer, programs


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
