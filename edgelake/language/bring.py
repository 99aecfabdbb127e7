"""What stands behind ``bring``: modifiers, paths, texts and a separator.

Paths are parsed here and walked by `edgelake.ledger`; nothing is ever evaluated.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from edgelake import limits
from edgelake.errors import CommandSyntaxError, EdgeLakeError
from edgelake.interfaces import Bring, BringCut, BringPath, BringStep
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_item
from edgelake.language.syntax import Group, Item, JsonItem, Literal, Mark, Word
from edgelake.language.variables import Variables
from edgelake.language.words import split_word

__all__ = ["BRING_MODIFIERS", "BRING_USAGE", "read_bring", "read_path", "written"]

BRING_USAGE = "bring[.modifier…] [<item> …] [separator = <text>]"
"""How usage lines show it."""

BRING_MODIFIERS: Mapping[str, str] = {
    "children": "the policies whose parent is one of those found",
    "count": "how many there are, or how many have the values",
    "first": "only the first one, as the ledger is ordered",
    "ip_port": "addresses that run client takes; local ones for nodes in the same network",
    "json": "a JSON list of objects, one key for each path",
    "last": "only the last one, as the ledger is ordered",
    "list": "all results between brackets, separated by commas",
    "max": "the largest result",
    "min": "the smallest result",
    "null": "what lacks a value is kept, empty",
    "recent": "only the one with the latest date",
    "sort": "ordered by all paths, or by those with these numbers, from 0: sort(1,0)",
    "table": "a table with a column for each path",
    "unique": "each result once",
}
"""Names of the modifiers, and what each does."""

_ALONE = frozenset({"children", "count", "first", "ip_port", "json", "last", "recent", "table"})
_WITHOUT_ITEMS = _ALONE | {"unique"}
_EXCLUSIVE = (
    ("first", "last", "recent"),
    ("min", "max"),
    ("json", "table", "list"),
    ("count", "min"),
    ("count", "max"),
)
_MODIFIER = re.compile(r"\.(\w++)(?:(\([^\s()]*+\))|(?!))?+")
_NUMBERS = re.compile(r"\(\)|\(\d{1,4}(?:,\d{1,4})*\)")
_STEP = re.compile(r"""\[(?:"([^"]*)"|'([^']*)'|([^\[\]]*))\]""")
_CUT = re.compile(r"(.+)\((\w+)\((.*)\)\)")
_CUTS = ("find", "rfind", "prefix", "suffix")
_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\r": "\r"}
_ESCAPE = re.compile(r"\\[ntr]")
_PATH_HINT = "write [type][attribute], or quote it if it is text"

_E = TypeVar("_E", bound=EdgeLakeError)


def read_bring(items: Sequence[Item], variables: Variables) -> Bring:
    """Return what is to be taken.

    Parameters
    ----------
    items : sequence of Item
        The word ``bring`` with its modifiers, and all behind it.
    variables : Variables
        Where references find their values; these are texts and steps, never paths.

    Raises
    ------
    CommandSyntaxError
        A modifier is not known or contradicts another one, a path is none, or the items
        are missing.
    UndefinedVariable
        A reference has no value.

    Notes
    -----
    The column of an error counts from the start of the text, over all its lines.
    """
    return _Reader(variables).read(items)


def written(item: Item) -> str:
    """Return an item as it is written, but for what a reference carries behind its name."""
    if isinstance(item, Word):
        return "".join(p.text if isinstance(p, Literal) else p.shown for p in item.pieces)
    if isinstance(item, JsonItem | Group):
        return item.source
    return item.text if isinstance(item, Mark) else item.quote + item.text + item.quote


def read_path(source: str, variables: Variables) -> BringPath | None:
    """Return the path that ``[a][b]`` is; ``None`` if the text is no path.

    Raises
    ------
    CommandSyntaxError
        A function in it is wrong; without a column.
    UndefinedVariable
    """
    path, end = _path(source, 0, variables)
    return path if end == len(source) else None


class _Reader:
    """Reads one ``bring``."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    def read(self, items: Sequence[Item]) -> Bring:
        head, behind = items[0], list(items[1:])
        modifiers, sort = self._modifiers(head)
        separator = self._separator(behind)
        if len(behind) > limits.MAX_BRING_ITEMS:
            raise self._fault(
                CommandSyntaxError(f"more than {limits.MAX_BRING_ITEMS} items behind 'bring'"),
                behind[limits.MAX_BRING_ITEMS].start,
            )
        if "ip_port" in modifiers and behind:
            raise self._fault(
                CommandSyntaxError(
                    "'bring.ip_port' takes no items", hint="leave them out, or leave '.ip_port' out"
                ),
                behind[0].start,
            )
        if not behind and not modifiers & _WITHOUT_ITEMS:
            shown = written(head)
            raise self._fault(
                CommandSyntaxError(f"missing <item> after '{shown}'", hint=_PATH_HINT), head.end
            )
        taken = tuple(self._item(item) for item in behind)
        return Bring(modifiers, taken, separator, sort)

    # --------------------------------------------------------- modifiers

    def _modifiers(self, head: Item) -> tuple[frozenset[str], tuple[int, ...] | None]:
        word = written(head)
        found: dict[str, int] = {}
        sort: tuple[int, ...] | None = None
        for match in _MODIFIER.finditer(word):
            name, arguments = match.groups()
            at = head.start + match.start() + 1
            self._check_modifier(name, arguments, at)
            if name in found:
                raise self._fault(
                    CommandSyntaxError(f"'{name}' is given twice", hint="leave one of them out"), at
                )
            found[name] = at
            if name == "sort":
                numbers = (arguments or "()")[1:-1]
                sort = tuple(map(int, numbers.split(","))) if numbers else ()
        for group in _EXCLUSIVE:
            both = [name for name in group if name in found]
            if len(both) > 1:
                at = max(found[name] for name in both)
                message = f"'{both[0]}' and '{both[1]}' exclude each other"
                raise self._fault(
                    CommandSyntaxError(message, hint="leave one of them out"),
                    at,
                )
        return frozenset(found) - {"sort"}, sort

    def _check_modifier(self, name: str, arguments: str | None, at: int) -> None:
        if name not in BRING_MODIFIERS:
            nearest = difflib.get_close_matches(name.lower(), BRING_MODIFIERS, n=1)
            listed = "modifiers: " + ", ".join(BRING_MODIFIERS)
            hint = f"did you mean '{nearest[0]}'? {listed}" if nearest else listed
            raise self._fault(
                CommandSyntaxError(f"'bring' has no modifier '{shortened(name)}'", hint=hint), at
            )
        if arguments is None:
            return
        if name != "sort":
            raise self._fault(
                CommandSyntaxError(f"'{name}' takes no numbers", hint=f"write .{name}"), at
            )
        if not _NUMBERS.fullmatch(arguments):
            raise self._fault(
                CommandSyntaxError(
                    f"'{shortened(arguments)}' are no numbers of items", hint="write sort(0,2)"
                ),
                at + len(name),
            )

    # ------------------------------------------------------------- items

    def _separator(self, items: list[Item]) -> str | None:
        """Return the separator; it and what introduces it are taken out of the items."""
        for n, item in enumerate(items[:-1]):
            if _literal(item) == "separator" and _is_equals(items[n + 1]):
                break
        else:
            return None
        value = items[n + 2 :]
        if not value:
            raise self._fault(
                CommandSyntaxError(
                    "missing text after 'separator ='", hint='write separator = , or = " "'
                ),
                items[n + 1].end,
            )
        if len(value) > 1:
            raise self._fault(
                CommandSyntaxError(
                    "the separator is the last word", hint="quote a separator with blanks"
                ),
                value[1].start,
            )
        del items[n:]
        return self._plain(value[0])

    def _item(self, item: Item) -> str | tuple[BringPath, ...]:
        source = written(item)
        if not isinstance(item, JsonItem | Word) or not source.startswith("["):
            return self._plain(item)
        paths: list[BringPath] = []
        at = 0
        while True:
            try:
                path, end = _path(source, at, self._variables)
            except EdgeLakeError as exc:
                raise self._fault(exc, item.start + at) from None
            if path is not None:
                paths.append(path)
                if end == len(source):
                    return tuple(paths)
                if source.startswith(":[", end):
                    at = end + 1
                    continue
            raise self._fault(
                CommandSyntaxError(f"'{shortened(source)}' is no path", hint=_PATH_HINT),
                item.start + end,
            )

    def _plain(self, item: Item) -> str:
        """Return the text that an item stands for."""
        try:
            text = expand_item(item, self._variables, strict=True)
        except EdgeLakeError as exc:
            raise self._fault(exc, item.start) from None
        return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)

    def _fault(self, error: _E, offset: int) -> _E:
        error.column = offset + 1
        return error


# ------------------------------------------------------------------- parts


def _literal(item: Item) -> str | None:
    return item.literal if isinstance(item, Word) else None


def _is_equals(item: Item) -> bool:
    return isinstance(item, Mark) and item.text == "="


def _path(source: str, at: int, variables: Variables) -> tuple[BringPath | None, int]:
    """Return the path that begins at a place, and where it ends; ``None`` if none does."""
    steps: list[str | BringStep] = []
    cut: BringCut | None = None
    while (match := _STEP.match(source, at)) is not None and cut is None:
        double, single, plain = match.groups()
        at = match.end()
        if plain is None:
            steps.append(double if single is None else single)
            continue
        name = plain.strip()
        called = _CUT.fullmatch(name)
        if called is not None:
            name, cut = called[1].strip(), _cut(called[2], called[3])
        if name in ("*", ""):
            steps.append(BringStep(name))
        elif name[0] in "!$":
            steps.append(expand_item(split_word(name, 0), variables, strict=True))
        else:
            steps.append(name)
    return (BringPath(tuple(steps), cut) if steps else None), at


def _cut(name: str, argument: str) -> BringCut:
    if name not in _CUTS:
        nearest = difflib.get_close_matches(name.lower(), _CUTS, n=1)
        hint = f"did you mean '{nearest[0]}'? " if nearest else ""
        raise CommandSyntaxError(
            f"no function '{shortened(name)}' in a path",
            hint=hint + "functions: " + ", ".join(_CUTS) + "; quote a name with parentheses",
        )
    if name in ("find", "rfind"):
        text = argument[1:-1] if _is_quoted(argument) else argument
        if not text:
            raise CommandSyntaxError(f"'{name}' lacks a text", hint=f"write [attribute({name}(/))]")
        return BringCut(name, text=text)
    if not re.fullmatch("[0-9]{1,9}", argument):
        raise CommandSyntaxError(
            f"'{shortened(argument)}' is not a number of characters",
            hint=f"write [attribute({name}(4))]",
        )
    return BringCut(name, count=int(argument))


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]
