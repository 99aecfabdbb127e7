"""Files and databases of a node.

What this is: the one safe way to write a file, the home folder with its lock,
the connected databases, the table ``ledger``. What it is not: it knows nothing
of policies; it stores texts and rows that others made
(`edgelake.interfaces.PolicyRow`).
"""

from __future__ import annotations

from edgelake.storage.atomic import read_file, remove_stale_temporaries, replace_file
from edgelake.storage.databases import Database, DatabaseEntry, Databases
from edgelake.storage.home import Home
from edgelake.storage.ledger_file import LedgerFile
from edgelake.storage.ledger_table import LedgerTable

__all__ = [
    "Database",
    "DatabaseEntry",
    "Databases",
    "Home",
    "LedgerFile",
    "LedgerTable",
    "read_file",
    "remove_stale_temporaries",
    "replace_file",
]
