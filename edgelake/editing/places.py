"""What a reading of typed text says: the role of each part, and what may come next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from edgelake.language import Argument, Command, Option

__all__ = [
    "Bringing",
    "Expected",
    "Fixed",
    "Free",
    "Keys",
    "Names",
    "Offer",
    "Part",
    "Role",
    "Value",
]


class Role(Enum):
    """What a part of a command is."""

    COMMAND = "command"
    UNKNOWN = "unknown"
    KEYWORD = "keyword"
    KEY = "key"
    SIGN = "sign"
    VALUE = "value"
    TEXT = "text"
    VARIABLE = "variable"
    LABEL = "label"
    COMMENT = "comment"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text with its role; ``fault`` says what is wrong with it."""

    start: int
    end: int
    role: Role
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """The next word of a command's name, behind the words ``begun``."""

    begun: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an argument or option, behind the words ``given`` of the same value."""

    of: Argument | Option
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """The key of an option; ``given`` are the keys that stand there already."""

    options: tuple[Option, ...]
    given: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fixed:
    """One of a few words or signs of the language."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bringing:
    """``bring`` with its modifiers."""


@dataclass(frozen=True, slots=True)
class Free:
    """Anything; ``what`` says it in a word or two."""

    what: str


Offer: TypeAlias = Names | Value | Keys | Fixed | Bringing | Free


@dataclass(frozen=True, slots=True)
class Expected:
    """What may stand behind a text.

    Attributes
    ----------
    offers : tuple
        The likeliest first.
    command : Command or None
        The command that would go on.
    missing : tuple of Option
        Options it still needs.
    about : Argument, Option or None
        What a sign that is expected belongs to, such as the ``=`` of an option.
    """

    offers: tuple[Offer, ...] = ()
    command: Command | None = None
    missing: tuple[Option, ...] = ()
    about: Argument | Option | None = None
