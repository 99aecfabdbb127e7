"""Small calculations: ``incr`` and ``random substr``."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from decimal import Decimal

from edgelake.commands.context import Context
from edgelake.errors import BadArgument, WrongValue
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Item,
    Reference,
    Text,
    ValueType,
    Variables,
    Words,
    shortened,
)

__all__ = ["commands"]

commands = CommandSet(group="local tools")

_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")


class Counter(Reference):
    """A reference to a variable whose value is a number."""

    def take(self, items: Sequence[Item], variables: Variables) -> Decimal:  # type: ignore[override]
        """Return the number.

        Raises
        ------
        BadArgument
            It is no reference, or no number.
        UndefinedVariable
        """
        try:
            value = super().take(items, variables)
        except WrongValue as exc:
            raise BadArgument(
                "'incr' takes a reference to a number", hint="write incr !name"
            ) from exc
        if not _NUMBER.fullmatch(value):
            raise BadArgument(
                f"the value '{shortened(value)}' is not a number",
                hint="give the variable a number of at most 18 digits",
            )
        return Decimal(value)


class Step(ValueType):
    """How much is added."""

    metavar = "<number>"

    def parse(self, text: str) -> Decimal:
        """Return the number."""
        if not _NUMBER.fullmatch(text):
            raise WrongValue(
                f"'{shortened(text)}' is not a number", hint="write a number such as 5 or -0.5"
            )
        return Decimal(text)

    def describe(self) -> str:
        """Return what is accepted."""
        return "a number, also below 0"


@commands.command(
    "incr",
    summary="show the value of a variable plus 1, or plus a number",
    arguments=(
        Argument("reference", Counter(), help="a variable whose value is a number"),
        Argument("step", Step(), required=False, help="what is added instead of 1"),
    ),
    permission=Permission.READ,
    details="The variable stays as it is unless it is assigned: berth = incr !berth",
    examples=("incr !berth", "berth = incr !berth 5"),
    related=("python", "set"),
)
def _incr(context: Context, call: Call) -> Result:
    step = call.arguments["step"]
    total: Decimal = call.arguments["reference"] + (Decimal(1) if step is None else step)
    text = f"{total:f}"
    if total == total.to_integral_value():
        return Result(int(total), str(int(total)))
    return Result(float(total), text.rstrip("0"))


@commands.command(
    "random substr",
    summary="show one part of a text, chosen at random",
    arguments=(
        Argument("separator", Text(), help="what stands between the parts"),
        Argument("text", Words(), help="the parts"),
    ),
    permission=Permission.READ,
    examples=("random substr , red,green,blue", 'random substr " " "red green blue"'),
    related=("print",),
)
def _random_substr(context: Context, call: Call) -> Result:
    parts = call.arguments["text"].split(call.arguments["separator"])
    chosen = random.choice(parts).strip()
    return Result(chosen, chosen)
