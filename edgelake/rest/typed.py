"""The command line in the browser: what may follow what is typed, and what a command answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from edgelake import limits
from edgelake.commands.names import NamesForCallers
from edgelake.commands.rendering import cell_text, console_text, is_number, json_text
from edgelake.editing.completion import candidates
from edgelake.editing.hints import hint
from edgelake.editing.reading import read
from edgelake.errors import CommandSyntaxError, EdgeLakeError
from edgelake.interfaces import Result, Table
from edgelake.language import conceal
from edgelake.language.diagnostics import format_error_block
from edgelake.rest.desk import Desk
from edgelake.rest.fields import sent
from edgelake.rest.problems import failure, problem_data
from edgelake.rest.replies import written
from edgelake.rest.requests import Wanted
from edgelake.rest.running import NodeReply

__all__ = ["complete", "run"]


async def complete(desk: Desk, request: Request) -> dict[str, Any]:
    """Return what may stand at the cursor, a hint, and what each part of the text is."""
    desk.caller(request, "help")
    fields = await sent(request, "text", "cursor")
    text = fields.text("text")
    cursor = fields.number("cursor", len(text), 0)
    registry, names = desk.interpreter.registry, NamesForCallers(desk.node)
    before = text[:cursor]

    def found() -> dict[str, Any]:
        return {
            # The folders of the node are not for callers.
            "candidates": [
                {"text": one.text, "back": one.back, "meta": one.meta, "open": one.open}
                for one in candidates(before, registry, names, files=False)
            ],
            "hint": hint(before, registry),
            "parts": [
                [part.start, part.end, part.role.value] for part in read(text, registry).parts
            ],
        }

    return await desk.in_pool(found)


async def run(desk: Desk, request: Request) -> dict[str, Any] | Response:
    """Run a command with the caller's level, here or at other nodes; return its answers.

    A failure has ``code``, ``error`` and ``hint`` as everywhere, and ``diagnosis``: the
    text that a terminal shows, with a caret under the fault. ``shown`` is the command as
    it may be kept: without its secrets.
    """
    origin = desk.caller(request, "help")
    fields = await sent(request, "command", "destination")
    command, destination = fields.text("command").strip(), fields.text("destination", "").strip()
    if not command:
        raise CommandSyntaxError("missing command", hint="help lists the commands")
    registry = desk.interpreter.registry
    begun = time.perf_counter()
    wanted = Wanted((command,), destination=destination)
    try:
        if destination:
            replies = await desk.runner.there(wanted, origin)
            answers = [_reply(reply) for reply in replies]
        else:
            answers = [_answer(result) for result in await desk.runner.here(wanted, origin)]
    except EdgeLakeError as exc:
        conceal(exc, command, registry)
        shown = desk.interpreter.masked(command)
        return failure(
            exc,
            column=exc.column,
            line=exc.line,
            diagnosis=format_error_block(exc, shown),
            shown=desk.interpreter.shown(command),
        )
    return {
        "shown": desk.interpreter.shown(command),
        "ms": round((time.perf_counter() - begun) * 1000, 2),
        "answers": _bounded(answers),
    }


# ------------------------------------------------------------------- parts


def _answer(result: Result) -> dict[str, Any]:
    shown, data = result.shown, result.data
    text, is_json = written(result)
    return {
        "text": console_text(text),
        "json": is_json,
        "data": data,
        "table": _table(shown) if isinstance(shown, Table) and shown.columns else None,
    }


def _reply(reply: NodeReply) -> dict[str, Any]:
    if reply.error is not None:
        return {
            "node": reply.node,
            "text": "",
            "json": False,
            "data": None,
            "problem": problem_data(reply.error),
        }
    text = reply.text if reply.data is None else json_text(reply.data)
    return {
        "node": reply.node,
        "text": console_text(text),
        "json": reply.data is not None,
        "data": reply.data,
    }


def _table(table: Table) -> dict[str, Any]:
    rows = list(table.rows)
    kept = rows[: limits.MAX_CONSOLE_ROWS]
    numbers = [
        bool(kept) and all(is_number(row[n]) for row in kept) for n in range(len(table.columns))
    ]
    return {
        "columns": [column.replace("\n", " ") for column in table.columns],
        "rows": [[cell_text(value) for value in row] for row in kept],
        "numbers": numbers,
        "more": len(rows) - len(kept),
    }


def _bounded(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the answers with no more text and data than a browser can show well."""
    left = limits.MAX_CONSOLE_ANSWER_CHARS
    found = []
    for answer in answers:
        text = answer["text"]
        cut = len(text) > left
        if cut:
            answer = {**answer, "text": text[:left], "table": None, "data": None}
        left -= len(answer["text"])
        size = len(json_text(answer["data"]))
        if size > left:
            answer = {**answer, "data": None}
        else:
            left -= size
        found.append({**answer, "cut": cut})
    return found
