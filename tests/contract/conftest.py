"""Every store of policies' rows, to run one suite on each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgelake.storage import Database, LedgerTable


@pytest.fixture(params=["sqlite file", "sqlite memory"])
def rows(request, tmp_path) -> Iterator[LedgerTable]:
    """Return an empty store that keeps to `edgelake.interfaces.LedgerRows`."""
    path = tmp_path / "blockchain.dbms" if request.param == "sqlite file" else None
    database = Database("blockchain", path)
    table = LedgerTable(database)
    table.create()
    yield table
    database.close()
