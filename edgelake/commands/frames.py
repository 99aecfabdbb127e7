"""Where the commands of one thread stand: at the console, or at a line of a script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgelake.commands.runs import ScriptRun

__all__ = ["Frame"]


@dataclass(slots=True, eq=False)
class Frame:
    """State of the commands that follow one another: those typed at a console, or a script's.

    Each thread that runs commands has a chain of frames of its own; a script's frame
    stands on the one of the command that called it.

    Attributes
    ----------
    parent : Frame or None
    run : ScriptRun or None
        The script, ``None`` for console and programs.
    outcome : bool or None
        Of the last ``if``.
    assigned : str
        Destinations to which commands go instead of running here, as written; empty for none.
    inside : int
        How many commands stand around the present one, in this script and those that called it.
    """

    parent: Frame | None = None
    run: ScriptRun | None = None
    outcome: bool | None = None
    assigned: str = ""
    inside: int = 0

    @property
    def depth(self) -> int:
        """How many scripts call one another down to here."""
        return sum(1 for _ in self.runs())

    @property
    def moved(self) -> bool:
        """Whether the script goes on elsewhere, so that the rest of a line is not run."""
        return self.run is not None and self.run.moved

    @property
    def stopped(self) -> bool:
        """Whether one of the scripts was told to stop."""
        return any(run.stopped for run in self.runs())

    def runs(self) -> Iterator[ScriptRun]:
        """Yield the scripts from the innermost outwards."""
        frame: Frame | None = self
        while frame is not None:
            if frame.run is not None:
                yield frame.run
            frame = frame.parent
