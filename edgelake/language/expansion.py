"""What words with references in them become.

A reference is expanded in the word where it stands, after parsing: whatever
its value holds, the command keeps its shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from edgelake import limits
from edgelake.errors import BadArgument, BadJson, NotPermitted, UndefinedVariable
from edgelake.language.diagnostics import shortened
from edgelake.language.quotes import double_quoted
from edgelake.language.secret_names import is_secret_name
from edgelake.language.syntax import (
    Condition,
    Group,
    Item,
    JsonItem,
    Literal,
    Mark,
    Not,
    Quoted,
    Ref,
    RefKind,
    Test,
    Word,
)
from edgelake.language.variables import Variables, WrittenJson
from edgelake.language.words import REFERENCE, reference_of, split_word

__all__ = [
    "expand_item",
    "expand_json",
    "expand_text",
    "expand_value",
    "expand_words",
    "join_words",
    "lookup",
]

# A string that nothing closes goes on to the end, so that it is looked for once.
_JSON_PART = re.compile(
    REFERENCE.pattern + r'|"[^"\\]*+(?:\\.[^"\\]*+|(?!))*+(?P<end>"|\\?\Z)', re.DOTALL
)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_JSON_DEPTH = 8
_FIGURES = ("diff", "replies")


# ------------------------------------------------------------------ values


def lookup(reference: Ref, variables: Variables) -> str | None:
    """Return what a reference stands for, ``None`` if it is undefined.

    A cast that fails gives an empty text. ``!!name`` gives ``!name``, which
    the node that gets it expands.

    Raises
    ------
    NotPermitted
        A peer asks for a value of the environment, or for one whose name says that it is secret.
    """
    if reference.kind is RefKind.REMOTE:
        return _written(reference)
    if reference.kind is RefKind.LOCAL:
        if variables.foreign and is_secret_name(reference.name):
            raise NotPermitted(
                f"'!{shortened(reference.name)}' is not permitted from remote",
                hint="passwords, tokens and keys are for the node's own console and scripts",
            )
        if reference.cast in _FIGURES:
            figure = variables.figure(reference.name, reference.cast)
            return None if figure is None else str(figure)
        value = variables.get(reference.name)
    else:
        value = variables.environment(reference.name)
        if value is not None and value.startswith("!"):
            word = split_word(value, 0)
            value = expand_item(word, variables, strict=False)
    if value is None:
        return None
    if reference.cut is not None:
        value = value[slice(*reference.cut)]
    return _cast(value, reference.cast) if reference.cast else value


def expand_item(item: Item, variables: Variables, *, strict: bool) -> str:
    """Return the text of one item with its references replaced.

    Parameters
    ----------
    strict : bool
        An undefined reference is an error; otherwise its word becomes empty.

    Raises
    ------
    UndefinedVariable
        Only if strict; column and line are left to the caller's text.
    BadArgument
        Several values make more than `limits.MAX_EXPANDED_CHARS`.
    """
    if isinstance(item, Word):
        return _expand_word(item, variables, strict=strict)
    if isinstance(item, Quoted):
        if item.word is not None:
            return _expand_word(item.word, variables, strict=strict)
        return item.kept
    if isinstance(item, JsonItem):
        return expand_json(item.source, variables, strict=strict)
    if isinstance(item, Group):
        return _expand_group(item, variables, strict=strict)
    return item.text


def expand_words(items: Sequence[Item], variables: Variables, *, strict: bool) -> list[str]:
    """Return the texts of items, one for each."""
    return [expand_item(item, variables, strict=strict) for item in items]


def join_words(items: Sequence[Item], variables: Variables) -> str:
    """Return free text: words joined by one blank, undefined references empty."""
    words = expand_words(items, variables, strict=False)
    _check_size(sum(map(len, words)))
    return " ".join(words)


def expand_text(
    items: Sequence[Item], variables: Variables, *, strict: bool = False, resolve: bool = False
) -> str:
    """Return a value: words joined by one blank, or by nothing around ``+``.

    JSON stays as written unless ``resolve``: a stored policy takes the values
    that references in it have when it is used, see `WrittenJson`.

    Raises
    ------
    UndefinedVariable, BadArgument
        See `expand_item`.
    """
    if len(items) == 1:
        only = items[0]
        if isinstance(only, JsonItem) and not resolve:
            return WrittenJson(only.source)
        return expand_item(only, variables, strict=strict)
    parts: list[str] = []
    size = 0
    glued = True
    for n, item in enumerate(items):
        if isinstance(item, Mark) and item.text == "+" and 0 < n < len(items) - 1:
            glued = True
            continue
        if isinstance(item, JsonItem) and not resolve:
            part = item.source
        else:
            part = expand_item(item, variables, strict=strict)
        size += len(part)
        parts += (part,) if glued else (" ", part)
        glued = isinstance(item, Mark) and item.text == "+"
    _check_size(size)
    return "".join(parts)


def expand_json(source: str, variables: Variables, *, strict: bool, depth: int = 0) -> str:
    """Return JSON text with references replaced.

    A reference without quotes becomes a number, ``true``, ``false``, ``null``, an
    object or a list if its value is one, else a string; ``"!name"`` always
    becomes a string. References inside values are replaced too if these are `WrittenJson`.
    Texts in single quotes get double ones.

    Raises
    ------
    UndefinedVariable
        Only if strict; an undefined reference is an empty string otherwise.
    BadJson
        Values refer to one another too deep.
    BadArgument
        Values and what they refer to make more than `limits.MAX_EXPANDED_CHARS`.
    """
    if variables.foreign:
        return source
    if "'" in source:
        source = double_quoted(source)
    if "!" not in source and "$" not in source:
        return source
    if depth > _JSON_DEPTH:
        raise BadJson(f"references inside JSON go more than {_JSON_DEPTH} deep")

    size = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal size
        found = _found(match)
        size += len(found)
        _check_size(size)
        return found

    def _found(match: re.Match[str]) -> str:
        if match[1] is None:
            whole = REFERENCE.fullmatch(match[0][1:-1]) if match["end"] == '"' else None
            if whole is None:
                return match[0]
            return json.dumps(_value(reference_of(whole, 0)), ensure_ascii=False)
        reference = reference_of(match, 0)
        value = _value(reference)
        if value[:1] in ("{", "["):
            return expand_value(value, variables, strict=strict, depth=depth + 1)
        if reference.cast != "str" and (
            value in ("true", "false", "null") or _NUMBER.fullmatch(value)
        ):
            return value
        return json.dumps(value, ensure_ascii=False)

    def _value(reference: Ref) -> str:
        value = lookup(reference, variables)
        if value is None and strict:
            raise _undefined(reference)
        return value or ""

    return _JSON_PART.sub(replace, source)


def expand_value(value: str, variables: Variables, *, strict: bool, depth: int = 0) -> str:
    """Return the JSON that a variable holds, with references replaced if it was written here.

    Raises
    ------
    UndefinedVariable, BadJson
        See `expand_json`.
    """
    if isinstance(value, WrittenJson):
        return expand_json(value, variables, strict=strict, depth=depth)
    return double_quoted(value) if "'" in value and not variables.foreign else value


# ------------------------------------------------------------------- parts


def _undefined(reference: Ref) -> UndefinedVariable:
    write = (
        f"write set {reference.name} = … first"
        if reference.kind is RefKind.LOCAL
        else "set it first"
    )
    return UndefinedVariable(f"'{shortened(reference.shown)}' has no value", hint=write)


def _check_size(chars: int) -> None:
    """Refuse a text that values make so long that it costs the node its memory."""
    if chars > limits.MAX_EXPANDED_CHARS:
        raise BadArgument(
            f"values make a text of more than {limits.MAX_EXPANDED_CHARS:,} characters",
            hint="name fewer of them at once",
        )


def _written(reference: Ref) -> str:
    text = f"!{reference.name}"
    if reference.cast:
        text += f".{reference.cast}"
    if reference.cut is not None:
        first, last = ("" if bound is None else str(bound) for bound in reference.cut)
        text += f"[{first}:{last}]"
    return text


def _expand_word(word: Word, variables: Variables, *, strict: bool) -> str:
    if word.literal is not None:
        return word.literal
    reference = word.reference
    if reference is not None:
        value = lookup(reference, variables)
        if value is None and strict:
            raise _undefined(reference)
        return value or ""
    parts: list[str] = []
    size = 0
    for piece in word.pieces:
        if isinstance(piece, Literal):
            parts.append(piece.text)
            continue
        value = lookup(piece, variables)
        if value is None:
            if strict:
                raise _undefined(piece)
            return ""
        parts.append(value)
        size += len(value)
    _check_size(size)
    return "".join(parts)


def _expand_group(group: Group, variables: Variables, *, strict: bool) -> str:
    """Return a group as written, with the references inside replaced."""
    parts: list[str] = []
    at = group.start
    for item in _flat(group):
        if isinstance(item, Literal | Mark):
            continue
        parts.append(group.source[at - group.start : item.start - group.start])
        quote = '"' if isinstance(item, Quoted) and item.quote == '"' else ""
        parts.append(quote + expand_item(item, variables, strict=strict) + quote)
        at = item.end
    parts.append(group.source[at - group.start :])
    _check_size(sum(map(len, parts)))
    return "".join(parts)


def _flat(group: Group) -> list[Item]:
    """Return the items of a group in order."""
    found: list[Item] = list(group.items)
    for entry in group.entries:
        if isinstance(entry, Condition):
            found.extend(_condition_items(entry))
        else:
            found.extend((*entry.items, *entry.bring))
            if entry.condition is not None:
                found.extend(_condition_items(entry.condition))
    return sorted(found, key=lambda item: item.start)


def _condition_items(condition: Condition) -> list[Item]:
    if isinstance(condition, Test):
        return [*condition.left, *condition.right]
    if isinstance(condition, Not):
        return _condition_items(condition.part)
    return [item for part in condition.parts for item in _condition_items(part)]


def _cast(value: str, cast: str) -> str:
    try:
        return _CASTS[cast](value)
    except (ValueError, OverflowError, RecursionError):
        return ""


def _as_bool(value: str) -> str:
    if value.lower() not in ("true", "false"):
        raise ValueError(value)
    return value.lower()


def _as_number(value: str, kind: type[int] | type[float]) -> str:
    if len(value) > limits.MAX_NUMBER_CHARS:
        raise ValueError(value)
    return str(kind(value))


def _length(value: str) -> str:
    if value[:1] in ("{", "["):
        try:
            data: Any = json.loads(value)
        except (ValueError, RecursionError):
            return str(len(value))
        return str(len(data))
    return str(len(value))


_CASTS: dict[str, Callable[[str], str]] = {
    "int": lambda value: _as_number(value, int),
    "float": lambda value: _as_number(value, float),
    "bool": _as_bool,
    "str": str,
    "len": _length,
    "name": lambda value: "_".join(value.lower().split()),
    **dict.fromkeys(_FIGURES, lambda value: ""),
}
