"""From the rules of the grammar to the typed nodes of `edgelake.language.syntax`.

One function for each rule, called when the rule is complete. It gets the text,
what the parts of the rule became, and where the rule ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from edgelake import limits
from edgelake.errors import CommandSyntaxError
from edgelake.language.places import place
from edgelake.language.syntax import (
    And,
    Assignment,
    CommandStatement,
    Condition,
    Entry,
    Filtered,
    Group,
    Item,
    JsonItem,
    Literal,
    Mark,
    Not,
    Or,
    Shape,
    Show,
    Statement,
    Test,
    Word,
)
from edgelake.language.words import join_touching

__all__ = ["BUILDERS"]

WORD_OPERATORS = frozenset({"in", "contains", "startswith", "endswith", "childfrom", "with"})

_Parts: TypeAlias = list[Any]
_Items: TypeAlias = tuple[Item, ...]

# -------------------------------------------------------------- statements


def _statements(text: str, parts: _Parts, end: int) -> tuple[Statement, ...]:
    return tuple(parts[::2])  # a sign stands between two


def _free(text: str, parts: _Parts, end: int) -> CommandStatement:
    name = parts[0]
    words = (*name, *join_touching(parts[1:], text))
    return CommandStatement(Shape.TEXT, words, text, name[0].start, end)


def _source(text: str, parts: _Parts, end: int) -> CommandStatement:
    name, *source = parts
    return CommandStatement(Shape.SOURCE, (*name, *source), text, name[0].start, end)


def _remote(text: str, parts: _Parts, end: int) -> CommandStatement:
    name = parts[0]
    start = name[0].start
    if len(parts) == 1:
        return CommandStatement(Shape.REMOTE, name, text, start, end)
    words = (*name, *join_touching(parts[2:], text))
    return CommandStatement(Shape.REMOTE, words, text, start, end, destination=parts[1])


def _verb(text: str, parts: _Parts, end: int) -> CommandStatement:
    name = parts[0]
    equals: Mark | None = None
    tail: _Items = ()
    keyword: Literal | None = None
    where: Condition | None = None
    bring: _Items = ()
    plain = len(parts)
    while type(parts[plain - 1]) is tuple and plain > 1:
        plain -= 1
        kind, first, rest = parts[plain]
        if kind == "where":
            keyword, where = first, rest
        elif kind == "bring":
            bring = rest
        else:
            equals, tail = first, rest
    words = (*name, *join_touching(parts[1:plain], text))
    return CommandStatement(
        Shape.VERB, words, text, name[0].start, end, equals, tail, keyword, where, bring
    )


def _if(text: str, parts: _Parts, end: int) -> CommandStatement:
    return _linked(Shape.IF, text, parts, end)


def _wait(text: str, parts: _Parts, end: int) -> CommandStatement:
    return _linked(Shape.WAIT, text, parts, end)


def _schedule(text: str, parts: _Parts, end: int) -> CommandStatement:
    return _linked(Shape.SCHEDULE, text, parts, end)


def _linked(shape: Shape, text: str, parts: _Parts, end: int) -> CommandStatement:
    """Return a command of words, a condition, and what follows a keyword of its own."""
    name, *rest = parts
    condition: Condition | None = None
    link: Literal | None = None
    body: Statement | None = None
    words: list[Item] = []
    for part in rest:
        if type(part) is tuple:
            link, behind = part
            if isinstance(behind, Condition):
                condition = behind
            else:
                body = behind
        elif isinstance(part, Condition):
            condition = part
        else:
            words.append(part)
    return CommandStatement(
        shape,
        (*name, *join_touching(words, text)),
        text,
        name[0].start,
        end,
        condition=condition,
        link=link,
        body=body,
    )


def _link(text: str, parts: _Parts, end: int) -> tuple[Literal, Condition | Statement | None]:
    keyword = parts[0].pieces[0]
    return keyword, parts[1] if len(parts) > 1 else None


def _branch(text: str, parts: _Parts, end: int) -> CommandStatement:
    name = parts[0]
    body = parts[1] if len(parts) > 1 else None
    return CommandStatement(Shape.BRANCH, name, text, name[0].start, end, body=body)


def _local(text: str, parts: _Parts, end: int) -> CommandStatement:
    if len(parts) == 1:
        raise _fault(text, "missing command after '.'", end, "write a command after the point")
    point, command = parts
    assert isinstance(command, CommandStatement)
    return replace(command, local=True, start=point.start)


def _equal_tail(text: str, parts: _Parts, end: int) -> tuple[str, Mark, _Items]:
    return "equal_tail", parts[0], join_touching(parts[1:], text)


def _where(text: str, parts: _Parts, end: int) -> tuple[str, Literal, Condition]:
    keyword, condition = parts
    return "where", keyword.pieces[0], condition


def _bring(text: str, parts: _Parts, end: int) -> tuple[str, None, _Items]:
    return "bring", None, join_touching(parts, text)


def _unknown(text: str, parts: _Parts, end: int) -> CommandStatement:
    first, *rest = parts
    words = join_touching([*_flat(first, text), *rest], text)
    return CommandStatement(Shape.UNKNOWN, words, text, words[0].start, end)


def _assignment(text: str, parts: _Parts, end: int) -> Assignment:
    target, _, value = parts
    name, indices, target_end = _target(text, target)
    start = target[0].start if isinstance(target, tuple) else target.start
    if isinstance(value, CommandStatement):
        return Assignment(name, indices, (), value, text, start, end, target_end)
    items = _concatenated(text, join_touching(value, text))
    return Assignment(name, indices, items, None, text, start, end, target_end)


def _target(text: str, target: JsonItem | _Items) -> tuple[str, tuple[JsonItem, ...], int]:
    if isinstance(target, JsonItem):
        return "", (target,), target.end
    head = target[0]
    assert isinstance(head, Word)
    indices = tuple(part for part in target[1:] if isinstance(part, JsonItem))
    end = head.end
    for index in indices:
        if index.start != end:
            raise _fault(text, "unexpected blank before '['", end, "write name[key] = value")
        end = index.end
    reference = head.reference
    if reference is None:
        return text[head.start : head.end], indices, end
    if reference.cast:
        shown = text[head.start : head.end]
        raise _fault(
            text, f"'{shown}' cannot be assigned", head.start, "write a plain name before '='"
        )
    environment = reference.kind.value == "$"
    return reference.shown if environment else reference.name, indices, end


def _show(text: str, parts: _Parts, end: int) -> Show:
    first, *rest = parts
    items = _concatenated(text, join_touching([*_flat(first, text), *rest], text))
    return Show(items, text, items[0].start, end)


# ------------------------------------------------------------------- items


def _as_tuple(text: str, parts: _Parts, end: int) -> _Items:
    """Return the parts as they are; the rule around them joins those that touch."""
    return tuple(parts)


def _joined(text: str, parts: _Parts, end: int) -> _Items:
    return join_touching(parts, text)


def _flat(part: Item | _Items, text: str) -> Sequence[Item]:
    return join_touching(part, text) if isinstance(part, tuple) else (part,)


def _json(text: str, parts: _Parts, end: int) -> JsonItem:
    start = parts[0].start
    return JsonItem(text[start:end], start, end)


def _loose_group(text: str, parts: _Parts, end: int) -> Group:
    start = parts[0].start
    return Group(text[start:end], start, end, (), join_touching(parts[1:-1], text))


def _group(text: str, parts: _Parts, end: int) -> Group:
    start = parts[0].start
    return Group(text[start:end], start, end, tuple(parts[1:-1:2]))


def _entry(text: str, parts: _Parts, end: int) -> Entry:
    bring: _Items = ()
    if type(parts[-1]) is tuple and parts[-1][0] == "bring":
        bring = parts.pop()[2]
    if len(parts) > 1:
        items, _, condition = parts
        return Filtered(items, condition, items[0].start, end, bring)
    only = parts[0]
    if not bring:
        return only  # type: ignore[no-any-return]
    if isinstance(only, Test) and not only.operator:
        return Filtered(only.left, None, only.start, end, bring)
    raise _fault(text, "missing 'where'", only.start, "write the type of policies, then 'where'")


def _concatenated(text: str, items: _Items) -> _Items:
    """Return the items after a check that something follows each ``+``."""
    before: Item | None = None
    for item in items:
        if _is_plus(item) and before is not None and _is_plus(before):
            raise _fault(text, "missing text before '+'", item.start, "write a word before it")
        before = item
    if before is not None and _is_plus(before):
        raise _fault(text, "missing text after '+'", before.end, "write a word after it")
    return items


def _is_plus(item: Item) -> bool:
    return isinstance(item, Mark) and item.text == "+"


def _fault(text: str, message: str, offset: int, hint: str) -> CommandSyntaxError:
    return place(CommandSyntaxError(message, hint=hint), text, offset)


# -------------------------------------------------------------- conditions


def _clause(text: str, parts: _Parts, end: int) -> Condition:
    """Return the condition of a clause: alternatives of conjunctions of tests."""
    if len(parts) == 1:
        return parts[0]  # type: ignore[no-any-return]
    tests = tuple(parts[::2])
    return Or(tests, tests[0].start, tests[-1].end)


def _conjunction(text: str, parts: _Parts, end: int) -> Condition:
    if len(parts) == 1:
        return parts[0]  # type: ignore[no-any-return]
    tests = tuple(parts[::2])
    return And(tests, tests[0].start, tests[-1].end)


def _test(text: str, parts: _Parts, end: int) -> Condition:
    left: _Items = parts[0]
    count = 0
    while len(left) > count + 1 and _literal(left[count]) == "not":
        count += 1
    if count > limits.MAX_NESTING:
        message = f"more than {limits.MAX_NESTING} times 'not'"
        raise _fault(text, message, left[0].start, "write one of them, or none")
    found = _finished(left[count:], parts)
    for item in reversed(left[:count]):
        found = Not(found, item.start, found.end)
    return found


def _finished(left: _Items, parts: _Parts) -> Condition:
    if len(parts) == 1:
        return _without_sign(left)
    _, sign, right = parts
    return Test(left, sign.text, right, left[0].start, right[-1].end, sign.start)


def _without_sign(left: _Items) -> Condition:
    """Return a test whose operator is a word, a condition in parentheses, or a word alone."""
    for n, item in enumerate(left[1:-1], 1):
        word = _literal(item)
        if word in WORD_OPERATORS:
            right = left[n + 1 :]
            return Test(left[:n], word, right, left[0].start, right[-1].end, item.start)
    only = left[0]
    if len(left) == 1 and isinstance(only, Group) and len(only.entries) == 1:
        entry = only.entries[0]
        if not isinstance(entry, Filtered):
            return entry
    return Test(left, "", (), left[0].start, left[-1].end, left[-1].end)


def _literal(item: Item) -> str | None:
    return item.literal if isinstance(item, Word) else None


BUILDERS: Mapping[str, Callable[[str, _Parts, int], Any]] = {
    "start": _statements,
    "free_command": _free,
    "source_command": _source,
    "remote_command": _remote,
    "verb_command": _verb,
    "equal_tail": _equal_tail,
    "where": _where,
    "bring": _bring,
    "group_bring": _bring,
    "if_command": _if,
    "wait_command": _wait,
    "schedule_command": _schedule,
    "branch_command": _branch,
    "local_command": _local,
    "then": _link,
    "for": _link,
    "task": _link,
    "destination": _joined,
    "assignment": _assignment,
    "word_target": _as_tuple,
    "reference_target": _as_tuple,
    "words": _as_tuple,
    "show": _show,
    "unknown": _unknown,
    "clause": _clause,
    "group_clause": _clause,
    "conjunction": _conjunction,
    "test": _test,
    "operand": _joined,
    "entry": _entry,
    "group": _group,
    "loose_group": _loose_group,
    "array": _json,
    "object": _json,
    "part_array": _json,
    "part_object": _json,
    "part_group": _group,
}
"""The function of each rule, by its name or alias."""
