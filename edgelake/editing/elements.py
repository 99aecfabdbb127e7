"""Elements that commands share: option lists, values, groups, conditions, free words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from edgelake import limits
from edgelake.editing.places import Fixed, Free, Keys, Offer, Part, Role, Value
from edgelake.editing.steps import Steps
from edgelake.editing.tokens import Kind, Token
from edgelake.errors import EdgeLakeError
from edgelake.language import (
    Argument,
    Command,
    Destination,
    Duration,
    Option,
    OptionGroup,
    PathType,
    Size,
    Timezone,
)

__all__ = ["Elements", "checked", "keyword"]

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "contains", "startswith", "endswith", "childfrom")
_JOINS = ("and", "or")

Find: TypeAlias = Callable[[str], Option | None]


def keyword(token: Token) -> str:
    """Return the text of a word, of ``bring.json`` and the like only the keyword."""
    return "bring" if token.text.startswith("bring.") else token.text


class Elements(Steps):
    """Reads elements, each from the token where it begins."""

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
            ends = ("and", link) if link else ("and",)
            self._pair(command.options, command.option, given, ends)
            token = self._stop()
            if token is None or token.text != "and":
                return
            self._mark(token, Role.KEYWORD)

    def _pair(
        self, options: tuple[Option, ...], find: Find, given: set[str], ends: tuple[str, ...]
    ) -> None:
        """Read one option; ``find`` returns it by its key, also one that is not listed."""
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
        try:
            option = find(key)
        except EdgeLakeError:
            option = None  # a part of a key with points does not fit
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
            begin = self._at
            self._free_value(depth, ends)
            if self._at > begin:
                self._expect(Fixed(ends))
            return
        token = self._stop(depth)
        if isinstance(option.type, OptionGroup) and token is not None and token.text == "(":
            if self._nested(option.type):
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
            if options and not begun:
                fault = f"no option '{key[:80]}'"
        elif key in given and not option.repeatable:
            fault = f"option '{key}' is given twice"
        for word in words:
            self.parts.append(Part(word.start, word.end, Role.WRONG if fault else Role.KEY, fault))

    def _nested(self, group: OptionGroup) -> bool:
        """Read ``( key = value and … )``; return whether it is closed."""
        depth = self._tokens[self._at].depth
        self._mark(self._tokens[self._at], Role.SIGN)
        given: set[str] = set()
        while True:
            self._pair(group.options, group.option, given, ("and", ")"))
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
        while (token := self._stop(depth)) is not None and keyword(token) not in ends:
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
        role, fault = checked(of, words, self._last)
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

    def _bring(self) -> None:
        """Read ``bring``, its items, and the separator."""
        token = self._peek()
        if token is None:
            return
        self._mark(token, Role.KEYWORD)
        items = (Free("what is taken, as [type][key]"), Fixed(("separator",)))
        self._expect(*items)
        while (token := self._stop()) is not None:
            if token.text == "separator":
                self._mark(token, Role.KEY)
                self._expect(Fixed(("=",)))
                if (token := self._stop()) is not None and token.text == "=":
                    self._mark(token, Role.SIGN)
                    self._free(Free("what stands between two results"))
                return
            self._mark(token, Role.TEXT)
            self._expect(*items)

    def _condition(self, links: tuple[str, ...], then: tuple[Offer, ...] = ()) -> None:
        """Read tests, joined by ``and`` and ``or``."""
        operand = Free("!name or a value")
        self._expect(Fixed(("not",)), operand)
        compared = False
        while (token := self._stop()) is not None and keyword(token) not in links:
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
                self._expect(*then, Fixed((*(() if then else links), *signs, *_JOINS)))

    def _free(self, offer: Offer | None = None) -> None:
        """Read words without a meaning of their own, to the end of the statement."""
        if offer is not None:
            self._expect(offer)
        while (token := self._stop()) is not None:
            self._mark(token, Role.TEXT)


# ------------------------------------------------------------------- parts


def checked(of: Argument | Option, words: Sequence[Token], last: Token | None) -> tuple[Role, str]:
    """Return the role of a value's words, and what its type says against them.

    Only what needs no look at variables or files is checked, and nothing that
    is still being typed.
    """
    if not words or words[-1] is last or isinstance(of.type, PathType | Destination | Timezone):
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
        # A hint is drawn at every key: what goes wrong in it must not take the prompt along.
        return Role.VALUE, ""
    return Role.VALUE, ""
