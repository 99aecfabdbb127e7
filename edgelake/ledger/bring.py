"""Takes values out of policies and other JSON objects, as ``bring`` asks for them.

Paths are walked, never evaluated. What an object lacks, or what cannot be compared, is
no error: it gives nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from edgelake import limits
from edgelake.errors import CommandError
from edgelake.interfaces import Bring, BringCut, BringPath, BringStep, Table
from edgelake.ledger.policy import literal
from edgelake.ledger.render import layout

__all__ = ["Brought", "bring", "children_of"]

_MISSING: Any = object()
_INDEX = re.compile("[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{0,300})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")
_TYPE_KEY = "policy"

_Value: TypeAlias = tuple[BringPath, ...]


@dataclass(frozen=True, slots=True)
class Brought:
    """What was taken.

    Attributes
    ----------
    data : Any
        JSON data: a list with an entry for each result, or a number for a plain count.
    text : str
        The same as text; empty when nothing was found, and for a table.
    json : bool
        ``text`` is JSON.
    table : Table or None
        The same as rows, if a table is asked for.
    """

    data: Any
    text: str = ""
    json: bool = False
    table: Table | None = None


def bring(
    objects: Sequence[Any], wanted: Bring, *, own_addresses: frozenset[str] = frozenset()
) -> Brought:
    """Return what is wanted of objects.

    Parameters
    ----------
    objects : sequence
        JSON data: policies in ledger order, or messages. ``children`` is for the caller,
        who knows the ledger: see `children_of`.
    wanted : Bring
    own_addresses : frozenset of str
        External addresses of this node: ``ip_port`` takes the local address of a node
        behind the same one.

    Raises
    ------
    CommandError
        The result exceeds `limits.MAX_BRING_CHARS`, or a table `limits.MAX_BRING_ITEMS`
        columns.

    Notes
    -----
    Source: ledger reference, "bring".
    """
    found = _chosen(objects, wanted.modifiers)
    if not found:
        return Brought(0 if "count" in wanted.modifiers and not wanted.items else [])
    if "ip_port" in wanted.modifiers:
        addresses = [{"ip_port": a} for o in found if (a := _address(o, own_addresses))]
        wanted = replace(wanted, items=((BringPath(("ip_port",)),),))
        if wanted.separator is None:
            wanted = replace(wanted, separator=",")
        unique = list({address["ip_port"]: address for address in addresses}.values())
        return _of_values(unique, wanted) if unique else Brought([])
    return _of_values(found, wanted) if wanted.items else _of_wholes(found, wanted)


def children_of(objects: Iterable[Any], policies: Iterable[Any]) -> list[Any]:
    """Return those of the policies whose ``parent`` is the id of one of the objects."""
    ids = {found for o in objects if isinstance(found := _body(o).get("id"), str)}
    return [policy for policy in policies if _is_one_of(_body(policy).get("parent"), ids)]


# ------------------------------------------------------------ which objects


def _chosen(objects: Sequence[Any], modifiers: frozenset[str]) -> Sequence[Any]:
    """Return the one object that ``first``, ``last`` or ``recent`` takes, or all."""
    if "first" in modifiers:
        return objects[:1]
    if "last" in modifiers:
        return objects[-1:]
    if "recent" in modifiers and objects:
        # Of equal dates the last one, as the ledger is ordered.
        return [max(enumerate(objects), key=lambda pair: (_date(pair[1]), pair[0]))[1]]
    return objects


def _body(value: Any) -> dict[str, Any]:
    """Return the body of a policy, the object itself if it is none, or nothing."""
    if not isinstance(value, dict):
        return {}
    if len(value) == 1:
        (body,) = value.values()
        if isinstance(body, dict):
            return body
    return value


def _date(value: Any) -> str:
    date = _body(value).get("date")
    return date if isinstance(date, str) else ""


def _is_one_of(value: Any, ids: set[str]) -> bool:
    return isinstance(value, str) and value in ids


def _address(value: Any, own_addresses: frozenset[str]) -> str | None:
    """Return ``ip:port`` of a node's policy; ``None`` if it has none that is one."""
    body = _body(value)
    ip, port = body.get("ip"), body.get("port")
    local = body.get("local_ip", body.get("internal_ip"))
    if local is not None and (ip is None or ip in own_addresses):
        ip = local
        port = body.get("local_port", body.get("internal_port", port))
    if isinstance(port, str) and _INDEX.fullmatch(port):
        port = int(port)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65_536:
        return None
    return f"{ip}:{port}" if isinstance(ip, str) and _HOST.fullmatch(ip) else None


# ------------------------------------------------------------ whole objects


def _of_wholes(objects: Sequence[Any], wanted: Bring) -> Brought:
    """Return the objects themselves, or their number."""
    modifiers = wanted.modifiers
    if "unique" in modifiers:
        objects = _unique(objects, _json)
    if "count" in modifiers:
        plain = not modifiers & {"json", "table"}
        return Brought(len(objects), str(len(objects))) if plain else _counted(len(objects), wanted)
    if "table" in modifiers:
        return _attributes(objects, wanted)
    data = list(objects)
    return Brought(data, _json_list(data) if "json" in modifiers else layout(data), json=True)


def _attributes(objects: Sequence[Any], wanted: Bring) -> Brought:
    """Return a table with a column for the type and for each attribute."""
    names: dict[str, None] = {}
    for value in objects:
        names.update(dict.fromkeys(_body(value)))
        if len(names) >= limits.MAX_BRING_ITEMS:
            raise CommandError(
                f"the objects have more than {limits.MAX_BRING_ITEMS - 1} attributes",
                hint="name those to show: bring.table [*] [*][name]",
            )
    typed = all(_is_policy(value) for value in objects)
    front: list[_Value] = [(BringPath((BringStep.FIRST,)),)] if typed else []
    inside: tuple[BringStep, ...] = (BringStep.FIRST,) if typed else ()
    items = (*front, *((BringPath((*inside, name)),) for name in names))
    return _of_values(objects, replace(wanted, items=items, modifiers=frozenset({"table"})))


def _is_policy(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and _body(value) is not value


# ------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class _Row:
    """What one object gives: the value of each path, and all of it as text."""

    values: tuple[Any, ...]
    text: str

    @property
    def empty(self) -> bool:
        """Whether the object has none of the values that are asked for."""
        return bool(self.values) and all(value is _MISSING for value in self.values)

    @property
    def distinct(self) -> str:
        """A text that only rows of the same values have."""
        return _json([[] if value is _MISSING else [value] for value in self.values])


def _of_values(objects: Sequence[Any], wanted: Bring) -> Brought:
    """Return what the items give for each object."""
    modifiers = wanted.modifiers
    rows = list(_rows(objects, wanted))
    if "null" not in modifiers or "count" in modifiers:
        rows = [row for row in rows if not row.empty]
    if "unique" in modifiers:
        keyed = modifiers & {"json", "table", "count"}
        rows = _unique(rows, lambda row: row.distinct if keyed else row.text)
    if wanted.sort is not None:
        numbers = wanted.sort or tuple(range(limits.MAX_BRING_ITEMS))
        rows.sort(key=lambda row: [_rank(row.values[n]) for n in numbers if n < len(row.values)])
    if modifiers & {"min", "max"} and rows:
        rows = [_extreme(rows, wanted)]
    if "count" in modifiers:
        return _counted(len(rows), wanted)
    if modifiers & {"json", "table"}:
        return _keyed(rows, objects, wanted)
    texts = [row.text for row in rows]
    if "list" in modifiers:
        return Brought(texts, f"[{','.join(texts)}]")
    return Brought(texts, (wanted.separator or "").join(texts))


def _rows(objects: Iterable[Any], wanted: Bring) -> Iterator[_Row]:
    items = wanted.items
    room = limits.MAX_BRING_CHARS
    always = len(wanted.separator or "") + sum(len(i) for i in items if isinstance(i, str))
    for value in objects:
        room -= always
        found: list[Any] = []
        parts: list[str] = []
        for item in items:
            if isinstance(item, str):
                parts.append(item)
                continue
            taken = _first(value, item)
            found.append(taken)
            parts.append("" if taken is _MISSING else _text(taken))
            room -= len(parts[-1])
        if room < 0:
            raise _too_long()
        yield _Row(tuple(found), "".join(parts))


def _first(value: Any, paths: _Value) -> Any:
    """Return the first value that one of the paths leads to."""
    for path in paths:
        found = _cut(_walk(value, path.steps), path.cut)
        if found is not _MISSING:
            return found
    return _MISSING


def _walk(value: Any, steps: tuple[str | BringStep, ...]) -> Any:
    if len(steps) == 1 and steps[0] is BringStep.EACH and not _is_policy(value):
        return value  # the whole, of what has no type
    for n, step in enumerate(steps):
        behind = steps[n + 1 :]
        if step is BringStep.EACH and isinstance(value, list):
            if not behind:
                return value
            found = (_walk(entry, behind) for entry in value)
            return [entry for entry in found if entry is not _MISSING] or _MISSING
        if isinstance(step, BringStep):
            if not isinstance(value, dict) or not value or (n and step is BringStep.EACH):
                return _MISSING
            first = next(iter(value))
            value = value[first] if behind else first
        elif isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


def _cut(value: Any, cut: BringCut | None) -> Any:
    """Return the part of a value that a path takes."""
    if cut is None or value is _MISSING:
        return value
    text = _text(value)
    if cut.name == "find":
        return text.partition(cut.text)[0]
    if cut.name == "rfind":
        return text.rpartition(cut.text)[2]
    if cut.name == "prefix":
        return text[: cut.count]
    return text[max(0, len(text) - cut.count) :]


# ------------------------------------------------------------------- forms


def _text(value: Any) -> str:
    """Return a value as text; lists and objects are JSON, so that it can be read again."""
    if isinstance(value, str):
        return value
    return _json(value) if isinstance(value, dict | list) else literal(value)


def _json(value: Any) -> str:
    separators = (",", ":") if isinstance(value, list) else (", ", ": ")
    return json.dumps(value, ensure_ascii=False, separators=separators)


def _json_list(data: Sequence[Any]) -> str:
    """Return a JSON list in the layout that existing nodes answer with."""
    parts: list[str] = []
    room = limits.MAX_BRING_CHARS
    for value in data:
        parts.append(json.dumps(value, ensure_ascii=False))
        room -= len(parts[-1])
        if room < 0:
            raise _too_long()
    return f"[{','.join(parts)}]"


def _too_long() -> CommandError:
    return CommandError(
        f"the result exceeds {limits.MAX_BRING_CHARS} characters",
        hint="bring fewer values, or of fewer policies",
    )


def _counted(count: int, wanted: Bring) -> Brought:
    data = [{"count": count}]
    if "table" in wanted.modifiers:
        return Brought(data, table=Table(("Count",), [(count,)]))
    return Brought(data, f'[{{"count" : {count} }}]', json=True)


def _keyed(rows: Sequence[_Row], objects: Sequence[Any], wanted: Bring) -> Brought:
    """Return the values under keys: as JSON objects, or as a table."""
    paths = [item for item in wanted.items if not isinstance(item, str)]
    keys = _keys(paths, all(isinstance(o, dict) and len(o) == 1 for o in objects))
    missing = "" if "null" in wanted.modifiers or "table" in wanted.modifiers else _MISSING
    data: list[dict[str, Any]] = []
    for row in rows:
        entry: dict[str, Any] = {}
        for key, value in zip(keys, row.values, strict=True):
            if value is not _MISSING and entry.get(key, missing) == missing:
                entry[key] = value
            elif missing is not _MISSING:
                entry.setdefault(key, missing)
        if entry:
            data.append(entry)
    if "table" not in wanted.modifiers:
        return Brought(data, _json_list(data), json=True)
    columns = list(dict.fromkeys(keys))
    headings = tuple(key[:1].upper() + key[1:] for key in columns)
    shown = [tuple(_text(entry[key]) for key in columns) for entry in data]
    return Brought(data, table=Table(headings, shown))


def _keys(paths: Sequence[_Value], one_root: bool) -> list[str]:
    """Return the key of each path: its last name, with a number where that is taken.

    Paths of different types share a key where an object has one root: only one of them
    leads to a value.
    """
    keys: list[str] = []
    owners: dict[str, list[str | BringStep]] = {}
    for alternatives in paths:
        steps = alternatives[0].steps
        names = [step for step in steps if isinstance(step, str)]
        last = steps[-1]
        plain = last if isinstance(last, str) else names[-1] if names else _TYPE_KEY
        root = steps[0]
        key, number = plain, 1
        while key in owners:
            roots = owners[key]
            alone = len(alternatives) == 1 and isinstance(root, str) and root not in roots
            if one_root and alone and all(isinstance(other, str) for other in roots):
                break
            number += 1
            key = f"{plain}_{number}"
        owners.setdefault(key, []).append(root if len(alternatives) == 1 else BringStep.FIRST)
        keys.append(key)
    return keys


# --------------------------------------------------------------- comparisons


def _unique(values: Iterable[Any], key: Callable[[Any], str]) -> list[Any]:
    """Return each value once, where it stands first."""
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(key(value), value)
    return list(found.values())


def _number(value: Any) -> float | int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _rank(value: Any) -> tuple[int, float | int, str]:
    """Return what a value is sorted by: numbers, then texts, then what is missing."""
    if value is _MISSING:
        return 2, 0, ""
    number = _number(value)
    return (0, number, "") if number is not None else (1, 0, _text(value))


def _extreme(rows: Sequence[_Row], wanted: Bring) -> _Row:
    """Return the row with the smallest or largest result; of equal ones the first."""
    sign = 1 if "max" in wanted.modifiers else -1
    best = rows[0]
    for row in rows[1:]:
        one, two = (_compared(r, wanted) for r in (row, best))
        a, b = _number(one), _number(two)
        numeric = a is not None and b is not None
        larger = a > b if numeric else str(one) > str(two)  # type: ignore[operator]
        smaller = a < b if numeric else str(one) < str(two)  # type: ignore[operator]
        if larger if sign > 0 else smaller:
            best = row
    return best


def _compared(row: _Row, wanted: Bring) -> Any:
    """Return what of a row is compared: its one value, or all its text."""
    if len(wanted.items) == 1 and row.values and not isinstance(row.values[0], bool):
        value = row.values[0]
        return value if isinstance(value, int | float) else row.text
    return row.text
