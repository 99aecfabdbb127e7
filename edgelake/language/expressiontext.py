"""Python expressions, as they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from edgelake import limits
from edgelake.errors import WrongValue
from edgelake.language.source import DOUBLE_QUOTED, NAME_CHARS, Source, parts
from edgelake.language.variables import Variables

__all__ = ["Expression", "ExpressionText"]

_Number: TypeAlias = int | float

# What precedes a reference: nothing, a blank, or a sign that ends a word.
_BEFORE = r"(?<![^\s=+<>(),\[\]{}|;:&\"'`*/%^~-])"
_IN_EXPRESSION = re.compile(
    rf"'[^'\\]*+(?:\\.[^'\\]*+|(?!))*+'|{DOUBLE_QUOTED}|#[^\n]*+"
    rf"|{_BEFORE}(?P<reference>(?:!!?|\$){NAME_CHARS})",
    re.DOTALL,
)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Expression:
    """A Python expression.

    Attributes
    ----------
    text : str
        The expression; a name stands for each reference.
    names : mapping of str to str, int or float
        Those names and their values.
    """

    text: str
    names: Mapping[str, str | _Number]


class ExpressionText(Source):
    """A Python expression; references stand for numbers where their values are, else for text."""

    metavar = "<expression>"

    def read(self, text: str, variables: Variables) -> Expression:
        """Return the expression.

        Raises
        ------
        WrongValue
            It is too long.
        UndefinedVariable
        """
        if len(text) > limits.MAX_EXPRESSION_CHARS:
            raise WrongValue(
                f"an expression exceeds {limits.MAX_EXPRESSION_CHARS} characters",
                hint="write a shorter one",
            )
        names: dict[str, str | _Number] = {}
        texts: list[str] = []
        for part in parts(text, _IN_EXPRESSION, variables):
            if isinstance(part, str):
                texts.append(part)
                continue
            name = f"value_{len(names) + 1}"
            names[name] = part.value + part.rest if part.quoted else _literal(part.value)
            texts.append(f" {name} ")
        return Expression("".join(texts).strip(), names)

    def describe(self) -> str:
        """Return what is accepted."""
        return "a Python expression"


def _literal(value: str) -> str | _Number:
    """Return the number that a text is, or the text."""
    if len(value) > limits.MAX_NUMBER_CHARS:
        return value
    if _INTEGER.fullmatch(value):
        return int(value)
    return float(value) if _FLOAT.fullmatch(value) else value
