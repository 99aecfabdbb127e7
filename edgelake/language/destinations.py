"""The destinations of ``run client``: which nodes a command goes to.

Source: command reference, "run client".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgelake.errors import BadDestination, DuplicateOption
from edgelake.interfaces import Bring
from edgelake.language.bring import read_bring
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_text
from edgelake.language.forms import PolicyTypes
from edgelake.language.syntax import And, Condition, Filtered, Group, Item, Test, Word
from edgelake.language.values import ValueType
from edgelake.language.variables import Variables

__all__ = ["IP_PORT", "Destination", "Destinations", "HostedTable", "PolicyQuery"]

_HINT = "write ip:port, or (ip:port, ip:port)"
_BY_POLICY = "write (blockchain get operator where … bring.ip_port), or (operator where …)"
_BY_TABLE = "write (dbms = name and table = name)"
_NODE_TYPES = ("operator", "query", "master", "publisher")
_GET = ("blockchain", "get")
_OPTIONS = ("subset", "timeout")

IP_PORT = Bring(frozenset({"ip_port"}))
"""Takes the addresses of nodes out of their policies."""


@dataclass(frozen=True, slots=True)
class PolicyQuery:
    """The nodes that policies describe: those of some types that fulfil a condition.

    Attributes
    ----------
    bring : Bring
        Takes their addresses.
    """

    types: tuple[str, ...]
    condition: Condition | None = None
    bring: Bring = IP_PORT


@dataclass(frozen=True, slots=True)
class HostedTable:
    """The nodes that keep a table."""

    dbms: str
    table: str


@dataclass(frozen=True, slots=True)
class Destinations:
    """Which nodes are meant.

    Attributes
    ----------
    addresses : tuple of str
        ``ip:port`` each.
    options : dict of str to str
        Of the list: ``subset`` and ``timeout``.
    queries : tuple of PolicyQuery or HostedTable
        Nodes to be found in the ledger.
    here : bool
        It is the point that ends the assignment of a console.
    """

    addresses: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    queries: tuple[PolicyQuery | HostedTable, ...] = ()
    here: bool = False


class Destination(ValueType):
    """``ip:port``, ``ip port``, a list of addresses and policies, or references to those."""

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
        """Return the addresses, queries and options of a list, or one address.

        Raises
        ------
        BadDestination
            What is written does not name nodes.
        DuplicateOption
            An option stands in the list twice.
        UndefinedVariable
        """
        first = items[0]
        if isinstance(first, Group):
            return _listed(first, variables)
        if isinstance(first, Word) and first.literal == "." and len(items) == 1:
            return Destinations((), here=True)
        if len(items) == 2:
            ip, port = (expand_text((item,), variables, strict=True) for item in items)
            return self.parse(f"{ip}:{port}")
        return self.parse(expand_text(items, variables, strict=True))

    def describe(self) -> str:
        """Return what is accepted."""
        return "ip:port, (ip:port, …), or (operator where …)"


def _listed(group: Group, variables: Variables) -> Destinations:
    addresses: list[str] = []
    options: dict[str, str] = {}
    queries: list[PolicyQuery | HostedTable] = []
    for entry in group.entries:
        if isinstance(entry, Filtered):
            queries.append(_filtered(entry, variables))
        elif isinstance(entry, And):
            queries.append(_table(entry, variables))
        elif not isinstance(entry, Test) or entry.operator not in ("", "="):
            raise BadDestination("this names no nodes", hint=_HINT)
        elif entry.operator:
            _option(entry, options, variables)
        elif (types := _types(entry.left, variables)) is not None:
            queries.append(PolicyQuery(types))
        else:
            addresses.extend(_addresses(expand_text(entry.left, variables, strict=True)))
    return Destinations(tuple(addresses), options, tuple(queries))


def _filtered(entry: Filtered, variables: Variables) -> PolicyQuery:
    """Return the query of ``operator where …`` and ``blockchain get operator where …``."""
    types = _types(entry.items, variables)
    if types is None:
        raise BadDestination("this names no policies", hint=_BY_POLICY)
    if not entry.bring:
        return PolicyQuery(types, entry.condition)
    bring = read_bring(entry.bring, variables)
    if not bring.items and "ip_port" not in bring.modifiers:
        raise BadDestination("this gives no addresses", hint=_BY_POLICY)
    return PolicyQuery(types, entry.condition, bring)


def _types(items: Sequence[Item], variables: Variables) -> tuple[str, ...] | None:
    """Return the types of policies that words name, ``None`` if they name none."""
    words = tuple(item.literal if isinstance(item, Word) else None for item in items)
    if words[:2] == _GET:
        if len(items) != 3:
            raise BadDestination("this names no policies", hint=_BY_POLICY)
        found: tuple[str, ...] = PolicyTypes().take(items[2:], variables)
        return found
    if len(words) == 1 and words[0] in _NODE_TYPES:
        return (words[0],)
    return None


def _table(entry: And, variables: Variables) -> HostedTable:
    """Return the table of ``dbms = d and table = t``."""
    found: dict[str, str] = {}
    for part in entry.parts:
        if not isinstance(part, Test) or part.operator != "=":
            raise BadDestination("this names no table", hint=_BY_TABLE)
        key = expand_text(part.left, variables, strict=True)
        if key not in ("dbms", "table") or key in found:
            raise BadDestination(f"'{shortened(key)}' names no table", hint=_BY_TABLE)
        found[key] = expand_text(part.right, variables, strict=True)
    if len(found) != 2:
        raise BadDestination("this names no table", hint=_BY_TABLE)
    return HostedTable(found["dbms"], found["table"])


def _option(test: Test, options: dict[str, str], variables: Variables) -> None:
    key = expand_text(test.left, variables, strict=True)
    if key in ("dbms", "table"):
        raise BadDestination("a table needs its database, too", hint=_BY_TABLE)
    if key not in _OPTIONS:
        raise BadDestination(
            f"unknown word '{shortened(key)}' in the list of destinations",
            hint="write subset = true or timeout = seconds",
        )
    if key in options:
        raise DuplicateOption(f"'{key}' is given twice", hint="leave one out")
    options[key] = expand_text(test.right, variables, strict=True)


def _addresses(text: str) -> list[str]:
    found = [part.strip() for part in text.split(",")]
    for address in found:
        host, colon, port = address.rpartition(":")
        if not (colon and host and port) or any(c.isspace() for c in address):
            raise BadDestination(f"'{shortened(address)}' is not ip:port", hint=_HINT)
    return found
