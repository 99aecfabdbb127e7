"""What a terminal can show, by its environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

__all__ = ["colours_wanted", "dumb", "terminal_width"]

_USUAL = 80
_LEAST = 20


def colours_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether colours may be used: not with ``NO_COLOR``, nor on a dumb terminal."""
    return not environment.get("NO_COLOR") and not dumb(environment)


def dumb(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal only takes lines."""
    return environment.get("TERM", "").lower() in ("dumb", "unknown")


def terminal_width() -> int:
    """Return the columns of the terminal at this moment."""
    return max(_LEAST, shutil.get_terminal_size((_USUAL, 24)).columns)
