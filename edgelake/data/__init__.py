"""Rows of data as text: what a caller sends, and the files that hold it.

What this is: the check of rows, values of the types of columns, names of data files.
What it is not: it opens no file (`edgelake.storage`), and keeps nothing running.
"""

from __future__ import annotations

from edgelake.data.names import DataName
from edgelake.data.rows import Row, Written, parse_rows, row_text
from edgelake.data.types import COLUMN_TYPES, ColumnType, column_type

__all__ = [
    "COLUMN_TYPES",
    "ColumnType",
    "DataName",
    "Row",
    "Written",
    "column_type",
    "parse_rows",
    "row_text",
]
