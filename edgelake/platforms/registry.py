"""The platforms that are connected."""

from __future__ import annotations

import threading

from edgelake.errors import PlatformNotConnected
from edgelake.platforms.ethereum import Ethereum

__all__ = ["PLATFORM_NAMES", "Platforms"]

PLATFORM_NAMES = ("ethereum", "optimism")
"""Platforms that a node can use; they differ in nothing but the provider and the name."""


class Platforms:
    """Every connected platform by its name. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, Ethereum] = {}

    def connect(self, name: str, url: str) -> Ethereum:
        """Connect to a platform, or give it another provider; return it.

        Raises
        ------
        LibraryMissing, WrongValue, PlatformError
            Nothing was changed.
        """
        before = self.find(name)
        if before is not None:
            before.reconnect(url)
            return before
        made = Ethereum(name, url)
        with self._lock:
            return self._found.setdefault(name, made)

    def find(self, name: str) -> Ethereum | None:
        """Return a platform, ``None`` if it is not connected."""
        with self._lock:
            return self._found.get(name)

    def get(self, name: str) -> Ethereum:
        """Return a platform.

        Raises
        ------
        PlatformNotConnected
        """
        found = self.find(name)
        if found is None:
            raise PlatformNotConnected(
                f"platform '{name}' is not connected",
                hint=f"blockchain connect to {name} where provider = http://…",
            )
        return found

    def all(self) -> list[Ethereum]:
        """Return the connected platforms in the order in which they were connected."""
        with self._lock:
            return list(self._found.values())

    def close(self) -> None:
        """Forget the platforms and their keys."""
        with self._lock:
            found, self._found = self._found, {}
        for platform in found.values():
            platform.close()
