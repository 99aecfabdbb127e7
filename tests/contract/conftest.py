"""Every store of policies' rows, to run one suite on each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgelake.services.master import fault_of
from edgelake.storage import Database, LedgerTable, SequencedLedger


@pytest.fixture(params=["sqlite file", "sqlite memory", "sequenced"])
def rows(request, tmp_path) -> Iterator[LedgerTable]:
    """Return an empty store that keeps to `edgelake.interfaces.LedgerRows`."""
    path = None if request.param == "sqlite memory" else tmp_path / "blockchain.dbms"
    database = Database("blockchain", path)
    sequenced = request.param == "sequenced"
    table = SequencedLedger(database, fault_of) if sequenced else LedgerTable(database)
    table.create()
    yield table
    database.close()
