"""Which data was refused: how often, by which door, and for which of a few reasons."""

from __future__ import annotations

import threading

from edgelake.errors import (
    BadJson,
    EdgeLakeError,
    MessageTooLarge,
    NotPermitted,
    Overloaded,
    StorageError,
)

__all__ = ["DOORS", "REASONS", "DataRefusals"]

DOORS = ("put", "post")
"""Rows by PUT, and messages by POST."""

REASONS = {
    "malformed": BadJson,
    "too_large": MessageTooLarge,
    "no_room": Overloaded,
    "disk": StorageError,
    "not_permitted": NotPermitted,
    "wrong_call": EdgeLakeError,
}
"""Reasons, and the errors that tell of them; the first that fits counts."""


class DataRefusals:
    """Counts calls whose data was refused. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {(door, reason): 0 for door in DOORS for reason in REASONS}

    def note(self, door: str, error: EdgeLakeError) -> None:
        """Count a call that was refused because of an error."""
        reason = next(name for name, kind in REASONS.items() if isinstance(error, kind))
        with self._lock:
            self._counts[door, reason] += 1

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many there were by door and reason, also of what never happened."""
        with self._lock:
            return dict(self._counts)
