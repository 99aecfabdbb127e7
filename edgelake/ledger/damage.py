"""What is left out of a ledger, and why."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Damage"]


@dataclass(frozen=True, slots=True)
class Damage:
    """A line, or a part of the journal, that is left out of the ledger.

    Attributes
    ----------
    line : int
        1-based number in the file; for a part of the journal the byte it begins at.
    reason : str
    policy_id : str
        Empty if it has none.
    text : bytes
        It as it stood.
    journal : bool
        It is a part of the journal.
    """

    line: int
    reason: str
    policy_id: str = ""
    text: bytes = b""
    journal: bool = False

    def __str__(self) -> str:
        """Return the place and the reason."""
        return f"{'journal at byte' if self.journal else 'line'} {self.line}: {self.reason}"
