"""``trace level``: have the console told of each execution of a command."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from time import perf_counter
from typing import Any

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import UnknownCommand
from edgelake.interfaces import Notice, Permission, Result, Table
from edgelake.language import (
    HIDDEN,
    Argument,
    Call,
    Command,
    CommandRegistry,
    CommandSet,
    Integer,
    ValueType,
    Where,
    conceal_values,
    format_error,
    redacted,
    shortened,
)

__all__ = ["commands", "traced"]

commands = CommandSet(group="logs")

_NAMED = 3
_CLOSEST = 2
_MOST = 3  # scripts of the network ask for it


class _Rule(ValueType):
    """A level, and the name of a command if it is not for all: ``1 run tcp server``."""

    metavar = "<level> [<command>]"
    greedy = True

    def parse(self, text: str) -> tuple[int, str]:
        """Return the level and the name, which may be empty or of no command."""
        level, _, name = text.partition(" ")
        return min(Integer(0, _MOST).parse(level), _CLOSEST), " ".join(name.split())

    def describe(self) -> str:
        """Return what is accepted."""
        return "0, 1 or 2, and the name of a command"


@commands.command(
    "trace level",
    summary="tell the console of each execution of a command, or of all commands",
    value=Argument(
        "rule",
        _Rule(),
        help="the level, and the command's name without options; without one, all",
        shown="<level> [<command>]",
    ),
    permission=Permission.ADMIN,
    details=(
        "1: its outcome and how long it took. 2: also its values and its answer; 3 is the\n"
        "same. 0 ends it. Without a name the level is that of all commands. With the name of\n"
        "a service, tcp, rest or synchronizer, all it says is written to the log file.\n"
        "Passwords and keys are shown as ***."
    ),
    examples=(
        "trace level = 1 run tcp server",
        "trace level = 0 run tcp server",
        "trace level = 1 synchronizer",
        "trace level = 0",
    ),
    related=("get trace", "get event log"),
    topics=("debugging", "monitoring"),
)
def _trace_level(context: Context, call: Call) -> Result:
    level, name = call.value
    registry = context.interpreter.registry
    if not name:
        context.node.traces.set_all(level)
        return Result()
    if name in context.node.services.names():
        if context.node.logs.file is not None:
            context.node.logs.file.trace(name, on=level > 0)
        return Result()
    if registry.get(name) is None:
        words = name.split()
        nearest = registry.nearest(words) or _relatives(registry, words)
        hint = "did you mean " + " or ".join(f"'{known}'" for known in nearest) + "?"
        raise UnknownCommand(
            f"no command '{shortened(name)}'",
            hint=hint if nearest else "write the whole name of a command, without its options",
            column=call.column("rule"),
        )
    context.node.traces.set(name, level)
    return Result()


@commands.command(
    "get trace",
    summary="list the commands that are traced",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    examples=("get trace", "get trace where format = json"),
    related=("trace level",),
    topics=("debugging",),
)
def _get_trace(context: Context, call: Call) -> Result:
    levels = context.node.traces.levels()
    shown = Table(("Command", "Level"), list(levels.items())) if levels else "No command is traced"
    return answer(levels, shown, call.options)


def traced(context: Context, call: Call) -> Result:
    """Run a command, and tell the console of it if it is traced."""
    command, node = call.command, context.node
    level = node.traces.level(command.name)
    if not level:
        return command.handler(context, call)
    registry = context.interpreter.registry
    lines = [redacted(_values(call), registry)] if level > 1 else []
    started = perf_counter()

    def tell(answer: Result | None, error: BaseException | None = None) -> None:
        outcome = "ok"
        if error is not None:
            conceal_values(error, call.secret_values())
            outcome = redacted(format_error(error), registry)
        elif answer is not None and level > 1:
            lines.append(f"answer: {_cut(redacted(answer.text, registry)) or '(none)'}")
        took = f"{(perf_counter() - started) * 1000:.3f} ms"
        who = context.origin.source or "local"
        head = f"trace '{command.name}': {outcome}, {took}, {who}"
        if node.logs.file is not None:
            node.logs.file.write(
                "info",
                "trace",
                command.name,
                source=context.origin.ip,
                outcome=outcome,
                took=took,
                values="; ".join(lines),
            )
        node.notices.post(Notice("\n  ".join([head, *(line for line in lines if line)])))

    def tell_later(done: Future[Result]) -> None:
        error = done.exception()
        tell(None if error is not None else done.result(), error)

    try:
        result = command.handler(context, call)
    except BaseException as exc:
        tell(None, exc)
        raise
    if result.later is not None:
        result.later.add_done_callback(tell_later)
    else:
        tell(result)
    return result


# ------------------------------------------------------------------- parts


def _relatives(registry: CommandRegistry, words: list[str]) -> list[str]:
    """Return a few names that begin as the words do."""
    known = 0
    while known < len(words) and registry.is_family(words[: known + 1]):
        known += 1
    return registry.family(words[:known])[:_NAMED] if known else []


def _values(call: Call) -> str:
    """Return the typed values of a call, those that were given, in one line."""
    command: Command = call.command
    value = {command.value.name: call.value} if command.value is not None else {}
    text = {"text": call.text} if command.text else {}
    options = {key: call.options[key] for key in call.options if key in call.given}
    words = {key: found for key, found in call.arguments.items() if found is not None}
    given: Mapping[str, Any] = {**(text or words), **value, **options}
    hidden = frozenset(command.secrets)
    shown = (f"{key} = {HIDDEN if key in hidden else repr(found)}" for key, found in given.items())
    return f"values: {_cut(', '.join(shown)) or '(none)'}"


def _cut(text: str) -> str:
    text = text.replace("\r\n", "\n").strip("\n")
    return text if len(text) <= limits.MAX_TRACE_CHARS else f"{text[: limits.MAX_TRACE_CHARS]}…"
