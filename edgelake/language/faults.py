"""What the parser stumbled over, in words of the command language.

The parser knows the token before the fault, the token at the fault, and what
it could have taken. Each rule here looks at those and says what to write.
"""

from __future__ import annotations

import re
from typing import Any

from lark import Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from edgelake.errors import BadArgument, CommandError, CommandSyntaxError, UnbalancedInput
from edgelake.language.places import place
from edgelake.language.scan import parts

__all__ = ["explain"]

_END = "$END"
_QUOTES = {'"': "double quote", "'": "single quote", "`": "back quote"}
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+|(?!))*+"|[()\[\]{}]|(?P<lone>")', re.DOTALL)
_BRACKETS_WITHOUT_STRINGS = re.compile(r"[()\[\]{}]")
_QUOTED_TOKENS = frozenset({"DOUBLE_QUOTED", "SINGLE_QUOTED", "BACK_QUOTED"})
_JSON_TOKENS = frozenset({"LEFT_BRACE", "LEFT_BRACKET", "JSON_TEXT"})
_KEYWORDS = frozenset({"AND", "OR", "WHERE", "USING", "BRING", "THEN", "FOR", "TASK"})
_FLOW = frozenset({"IF", "WAIT"})
_FORMS = frozenset({"IF", "BRANCH", "WAIT", "SCHEDULE", "VERB", "REMOTE"})


def explain(error: UnexpectedInput, text: str) -> CommandError:
    """Return the error of the language for an exception of Lark.

    Parameters
    ----------
    error : UnexpectedInput
    text : str
        What was parsed.
    """
    offset = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    if isinstance(error, UnexpectedCharacters):
        return _character(text, max(0, offset))
    assert isinstance(error, UnexpectedToken)
    stack = error.state.value_stack
    before = _last_token(stack)
    token = error.token
    what = "condition" if any(_kind(part) in _FLOW for part in stack) else "option"
    if token.type == _END:
        return _ending(text, before, what)
    start = token.start_pos or 0
    pointed = any(_kind(part) == "POINT" for part in stack)
    if token.type == "EQUALS" and before is not None and pointed:
        return _fault(text, start, "the leading point takes commands only", "leave the point out")
    if token.type == "EQUALS" and before is not None and before.type in _FORMS:
        name = str(before)
        place_of = before.start_pos or 0
        return place(
            BadArgument(
                f"'{name}' begins commands and cannot name a variable", hint="choose another name"
            ),
            text,
            place_of,
        )
    in_json = before is not None and before.type in _JSON_TOKENS
    if text[start] in _QUOTES and (in_json or token.type not in _QUOTED_TOKENS):
        return _character(text, start)
    return _token(text, token, start, before, what)


def _character(text: str, offset: int) -> CommandSyntaxError:
    """Explain a character with which no word begins."""
    found = text[offset]
    if found in _QUOTES:
        return place(
            UnbalancedInput(
                f"a {_QUOTES[found]} is not closed", hint=f"write {found} where the text ends"
            ),
            text,
            offset,
        )
    if found in ")]}":
        return _stray(text, offset)
    return _fault(text, offset, f"unexpected {_quoted(found)}", "quote it if it is text")


def _ending(text: str, before: Token | None, what: str) -> CommandSyntaxError:
    """Explain a text that ends too early."""
    opened = _unclosed(text)
    if opened is not None:
        bracket = text[opened]
        return place(
            UnbalancedInput(
                f"'{bracket}' is not closed", hint=f"write '{_CLOSING[bracket]}' where it ends"
            ),
            text,
            opened,
        )
    return _missing(text, before, _end_of(before, text), "the end", what)


def _token(
    text: str, token: Token, start: int, before: Token | None, what: str
) -> CommandSyntaxError:
    """Explain a word that cannot stand where it stands."""
    kind = token.type
    if kind in ("RIGHT_PAREN", "RIGHT_BRACKET", "RIGHT_BRACE"):
        opened = _unclosed(text[:start])
        if opened is None or _CLOSING[text[opened]] != str(token):
            return _stray(text, start)
        return _missing(text, before, start, f"'{token}'", what)
    if before is None or before.type == "AMPERSAND":
        return _first(text, token, start)
    if _incomplete(before) or (what == "condition" and kind in ("AND", "OR")):
        return _missing(text, before, start, f"'{token}'", what)
    if kind in ("EQUALS", "COMPARISON"):
        return _second_sign(text, token, start)
    if kind in _KEYWORDS:
        hint = (
            "write 'where' before the first option"
            if kind == "AND"
            else f"quote the text if '{token}' belongs to it"
        )
        return _fault(text, start, f"unexpected '{token}'", hint)
    if before.type in ("REFERENCE", "RIGHT_BRACKET"):
        return _fault(
            text,
            start,
            f"unexpected {_quoted(str(token))} after a reference",
            "write '+' to join values, or a command in front",
        )
    return _fault(text, start, f"unexpected {_quoted(str(token))}", "quote it if it is text")


# ------------------------------------------------------------------- parts


def _first(text: str, token: Token, start: int) -> CommandSyntaxError:
    """Explain what no statement begins with."""
    if token.type == "EQUALS":
        return _fault(text, start, "missing name before '='", "write name = value")
    if token.type == "AMPERSAND":
        return _fault(text, start, "missing command before '&'", "write a command on each side")
    return _fault(
        text,
        start,
        f"a command does not begin with {_quoted(str(token))}",
        "begin with the name of a command, name = value, or !name",
    )


def _incomplete(before: Token) -> bool:
    """Return whether something has to follow a token."""
    return before.type in (
        "EQUALS",
        "COMPARISON",
        "AND",
        "OR",
        "WHERE",
        "USING",
        "COMMA",
        "LEFT_PAREN",
    )


def _missing(
    text: str, before: Token | None, offset: int, at: str, what: str
) -> CommandSyntaxError:
    """Explain that something is missing behind a token."""
    kind = before.type if before is not None else ""
    shown = str(before)
    if kind in ("EQUALS", "COMPARISON"):
        return _fault(text, offset, f"missing value after '{shown}'", 'write a value, or ""')
    if kind in ("AND", "OR"):
        write = "key = value" if what == "option" else "a comparison"
        return _fault(
            text, offset, f"missing {what} after '{shown}'", f"write {write}, or drop '{shown}'"
        )
    if kind in _FLOW:
        return _fault(text, offset, f"missing {what} after '{shown}'", "write a comparison")
    if kind in ("WHERE", "USING"):
        return _fault(text, offset, f"missing option after '{shown}'", "write key = value")
    if kind == "AMPERSAND":
        return _fault(text, offset, "missing command after '&'", "write a command on each side")
    if kind in ("COMMA", "LEFT_PAREN"):
        return _fault(text, offset, f"missing value after '{shown}'", "write a value")
    if at == "the end":
        return _fault(text, offset, "the command ends too early", "write the rest of it")
    return _fault(text, offset, f"unexpected {at}", "quote it if it is text")


def _second_sign(text: str, token: Token, start: int) -> CommandSyntaxError:
    """Explain a second ``=`` in one option, or a comparison."""
    if token == "==":
        return _fault(text, start, "'==' compares, and gives no value", "write '='")
    words = text[:start].rsplit(maxsplit=1)
    key = words[-1] if words else ""
    column = text.rindex(key, 0, start) if key else start
    return _fault(
        text,
        column,
        f"missing 'and' before '{key}'" if key else f"unexpected '{token}'",
        "write 'and' between options; quote a value that holds signs",
    )


def _stray(text: str, offset: int) -> CommandSyntaxError:
    return place(
        UnbalancedInput(
            f"unexpected '{text[offset]}'", hint="open it before, or quote it if it is text"
        ),
        text,
        offset,
    )


def _unclosed(text: str) -> int | None:
    """Return where the innermost bracket begins that nothing closes."""
    stack: list[int] = []
    for match in parts(text, _BRACKETS, _BRACKETS_WITHOUT_STRINGS):
        if match[0] in _CLOSING:
            stack.append(match.start())
        elif match[0] in ")]}" and stack and _CLOSING[text[stack[-1]]] == match[0]:
            stack.pop()
    return stack[-1] if stack else None


def _kind(part: Any) -> str:
    return part.type if isinstance(part, Token) else ""


def _last_token(stack: list[Any]) -> Token | None:
    """Return the last token that the parser took."""
    node = stack[-1] if stack else None
    while isinstance(node, Tree):
        node = node.children[-1]
    while isinstance(node, list):
        node = _last_token(node)
    return node if isinstance(node, Token) else None


def _end_of(before: Token | None, text: str) -> int:
    if before is None or before.start_pos is None:
        return len(text)
    return before.start_pos + len(before)


def _fault(text: str, offset: int, message: str, hint: str) -> CommandSyntaxError:
    return place(CommandSyntaxError(message, hint=hint), text, offset)


def _quoted(text: str) -> str:
    shown = text if len(text) <= 40 else text[:39] + "…"
    return f'"{shown}"' if "'" in shown else f"'{shown}'"
