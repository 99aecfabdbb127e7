"""Names of data files: ``dbms.table.source.hash.instructions.json``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgelake import limits
from edgelake.errors import WrongValue

__all__ = ["DataName"]

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_MOST = {
    "dbms": limits.MAX_DATA_NAME_CHARS,
    "table": limits.MAX_DATA_NAME_CHARS,
    "source": limits.MAX_DATA_TAG_CHARS,
    "instructions": limits.MAX_DATA_TAG_CHARS,
}


@dataclass(frozen=True, slots=True, order=True)
class DataName:
    """Where rows belong, and what is said of them.

    Attributes
    ----------
    dbms, table : str
    source : str
        Who they come from; ``0`` if nobody says.
    instructions : str
        Id of the policy that says how they are to be read; ``0`` for none.

    Raises
    ------
    WrongValue
        A part cannot be one of a file name.
    """

    dbms: str
    table: str
    source: str = "0"
    instructions: str = "0"

    def __post_init__(self) -> None:
        """Refuse what would lead elsewhere, or be taken for another part."""
        for key, most in _MOST.items():
            value = getattr(self, key)
            if not _PART.fullmatch(value) or len(value) > most:
                shown = value if len(value) <= most else f"{value[:most]}…"
                raise WrongValue(
                    f"{shown!r} cannot be '{key}'",
                    hint=f"write up to {most} letters, digits, _ and -, no - in front",
                )

    @property
    def of_table(self) -> str:
        """``dbms.table``."""
        return f"{self.dbms}.{self.table}"

    def file(self, md5: str) -> str:
        """Return the name of a file in the watch folder with a content of that hash."""
        return f"{self.dbms}.{self.table}.{self.source}.{md5}.{self.instructions}.json"

    def buffer(self) -> str:
        """Return the name of the file in the prep folder where rows gather."""
        return f"{self.dbms}.{self.table}.{self.source}.{self.instructions}.rows"

    @classmethod
    def of_buffer(cls, name: str) -> DataName | None:
        """Return what a file of the prep folder gathers, ``None`` if it is no such file."""
        parts = name.split(".")
        if len(parts) != len(_MOST) + 1 or parts[-1] != "rows":
            return None
        try:
            return cls(*parts[:-1])
        except WrongValue:
            return None
