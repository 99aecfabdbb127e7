"""Which commands are traced, and how closely."""

from __future__ import annotations

import threading

from edgelake import limits
from edgelake.errors import Overloaded

__all__ = ["Traces"]


class Traces:
    """Levels of tracing by the name of a command. Thread-safe.

    Attributes
    ----------
    active : bool
        Whether any command is traced; read without a lock at each execution.
    """

    def __init__(self) -> None:
        self.active = False
        self._lock = threading.Lock()
        self._levels: dict[str, int] = {}
        self._others = 0

    def set(self, name: str, level: int) -> None:
        """Trace a command at a level 1 or 2; 0 ends it.

        Raises
        ------
        Overloaded
            `limits.MAX_TRACED` commands are traced already.
        """
        with self._lock:
            if level == self._others:
                self._levels.pop(name, None)
            elif name not in self._levels and len(self._levels) >= limits.MAX_TRACED:
                raise Overloaded(
                    f"{limits.MAX_TRACED} commands are traced already",
                    hint="end one of them: trace level = 0 <command>",
                )
            else:
                self._levels[name] = level
            self.active = bool(self._levels or self._others)

    def set_all(self, level: int) -> None:
        """Trace every command at a level 1 or 2; 0 ends all traces."""
        with self._lock:
            self._levels.clear()
            self._others = level
            self.active = bool(level)

    def level(self, name: str) -> int:
        """Return the level of a command, 0 if it is not traced."""
        return self._levels.get(name, self._others)

    def levels(self) -> dict[str, int]:
        """Return all commands that are traced, with their levels; ``*`` is every other one."""
        with self._lock:
            others = {"*": self._others} if self._others else {}
            return {**others, **dict(sorted(self._levels.items()))}
