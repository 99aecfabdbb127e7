"""Evaluates one Python expression in a process of its own; started as a script, not imported.

It reads ``{"expression", "names", …}`` and writes ``{"value"}`` or ``{"error"}``, both JSON.
It imports nothing of this package: its start is most of what an expression costs. The
decision record 0006 says why it is made like this.
"""

from __future__ import annotations

import ast
import json
import math
import resource
import sys
from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any


class _Refused(Exception):
    """The expression is no expression, or has no value that can be shown."""


def main() -> None:
    """Answer the one request on standard input."""
    request = json.loads(sys.stdin.buffer.read())
    sys.path.append(request["library"])
    import simpleeval  # type: ignore[import-untyped]

    _give_up_rights(request["memory_bytes"], request["cpu_s"])
    try:
        answer = {"value": _value(simpleeval, request["expression"], request["names"])}
        text = json.dumps(answer, allow_nan=False)
    except _Refused as exc:
        text = json.dumps({"error": str(exc)})
    except (MemoryError, RecursionError):
        text = json.dumps({"error": "it is nested too deep, or needs too much memory"})
    except Exception as exc:
        text = json.dumps({"error": _explained(exc)})
    sys.stdout.write(text)


def _give_up_rights(memory_bytes: int, cpu_s: int) -> None:
    """Leave the process nothing but to calculate: no file, no process, little memory and time."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(kind, (most, most))


def _value(simpleeval: Any, text: str, names: dict[str, Any]) -> Any:
    """Return the value of an expression as JSON data."""
    evaluator = simpleeval.EvalWithCompoundTypes(
        functions=dict(_FUNCTIONS), names=names, allowed_attrs=_methods(simpleeval)
    )
    # Format specifications ask for any amount of blanks, and are a language of their own.
    del evaluator.nodes[ast.JoinedStr], evaluator.nodes[ast.FormattedValue]
    evaluator.ATTR_INDEX_FALLBACK = False
    return _as_data(evaluator.eval(text, _parsed(text)))


def _parsed(text: str) -> ast.expr:
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as exc:
        raise _Refused(_no_expression(text, exc)) from None
    except ValueError as exc:
        raise _Refused(str(exc)) from None
    for node in ast.walk(tree):
        kind = _FORBIDDEN.get(type(node))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            kind = f"'{node.attr}'"
        if kind is not None:
            raise _Refused(f"{kind} is not available here")
    return tree


def _no_expression(text: str, error: SyntaxError) -> str:
    """Return why a text is no expression; a statement is named as one."""
    try:
        first = ast.parse(text).body[0]
    except (SyntaxError, ValueError, IndexError):
        where = f" at character {error.offset}" if error.offset and error.lineno == 1 else ""
        return f"{error.msg}{where}"
    if isinstance(first, ast.Import | ast.ImportFrom):
        return "'import' is not available here"
    return "a statement is no expression"


def _as_data(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Refused(f"the value {value} is no number")
        return value
    if isinstance(value, dict):
        return {_as_key(key): _as_data(part) for key, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(_as_data, value), key=lambda part: (type(part).__name__, part))
    if isinstance(value, list | tuple | KeysView | ValuesView | ItemsView):
        return [_as_data(part) for part in value]
    raise _Refused(f"the value is a {type(value).__name__}, not a text, number, list or dict")


def _as_key(key: Any) -> str:
    return key if isinstance(key, str) else json.dumps(_as_data(key))


def _explained(error: Exception) -> str:
    """Return the reason in a few words: those of Python, or instead of the library's."""
    kind = type(error).__name__
    if kind == "FunctionNotDefined":
        return f"'{getattr(error, 'func_name', '')}' is not available here"
    if kind == "NameNotDefined":
        return f"'{getattr(error, 'name', '')}' is not known here"
    if kind in _REASONS:
        return _REASONS[kind]
    text = str(error) or kind
    if kind == "KeyError":
        return f"no entry {text}"
    return _REASONS["NumberTooHigh"] if text.startswith("Exceeds the limit") else text


def _methods(simpleeval: Any) -> dict[Any, set[str]]:
    """Return the methods that values may be asked for."""
    left_out = {"encode", "format", "format_map", "to_bytes", "from_bytes", "maketrans"}
    allowed = simpleeval.BASIC_ALLOWED_ATTRS.items()
    return {kind: set(names) - left_out for kind, names in allowed}


_FUNCTIONS = {
    "abs": abs,
    "bool": bool,
    "float": float,
    "int": int,
    "len": len,
    "max": max,
    "min": min,
    "round": round,
    "sorted": sorted,
    "str": str,
    "sum": sum,
}
"""What an expression may call, beside ``dict``, ``list``, ``set``, ``tuple`` and methods."""

_FORBIDDEN = {
    ast.JoinedStr: "an f-string",
    ast.Lambda: "lambda",
    ast.NamedExpr: "an assignment",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}

_REASONS = {
    "AttributeDoesNotExist": "the value has no such method",
    "FeatureNotAvailable": "a part of it is not available here",
    "IterableTooLong": "a text or list becomes too long",
    "NumberTooHigh": "a number becomes too large",
    "OperatorNotDefined": "an operator is not available here",
}

if __name__ == "__main__":
    main()
