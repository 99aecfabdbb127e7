"""Every store of policies' rows, to run one suite on each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgelake.services.master import fault_of
from edgelake.storage import (
    Database,
    LedgerTable,
    PostgresDatabase,
    SequencedLedger,
    SqliteDatabase,
)


@pytest.fixture(
    params=["sqlite file", "sqlite memory", "postgres", "sequenced", "sequenced postgres"]
)
def rows(request, tmp_path) -> Iterator[LedgerTable]:
    """Return an empty store that keeps to `edgelake.interfaces.LedgerRows`."""
    database: Database
    if "postgres" in request.param:
        server = request.getfixturevalue("postgres")
        database = PostgresDatabase("contract", server.server())
    else:
        path = None if request.param == "sqlite memory" else tmp_path / "blockchain.dbms"
        database = SqliteDatabase("blockchain", path)
    sequenced = "sequenced" in request.param
    table = SequencedLedger(database, fault_of) if sequenced else LedgerTable(database)
    table.create()
    yield table
    database.close()
    if "postgres" in request.param:
        server.drop("contract")
