"""One line about what the cursor stands at: what is wrong, what is expected, what is needed."""

from __future__ import annotations

from edgelake.editing.places import Bringing, Expected, Fixed, Free, Keys, Names, Offer, Value
from edgelake.editing.reading import Reading, read_tokens
from edgelake.editing.steps import next_words
from edgelake.editing.tokens import Kind, Token, scan
from edgelake.language import Argument, CommandRegistry, Option

__all__ = ["hint"]

_MOST_KEYS = 6
_MOST_CHARS = 400


def hint(text: str, registry: CommandRegistry) -> str:
    """Return what to write at the end of a text, or what is wrong there; empty if nothing is.

    Never raises; nothing is said of a text above `limits.MAX_STYLED_CHARS`.
    """
    tokens = scan(text)
    if not tokens:
        return ""
    last = tokens[-1]
    touching = last.end == len(text) and last.kind not in (Kind.MARK, Kind.END, Kind.BLOCK)
    if last.kind is Kind.COMMENT:
        return ""
    if not last.closed:
        return _unclosed(last)
    reading = read_tokens(tokens, registry, unfinished=touching)
    fault = next((part.fault for part in reading.parts if part.fault), "")
    if fault:
        return _short(fault)
    expected = read_tokens(tokens[:-1], registry).expected if touching else reading.expected
    begun = last.text if touching else ""
    return _short(_said(expected, begun, registry) or _usage(reading))


# ------------------------------------------------------------------- parts


def _unclosed(token: Token) -> str:
    if token.kind is Kind.JSON:
        return "JSON: its end is missing; Enter adds a line"
    return f"text: the closing {token.text[0]} is missing"


def _said(expected: Expected, begun: str, registry: CommandRegistry) -> str:
    """Return an expectation in words; ``begun`` is the word that the cursor touches."""
    for offer in expected.offers:
        if isinstance(offer, Names) and (not offer.begun or begun):
            following = next_words(registry, offer.begun)
            if not begun or any(word.startswith(begun) for word in following):
                return _named(offer, begun, registry)
    if expected.about is not None:
        return _value(expected.about)
    said = [text for offer in expected.offers if (text := _offered(offer))]
    shown = " or ".join(said)
    missing = [option.usage for option in expected.missing]
    if missing:
        shown += ("; " if shown else "") + "still needed: " + " and ".join(missing)
    elif not any(isinstance(offer, Value | Keys | Free) for offer in expected.offers):
        return ""  # signs alone: completion has them
    return shown


def _named(offer: Names, begun: str, registry: CommandRegistry) -> str:
    """Return the summary of the command whose name is written, nothing for a part of a name."""
    command = registry.get(" ".join([*offer.begun, begun])) if begun else None
    return f"{command.name}: {command.summary}" if command is not None else ""


def _usage(reading: Reading) -> str:
    """Return the usage of the command that goes on, if that says more than its name."""
    command = reading.expected.command
    return command.usage if command is not None and command.usage != command.name else ""


def _offered(offer: Offer) -> str:
    if isinstance(offer, Value):
        return _value(offer.of)
    if isinstance(offer, Keys):
        keys = [o.key for o in offer.options if o.repeatable or o.key not in offer.given]
        more = " …" if len(keys) > _MOST_KEYS else ""
        return "option: " + ", ".join(keys[:_MOST_KEYS]) + more if keys else ""
    if isinstance(offer, Fixed):
        return ", ".join(offer.words)
    if isinstance(offer, Bringing):
        return "bring"
    return offer.what if isinstance(offer, Free) else "a word of the command's name"


def _value(of: Argument | Option) -> str:
    """Return ``name: what is accepted (what it is for)``."""
    name = of.key if isinstance(of, Option) else of.name
    accepted = of.type.describe()
    purpose = f" ({of.help})" if of.help and of.help != accepted else ""
    return f"{name}: {accepted}{purpose}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…"
