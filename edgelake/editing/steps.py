"""Steps over the tokens of a text: what they are marked as, and what is expected at their end."""

from __future__ import annotations

from collections.abc import Sequence

from edgelake.editing.places import Expected, Names, Offer, Part, Role
from edgelake.editing.tokens import Kind, Token
from edgelake.language import Argument, Command, CommandRegistry, Option

__all__ = ["Steps", "next_words"]


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


class Steps:
    """Goes over tokens once, from the first to the last.

    Parameters
    ----------
    tokens : sequence of Token
    registry : CommandRegistry
    unfinished : bool
        The last token may still grow.

    Attributes
    ----------
    parts : list of Part
        What was marked.
    expected : Expected
        What may come behind the last token.
    """

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

    def _begun(self, token: Token, words: tuple[str, ...]) -> bool:
        """Return whether a word that is still being typed begins a name behind some words."""
        if token is not self._last or not token.plain:
            return False
        return any(word.startswith(token.text) for word in next_words(self._registry, words))

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
