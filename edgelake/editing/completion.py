"""What may stand at the cursor: commands, options, values, names, files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgelake import limits
from edgelake.editing.places import Bringing, Fixed, Keys, Names, Offer, Value
from edgelake.editing.reading import read_tokens
from edgelake.editing.sources import NodeNames, listing
from edgelake.editing.steps import next_words
from edgelake.editing.tokens import Kind, scan
from edgelake.language import (
    BRING_MODIFIERS,
    AddressType,
    CommandRegistry,
    Destination,
    Duration,
    Frequency,
    PathType,
    PolicyTypes,
    Reference,
    Size,
    VariableName,
    shortened,
)

__all__ = ["Candidate", "candidates"]

_REFERENCE = re.compile(
    r"(?:(?<=[\s\"'`{}\[\](),=+&:])|^)(!!?|\$)([^\s\"'`{}\[\](),=+&<>!$:/;]*+)\Z"
)
_PATH = re.compile(r"(!|\$)([^\s\"'`{}\[\](),=+&<>!$:/;]++)(/.*)", re.DOTALL)
_UNITS = ("seconds", "minutes", "hours", "days", "weeks")
_SIZES = ("KB", "MB", "GB", "TB")
_SIZE_BEGUN = re.compile(r"(\d+)\s*([KMGTB]*)", re.IGNORECASE)
_NEEDS_QUOTES = re.compile(r"[\s\"'`{}\[\](),=+&<>!$#]")
_META_CHARS = 60
_SECRET = re.compile(r"passw|secret|token|key|credential", re.IGNORECASE)

_DATABASES = ("dbms", "database")
_TABLES = ("table", "tables")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that may replace what stands before the cursor.

    Attributes
    ----------
    text : str
        What replaces it.
    back : int
        How many characters before the cursor it replaces.
    meta : str
        What it is, in a few words.
    open : bool
        More may touch it, as behind a folder: no blank follows.
    """

    text: str
    back: int
    meta: str = ""
    open: bool = False


def candidates(
    text: str, registry: CommandRegistry, names: NodeNames, *, files: bool = True
) -> list[Candidate]:
    """Return what may stand at the end of a text, at most `limits.MAX_OFFERED`.

    Never raises, and never waits longer than `limits.LISTING_WAIT_S`. A text above
    `limits.MAX_STYLED_CHARS` gets nothing. Without ``files`` no folder is looked into.
    """
    if len(text) > limits.MAX_STYLED_CHARS:
        return []
    tokens = scan(text)
    last = tokens[-1] if tokens and tokens[-1].end == len(text) else None
    if last is not None and last.kind is Kind.COMMENT:
        return []
    if reference := _REFERENCE.search(text):
        return _limited(_references(reference, names))
    if last is None or last.kind in (Kind.MARK, Kind.END, Kind.BLOCK):
        begun, quote, before = "", "", tokens
    elif last.kind is Kind.WORD or (last.kind is Kind.QUOTED and not last.closed):
        quote = last.text[0] if last.kind is Kind.QUOTED else ""
        begun, before = last.text[len(quote) :], tokens[:-1]
    else:
        return []
    expected = read_tokens(before, registry).expected
    found: dict[str, Candidate] = {}
    # Words of the language come before the many names that a value may have.
    for offer in sorted(expected.offers, key=lambda offer: not isinstance(offer, Names)):
        if isinstance(offer, Value) and isinstance(offer.of.type, PathType) and not files:
            continue
        for candidate in _offered(offer, begun, quote, registry, names):
            found.setdefault(candidate.text, candidate)
    return _limited(found.values())


# ------------------------------------------------------------------- parts


def _limited(found: Iterable[Candidate]) -> list[Candidate]:
    return [candidate for candidate, _ in zip(found, range(limits.MAX_OFFERED), strict=False)]


def _references(match: re.Match[str], names: NodeNames) -> Iterator[Candidate]:
    """Yield the names of variables, or of the environment, behind ``!``, ``!!`` or ``$``."""
    mark, begun = match.groups()
    known = names.environment() if mark == "$" else names.variables()
    for name in sorted(known):
        if name.startswith(begun) and name != begun and not _NEEDS_QUOTES.search(name):
            # Values of the environment are often secrets: they are not shown.
            secret = mark == "$" or _SECRET.search(name)
            meta = "" if secret else shortened(known[name], _META_CHARS)
            yield Candidate(mark + name, len(match[0]), meta)


def _offered(
    offer: Offer, begun: str, quote: str, registry: CommandRegistry, names: NodeNames
) -> Iterator[Candidate]:
    """Yield what an offer has that goes on as the text does."""
    words: Iterable[tuple[str, str]]
    if isinstance(offer, Value):
        if isinstance(offer.of.type, PathType) and not offer.given:
            yield from _files(begun, quote, names)
            return
        words = _values(offer, begun, names)
    elif quote:
        return
    elif isinstance(offer, Names):
        words = next_words(registry, offer.begun).items()
    elif isinstance(offer, Keys):
        words = (
            (option.key, option.help or option.type.describe())
            for option in offer.options
            if option.repeatable or option.key not in offer.given
        )
    elif isinstance(offer, Fixed):
        words = ((word, "") for word in offer.words)
    elif isinstance(offer, Bringing):
        words = _bring(begun)
    else:
        return
    for word, meta in words if isinstance(offer, Fixed) else sorted(words):
        if word.startswith(begun) and word != begun:
            yield Candidate(quote + word + quote, len(quote + begun), shortened(meta, _META_CHARS))


def _bring(begun: str) -> Iterator[tuple[str, str]]:
    """Yield ``bring``, alone and with one modifier more than is written."""
    yield "bring", "take values out of what is found"
    front, dot, _ = begun.rpartition(".")
    front = front if dot else "bring"
    used = front.split(".")
    for name, meaning in BRING_MODIFIERS.items():
        if name not in used:
            yield f"{front}.{name}", meaning


def _values(offer: Value, begun: str, names: NodeNames) -> Iterator[tuple[str, str]]:
    """Yield values of a type, and what each is."""
    kind, given = offer.of.type, offer.given
    if isinstance(kind, Duration):
        if len(given) == 1 and given[0].replace(".", "", 1).isdecimal():
            yield from ((unit, "") for unit in _UNITS)
        return
    if isinstance(kind, Frequency):
        if len(given) == 1 and given[0].isdecimal():
            yield "hz", ""
        return
    if isinstance(kind, Size):
        if len(given) == 1 and given[0].isdecimal():
            yield from ((unit, "") for unit in _SIZES)
        elif not given and (match := _SIZE_BEGUN.fullmatch(begun)):
            yield from ((match[1] + unit, "") for unit in _SIZES)
        return
    if given:
        return
    yield from ((word, "") for word in kind.choices())
    key = getattr(offer.of, "key", None) or getattr(offer.of, "name", "")
    if isinstance(kind, Reference):
        yield from ((f"!{name}", "") for name in names.variables())
    elif isinstance(kind, VariableName):
        yield from ((name, "") for name in names.variables())
    elif isinstance(kind, AddressType | Destination):
        yield from names.addresses().items()
    elif isinstance(kind, PolicyTypes):
        yield from ((name, "policies") for name in names.policy_types())
    elif key in _DATABASES:
        yield from ((name, "database") for name in names.databases())
    elif key in _TABLES:
        yield from ((name, "table") for name in names.tables())
    elif key in ("process", "service") and not kind.choices():
        yield from ((name, "service") for name in names.service_names())


def _files(begun: str, quote: str, names: NodeNames) -> Iterator[Candidate]:
    """Yield the files and folders that a path may go on with."""
    base, marked, typed = begun, False, len(begun)
    if match := _PATH.fullmatch(begun):
        known = names.variables() if match[1] == "!" else names.environment()
        base, marked = known.get(match[2], "") + match[3], match[2] in known
        if not marked:
            return
    elif begun.startswith(("!", "$")):
        return
    elif begun.startswith("~/"):
        # The language leaves ~ as it is; the folder's own name is put in its place.
        begun = base = os.path.expanduser(begun)
    folder, slash, stem = base.rpartition("/")
    written = begun[: len(begun) - len(stem)]
    for entry in listing(folder + slash, stem):
        path = written + entry.name + ("/" if entry.folder else "")
        around = quote
        if not quote and _NEEDS_QUOTES.search(entry.name):
            if marked or '"' in entry.name:
                continue
            around = '"'
        elif quote and quote in entry.name:
            continue
        closing = "" if entry.folder else around
        yield Candidate(
            around + path + closing,
            len(quote) + typed,
            "folder" if entry.folder else "file",
            open=entry.folder,
        )
