"""What a terminal can show, by its environment."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import termios
from collections.abc import Iterator, Mapping

__all__ = ["colours_wanted", "dumb", "keys_kept", "terminal_width"]

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


@contextlib.contextmanager
def keys_kept() -> Iterator[None]:
    """Let keys that are pressed while a command runs wait for the next prompt, unseen.

    A terminal would show them in the midst of the command's output, where the prompt does not
    expect them, and take those that edit a line for itself. Ctrl-C goes on to interrupt.
    """
    if not sys.stdin.isatty():
        yield
        return
    where = sys.stdin.fileno()
    before = termios.tcgetattr(where)
    kept = termios.tcgetattr(where)
    kept[0] &= ~termios.ICRNL
    kept[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(where, termios.TCSADRAIN, kept)
    try:
        yield
    finally:
        termios.tcsetattr(where, termios.TCSADRAIN, before)
