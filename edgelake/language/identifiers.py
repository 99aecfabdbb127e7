"""Types of names that the network gives to things: policies, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgelake.errors import WrongValue
from edgelake.language.diagnostics import shortened
from edgelake.language.values import ValueType

__all__ = ["PolicyId", "TableName", "TableType"]

_POLICY_ID = re.compile(r"[\w.:-]{1,128}")
_PART = r"[\w-]{1,63}"
_TABLE = re.compile(rf"({_PART})\.({_PART})")


class PolicyId(ValueType):
    """The id of a policy: up to 128 letters, digits, ``_``, ``-``, ``.`` and ``:``."""

    metavar = "<policy id>"

    def parse(self, text: str) -> str:
        """Return the id."""
        if not _POLICY_ID.fullmatch(text):
            raise WrongValue(
                f"'{shortened(text)}' is not the id of a policy", hint=f"write {self.describe()}"
            )
        return text

    def describe(self) -> str:
        """Return what is accepted."""
        return "the id of a policy, for example 3e1d7c1f0a1b4f7e"


@dataclass(frozen=True, slots=True)
class TableName:
    """A table and the database it is in."""

    database: str
    table: str

    def __str__(self) -> str:
        """Return ``database.table``."""
        return f"{self.database}.{self.table}"


class TableType(ValueType):
    """``database.table``."""

    metavar = "<database.table>"

    def parse(self, text: str) -> TableName:
        """Return database and table."""
        match = _TABLE.fullmatch(text)
        if match is None:
            raise WrongValue(
                f"'{shortened(text)}' is not database.table", hint=f"write {self.describe()}"
            )
        return TableName(match[1], match[2])

    def describe(self) -> str:
        """Return what is accepted."""
        return "database.table, for example orchard.pump_a"
