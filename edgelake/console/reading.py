"""Reads a text that a person is typing as far as it goes, by the declarations of the commands.

The parser of the language refuses what is wrong or unfinished. This reading
never refuses: it says what each word seems to be, and what may come behind
the last one. Completion, hints and colours all follow from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgelake import limits
from edgelake.console.places import Expected, Fixed, Free, Keys, Names, Offer, Part, Role, Value
from edgelake.console.tokens import Kind, Token, scan
from edgelake.errors import EdgeLakeError
from edgelake.language import (
    Argument,
    Command,
    CommandRegistry,
    Destination,
    Duration,
    Form,
    Option,
    PathType,
    Reference,
    Size,
    Where,
    Words,
)

__all__ = ["Reading", "next_words", "read", "read_tokens"]

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "contains", "startswith", "endswith", "childfrom")
_LIST_OPTIONS = ("subset", "timeout")
_JOINS = ("and", "or")
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


def next_words(registry: CommandRegistry, begun: Sequence[str] = ()) -> dict[str, str]:
    """Return the words that names of commands have behind some words.

    Each with the summary of the command that ends there, or with ``…``.
    """
    count = len(begun)
    found: dict[str, str] = {}
    for command in registry:
        words = command.words
        if len(words) > count and words[:count] == tuple(begun):
            if len(words) == count + 1:
                found[words[count]] = command.summary
            else:
                found.setdefault(words[count], "…")
    return found


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


class _Reader:
    """Walks over the tokens once."""

    def __init__(
        self, tokens: Sequence[Token], registry: CommandRegistry, *, unfinished: bool
    ) -> None:
        self._registry = registry
        self.parts: list[Part] = []
        self._tokens: list[Token] = []
        for token in tokens:
            if token.kind is Kind.COMMENT:
                self._part(token, Role.COMMENT)
            elif token.kind is Kind.BLOCK:
                self._part(token, Role.SIGN)
            else:
                self._tokens.append(token)
        self._last = self._tokens[-1] if unfinished and self._tokens else None
        self._at = 0
        self._command: Command | None = None
        self._missing: tuple[Option, ...] = ()
        self.expected = Expected()
        self._expect(Names())

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

    # ------------------------------------------------------------ statements

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
        if command.form is Form.FREE:
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
            fault = "" if begun else f"no command '{shown[:80]}'"
            self._mark(token, Role.COMMAND if begun else Role.UNKNOWN, fault)
            self._free()
        return None

    def _refused(self, command: Command, token: Token) -> bool:
        """Return whether a word cannot belong to a command that has longer neighbours."""
        if not self._registry.is_family(command.words) or not command.arguments:
            return False
        kind = command.arguments[0].type
        return isinstance(kind, Reference) and not token.value.startswith(("!", "$"))

    def _begun(self, token: Token, words: tuple[str, ...]) -> bool:
        """Return whether a word that is still being typed begins a name behind some words."""
        if token is not self._last or not token.plain:
            return False
        return any(word.startswith(token.text) for word in next_words(self._registry, words))

    # ------------------------------------------------------------ the forms

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
        """Read arguments, ``=`` and a value, and options."""
        keyword = (command.keyword,) if command.where is not Where.NONE else ()
        self._arguments(command, keyword)
        token = self._stop()
        if token is not None and token.text == "=" and command.value is not None:
            self._mark(token, Role.SIGN)
            self._value(command.value, keyword, keyword)
            token = self._stop()
        if token is None or _keyword(token) not in ("where", "using", "bring"):
            self._free()
            return
        self._mark(token, Role.KEYWORD)
        if token.text != command.keyword:
            self._free(Free("words"))
        elif command.where is Where.CONDITION:
            self._condition(("bring",))
            if (link := self._stop()) is not None:
                self._mark(link, Role.KEYWORD)
                self._free(Free("words"))
        else:
            self._options(command, "")

    # -------------------------------------------------------- their elements

    def _arguments(self, command: Command, links: tuple[str, ...]) -> None:
        """Read the words behind the name, up to ``=`` or a keyword."""
        waiting = list(command.arguments)
        while True:
            self._expect(*self._after_arguments(command, waiting, links))
            token = self._stop()
            if token is None or _keyword(token) in ("=", "bring", *links):
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
                self._group(Value(argument))
            else:
                self._mark(token, *_checked(argument, [token], self._last))
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
        if len(waiting) == len(command.arguments) and self._registry.is_family(command.words):
            offers.append(Names(command.words))
        return offers

    def _plus(self) -> None:
        """Read what ``+`` joins to a word."""
        while (token := self._stop()) is not None and token.text == "+":
            self._mark(token, Role.SIGN)
            self._expect(Free("a value"))
            token = self._stop()
            if token is None:
                return
            self._mark(token, Role.VALUE)

    def _options(self, command: Command, link: str) -> None:
        """Read ``key = value and key = value …``."""
        given: set[str] = set()
        while True:
            self._needs(command.options, given)
            self._pair(command.options, given, ("and", link) if link else ("and",))
            token = self._stop()
            if token is None or token.text != "and":
                return
            self._mark(token, Role.KEYWORD)

    def _pair(self, options: tuple[Option, ...], given: set[str], ends: tuple[str, ...]) -> None:
        """Read one option."""
        keys = Keys(options, frozenset(given))
        self._expect(keys)
        words: list[Token] = []
        depth = self._depth()
        while (token := self._stop(depth)) is not None and token.text not in ("=", *ends):
            words.append(token)
            self._at += 1
            if token.kind is not Kind.WORD:
                break
        if not words:
            if token is not None and token.text == "=":
                self._mark(token, Role.WRONG, "the key before '=' is missing")
                self._free_value(depth, ends)
            return
        key = " ".join(word.text for word in words)
        option = next((option for option in options if option.key == key), None)
        self._key(words, key, option, options, given)
        self._expect(Fixed(("=",)), about=option)
        given.add(key)
        if token is None or token.text != "=":
            return
        self._mark(token, Role.SIGN)
        left = [o for o in options if o.required and o.key not in given]
        self._missing = tuple(left)
        if option is None:
            self._expect(Free("a value"))
            self._free_value(depth, ends)
            self._expect(Fixed(ends))
            return
        nested = tuple(getattr(option.type, "options", ()))
        token = self._stop(depth)
        if nested and token is not None and token.text == "(":
            if self._nested(nested):
                self._expect(Fixed(ends))
        else:
            self._value(option, ends, ends, depth=depth)

    def _key(
        self,
        words: Sequence[Token],
        key: str,
        option: Option | None,
        options: tuple[Option, ...],
        given: set[str],
    ) -> None:
        """Mark the words of a key."""
        fault = ""
        if option is None:
            begun = words[-1] is self._last and any(o.key.startswith(key) for o in options)
            if options and not begun and not _dotted(key, options):
                fault = f"no option '{key[:80]}'"
        elif key in given and not option.repeatable:
            fault = f"option '{key}' is given twice"
        for word in words:
            self.parts.append(Part(word.start, word.end, Role.WRONG if fault else Role.KEY, fault))

    def _nested(self, options: tuple[Option, ...]) -> bool:
        """Read ``( key = value and … )``; return whether it is closed."""
        depth = self._tokens[self._at].depth
        self._mark(self._tokens[self._at], Role.SIGN)
        given: set[str] = set()
        while True:
            self._pair(options, given, ("and", ")"))
            token = self._peek()
            if token is None or token.kind is Kind.END or token.depth < depth:
                return token is not None
            self._mark(token, Role.SIGN if token.text == ")" else Role.KEYWORD)
            if token.text == ")":
                return True

    def _value(
        self,
        of: Argument | Option,
        ends: tuple[str, ...],
        following: tuple[str, ...],
        *,
        depth: int = 0,
        then: tuple[Offer, ...] = (),
    ) -> None:
        """Read the words of one value."""
        words: list[Token] = []
        self._expect(Value(of))
        while (token := self._stop(depth)) is not None and _keyword(token) not in ends:
            if token.text == "(":
                if self._group(Value(of)):
                    self._expect(Fixed(following), *then)
                words = []
                continue
            words.append(token)
            self._at += 1
            offers: list[Offer] = list(then)
            if isinstance(of, Argument) and of.repeatable:
                offers.insert(0, Value(of))
            elif of.type.greedy:
                offers.insert(0, Value(of, tuple(word.text for word in words)))
            if following:
                offers.append(Fixed(following))
            self._expect(*offers)
        role, fault = _checked(of, words, self._last)
        self.parts += [
            Part(w.start, w.end, Role.SIGN if w.text == "+" else role, fault) for w in words
        ]

    def _free_value(self, depth: int, ends: tuple[str, ...]) -> None:
        while (token := self._stop(depth)) is not None and token.text not in ends:
            if token.text == "(":
                self._group(Free("a value"))
            else:
                self._mark(token, Role.VALUE)

    def _group(self, *offers: Offer) -> bool:
        """Read values between parentheses; return whether they are closed."""
        depth = self._tokens[self._at].depth
        self._mark(self._tokens[self._at], Role.SIGN)
        self._expect(*offers)
        while (token := self._peek()) is not None and token.kind is not Kind.END:
            if token.depth < depth:
                return True
            sign = token.text in ("(", ")", ",", "=")
            word = token.text in (*_JOINS, "where", "bring")
            self._mark(token, Role.SIGN if sign else Role.KEYWORD if word else Role.VALUE)
            if token.text == ")" and token.depth == depth:
                self._expect()
                return True
            self._expect(*(offers if token.text in ("(", ",") else (Fixed((",", ")")),)))
        return False

    def _condition(self, links: tuple[str, ...]) -> None:
        """Read tests, joined by ``and`` and ``or``."""
        operand = Free("!name or a value")
        self._expect(Fixed(("not",)), operand)
        compared = False
        while (token := self._stop()) is not None and _keyword(token) not in links:
            if token.text in (*_JOINS, "not"):
                self._mark(token, Role.KEYWORD)
                compared = False
                self._expect(*(() if token.text == "not" else (Fixed(("not",)),)), operand)
            elif token.text in _COMPARISONS:
                self._mark(token, Role.SIGN)
                compared = True
                self._expect(operand)
            elif token.text == "=" and links == ("then",):
                self._mark(token, Role.WRONG, "write == to compare")
                self._expect(operand)
            else:
                self._mark(token, Role.SIGN if token.text in "()=" else Role.VALUE)
                signs = () if compared else _COMPARISONS
                self._expect(Fixed((*links, *signs, *_JOINS)))

    def _free(self, offer: Offer | None = None) -> None:
        """Read words without a meaning of their own, to the end of the statement."""
        if offer is not None:
            self._expect(offer)
        while (token := self._stop()) is not None:
            self._mark(token, Role.TEXT)

    # ----------------------------------------------------------------- steps

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _stop(self, depth: int = 0) -> Token | None:
        """Return the next token of the statement, ``None`` at its end or outside its group."""
        token = self._peek()
        if token is None or token.kind is Kind.END or token.depth < depth:
            return None
        return token

    def _depth(self) -> int:
        """Return how many parentheses are open at the next token."""
        token = self._peek()
        if token is None:
            return 0
        return token.depth - (token.text == "(")

    def _more(self, offer: Offer) -> bool:
        self._expect(offer)
        return self._stop() is not None

    def _expect(self, *offers: Offer, about: Argument | Option | None = None) -> None:
        """Say what may come, if nothing comes."""
        if self._peek() is None:
            self.expected = Expected(offers, self._command, self._missing, about)

    def _needs(self, options: tuple[Option, ...], given: set[str]) -> None:
        self._missing = tuple(o for o in options if o.required and o.key not in given)

    def _mark(self, token: Token, role: Role, fault: str = "") -> None:
        self._part(token, role, fault)
        self._at += 1

    def _part(self, token: Token, role: Role, fault: str = "") -> None:
        self.parts.append(Part(token.start, token.end, role, fault))


# ------------------------------------------------------------------- parts


def _keyword(token: Token) -> str:
    """Return the text of a word, of ``bring.json`` and the like only the keyword."""
    return "bring" if token.text.startswith("bring.") else token.text


def _dotted(key: str, options: tuple[Option, ...]) -> bool:
    """Return whether a key such as ``column.level`` goes with a key ``column``."""
    stem, dot, _ = key.partition(".")
    return bool(dot) and any(option.key.split(".")[0] == stem for option in options)


def _checked(of: Argument | Option, words: Sequence[Token], last: Token | None) -> tuple[Role, str]:
    """Return the role of a value's words, and what its type says against them.

    Only what needs no look at variables or files is checked, and nothing that
    is still being typed.
    """
    if not words or words[-1] is last or isinstance(of.type, PathType | Destination):
        return Role.VALUE, ""
    if not of.type.by_text or not all(w.plain or w.kind is Kind.QUOTED for w in words):
        return Role.VALUE, ""
    text = " ".join(word.value for word in words)
    if len(text) > limits.MAX_CHECKED_CHARS or "!" in text or "$" in text:
        return Role.VALUE, ""
    if isinstance(of.type, Duration | Size) and text.isdecimal() and last is None:
        return Role.VALUE, ""
    try:
        of.type.parse(text)
    except EdgeLakeError as exc:
        return Role.WRONG, f"{exc.message}; {exc.hint}" if exc.hint else exc.message
    except Exception:
        return Role.VALUE, ""
    return Role.VALUE, ""
