"""Values of JSON objects as commands write them: paths of keys, and values with a type."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from edgelake import limits
from edgelake.errors import BadJson, CommandSyntaxError, EdgeLakeError, WrongValue
from edgelake.language.bring import read_path, written
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_json, expand_text, expand_value, lookup
from edgelake.language.forms import JsonText, reference_in
from edgelake.language.syntax import Group, Item, JsonItem, Literal, Mark, Ref, Test, Word
from edgelake.language.values import ValueType
from edgelake.language.variables import Variables

__all__ = [
    "JsonPairs",
    "JsonValue",
    "KeyPath",
    "KeyValue",
    "Keys",
    "index_keys",
    "json_value",
]

Keys: TypeAlias = tuple[str, ...]
"""Keys from an object inwards; a number counts in a list."""

_LIST_HINT = 'write (a, b), or {"key": …}'
_KEYS_HINT = "write [key], or [key][key]"


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A value, JSON data, and the keys under which it stands."""

    keys: Keys
    value: Any


class KeyPath(ValueType):
    """Keys between brackets: ``[node][name]``. A tuple of texts."""

    metavar = "<[key]…>"
    by_text = False

    def parse(self, text: str) -> Keys:
        """Return the keys."""
        return _keys(text, Variables({}, {}))

    def read(self, text: str, variables: Variables) -> Keys:
        """Return the keys that a text holds; ``[!x]`` has the value of a variable for a key."""
        return _keys(text, variables)

    def take(self, items: Sequence[Item], variables: Variables) -> Keys:
        """Return the keys."""
        return self.read(_source(items), variables)

    def describe(self) -> str:
        """Return what is accepted."""
        return "keys between brackets, for example [node][name]"

    def claims(self, item: Item) -> bool:
        """Return whether the word begins with a bracket."""
        return _source((item,)).startswith("[")


class JsonValue(ValueType):
    """A value in a JSON object: text, ``5.int``, ``{…}``, ``(a, b)``. JSON data."""

    metavar = "<value>"
    takes_groups = True
    by_text = False

    def parse(self, text: str) -> str:
        """Return the text itself; only `take` knows how it was written."""
        return text

    def take(self, items: Sequence[Item], variables: Variables) -> Any:
        """Return the value."""
        return json_value(items, variables)

    def describe(self) -> str:
        """Return what is accepted."""
        return "text, JSON, a list (a, b), or a value with its type: 5.int, 1.5.float, true.bool"


class JsonPairs(ValueType):
    """``value and [key][key] = value and …``. A tuple of `KeyValue`, the first without keys."""

    metavar = "<value>"
    greedy = True
    by_text = False

    def parse(self, text: str) -> tuple[KeyValue, ...]:
        """Return one text as the value."""
        return (KeyValue((), text),)

    def take(self, items: Sequence[Item], variables: Variables) -> tuple[KeyValue, ...]:
        """Return the pairs, in their order."""
        keys: Keys = ()
        found: list[KeyValue] = []
        for part in _split(items):
            value: Sequence[Item] = part
            if found:
                keys, value = _pair(part, variables)
            beside = next((n for n, item in enumerate(value) if _is(item, "=")), 0)
            if beside:
                key = value[beside - 1]
                raise _fault(
                    f"missing 'and' before '{shortened(_source((key,)))}'",
                    "write 'and' between assignments; quote a value that holds signs",
                    key.start,
                )
            found.append(KeyValue(keys, _placed(json_value, value, variables)))
        return tuple(found)

    def describe(self) -> str:
        """Return what is accepted."""
        return JsonValue().describe() + "; more keys follow 'and'"


def index_keys(indices: Sequence[JsonItem], variables: Variables) -> Keys:
    """Return the keys that ``[k][z]`` behind the name of an assignment are.

    Raises
    ------
    WrongValue
        A pair of brackets is empty or holds no key.
    UndefinedVariable
    """
    return _keys("".join(index.source for index in indices), variables)


def json_value(items: Sequence[Item], variables: Variables) -> Any:
    """Return the JSON data that words stand for.

    ``{…}`` and ``[…]`` are JSON, ``(a, b)`` is a list, and so is a reference to a value
    that is one; ``5.int``, ``!x.float`` and ``true.bool`` have that type; anything else is
    text, also a number.

    Raises
    ------
    WrongValue
        A value does not have the type that it is given.
    BadJson
    UndefinedVariable
    """
    only = items[0]
    if len(items) == 1:
        if isinstance(only, JsonItem):
            return JsonText.read(expand_json(only.source, variables, strict=True)).data
        if isinstance(only, Group):
            return _listed(only, variables)
        reference = reference_in(items)
        if reference is not None:
            if reference.cast in _TYPES:
                plain = lookup(_without_cast(reference), variables)
                if plain is not None:
                    return _TYPES[reference.cast](plain)
            text = expand_text(items, variables, strict=True)
            if text[:1] in ("{", "["):
                return _json_or_text(text, variables)
            return int(text) if reference.cast == "len" else text
        if isinstance(only, Word) and all(isinstance(piece, Literal) for piece in only.pieces):
            stem, dot, kind = _source(items).rpartition(".")
            if dot and stem and kind in (*_TYPES, "str"):
                return _TYPES[kind](stem) if kind in _TYPES else stem
    return expand_text(items, variables, strict=True, resolve=True)


# ------------------------------------------------------------------- parts


def _keys(text: str, variables: Variables) -> Keys:
    path = read_path(text, variables)
    if path is None or path.cut is not None:
        raise WrongValue(f"'{shortened(text)}' are no keys", hint=_KEYS_HINT)
    keys = tuple(step for step in path.steps if isinstance(step, str))
    if len(keys) < len(path.steps):
        raise WrongValue(f"'{shortened(text)}' has a key without a name", hint=_KEYS_HINT)
    if len(keys) > limits.MAX_NESTING:
        raise WrongValue(f"keys inside keys more than {limits.MAX_NESTING} deep")
    return keys


def _split(items: Sequence[Item]) -> list[list[Item]]:
    """Return the words between ``and``.

    A last ``and`` with nothing behind it is refused.
    """
    parts: list[list[Item]] = [[]]
    for item in items:
        if isinstance(item, Word) and item.literal == "and":
            if not parts[-1]:
                raise _fault("missing value before 'and'", 'write a value, or ""', item.start)
            parts.append([])
        else:
            parts[-1].append(item)
    if not parts[-1]:
        raise _fault("missing assignment after 'and'", "write [key] = value", items[-1].end)
    return parts


def _pair(part: Sequence[Item], variables: Variables) -> tuple[Keys, Sequence[Item]]:
    """Return the keys of ``[key] = value``, and the words of the value."""
    first = part[0]
    if not _source((first,)).startswith("["):
        raise _fault(
            f"'{shortened(_source((first,)))}' is no key",
            f"{_KEYS_HINT}; quote a value that holds 'and'",
            first.start,
        )
    if len(part) < 2 or not _is(part[1], "="):
        raise _fault("missing '=' after the key", "write [key] = value", first.end)
    if len(part) < 3:
        raise _fault("missing value after '='", 'write a value, or ""', part[1].end)
    keys = _placed(lambda items, known: _keys(_source(items), known), [first], variables)
    return keys, part[2:]


def _is(item: Item, sign: str) -> bool:
    return isinstance(item, Mark) and item.text == sign


def _source(items: Sequence[Item]) -> str:
    return "".join(map(written, items))


def _fault(message: str, hint: str, offset: int) -> CommandSyntaxError:
    return CommandSyntaxError(message, hint=hint, column=offset + 1)


def _placed(
    read: Callable[[Sequence[Item], Variables], Any], items: Sequence[Item], variables: Variables
) -> Any:
    """Return what is read of the words; an error gets their place."""
    try:
        return read(items, variables)
    except EdgeLakeError as exc:
        if exc.column is None:
            exc.column = items[0].start + 1
        raise


def _listed(group: Group, variables: Variables) -> list[Any]:
    """Return the values of ``(a, b)``."""
    parts: list[Sequence[Item]] = []
    for entry in group.entries:
        if not isinstance(entry, Test) or entry.operator:
            raise WrongValue("not a list of values", hint=_LIST_HINT)
        parts.append(entry.left)
    waiting = [*group.items]
    while waiting:  # the group stands in free text, where commas are words
        comma = next((n for n, item in enumerate(waiting) if _is(item, ",")), len(waiting))
        parts.append(waiting[:comma])
        waiting = waiting[comma + 1 :]
    if not all(parts) or any(_is(i, "=") for part in parts for i in part):
        raise WrongValue("not a list of values", hint=_LIST_HINT)
    return [json_value(part, variables) for part in parts]


def _json_or_text(text: str, variables: Variables) -> Any:
    """Return the JSON that the value of a variable is, or the text if it is none."""
    try:
        return JsonText.read(expand_value(text, variables, strict=True)).data
    except BadJson:
        return text


def _without_cast(reference: Ref) -> Ref:
    return Ref(
        reference.kind,
        reference.name,
        reference.start,
        reference.end,
        cut=reference.cut,
    )


def _hint(example: str) -> str:
    return f"write for example {example}, or quote it if it is text"


def _integer(text: str) -> int:
    if len(text) <= limits.MAX_NUMBER_CHARS:
        try:
            return int(text)
        except ValueError:
            pass
    raise WrongValue(f"'{shortened(text)}' is not a whole number", hint=_hint("5.int"))


def _float(text: str) -> float:
    if len(text) <= limits.MAX_NUMBER_CHARS:
        try:
            value = float(text)
        except ValueError:
            pass
        else:
            if math.isfinite(value):
                return value
    raise WrongValue(f"'{shortened(text)}' is not a number", hint=_hint("1.5.float"))


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise WrongValue(f"'{shortened(text)}' is not true or false", hint=_hint("true.bool"))
    return text.lower() == "true"


_TYPES: dict[str, Callable[[str], Any]] = {"int": _integer, "float": _float, "bool": _boolean}
