"""Takes values out of policies and other JSON objects, as ``bring`` asks for them.

Paths are walked, never evaluated. What an object lacks, or what cannot be compared, is
no error: it gives nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from edgelake import limits
from edgelake.errors import CommandError
from edgelake.interfaces import Bring, BringPath, BringStep, Table
from edgelake.ledger.paths import (
    MISSING,
    address_of,
    body_of,
    first_of,
    is_policy,
    json_of,
    number_of,
    rank_of,
    text_of,
)
from edgelake.ledger.render import layout

__all__ = ["Brought", "bring", "children_of"]

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
        addresses = [{"ip_port": a} for o in found if (a := address_of(o, own_addresses))]
        wanted = replace(wanted, items=((BringPath(("ip_port",)),),))
        if wanted.separator is None:
            wanted = replace(wanted, separator=",")
        unique = list({address["ip_port"]: address for address in addresses}.values())
        return _of_values(unique, wanted) if unique else Brought([])
    return _of_values(found, wanted) if wanted.items else _of_wholes(found, wanted)


def children_of(objects: Iterable[Any], policies: Iterable[Any]) -> list[Any]:
    """Return those of the policies whose ``parent`` is the id of one of the objects."""
    ids = {found for o in objects if isinstance(found := body_of(o).get("id"), str)}
    return [policy for policy in policies if _is_one_of(body_of(policy).get("parent"), ids)]


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


def _date(value: Any) -> str:
    date = body_of(value).get("date")
    return date if isinstance(date, str) else ""


def _is_one_of(value: Any, ids: set[str]) -> bool:
    return isinstance(value, str) and value in ids


# ------------------------------------------------------------ whole objects


def _of_wholes(objects: Sequence[Any], wanted: Bring) -> Brought:
    """Return the objects themselves, or their number."""
    modifiers = wanted.modifiers
    if "unique" in modifiers:
        objects = _unique(objects, json_of)
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
        names.update(dict.fromkeys(body_of(value)))
        if len(names) >= limits.MAX_BRING_ITEMS:
            raise CommandError(
                f"the objects have more than {limits.MAX_BRING_ITEMS - 1} attributes",
                hint="name those to show: bring.table [*] [*][name]",
            )
    typed = all(is_policy(value) for value in objects)
    front: list[_Value] = [(BringPath((BringStep.FIRST,)),)] if typed else []
    inside: tuple[BringStep, ...] = (BringStep.FIRST,) if typed else ()
    items = (*front, *((BringPath((*inside, name)),) for name in names))
    return _of_values(objects, replace(wanted, items=items, modifiers=frozenset({"table"})))


# ------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class _Row:
    """What one object gives: the value of each path, and all of it as text."""

    values: tuple[Any, ...]
    text: str

    @property
    def empty(self) -> bool:
        """Whether the object has none of the values that are asked for."""
        return bool(self.values) and all(value is MISSING for value in self.values)

    @property
    def distinct(self) -> str:
        """A text that only rows of the same values have."""
        return json_of([[] if value is MISSING else [value] for value in self.values])


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
        rows.sort(key=lambda row: [rank_of(row.values[n]) for n in numbers if n < len(row.values)])
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
            taken = first_of(value, item)
            found.append(taken)
            parts.append("" if taken is MISSING else text_of(taken))
            room -= len(parts[-1])
        if room < 0:
            raise _too_long()
        yield _Row(tuple(found), "".join(parts))


# ------------------------------------------------------------------- forms


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
    missing = "" if "null" in wanted.modifiers or "table" in wanted.modifiers else MISSING
    data: list[dict[str, Any]] = []
    for row in rows:
        entry: dict[str, Any] = {}
        for key, value in zip(keys, row.values, strict=True):
            if value is not MISSING and entry.get(key, missing) == missing:
                entry[key] = value
            elif missing is not MISSING:
                entry.setdefault(key, missing)
        if entry:
            data.append(entry)
    if "table" not in wanted.modifiers:
        return Brought(data, _json_list(data), json=True)
    columns = list(dict.fromkeys(keys))
    headings = tuple(key[:1].upper() + key[1:] for key in columns)
    shown = [tuple(text_of(entry[key]) for key in columns) for entry in data]
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


def _extreme(rows: Sequence[_Row], wanted: Bring) -> _Row:
    """Return the row with the smallest or largest result; of equal ones the first."""
    sign = 1 if "max" in wanted.modifiers else -1
    best = rows[0]
    for row in rows[1:]:
        one, two = (_compared(r, wanted) for r in (row, best))
        a, b = number_of(one), number_of(two)
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
