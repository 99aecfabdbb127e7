"""The destinations of ``run client``: which nodes a command goes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgelake.errors import BadDestination, DuplicateOption
from edgelake.language.diagnostics import shortened
from edgelake.language.syntax import And, Entry, Filtered, Group, Item, Test
from edgelake.language.values import ValueType
from edgelake.language.variables import Variables, expand_text

__all__ = ["Destination", "Destinations"]

_HINT = "write ip:port, or (ip:port, ip:port)"


@dataclass(frozen=True, slots=True)
class Destinations:
    """Addresses as texts, and the options of the list, such as ``subset`` and ``timeout``."""

    addresses: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)


class Destination(ValueType):
    """``ip:port``, ``ip port``, ``(ip:port, …, key = value)``, or references to those."""

    metavar = "<destination>"
    takes_groups = True
    by_text = False

    def parse(self, text: str) -> Destinations:
        """Return one address, or those that commas separate.

        Raises
        ------
        BadDestination
            An address has no port.
        """
        return Destinations(tuple(_addresses(text)))

    def take(self, items: Sequence[Item], variables: Variables) -> Destinations:
        """Return the addresses and options of a list, or one address.

        Raises
        ------
        BadDestination
            What is written does not name addresses.
        DuplicateOption
            An option stands in the list twice.
        UndefinedVariable
        """
        first = items[0]
        if isinstance(first, Group):
            return _listed(first, variables)
        if len(items) == 2:
            ip, port = (expand_text((item,), variables, strict=True) for item in items)
            return self.parse(f"{ip}:{port}")
        return self.parse(expand_text(items, variables, strict=True))

    def describe(self) -> str:
        """Return what is accepted."""
        return "ip:port, or (ip:port, ip:port, …)"


def _listed(group: Group, variables: Variables) -> Destinations:
    addresses: list[str] = []
    options: dict[str, str] = {}
    for entry in group.entries:
        test = _plain(entry)
        left = expand_text(test.left, variables, strict=True)
        if not test.operator:
            addresses.extend(_addresses(left))
        elif left in options:
            raise DuplicateOption(f"'{left}' is given twice", hint="leave one out")
        else:
            options[left] = expand_text(test.right, variables, strict=True)
    return Destinations(tuple(addresses), options)


def _plain(entry: Entry) -> Test:
    if isinstance(entry, Test) and entry.operator in ("", "="):
        return entry
    kind = "by policy" if isinstance(entry, Filtered | And) else "of this form"
    raise BadDestination(f"destinations {kind} are not available", hint=_HINT)


def _addresses(text: str) -> list[str]:
    found = [part.strip() for part in text.split(",")]
    for address in found:
        host, colon, port = address.rpartition(":")
        if not (colon and host and port) or any(c.isspace() for c in address):
            raise BadDestination(f"'{shortened(address)}' is not ip:port", hint=_HINT)
    return found
