"""Declarations of commands: what a command is called, what it takes, who may call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from edgelake.errors import ConfigurationError
from edgelake.interfaces import Permission, Result
from edgelake.language.bring import BRING_USAGE
from edgelake.language.forms import Remote
from edgelake.language.source import Source
from edgelake.language.values import ValueType

if TYPE_CHECKING:
    from edgelake.language.call import Call

__all__ = [
    "Argument",
    "Brings",
    "Command",
    "CommandSet",
    "Form",
    "Handler",
    "Option",
    "Where",
]

Handler: TypeAlias = "Callable[[Any, Call], Result]"
"""Carries a command out; the context it gets is opaque to the language."""


class Where(Enum):
    """Whether a command takes an option list after ``where``.

    Where the list is ``OPTIONAL``, required options are required in it, not of the command.
    ``CONDITION`` commands take a condition on data instead of options.
    """

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"
    CONDITION = "condition"


class Brings(Enum):
    """Whether a command takes ``bring``, which makes another form of what it finds."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Form(Enum):
    """How the words of a command are arranged; the grammar has a rule for each.

    ``FREE`` takes free text; ``SOURCE`` text in another language; ``REMOTE``
    destinations and a command for them; ``VERB`` arguments, a value and options;
    ``IF`` a condition and, behind ``then``, a statement; ``BRANCH`` a statement;
    ``WAIT`` arguments and, behind ``for``, a condition; ``SCHEDULE`` options and,
    behind ``task``, a statement.
    """

    FREE = "free"
    SOURCE = "source"
    REMOTE = "remote"
    VERB = "verb"
    IF = "if"
    BRANCH = "branch"
    WAIT = "wait"
    SCHEDULE = "schedule"


_FORM_USAGE = {
    Form.IF: ("<condition>", "[then [<command>]]"),
    Form.BRANCH: ("<command>",),
    Form.WAIT: ("[for <condition>]",),
}


@dataclass(frozen=True, slots=True)
class Argument:
    """A word behind the name of a command, or behind its ``=``.

    Attributes
    ----------
    name : str
        Key of its value in `Call.arguments`.
    type : ValueType
    repeatable : bool
        Takes all words that are left; its value is a tuple.
    shown : str or None
        How usage lines show it; by default by its name.
    secret : bool
        The value is never shown, logged or kept in a history.
    """

    name: str
    type: ValueType
    required: bool = True
    repeatable: bool = False
    help: str = ""
    shown: str | None = None
    secret: bool = False

    @property
    def metavar(self) -> str:
        """How usage lines show it."""
        more = " …" if self.repeatable or self.type.greedy else ""
        shown = self.shown or f"<{self.name}>{more}"
        return shown if self.required else f"[{shown}]"


@dataclass(frozen=True, slots=True)
class Option:
    """A pair ``key = value`` of an option list.

    Attributes
    ----------
    default : Any
        Value when the option is not given; repeatable options default to ``()``.
    secret : bool
        The value is never shown, logged or kept in a history.
    metavar : str or None
        How usage lines show the value; by default as its type says.
    """

    key: str
    type: ValueType
    required: bool = False
    repeatable: bool = False
    default: Any = None
    help: str = ""
    secret: bool = False
    metavar: str | None = None

    @property
    def usage(self) -> str:
        """``key = <value>``."""
        return f"{self.key} = {self.metavar or self.type.metavar}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command, declared once: parsing, checks, help and documentation follow from it.

    Attributes
    ----------
    name : str
        One or more words separated by single blanks.
    value : Argument or None
        What follows ``=`` behind the arguments.
    form : Form
    keyword : str
        ``where`` or ``using``.
    bring : Brings
        Whether ``bring`` may follow all else.
    any_option : Option or None
        What the option list takes besides the declared options: pairs of any key, with
        the type, the help and the usage of this one.
    topics : tuple of str
        Under which ``help index`` lists it, besides its group.
    elsewhere : tuple of str
        Keys of options that it has at other nodes of the network, and here has not.
    permission : Permission
        Level a peer needs to call it.
    user_permission : Permission or None
        Level that a user needs who said who he is, by REST; ``None``: that of a peer.
    slow : bool
        It may hold its thread for long: few of its kind run for peers at a time.
    quick : bool
        It reads memory alone, waits for nothing, and is done in a small part of a millisecond:
        who serves many needs no thread of a pool for it.
    """

    name: str
    summary: str
    handler: Handler
    examples: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()
    value: Argument | None = None
    options: tuple[Option, ...] = ()
    where: Where = Where.NONE
    form: Form = Form.VERB
    permission: Permission = Permission.NEVER
    user_permission: Permission | None = None
    slow: bool = False
    quick: bool = False
    details: str = ""
    related: tuple[str, ...] = ()
    group: str = ""
    keyword: str = "where"
    bring: Brings = Brings.NONE
    any_option: Option | None = None
    topics: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse declarations that contradict themselves."""
        words = self.words
        if not self.name or not all(words) or self.name.lower() != self.name:
            raise ConfigurationError(f"'{self.name}' is not a name of a command")
        keys = [option.key for option in self.options]
        if len({*keys, *self.elsewhere}) != len(keys) + len(self.elsewhere):
            raise ConfigurationError(f"'{self.name}' declares an option twice")
        if (self.options or self.any_option) and self.where not in (Where.OPTIONAL, Where.REQUIRED):
            raise ConfigurationError(f"'{self.name}' declares options but takes no option list")
        if any(a.repeatable or a.type.greedy for a in self.arguments[:-1]):
            raise ConfigurationError(f"'{self.name}' has words behind an argument that takes all")
        if self.text and (self.options or self.value or len(self.arguments) != 1):
            raise ConfigurationError(f"'{self.name}' takes free text and nothing else")
        remote = bool(self.arguments) and isinstance(self.arguments[-1].type, Remote)
        if remote != self.remote:
            raise ConfigurationError(f"'{self.name}' must be of the form of commands for others")
        source = len(self.arguments) == 1 and isinstance(self.arguments[0].type, Source)
        if source != (self.form is Form.SOURCE):
            raise ConfigurationError(f"'{self.name}' must be of the form of source text")

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its name."""
        return tuple(self.name.split(" "))

    @property
    def text(self) -> bool:
        """Whether everything behind the name is free text."""
        return self.form is Form.FREE

    @property
    def taken_words(self) -> tuple[Argument, ...]:
        """What it takes without a key: its arguments, and the value behind ``=``."""
        return (*self.arguments, self.value) if self.value is not None else self.arguments

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the arguments and keys of the options whose values are secret."""
        words = (argument.name for argument in self.taken_words if argument.secret)
        return (*words, *(option.key for option in self.options if option.secret))

    @property
    def remote(self) -> bool:
        """Whether the last argument is a command for another node."""
        return self.form is Form.REMOTE

    @property
    def usage(self) -> str:
        """One line that shows the form of the command."""
        parts = [self.name, *(argument.metavar for argument in self.arguments)]
        parts += _FORM_USAGE.get(self.form, ())
        if self.value is not None:
            tail = f"= {self.value.shown or f'<{self.value.name}>'}"
            parts.append(tail if self.value.required else f"[{tail}]")
        if self.where is Where.CONDITION:
            parts.append(f"[{self.keyword} <condition>]")
        elif self.where is not Where.NONE:
            required = [option.usage for option in self.options if option.required]
            if self.any_option is not None:
                required.append(self.any_option.usage)
            more = ["…"] if len(required) < len(self.options) or self.any_option else []
            keyword = "" if self.form is Form.SCHEDULE else f"{self.keyword} "
            tail = keyword + " and ".join([*required, *more])
            parts.append(tail if self.where is Where.REQUIRED else f"[{tail}]")
        if self.form is Form.SCHEDULE:
            parts.append("task <command>")
        if self.bring is not Brings.NONE:
            parts.append(BRING_USAGE if self.bring is Brings.REQUIRED else f"[{BRING_USAGE}]")
        return " ".join(parts)

    def option(self, key: str) -> Option | None:
        """Return the option of that key, ``None`` if there is none."""
        found = next((option for option in self.options if option.key == key), None)
        if found is None and self.any_option is not None:
            return replace(self.any_option, key=key)
        return found


class CommandSet:
    """Commands of one module, in the order of their declaration.

    Parameters
    ----------
    group : str
        Heading under which ``help`` lists them.
    topics : tuple of str
        Topics of ``help index`` that all of them belong to, besides their own and the group.

    Examples
    --------
    >>> commands = CommandSet(group="node")
    >>> @commands.command("get version", summary="show the version")
    ... def _version(context, call):
    ...     return Result("1.0", "1.0")
    """

    def __init__(self, group: str, topics: tuple[str, ...] = ()) -> None:
        self.group = group
        self.topics = topics
        self._commands: list[Command] = []

    def command(
        self,
        name: str,
        *,
        summary: str,
        examples: tuple[str, ...] = (),
        arguments: tuple[Argument, ...] = (),
        value: Argument | None = None,
        options: tuple[Option, ...] = (),
        where: Where = Where.NONE,
        form: Form = Form.VERB,
        permission: Permission = Permission.NEVER,
        user_permission: Permission | None = None,
        slow: bool = False,
        quick: bool = False,
        details: str = "",
        related: tuple[str, ...] = (),
        keyword: str = "where",
        bring: Brings = Brings.NONE,
        any_option: Option | None = None,
        topics: tuple[str, ...] = (),
        elsewhere: tuple[str, ...] = (),
    ) -> Callable[[Handler], Handler]:
        """Return a decorator that declares a command and leaves its handler as it is.

        The parameters are those of `Command`.
        """

        def declare(handler: Handler) -> Handler:
            self._commands.append(
                Command(
                    name=name,
                    summary=summary,
                    handler=handler,
                    examples=examples,
                    arguments=arguments,
                    value=value,
                    options=options,
                    where=where,
                    form=form,
                    permission=permission,
                    user_permission=user_permission,
                    slow=slow,
                    quick=quick,
                    details=details,
                    related=related,
                    group=self.group,
                    keyword=keyword,
                    bring=bring,
                    any_option=any_option,
                    topics=(*self.topics, *topics),
                    elsewhere=elsewhere,
                )
            )
            return handler

        return declare

    def __iter__(self) -> Iterator[Command]:
        """Yield the commands in the order of their declaration."""
        return iter(self._commands)

    def __len__(self) -> int:
        """Return the number of commands."""
        return len(self._commands)
