"""The dictionary of a node: names and their values."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Protocol

from edgelake.errors import NotPermitted

__all__ = ["GrowingValue", "Variables", "WrittenJson"]


class WrittenJson(str):
    """JSON as somebody wrote it at this node, whose references are replaced when it is used.

    All other values are data. What other nodes, the ledger and files give may hold texts
    such as ``$TOKEN``: to replace them would hand out what the node knows.
    """

    __slots__ = ()


class GrowingValue(Protocol):
    """A value that grows while others answer."""

    def text(self) -> str:
        """Return the value of this moment."""

    def figure(self, name: str) -> int:
        """Return how many answers are there (``replies``) or are still missing (``diff``)."""


class Variables:
    """Names and their values, all text. Thread-safe.

    Parameters
    ----------
    initial : mapping or None
        Entries present at start.
    environment : mapping or None
        What ``$NAME`` refers to; by default the environment of the process.
    """

    def __init__(
        self,
        initial: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._entries: dict[str, str] = dict(initial or {})
        self._growing: dict[str, GrowingValue] = {}
        self._environment: Mapping[str, str] | None = (
            os.environ if environment is None else environment
        )
        self._lock = threading.Lock()
        self._for_peers: Variables | None = None

    def get(self, name: str) -> str | None:
        """Return the value of a name, ``None`` if it has none."""
        with self._lock:
            value = self._entries.get(name)
            growing = None if value is not None else self._growing.get(name)
        return value if growing is None else growing.text()

    def set(self, name: str, value: str) -> None:
        """Give a name a value; an empty one is kept as it is."""
        with self._lock:
            self._entries[name] = value
            self._growing.pop(name, None)

    def collect(self, name: str, growing: GrowingValue) -> None:
        """Give a name a value that still grows."""
        with self._lock:
            self._entries.pop(name, None)
            self._growing[name] = growing

    def figure(self, name: str, figure: str) -> int | None:
        """Return ``diff`` or ``replies`` of a value that grows, ``None`` for any other."""
        with self._lock:
            growing = self._growing.get(name)
        return None if growing is None else growing.figure(figure)

    def delete(self, name: str) -> None:
        """Forget a name; nothing happens if it is not known."""
        with self._lock:
            self._entries.pop(name, None)
            self._growing.pop(name, None)

    def replace(self, name: str, before: str | None, value: str) -> bool:
        """Give a name a value if it still has the one of before; return whether it had.

        ``None`` stands for no value.
        """
        with self._lock:
            known, growing = self._entries.get(name), self._growing.get(name)
            if known is None and growing is not None:
                known = growing.text()
            if known != before:
                return False
            self._entries[name] = value
            self._growing.pop(name, None)
            return True

    def items(self) -> list[tuple[str, str]]:
        """Return names and values of this moment, in alphabetical order."""
        with self._lock:
            found = list(self._entries.items())
            growing = list(self._growing.items())
        return sorted([*found, *((name, value.text()) for name, value in growing)])

    def environment(self, name: str) -> str | None:
        """Return a value of the environment, ``None`` if it has none.

        Raises
        ------
        NotPermitted
            A peer asks; the environment is not for others.
        """
        if self._environment is None:
            raise NotPermitted(
                f"'${name}' is not permitted from remote",
                hint="the environment of a node is only for its own console and scripts",
            )
        return self._environment.get(name)

    @property
    def foreign(self) -> bool:
        """Whether this view serves commands of peers."""
        return self._environment is None

    def for_peers(self) -> Variables:
        """Return a view for commands of peers: the same entries, no environment.

        JSON that comes from a peer is data and stays as it came.
        """
        view = self._for_peers
        if view is None:
            view = Variables.__new__(Variables)
            view._entries = self._entries
            view._growing = self._growing
            view._lock = self._lock
            view._environment = None
            view._for_peers = view
            self._for_peers = view
        return view

    def with_values(self, values: Mapping[str, str]) -> Variables:
        """Return what peers see of these variables now, and some values besides.

        Setting one there changes nothing here.
        """
        with self._lock:
            entries = {**self._entries, **values}
            growing = {name: v for name, v in self._growing.items() if name not in values}
        view = Variables.__new__(Variables)
        view._entries, view._growing = entries, growing
        view._lock = threading.Lock()
        view._environment = None
        view._for_peers = view
        return view
