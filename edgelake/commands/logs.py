"""The event log and the error log, and the texts of error numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgelake.commands.advice import advice_for
from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import WrongValue
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import (
    Argument,
    Call,
    CommandRegistry,
    CommandSet,
    Integer,
    Option,
    Text,
    Where,
    redacted,
)
from edgelake.services.logs import LogEntry
from edgelake.wire import known_codes, short_text

__all__ = ["commands", "event_line", "failure_line"]

commands = CommandSet(group="logs")

_KEYS = Option(
    "keys",
    Text(),
    help="words; only lines that hold one of them, whatever its case",
    metavar="<words>",
)
_HEADS = ("ID", "Count", "Thread", "Time", "Source", "Type", "Text")
_SHOWN_CHARS = 240


@commands.command(
    "get event log",
    summary="show the commands that this node carried out, the newest last",
    where=Where.OPTIONAL,
    options=(FORMAT, _KEYS),
    permission=Permission.ADMIN,
    details=(
        "Commands of the console, of scripts, of programs and of other nodes, each with its\n"
        "outcome: (ok), or (Failed: reason). The log is in memory and keeps the newest; a\n"
        "command that repeats the one before is counted there. Passwords and keys are shown\n"
        "as ***."
    ),
    examples=("get event log", "get event log where format = json and keys = ledger policy"),
    related=("get error log", "reset event log", "trace level"),
    topics=("monitoring",),
)
def _get_event_log(context: Context, call: Call) -> Result:
    registry = context.interpreter.registry
    entries = context.node.logs.events.entries()
    return _shown(call, (event_line(entry, registry) for entry in entries))


@commands.command(
    "get error log",
    summary="show what failed on this node, the newest last",
    where=Where.OPTIONAL,
    options=(FORMAT, _KEYS),
    permission=Permission.ADMIN,
    details=(
        "Failures of commands, of scripts, of services in the background, and of what other\n"
        "nodes sent. 'Command' is the command, or the part of the node, that failed. Passwords\n"
        "and keys are shown as ***."
    ),
    examples=("get error log", "get error log where format = json and keys = connection"),
    related=("get event log", "reset error log", "get error"),
    topics=("monitoring",),
)
def _get_error_log(context: Context, call: Call) -> Result:
    registry = context.interpreter.registry
    entries = context.node.logs.errors.entries()
    return _shown(call, (failure_line(entry, registry) for entry in entries))


@commands.command(
    "reset event log",
    summary="empty the event log",
    permission=Permission.ADMIN,
    examples=("reset event log",),
    related=("get event log", "reset error log"),
)
def _reset_event_log(context: Context, call: Call) -> Result:
    context.node.logs.events.clear()
    return Result()


@commands.command(
    "reset error log",
    summary="empty the error log",
    permission=Permission.ADMIN,
    examples=("reset error log",),
    related=("get error log", "reset event log"),
)
def _reset_error_log(context: Context, call: Call) -> Result:
    context.node.logs.errors.clear()
    return Result()


@commands.command(
    "get error",
    summary="explain the number of an error",
    arguments=(Argument("number", Integer(0, 65_535), help="as in 'error 136: …'"),),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get error 136", "get error 20 where format = json"),
    related=("get error log",),
    topics=("errors", "help"),
)
def _get_error(context: Context, call: Call) -> Result:
    number: int = call.arguments["number"]
    if number not in known_codes():
        raise WrongValue(
            f"no error is known by the number {number}",
            hint="docs/errors.md lists those that are",
            column=call.column("number"),
        )
    text, advice = short_text(number), advice_for(number)
    data = {"code": number, "text": text, "advice": advice or None}
    shown = f"error {number}: {text}" if number else text
    return answer(data, f"{shown}: {advice}" if advice else shown, call.options)


# ------------------------------------------------------------------- lines


def event_line(entry: LogEntry, registry: CommandRegistry) -> dict[str, Any]:
    """Return a line of the event log by its columns, without what is secret in the command."""
    text = redacted(entry.text.strip(), registry)
    outcome = f"(Failed: {entry.reason})" if entry.code else "(ok)"
    return {
        **_common(entry, "Event"),
        "Milliseconds": round(entry.seconds * 1000, 3),
        "Text": f"{outcome} {text}",
    }


def failure_line(entry: LogEntry, registry: CommandRegistry) -> dict[str, Any]:
    """Return a line of the error log by its columns, without what is secret in the command."""
    return {
        **_common(entry, "Error"),
        "Code": entry.code,
        "Text": entry.reason,
        "Command": redacted(entry.text.strip(), registry),
    }


# ------------------------------------------------------------------- parts


def _common(entry: LogEntry, kind: str) -> dict[str, Any]:
    return {
        "ID": entry.number,
        "Count": entry.count,
        "Thread": entry.thread,
        "Time": entry.time,
        "Source": entry.source or "local",
        "Type": kind,
    }


def _shown(call: Call, found: Iterable[dict[str, Any]]) -> Result:
    """Return the lines that hold one of the keys, as rows or JSON."""
    keys = (call.options["keys"] or "").lower().split()
    lines = list(found)
    if keys:
        texts = ("\n".join(map(str, line.values())).lower() for line in lines)
        wanted = [any(key in text for key in keys) for text in texts]
        lines = [line for line, holds in zip(lines, wanted, strict=True) if holds]
    heads = (
        tuple(lines[0]) if lines else ("ID", "Count", "Thread", "Time", "Source", "Type", "Text")
    )
    rows = [tuple(_short(value) for value in line.values()) for line in lines]
    return answer(lines, Table(heads, rows), call.options)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, str) and len(value) > _SHOWN_CHARS:
        return f"{value[:_SHOWN_CHARS]}…"
    return value
