"""What completion can know of a node at this moment: names, and entries of folders."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edgelake import limits

__all__ = ["Entry", "NodeNames", "listing"]


class NodeNames(Protocol):
    """Names that a node knows. Every method returns at once and never waits for a disk or peer."""

    def variables(self) -> Mapping[str, str]:
        """Return the variables with their values."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment."""

    def databases(self) -> Iterable[str]:
        """Return the names of the connected databases."""

    def tables(self) -> Iterable[str]:
        """Return the names of the known tables."""

    def policy_types(self) -> Iterable[str]:
        """Return the types of the known policies."""

    def addresses(self) -> Mapping[str, str]:
        """Return the addresses of known nodes, and what each is."""

    def service_names(self) -> Iterable[str]:
        """Return the names that ``exit`` takes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder."""

    name: str
    folder: bool


@dataclass(slots=True)
class _Listing:
    """A look into one folder by a thread of its own, which may hang for ever."""

    folder: str
    begun: str
    found: list[Entry] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        try:
            with os.scandir(self.folder) as entries:
                for count, entry in enumerate(entries):
                    if count >= limits.MAX_SCANNED_FILES or len(self.found) >= limits.MAX_OFFERED:
                        break
                    if entry.name.startswith(self.begun) and _shown(entry.name, self.begun):
                        self.found.append(Entry(entry.name, entry.is_dir()))
        except (OSError, ValueError):
            pass  # no such folder, or none that may be read: nothing is offered
        finally:
            self.done.set()


_running: list[_Listing] = []


def listing(folder: str, begun: str) -> list[Entry]:
    """Return the entries of a folder whose names begin so, in alphabetical order.

    Waits `limits.LISTING_WAIT_S` at most and looks at `limits.MAX_SCANNED_FILES`
    entries at most; while a look hangs, no other is begun.
    """
    _running[:] = [look for look in _running if not look.done.is_set()]
    if _running:
        return []
    look = _Listing(folder or ".", begun)
    _running.append(look)
    threading.Thread(target=look.look, name="listing", daemon=True).start()
    if not look.done.wait(limits.LISTING_WAIT_S):
        return []
    return sorted(look.found, key=lambda entry: entry.name)


def _shown(name: str, begun: str) -> bool:
    """Return whether a name is offered: printable, and hidden ones only to who asks."""
    return name.isprintable() and (not name.startswith(".") or begun.startswith("."))
