"""Numbers with or without a fraction."""

from __future__ import annotations

import re

from edgelake.errors import WrongValue
from edgelake.language.diagnostics import shortened
from edgelake.language.values import ValueType

__all__ = ["Number"]

_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?")


class Number(ValueType):
    """A number, with or without a fraction.

    Parameters
    ----------
    minimum, maximum : float or None
        Bounds, both allowed; without a negative minimum no sign is accepted.
    """

    metavar = "<number>"

    def __init__(self, minimum: float | None = 0.0, maximum: float | None = None) -> None:
        self._minimum = minimum
        self._maximum = maximum

    def parse(self, text: str) -> float:
        """Return the number."""
        if not _NUMBER.fullmatch(text):
            raise WrongValue(
                f"'{shortened(text)}' is not a number", hint=f"write a {self.describe()}"
            )
        value = float(text)
        if (self._minimum is not None and value < self._minimum) or (
            self._maximum is not None and value > self._maximum
        ):
            raise WrongValue(
                f"{shortened(text)} is out of range", hint=f"write a {self.describe()}"
            )
        return value

    def describe(self) -> str:
        """Return what is accepted."""
        if self._minimum is not None and self._maximum is not None:
            return f"number from {self._minimum:,g} to {self._maximum:,g}"
        if self._minimum is not None:
            return f"number {self._minimum:g} or more"
        return "number" if self._maximum is None else f"number {self._maximum:g} or less"
