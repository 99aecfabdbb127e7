"""The echo queue: messages that wait until somebody reads them."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from edgelake import limits

__all__ = ["EchoQueue", "Echoed"]


@dataclass(frozen=True, slots=True)
class Echoed:
    """One message of the queue.

    Attributes
    ----------
    number : int
        Counts the messages of a node from 1.
    time : str
        When it came, in UTC.
    source : str
        Address of the node it came from, empty for this one.
    text : str
        At most `limits.MAX_NOTICE_CHARS` characters of it.
    """

    number: int
    time: str
    source: str
    text: str


class EchoQueue:
    """Keeps messages while it is on; the oldest go when it is full. Thread-safe.

    Attributes
    ----------
    on : bool
        Whether messages go here instead of to the console.
    """

    def __init__(self) -> None:
        self.on = False
        self._lock = threading.Lock()
        self._kept: deque[Echoed] = deque()
        self._bytes = 0
        self._size = limits.ECHO_MESSAGES
        self._number = 0
        self._dropped = 0
        self._unread = False

    @property
    def size(self) -> int:
        """How many messages are kept at most."""
        return self._size

    @property
    def unread(self) -> bool:
        """Whether a message came since `read` was called last."""
        return self._unread

    def add(self, text: str, source: str = "") -> bool:
        """Keep a message if the queue is on; return whether it was kept. Never blocks."""
        if not self.on:
            return False
        over = len(text) - limits.MAX_NOTICE_CHARS
        if over > 0:
            text = f"{text[: limits.MAX_NOTICE_CHARS]} … ({over:,} more characters)"
        now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
        with self._lock:
            self._number += 1
            self._kept.append(Echoed(self._number, now.replace("+00:00", "Z"), source, text))
            self._bytes += sys.getsizeof(text)
            self._drop()
            self._unread = True
        return True

    def read(self) -> tuple[list[Echoed], int]:
        """Return the messages, the oldest first, and how many were dropped since `reset`."""
        with self._lock:
            self._unread = False
            return list(self._kept), self._dropped

    def reset(self, size: int | None = None) -> None:
        """Forget all messages; keep at most ``size`` from now on, if it is given."""
        with self._lock:
            self._kept.clear()
            self._bytes = self._dropped = 0
            self._unread = False
            if size is not None:
                self._size = size

    def _drop(self) -> None:
        while len(self._kept) > self._size or self._bytes > limits.MAX_ECHO_BYTES:
            self._bytes -= sys.getsizeof(self._kept.popleft().text)
            self._dropped += 1
