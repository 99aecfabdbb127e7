"""What the parts of ``python -m bench`` have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console

__all__ = ["Part", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how often to measure.

    Attributes
    ----------
    quick : bool
        Coarser figures in less time.
    rounds : int
        Turns of each load, at least 1.
    seconds : float
        Of one load.
    threads : int
        I/O threads of each server.
    """

    quick: bool
    rounds: int
    seconds: float
    threads: int


class Part(Protocol):
    """Something that is measured and shown as a whole."""

    name: str

    def run(self, settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
        """Measure and return what was found, as JSON data."""

    def show(self, console: Console, found: dict[str, Any]) -> None:
        """Print what `run` returned."""
