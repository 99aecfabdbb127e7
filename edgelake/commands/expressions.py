"""``python``: the value of an expression, found by a process that can do nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.rendering import json_text
from edgelake.errors import ExpressionFailed, SystemCallFailed, SystemCallTimeout
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, Expression, ExpressionText, Form
from edgelake.services.processes import Finished

__all__ = ["commands"]

commands = CommandSet(group="local tools")

_CHILD = Path(__file__).with_name("expression_child.py")
_INHERITED = ("LD_LIBRARY_PATH", "PATH")
_HINT = "write an expression of texts, numbers, lists and their methods, for example 6 * 7"


@commands.command(
    "python",
    summary="show the value of a Python expression",
    arguments=(Argument("expression", ExpressionText(), help="texts, numbers, lists, methods"),),
    form=Form.SOURCE,
    permission=Permission.NEVER,
    details=(
        "'!x' stands for the number that its value is, else for its text. There are no imports,\n"
        "no files, no names of Python but abs, bool, dict, float, int, len, list, max, min,\n"
        "round, set, sorted, str, sum and tuple, and no lambda or f-string. It may take\n"
        f"{limits.EXPRESSION_TIMEOUT_S:g} seconds and "
        f"{limits.MAX_EXPRESSION_MEMORY_BYTES >> 20} MB of memory."
    ),
    examples=(
        "python 6 * 7",
        'python "pier".upper()',
        "total = python 3 + 1",
        "python [x * x for x in (1, 2, 3) if x > 1]",
    ),
    related=("system", "incr"),
)
def _python(context: Context, call: Call) -> Result:
    value = _value(context, call.arguments["expression"])
    if isinstance(value, list | dict):
        return Result(value, json_text(value), json=True)
    return Result(value, str(value))


def _value(context: Context, expression: Expression) -> Any:
    """Return the value of an expression as JSON data.

    Raises
    ------
    ExpressionFailed
    """
    request = {
        "expression": expression.text,
        "names": expression.names,
        "library": _library(),
        "memory_bytes": limits.MAX_EXPRESSION_MEMORY_BYTES,
        "cpu_s": int(limits.EXPRESSION_TIMEOUT_S),
    }
    try:
        finished = context.node.children.run(
            (sys.executable, "-I", "-S", "-X", "utf8", str(_CHILD)),
            environment={name: os.environ[name] for name in _INHERITED if name in os.environ},
            timeout_s=limits.EXPRESSION_TIMEOUT_S,
            most_output_bytes=limits.MAX_EXPRESSION_RESULT_BYTES,
            most_error_bytes=limits.MAX_SYSTEM_ERROR_BYTES,
            given=json.dumps(request).encode(),
        )
    except SystemCallTimeout as exc:
        raise ExpressionFailed(
            f"the expression takes longer than {limits.EXPRESSION_TIMEOUT_S:g} seconds", hint=_HINT
        ) from exc
    except SystemCallFailed as exc:
        most = limits.MAX_EXPRESSION_RESULT_BYTES
        too_long = "exceeds" in exc.message
        raise ExpressionFailed(
            f"the value exceeds {most} bytes" if too_long else exc.message, hint=_HINT
        ) from exc
    answer = _answer(finished)
    if "error" in answer:
        raise ExpressionFailed(str(answer["error"]), hint=_HINT)
    return answer["value"]


def _answer(finished: Finished) -> dict[str, Any]:
    """Return what the process said, or why it could say nothing."""
    try:
        found = json.loads(finished.output)
    except (ValueError, RecursionError):
        found = None
    if finished.status == 0 and isinstance(found, dict):
        return found
    return {"error": "it needs too much memory or time, or is nested too deep"}


@cache
def _library() -> str:
    """Return the folder of the library that evaluates."""
    found = importlib.util.find_spec("simpleeval")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent)
