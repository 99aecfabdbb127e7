"""Types of values that depend on how the words are written, not on their text alone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from edgelake import limits
from edgelake.errors import BadJson, UnbalancedInput, WrongValue
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_text, expand_value
from edgelake.language.scan import json_end
from edgelake.language.syntax import Group, Item, Mark, Quoted, Ref, RefKind, Test, Word
from edgelake.language.values import Name, ValueType
from edgelake.language.variables import Variables
from edgelake.language.wiretext import remote_text

__all__ = [
    "Json",
    "JsonText",
    "Label",
    "PolicyTypes",
    "Reference",
    "Remote",
    "VariableName",
    "Words",
    "reference_in",
]


class VariableName(Name):
    """Name of a variable, as it is written: ``x``, ``!x``, or ``$X`` of the environment."""

    def take(self, items: Sequence[Item], variables: Variables) -> str:
        """Return ``x`` or ``$X``."""
        reference = reference_in(items)
        if reference is None or reference.cast or reference.kind is RefKind.REMOTE:
            return self.plain(expand_text(items, variables, strict=True))
        return reference.shown if reference.kind is RefKind.ENVIRONMENT else reference.name

    def plain(self, text: str) -> str:
        """Return a name that is no reference."""
        name, bracket, _ = text.partition("[")
        if bracket and name:
            raise WrongValue(f"'{shortened(text)}' is not a name", hint="write a blank before '['")
        return self.parse(text)


class Reference(ValueType):
    """A reference ``!name`` or ``$NAME``; its value is the value of the variable."""

    metavar = "<!name>"
    by_text = False

    def parse(self, text: str) -> str:
        """Return the text; only `take` knows whether it came from a reference."""
        return text

    def take(self, items: Sequence[Item], variables: Variables) -> str:
        """Return the value referred to."""
        if len(items) != 1 or not self.claims(items[0]):
            raise WrongValue("not a reference", hint="write !name or $NAME")
        return expand_text(items, variables, strict=True)

    def describe(self) -> str:
        """Return what is accepted."""
        return "!name or $NAME"

    def claims(self, item: Item) -> bool:
        """Return whether the word begins with a reference."""
        word = item.word if isinstance(item, Quoted) else item
        return isinstance(word, Word) and isinstance(word.pieces[0], Ref)


class Label(Name):
    """Name of a place in a script, as ``:name:`` declares it."""

    metavar = "<label>"


class Words(ValueType):
    """Free text: all words that are left, joined by one blank."""

    metavar = "<words>"
    greedy = True

    def parse(self, text: str) -> str:
        """Return the text itself."""
        return text

    def take(self, items: Sequence[Item], variables: Variables) -> str:
        """Return the text; undefined references are empty."""
        return self.parse(expand_text(items, variables, resolve=True))

    def describe(self) -> str:
        """Return what is accepted."""
        return "words"


class Remote(ValueType):
    """A command for another node: all words that are left, as they travel."""

    metavar = "<command>"
    greedy = True
    by_text = False

    def parse(self, text: str) -> str:
        """Return the text itself."""
        return text

    def take(self, items: Sequence[Item], variables: Variables) -> str:
        """Return the command text for the wire."""
        return remote_text(items, variables)

    def describe(self) -> str:
        """Return what is accepted."""
        return "a command"


class PolicyTypes(ValueType):
    """Kinds of policies: ``device``, ``*``, or ``(device, operator)``. A tuple of names."""

    metavar = "<type>"
    takes_groups = True

    def parse(self, text: str) -> tuple[str, ...]:
        """Return one name, or ``*``, as a tuple."""
        if text == "*":
            return ("*",)
        return (Name().parse(text),)

    def take(self, items: Sequence[Item], variables: Variables) -> tuple[str, ...]:
        """Return the names, each once, in the order given."""
        if len(items) == 1 and isinstance(items[0], Group):
            found: dict[str, None] = {}
            for entry in items[0].entries:
                if not isinstance(entry, Test) or entry.operator:
                    raise WrongValue("not a list of types", hint="write (type, type)")
                text = expand_text(entry.left, variables, strict=True)
                found.update(dict.fromkeys(self.parse(text)))
            if not found:
                raise WrongValue("the list of types is empty", hint="write (type, type) or *")
            return tuple(found)
        return super().take(items, variables)  # type: ignore[no-any-return]

    def describe(self) -> str:
        """Return what is accepted."""
        return "a type, (type, type) or *"


class JsonText(str):
    """JSON as text, with the same as Python data.

    Attributes
    ----------
    data : Any
        What the text says: ``dict``, ``list``, ``str``, number, ``bool`` or ``None``.
    """

    __slots__ = ("data",)

    data: Any

    @classmethod
    def read(cls, text: str) -> JsonText:
        """Return the text with its data.

        Raises
        ------
        BadJson
        """
        try:
            data = _decode(text)
            _check(text, data)
        except json.JSONDecodeError as exc:
            message = f"not JSON: {exc.msg.lower()} at character {exc.pos + 1} of the value"
            raise BadJson(message, hint='write for example {"device": {"name": "d1"}}') from exc
        except (ValueError, RecursionError, UnbalancedInput) as exc:
            deep = f"brackets inside brackets more than {limits.MAX_NESTING} deep"
            reason = str(exc) if isinstance(exc, ValueError) else deep
            raise BadJson(f"not JSON: {reason}", hint="write a JSON object") from exc
        made = cls(text)
        made.data = data
        return made


class Json(ValueType):
    """A JSON object; references inside are replaced, also in a variable's that was written here.

    Parameters
    ----------
    any_value : bool
        Whether lists, texts and numbers are accepted too.
    """

    metavar = "<json>"

    def __init__(self, *, any_value: bool = False) -> None:
        self._any = any_value

    def parse(self, text: str) -> JsonText:
        """Return the text with its data."""
        found = JsonText.read(text)
        if not self._any and not isinstance(found.data, dict):
            raise BadJson("a JSON object is needed", hint='write for example {"device": {…}}')
        return found

    def take(self, items: Sequence[Item], variables: Variables) -> JsonText:
        """Return the JSON of an object, or of the variable that holds one."""
        text = expand_text(items, variables, strict=True, resolve=True)
        if reference_in(items) is not None:
            text = expand_value(text, variables, strict=True)
        return self.parse(text)

    def describe(self) -> str:
        """Return what is accepted."""
        return "JSON" if self._any else "JSON object, or !variable that holds one"


def reference_in(items: Sequence[Item]) -> Ref | None:
    """Return the reference if the words are one reference and nothing else."""
    if len(items) != 1 or isinstance(items[0], Mark):
        return None
    word = items[0].word if isinstance(items[0], Quoted) else items[0]
    return word.reference if isinstance(word, Word) else None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"it has no {name}")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {shortened(digits)} is too large")
    return value


def _check(text: str, data: Any) -> None:
    """Refuse what is JSON and yet cannot be written again: deep nests, half characters."""
    if text.count("{") + text.count("[") > limits.MAX_NESTING:
        json_end(text, len(text) - len(text.lstrip()))
    try:
        if not text.isascii():
            text.encode()
        if _SURROGATE_ESCAPE.search(text) is not None:
            json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair, which is no character") from None


_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

# Made once: `json.loads` makes a decoder for each text when it is told anything.
_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode
