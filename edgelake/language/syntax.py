"""Typed nodes of parsed commands. They hold text and places, never values of variables.

``start`` and ``end`` count characters from 0 in the text that was parsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeAlias, TypeVar, dataclass_transform

__all__ = [
    "And",
    "Assignment",
    "CommandStatement",
    "Condition",
    "Filtered",
    "Group",
    "Item",
    "JsonItem",
    "Literal",
    "Mark",
    "Not",
    "Or",
    "Piece",
    "Quoted",
    "Ref",
    "RefKind",
    "Shape",
    "Show",
    "Statement",
    "Test",
    "Word",
]

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def node(cls: type[_T]) -> type[_T]:
    """Return the class as a dataclass that the type checker takes for frozen.

    Nodes are never changed, and the checker holds that. A class that is frozen
    when the program runs sets each field through a call, which would be a third
    of the time a command takes.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


# ------------------------------------------------------------------ pieces


class RefKind(Enum):
    """Where a reference finds its value."""

    LOCAL = "!"
    REMOTE = "!!"
    ENVIRONMENT = "$"


@node
class Literal:
    """Text of a word that stands for itself."""

    text: str
    start: int
    end: int


@node
class Ref:
    """A reference ``!name``, ``!!name`` or ``$NAME`` inside a word.

    Attributes
    ----------
    cast : str
        ``int``, ``float``, ``bool``, ``str``, ``len``, ``name``, or empty.
    cut : tuple of two ints or None, or None
        Bounds of the slice ``[a:b]``.
    """

    kind: RefKind
    name: str
    start: int
    end: int
    cast: str = ""
    cut: tuple[int | None, int | None] | None = None

    @property
    def shown(self) -> str:
        """The reference as written, without cast and slice."""
        return self.kind.value + self.name


Piece: TypeAlias = Literal | Ref

# ------------------------------------------------------------------- items


@node
class Word:
    """A word without quotes: literal text and references that touch."""

    pieces: tuple[Piece, ...]
    start: int
    end: int

    @property
    def literal(self) -> str | None:
        """The text of a word without references, else ``None``."""
        if len(self.pieces) == 1 and isinstance(self.pieces[0], Literal):
            return self.pieces[0].text
        return None

    @property
    def reference(self) -> Ref | None:
        """The reference if the word is nothing else, else ``None``."""
        if len(self.pieces) == 1 and isinstance(self.pieces[0], Ref):
            return self.pieces[0]
        return None


@node
class Quoted:
    """A quoted word.

    Attributes
    ----------
    text : str
        Between the quotes.
    quote : str
        The quote character; only ``"`` is not part of the word's value.
    word : Word or None
        What to expand when ``"…"`` holds exactly one reference.
    """

    text: str
    quote: str
    start: int
    end: int
    word: Word | None = None

    @property
    def kept(self) -> str:
        """The word's value as text: single and back quotes belong to it."""
        return self.text if self.quote == '"' else f"{self.quote}{self.text}{self.quote}"


@node
class JsonItem:
    """``{…}`` or ``[…]`` as written; references inside are found when it is expanded."""

    source: str
    start: int
    end: int


@node
class Mark:
    """A sign that is a word of its own: ``=``, ``+``, a comparison, ``,`` or ``&``."""

    text: str
    start: int
    end: int


@node
class Group:
    """A group in parentheses.

    Attributes
    ----------
    source : str
        As written, with the parentheses.
    entries : tuple
        What commas separate; empty in free text, where only ``items`` count.
    items : tuple of Item
        Everything inside in order, for free text.
    """

    source: str
    start: int
    end: int
    entries: tuple[Entry, ...] = ()
    items: tuple[Item, ...] = ()


Item: TypeAlias = Word | Quoted | JsonItem | Mark | Group

# -------------------------------------------------------------- conditions


@node
class Test:
    """``left operator right``, or ``left`` alone with an empty operator.

    Operators: ``= == != < > <= >=``, ``in contains startswith endswith with childfrom``.
    """

    __test__: ClassVar[bool] = False  # pytest takes classes of this name for test cases

    left: tuple[Item, ...]
    operator: str
    right: tuple[Item, ...]
    start: int
    end: int
    operator_start: int = 0


@node
class Not:
    """The opposite of ``part``."""

    part: Condition
    start: int
    end: int


@node
class And:
    """True when all parts are."""

    parts: tuple[Condition, ...]
    start: int
    end: int


@node
class Or:
    """True when one part is."""

    parts: tuple[Condition, ...]
    start: int
    end: int


Condition: TypeAlias = Test | Not | And | Or


@node
class Filtered:
    """``words where condition bring …`` as entry of a group; one of the two may be missing."""

    items: tuple[Item, ...]
    condition: Condition | None
    start: int
    end: int
    bring: tuple[Item, ...] = ()


Entry: TypeAlias = Condition | Filtered

# -------------------------------------------------------------- statements


class Shape(Enum):
    """How the words of a command are arranged; its first word decides."""

    TEXT = "free"
    SOURCE = "source"
    VERB = "verb"
    REMOTE = "remote"
    IF = "if"
    BRANCH = "branch"
    WAIT = "wait"
    SCHEDULE = "schedule"
    UNKNOWN = "unknown"


@node
class CommandStatement:
    """A command as written; `edgelake.language.bind` finds what it means.

    Attributes
    ----------
    words : tuple of Item
        All words up to ``=``, ``where`` or ``bring``, the name included.
    tail : tuple of Item
        What follows ``=``; empty when ``equals`` is ``None``.
    equals : Mark or None
        The ``=`` before ``tail``.
    where : Condition or None
        The option list or condition.
    keyword : Literal or None
        ``where`` or ``using``, with its place.
    bring : tuple of Item
        ``bring`` and what follows it.
    destination : tuple of Item
        Words that name other nodes, of commands that run elsewhere.
    condition : Condition or None
        What ``if`` and ``wait … for`` wait for or look at; the options of ``schedule``.
    link : Literal or None
        ``then``, ``for`` or ``task``, with its place.
    body : Statement or None
        The statement behind ``then``, ``do``, ``else`` or ``task``.
    local : bool
        A point stands in front: it runs here, whatever the console is assigned to.
    text : str
        The whole text that was parsed.
    """

    shape: Shape
    words: tuple[Item, ...]
    text: str
    start: int
    end: int
    equals: Mark | None = None
    tail: tuple[Item, ...] = ()
    keyword: Literal | None = None
    where: Condition | None = None
    bring: tuple[Item, ...] = ()
    destination: tuple[Item, ...] = ()
    condition: Condition | None = None
    link: Literal | None = None
    body: Statement | None = None
    local: bool = False

    @property
    def source(self) -> str:
        """The command as written."""
        return self.text[self.start : self.end]


@node
class Assignment:
    """``target = words`` or ``target = command``.

    Attributes
    ----------
    name : str
        What the target names: a variable, ``$NAME``; empty for ``[file = …]``.
    indices : tuple of JsonItem
        What follows the name: ``[key]``, ``[]``, ``{}``.
    items : tuple of Item
        The words of the value; empty when a command gives it.
    """

    name: str
    indices: tuple[JsonItem, ...]
    items: tuple[Item, ...]
    command: CommandStatement | None
    text: str
    start: int
    end: int
    target_end: int

    @property
    def plain_target(self) -> bool:
        """Whether the target is the name of a variable and nothing else."""
        return bool(self.name) and not self.indices and not self.name.startswith("$")

    @property
    def target_text(self) -> str:
        """The name of a plain target; any other target as written."""
        return self.name if self.plain_target else self.text[self.start : self.target_end]

    @property
    def source(self) -> str:
        """The assignment as written."""
        return self.text[self.start : self.end]


@node
class Show:
    """``!x`` or ``!a + !b``: print a value."""

    items: tuple[Item, ...]
    text: str
    start: int
    end: int

    @property
    def source(self) -> str:
        """The statement as written."""
        return self.text[self.start : self.end]


Statement: TypeAlias = CommandStatement | Assignment | Show
