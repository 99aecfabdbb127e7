"""Files and databases of a node.

What this is: the one safe way to write a file, work on files within a given
reach, the home folder with its lock, the connected databases, the table ``ledger``.
What it is not: it knows nothing of policies; it stores texts and rows that others
made (`edgelake.interfaces.PolicyRow`).
"""

from __future__ import annotations

from edgelake.storage.atomic import read_file, remove_stale_temporaries, replace_file
from edgelake.storage.databases import DatabaseEntry, Databases
from edgelake.storage.engine import Database
from edgelake.storage.files import (
    copy_file,
    delete_file,
    fetch_file,
    file_exists,
    hash_file,
    landing,
    matching_files,
    move_file,
    name_pattern,
    require_place,
    store_file,
)
from edgelake.storage.folders import (
    Listed,
    access_of,
    archived_files,
    delete_archived,
    folder_size,
    list_files,
    list_folders,
    modified_s,
)
from edgelake.storage.home import Home
from edgelake.storage.journal import Journal
from edgelake.storage.ledger_entries import LedgerRead
from edgelake.storage.ledger_file import LedgerFile
from edgelake.storage.ledger_log import SequencedLedger
from edgelake.storage.ledger_table import LedgerTable
from edgelake.storage.postgres import PostgresDatabase
from edgelake.storage.postgres_link import Server
from edgelake.storage.reach import EVERYWHERE, Reach, Use
from edgelake.storage.row_buffer import RowBuffer
from edgelake.storage.sqlite import SqliteDatabase
from edgelake.storage.transcoding import compress_file, decode_file, decompress_file, encode_file
from edgelake.storage.user_file import PasswordHash, TokenHash, User, UserFile
from edgelake.storage.watch_folder import WatchFolder

__all__ = [
    "Database",
    "DatabaseEntry",
    "Databases",
    "EVERYWHERE",
    "Home",
    "Journal",
    "LedgerFile",
    "LedgerRead",
    "LedgerTable",
    "Listed",
    "PostgresDatabase",
    "Reach",
    "RowBuffer",
    "SequencedLedger",
    "Server",
    "SqliteDatabase",
    "Use",
    "WatchFolder",
    "access_of",
    "archived_files",
    "compress_file",
    "copy_file",
    "decode_file",
    "decompress_file",
    "delete_archived",
    "delete_file",
    "encode_file",
    "fetch_file",
    "file_exists",
    "folder_size",
    "hash_file",
    "landing",
    "list_files",
    "list_folders",
    "matching_files",
    "modified_s",
    "move_file",
    "name_pattern",
    "read_file",
    "remove_stale_temporaries",
    "replace_file",
    "require_place",
    "store_file",
    "PasswordHash",
    "TokenHash",
    "User",
    "UserFile",
]
