"""Secrets in texts: where they stand, the text without them, and errors that do not quote them.

A secret is the value of an option or argument declared ``secret``, and the value of
whatever has a name that says so (``password``, ``api_key`` …): such a name is often a
typing error, or belongs to a command this node does not have. The text need not be a
command; when in doubt more is hidden rather than less.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgelake import limits
from edgelake.errors import EdgeLakeError, UnbalancedInput, UndefinedVariable
from edgelake.language.command import Argument, Command, Option
from edgelake.language.registry import CommandRegistry
from edgelake.language.scan import json_end
from edgelake.language.secret_names import SECRET_WORDS, is_secret_name
from edgelake.language.syntax import Item
from edgelake.language.variables import Variables

__all__ = [
    "HIDDEN",
    "conceal",
    "conceal_values",
    "masked",
    "redacted",
    "take_of",
]

HIDDEN = "***"
"""What stands in the place of a secret."""

_LIKENESS = 0.8
_NAME_CHARS = 40

# A name and the sign behind it: ``name =``, ``[name] =``, ``"name":``, ``name: ``.
_NAMED = re.compile(
    r"""(?<![\w.\-])(?P<name>[\w.\-]++)
        (?:["'`\]]*+\s*+(?P<equals>==?)
          |["'`]\s*+(?P<json>:)
          |(?P<colon>:)(?=\s)
          |(?P<bare>\s)(?=\s*+[^\s=]))""",
    re.VERBOSE,
)
_BEFORE_OPTION = re.compile(r"(?:(?<!\S)(?:where|using|and)\s|[(,])\s*\Z")
_BEFORE_CHARS = 16
# Ends an unquoted value: the next option, behind whatever stands in quotes.
_NEXT_OPTION = re.compile(
    r"""(?<![^\s=(,])(?:"[^"]*+"|'[^']*+'|`[^`]*+`)
        |(?P<next>(?<!\s)\s++and\s++[\w.\-]++(?:\s++[\w.\-]++|(?!)){0,2}+\s*+[=<>!])
        |(?P<close>\)(?=[\s),=&]|\Z))""",
    re.VERBOSE,
)
_JSON_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+|(?!))*+(?:"|\Z)', re.DOTALL)
_JSON_SCALAR = re.compile(r"[^\s,}\]]++")
_USER_INFO = re.compile(r"://[^\s/:@\"']*+:(?P<value>[^\s/@]++)@")
_FRAGMENTS = re.compile(r"[^\s=<>()\[\]{},&\"'`+\\;|]++")
_QUOTES = frozenset("\"'`")
_NO_LINE_END = re.compile(r"[^\r\n]")
_QUOTING = re.compile(r"['\"\d]")
_PREFIX_CHARS = 16
_SHORT_CHARS = 4


@dataclass(frozen=True, slots=True)
class _Secrets:
    """What is secret in the commands of one registry."""

    keys: frozenset[str]
    commands: tuple[tuple[re.Pattern[str], Command], ...]


def redacted(text: str, registry: CommandRegistry) -> str:
    """Return a text with ``***`` in the place of every secret.

    Parameters
    ----------
    text : str
        A command, a line, a block, a message: whatever a person may have written.
    registry : CommandRegistry
        Whose declarations say what is secret.
    """
    parts: list[str] = []
    at = 0
    for start, end, json in _spans(text, registry):
        parts += (text[at:start], f'"{HIDDEN}"' if json else HIDDEN)
        at = end
    return "".join((*parts, text[at:])) if parts else text


def masked(text: str, registry: CommandRegistry) -> str:
    """Return a text with every secret made of ``*``, all else in its place."""
    parts: list[str] = []
    at = 0
    for start, end, _ in _spans(text, registry):
        parts += (text[at:start], _NO_LINE_END.sub("*", text[start:end]))
        at = end
    return "".join((*parts, text[at:])) if parts else text


def conceal(error: BaseException, text: str, registry: CommandRegistry) -> None:
    """Remove from an error what is secret in the text of the command that caused it.

    The same goes for the line of a script that it shows.
    """
    text = _around(error, text)
    values = [text[start:end] for start, end, _ in _spans(text, registry)]
    if isinstance(error, EdgeLakeError) and error.excerpt is not None:
        line, column = error.excerpt
        values += (line[start:end] for start, end, _ in _spans(line, registry))
        error.excerpt = masked(line, registry), column
    if values:
        conceal_values(error, values)


def conceal_values(error: BaseException, values: Iterable[str]) -> None:
    """Remove secret values, and the words they consist of, from an error."""
    fragments = {fragment for value in values for fragment in (value, *_FRAGMENTS.findall(value))}
    known = sorted((f for f in fragments if f.strip("*")), key=len, reverse=True)
    if not known:
        return
    if isinstance(error, EdgeLakeError):
        _replace(error, _without(error.message, known))
        if error.hint:
            error.hint = _without(error.hint, known)
    elif error.args:
        told = (_without(arg, known) if isinstance(arg, str) else arg for arg in error.args)
        error.args = tuple(told)


def take_of(declared: Argument | Option) -> Callable[[Sequence[Item], Variables], Any]:
    """Return the `take` of a declaration's type; for a secret one, its errors do not quote it."""
    if not declared.secret:
        return declared.type.take

    def take(items: Sequence[Item], variables: Variables) -> Any:
        try:
            return declared.type.take(items, variables)
        except EdgeLakeError as exc:
            _conceal_value(exc, declared)
            raise

    return take


def secrets_of(registry: CommandRegistry) -> _Secrets:
    """Return what is secret in a registry; found once."""
    found = registry.secrets
    if found is None:
        keys = {
            option.key.split()[-1]
            for command in registry
            for option in command.options
            if option.secret
        }
        commands = tuple(
            (_name_pattern(command), command)
            for command in registry
            if any(argument.secret for argument in command.taken_words)
        )
        found = registry.secrets = _Secrets(frozenset(keys), commands)
    assert isinstance(found, _Secrets)
    return found


# ------------------------------------------------------------------- parts


def _name_pattern(command: Command) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, command.words))
    return re.compile(rf"(?<![^\s\"'(&<]){words}(?![^\s=])")


def _spans(text: str, registry: CommandRegistry) -> list[tuple[int, int, bool]]:
    """Return where secrets stand, in order and apart, and which of them are strings of JSON."""
    secrets = secrets_of(registry)
    found = sorted(
        (
            *_named_values(text, secrets),
            *_arguments(text, secrets),
            *((*match.span("value"), False) for match in _USER_INFO.finditer(text)),
        )
    )
    apart: list[tuple[int, int, bool]] = []
    for start, end, json in found:
        if apart and start < apart[-1][1]:
            first, last, former = apart[-1]
            apart[-1] = (first, max(last, end), former)
        else:
            apart.append((start, end, json))
    return apart


def _conceal_value(error: EdgeLakeError, declared: Argument | Option) -> None:
    """Make the error of a wrong secret value one that does not quote it."""
    if isinstance(error, UndefinedVariable):
        _replace(error, f"the reference {HIDDEN} has no value")
        error.hint = "give the variable a value; quote a text that begins with ! or $"
    elif _QUOTING.search(error.message):
        _replace(error, f"{HIDDEN} is not {declared.type.describe()}")


def _around(error: BaseException, text: str) -> str:
    """Return the text, or of a long one the part that an error can quote from."""
    if len(text) <= limits.MAX_CONCEALED_CHARS:
        return text
    start = 0
    for _ in range((getattr(error, "line", None) or 1) - 1):
        start = text.find("\n", start) + 1
    fault = start + (getattr(error, "column", None) or 1)
    first = max(0, fault - limits.MAX_CONCEALED_CHARS // 2)
    return text[first : first + limits.MAX_CONCEALED_CHARS]


def _named_values(text: str, secrets: _Secrets) -> Iterator[tuple[int, int, bool]]:
    at = depth = counted = 0
    while match := _NAMED.search(text, at):
        at = match.end("name")
        if not _is_secret(match, text, secrets):
            continue
        start = _word_start(text, match.end())
        json = match["json"] is not None
        if json:
            end = _json_value_end(text, start)
        else:
            depth = max(
                0, depth + text.count("(", counted, start) - text.count(")", counted, start)
            )
            counted = start
            end = _value_end(text, match.end(), grouped=depth > 0)
        if start < end:
            yield start, end, json and text[start] == '"'
            at = end


def _is_secret(match: re.Match[str], text: str, secrets: _Secrets) -> bool:
    name = match["name"]
    if match["bare"] is not None:
        # Without a sign only where an option has to stand: 'and password hunter2'.
        before = text[max(0, match.start() - _BEFORE_CHARS) : match.start()]
        if _BEFORE_OPTION.search(before) is None:
            return False
    return (
        name in secrets.keys
        or name in SECRET_WORDS
        or is_secret_name(name)
        or _is_misspelt(name, secrets.keys)
    )


@functools.lru_cache(maxsize=1024)
def _is_misspelt(name: str, keys: frozenset[str]) -> bool:
    """Return whether a name is nearly one that is secret."""
    if not _SHORT_CHARS < len(name) <= _NAME_CHARS:
        return False
    known = [word for word in (*SECRET_WORDS, *keys) if len(word) > _SHORT_CHARS]
    return bool(difflib.get_close_matches(name.lower(), known, n=1, cutoff=_LIKENESS))


def _value_end(text: str, start: int, *, grouped: bool) -> int:
    """Return where an option's value ends: at the next option, or with its group or the text."""
    at = start
    first = _word_start(text, start)
    if text[first : first + 1] in _QUOTES and text.find(text[first], first + 1) < 0:
        return len(text)
    while match := _NEXT_OPTION.search(text, at):
        if match["next"] is not None or (match["close"] is not None and grouped):
            return match.start()
        at = match.end()
    return start + len(text[start:].rstrip())


def _json_value_end(text: str, start: int) -> int:
    """Return where a value inside JSON ends."""
    if start < len(text) and text[start] in "[{":
        try:
            return json_end(text, start) or len(text)
        except UnbalancedInput:
            return len(text)
    match = _JSON_STRING.match(text, start) or _JSON_SCALAR.match(text, start)
    return match.end() if match else start


def _arguments(text: str, secrets: _Secrets) -> Iterator[tuple[int, int, bool]]:
    """Yield what stands behind the names of commands that take secrets without a key."""
    for pattern, command in secrets.commands:
        for match in pattern.finditer(text):
            start = match.end()
            if not any(argument.secret for argument in command.arguments):
                equals = text.find("=", start)
                if equals < 0:
                    continue
                start = equals + 1
            end = _value_end(text, start, grouped=False)
            start = _word_start(text, start)
            if start < end:
                yield start, end, False


def _word_start(text: str, at: int) -> int:
    """Return where the next word begins."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _without(text: str, fragments: list[str]) -> str:
    """Return a message without secrets; it may quote them whole, in part or cut off."""
    for fragment in fragments:
        if len(fragment) > _PREFIX_CHARS:
            text = re.sub(re.escape(fragment[:_PREFIX_CHARS]) + r"[^\s'\"]*", HIDDEN, text)
        elif len(fragment) >= _SHORT_CHARS:
            text = text.replace(fragment, HIDDEN)
        else:
            text = re.sub(rf"(['\"]){re.escape(fragment)}(?=['\"])", rf"\g<1>{HIDDEN}", text)
    return text


def _replace(error: EdgeLakeError, message: str) -> None:
    error.message = message
    error.args = (message, *error.args[1:])
