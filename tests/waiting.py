"""Waiting for a condition, with a deadline instead of a pause."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE_S = 15.0


def eventually(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds; fail with what was waited for."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)
