"""Reads a text that a person is typing as far as it goes, by the declarations of the commands.

The parser of the language refuses what is wrong or unfinished. This reading
never refuses: it says what each word seems to be, and what may come behind
the last one. Completion, hints and colours all follow from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgelake import limits
from edgelake.editing.elements import Elements, checked, keyword
from edgelake.editing.places import Bringing, Expected, Fixed, Free, Names, Offer, Part, Role, Value
from edgelake.editing.tokens import Kind, Token, scan
from edgelake.language import (
    Argument,
    Brings,
    Command,
    CommandRegistry,
    Form,
    Reference,
    Where,
    Words,
    shortened,
)

__all__ = ["Reading", "read", "read_tokens"]

_LIST_OPTIONS = ("subset", "timeout")
_LINKS = {Form.IF: "then", Form.WAIT: "for", Form.SCHEDULE: "task"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text seems to be.

    Attributes
    ----------
    parts : list of Part
        In the order of the text; blanks belong to none.
    expected : Expected
        What may follow the text.
    """

    parts: list[Part]
    expected: Expected


def read(text: str, registry: CommandRegistry) -> Reading:
    """Return the reading of a text; never raises, in time that grows with its length.

    A text above `limits.MAX_STYLED_CHARS` has no parts.
    """
    return read_tokens(scan(text), registry, unfinished=not text[-1:].isspace())


def read_tokens(
    tokens: Sequence[Token], registry: CommandRegistry, *, unfinished: bool = False
) -> Reading:
    """Return the reading of tokens; the last may be ``unfinished``, so it is not yet wrong."""
    reader = _Reader(tokens, registry, unfinished=unfinished)
    reader.read()
    reader.parts.sort(key=lambda part: part.start)
    return Reading(reader.parts, reader.expected)


class _Reader(Elements):
    """Walks over the tokens once."""

    def read(self) -> None:
        """Read statement after statement."""
        while self._peek() is not None:
            self._command, self._missing = None, ()
            self._statement(0)
            while (token := self._peek()) is not None and token.kind is not Kind.END:
                self._mark(token, Role.TEXT)
            if token is not None:
                self._mark(token, Role.SIGN)
                self._expect(Names())

    def _statement(self, depth: int, *, remote: bool = False) -> None:
        """Read an assignment, a reference that is shown, or a command."""
        if not self._more(Names()):
            return
        if depth > limits.MAX_NESTING:
            return
        token = self._tokens[self._at]
        if token.text == "." and token.kind is Kind.WORD and not remote:
            self._mark(token, Role.KEYWORD)
            self._statement(depth + 1)
        elif token.kind is Kind.WORD and token.text[0] == ":":
            self._mark(token, Role.LABEL)
            self._expect()
        elif not remote and self._assigned():
            self._assignment(depth)
        elif token.kind is Kind.WORD and token.text[0] in "!$":
            self._mark(token, Role.VALUE)
            self._expect(Fixed(("=", "+")))
            self._free(Free("a value"))
        else:
            self._call(depth)

    def _assigned(self) -> bool:
        """Return whether the words are the target of an assignment."""
        at = self._at
        token = self._tokens[at]
        if token.kind not in (Kind.WORD, Kind.JSON) or token.text in self._registry.first_words():
            return False
        while at + 1 < len(self._tokens) and self._tokens[at + 1].kind is Kind.JSON:
            at += 1
        return at + 1 < len(self._tokens) and self._tokens[at + 1].text == "="

    def _assignment(self, depth: int) -> None:
        while self._tokens[self._at].text != "=":
            self._mark(self._tokens[self._at], Role.VARIABLE)
        self._mark(self._tokens[self._at], Role.SIGN)
        self._expect(Free("a value or a command"), Names())
        token = self._peek()
        if token is None:
            return
        if token.plain and (token.text in self._registry.first_words() or self._begun(token, ())):
            self._call(depth)
        else:
            self._free(Free("a value"))

    def _call(self, depth: int) -> None:
        """Read a command: its name, then what its form says."""
        command = self._name()
        if command is None:
            return
        self._command, self._missing = command, ()
        if command.form in (Form.FREE, Form.SOURCE):
            self._text_of(command)
        elif command.form is Form.REMOTE:
            self._remote(command, depth)
        elif command.form is Form.BRANCH:
            self._statement(depth + 1)
        elif command.form in _LINKS:
            self._linked(command, depth)
        else:
            self._verb(command)

    def _name(self) -> Command | None:
        """Read the words of a command's name; mark the word that no name has."""
        words: list[str] = []
        for word in self._tokens[self._at : self._at + limits.MAX_SHAPE_WORDS]:
            if word.kind is Kind.QUOTED and word.text[0] == '"':
                words.append(word.value)
            elif word.plain:
                words.append(word.text)
            else:
                break
        command = self._registry.longest(words)
        length = len(command.words) if command else 0
        family = 0
        while family < len(words) and self._registry.is_family(words[: family + 1]):
            family += 1
        known = max(length, family)
        behind = self._tokens[self._at + length] if self._at + length < len(self._tokens) else None
        if command is not None and (behind is None or not self._refused(command, behind)):
            for _ in range(length):
                self._mark(self._tokens[self._at], Role.COMMAND)
            return command
        for _ in range(known):
            self._mark(self._tokens[self._at], Role.COMMAND)
        self._expect(Names(tuple(words[:known])))
        token = self._peek()
        if token is not None:
            begun = self._begun(token, tuple(words[:known]))
            shown = " ".join(words[: known + 1]) if len(words) > known else token.text
            absent = self._registry.absent(words)
            fault = f"'{absent}' is not available in this version" if absent else ""
            fault = fault or f"no command '{shortened(shown)}'"
            role = Role.COMMAND if begun else Role.UNKNOWN
            self._mark(token, role, "" if begun else fault)
            self._free()
        return None

    def _refused(self, command: Command, token: Token) -> bool:
        """Return whether a word cannot belong to a command that has longer neighbours."""
        if not self._registry.is_family(command.words) or not command.arguments:
            return False
        kind = command.arguments[0].type
        return isinstance(kind, Reference) and not token.value.startswith(("!", "$"))

    def _text_of(self, command: Command) -> None:
        argument = command.arguments[0] if command.arguments else None
        if argument is not None and argument.name == "command" and isinstance(argument.type, Words):
            words: list[str] = []
            self._expect(Names())
            while (token := self._stop()) is not None:
                words.append(token.text)
                self._mark(token, Role.COMMAND)
                self._expect(Names(tuple(words)))
            return
        self._free(Value(argument) if argument else Free("words"))

    def _remote(self, command: Command, depth: int) -> None:
        """Read destinations, and the command for them."""
        destination = command.arguments[0]
        if not self._more(Value(destination)):
            return
        token = self._tokens[self._at]
        if token.text == "(":
            if not self._group(Value(destination), Fixed(_LIST_OPTIONS)):
                return
        else:
            self._mark(token, Role.VALUE)
            behind = self._peek()
            if behind is not None and (behind.text.isdecimal() or behind.text[0] in "!$"):
                self._mark(behind, Role.VALUE)
        self._statement(depth + 1, remote=True)

    def _linked(self, command: Command, depth: int) -> None:
        """Read what stands before ``then``, ``for`` or ``task``, and what stands behind."""
        link = _LINKS[command.form]
        if command.form is Form.SCHEDULE:
            self._options(command, link)
        elif command.form is Form.WAIT:
            self._arguments(command, (link,))
        else:
            self._condition((link,))
        token = self._stop()
        if token is None or token.text != link:
            return
        self._mark(token, Role.KEYWORD)
        if command.form is Form.WAIT:
            self._condition(())
        else:
            self._statement(depth + 1)

    def _verb(self, command: Command) -> None:
        """Read arguments, ``=`` and a value, options, and ``bring``."""
        links = (command.keyword,) if command.where is not Where.NONE else ()
        self._arguments(command, links)
        token = self._stop()
        if token is not None and token.text == "=" and command.value is not None:
            self._mark(token, Role.SIGN)
            self._value(command.value, (*links, "bring"), links)
            token = self._stop()
        if token is not None and token.text in ("where", "using"):
            self._mark(token, Role.KEYWORD)
            if token.text != command.keyword:
                self._free(Free("words"))
            elif command.where is Where.CONDITION:
                self._condition(("bring",), self._bringing(command))
            else:
                self._options(command, "bring" if command.bring is not Brings.NONE else "")
            token = self._stop()
        if token is not None and keyword(token) == "bring" and command.bring is not Brings.NONE:
            self._bring()
        else:
            self._free()

    @staticmethod
    def _bringing(command: Command) -> tuple[Offer, ...]:
        return () if command.bring is Brings.NONE else (Bringing(),)

    def _arguments(self, command: Command, links: tuple[str, ...]) -> None:
        """Read the words behind the name, up to ``=`` or a keyword."""
        waiting = list(command.arguments)
        while True:
            self._expect(*self._after_arguments(command, waiting, links))
            token = self._stop()
            if token is None or keyword(token) in ("=", "bring", *links):
                return
            if not waiting:
                usable = token is self._last and any(word.startswith(token.text) for word in links)
                fault = "" if usable else f"'{command.name}' takes no more words here"
                self._mark(token, Role.TEXT if usable else Role.WRONG, fault)
                continue
            argument = waiting[0]
            if argument.type.greedy or argument.repeatable:
                offers = tuple(self._after_arguments(command, waiting[1:], links))
                self._value(argument, ("=", "bring", *links), (), then=offers)
                return
            waiting.pop(0)
            if token.text == "(":
                if not self._group(Value(argument)):
                    return
            else:
                self._mark(token, *checked(argument, [token], self._last))
                self._plus()

    def _after_arguments(
        self, command: Command, waiting: Sequence[Argument], links: tuple[str, ...]
    ) -> list[Offer]:
        offers: list[Offer] = []
        if waiting:
            offers.append(Value(waiting[0]))
        if not any(argument.required for argument in waiting):
            if command.value is not None:
                offers.append(Fixed(("=",)))
            if links:
                offers.append(Fixed(links))
            offers += self._bringing(command)
        if len(waiting) == len(command.arguments) and self._registry.is_family(command.words):
            offers.append(Names(command.words))
        return offers
