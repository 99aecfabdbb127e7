"""Syntax nodes as one readable line each, for the golden files."""

from __future__ import annotations

from edgelake.language import (
    Assignment,
    CommandStatement,
    Condition,
    Filtered,
    Group,
    Item,
    JsonItem,
    Mark,
    Not,
    Or,
    Quoted,
    Ref,
    Show,
    Statement,
    Test,
    Word,
)


def statement_text(statement: Statement) -> str:
    """Return a statement as nested lists."""
    if isinstance(statement, Show):
        return f"(show {items_text(statement.items)})"
    if isinstance(statement, Assignment):
        indices = "".join(index.source for index in statement.indices)
        value = (
            statement_text(statement.command) if statement.command else items_text(statement.items)
        )
        return f"(assign {statement.name or '-'}{indices} {value})"
    assert isinstance(statement, CommandStatement)
    parts = [statement.shape.value]
    if statement.destination:
        parts.append(f"(to {items_text(statement.destination)})")
    parts.append(items_text(statement.words))
    if statement.equals:
        parts.append(f"(= {items_text(statement.tail)})")
    if statement.where and statement.keyword:
        parts.append(f"({statement.keyword.text} {condition_text(statement.where)})")
    if statement.bring:
        parts.append(f"(bring {items_text(statement.bring)})")
    if statement.condition:
        parts.append(condition_text(statement.condition))
    if statement.link:
        parts.append(statement.link.text)
    if statement.body:
        parts.append(statement_text(statement.body))
    if statement.local:
        parts.insert(0, "here")
    return f"({' '.join(parts)})"


def condition_text(condition: Condition) -> str:
    """Return a condition as nested lists."""
    if isinstance(condition, Test):
        if not condition.operator:
            return f"({items_text(condition.left)})"
        left, right = items_text(condition.left), items_text(condition.right)
        return f"({condition.operator} {left} {right})"
    if isinstance(condition, Not):
        return f"(not {condition_text(condition.part)})"
    name = "or" if isinstance(condition, Or) else "and"
    return f"({name} {' '.join(condition_text(part) for part in condition.parts)})"


def items_text(items: tuple[Item, ...]) -> str:
    """Return items between brackets, separated by bars."""
    return f"[{' | '.join(item_text(item) for item in items)}]"


def item_text(item: Item) -> str:
    """Return one item; references stand between angle brackets."""
    if isinstance(item, Word):
        return "".join(
            _reference(piece) if isinstance(piece, Ref) else piece.text for piece in item.pieces
        )
    if isinstance(item, Quoted):
        inner = item_text(item.word) if item.word else item.text
        return f"{item.quote}{inner}{item.quote}"
    if isinstance(item, JsonItem):
        return f"json{item.source}"
    if isinstance(item, Mark):
        return f"sign{item.text}"
    assert isinstance(item, Group)
    if item.items:
        return f"loose({items_text(item.items)})"
    return f"({', '.join(_entry(entry) for entry in item.entries)})"


def _entry(entry: Condition | Filtered) -> str:
    if isinstance(entry, Filtered):
        condition = f" where {condition_text(entry.condition)}" if entry.condition else ""
        bring = f" {items_text(entry.bring)}" if entry.bring else ""
        return f"{items_text(entry.items)}{condition}{bring}"
    return condition_text(entry)


def _reference(reference: Ref) -> str:
    text = f"<{reference.kind.value}{reference.name}"
    if reference.cast:
        text += f" {reference.cast}"
    if reference.cut:
        text += f" {reference.cut[0]}:{reference.cut[1]}"
    return text + ">"
