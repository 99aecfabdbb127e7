"""Numbers with or without a fraction."""

from __future__ import annotations

import re

from edgelake.errors import WrongValue
from edgelake.language.diagnostics import shortened
from edgelake.language.values import ValueType

__all__ = ["Number"]

_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")


class Number(ValueType):
    """A number, with or without a fraction.

    Parameters
    ----------
    minimum, maximum : float
        Bounds, both allowed.
    """

    metavar = "<number>"

    def __init__(self, minimum: float, maximum: float) -> None:
        self._minimum = minimum
        self._maximum = maximum

    def parse(self, text: str) -> float:
        """Return the number."""
        hint = f"write a {self.describe()}"
        if not _NUMBER.fullmatch(text):
            raise WrongValue(f"'{shortened(text)}' is not a number", hint=hint)
        value = float(text)
        if not self._minimum <= value <= self._maximum:
            raise WrongValue(f"{text} is out of range", hint=hint)
        return value

    def describe(self) -> str:
        """Return what is accepted."""
        return f"number from {self._minimum:,} to {self._maximum:,}"
