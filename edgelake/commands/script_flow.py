"""Jumps in scripts, and what happens when a command of a script fails."""

from __future__ import annotations

from edgelake.commands.context import Context
from edgelake.commands.runs import Handler
from edgelake.interfaces import Result
from edgelake.language import Argument, Call, CommandSet, Label

__all__ = ["commands"]

commands = CommandSet(group="scripts", topics=("automation",))

_LABEL = Argument("label", Label(), help="a place in the script, declared by the line :label:")
_ELSEWHERE = "Outside scripts it has no effect."


@commands.command(
    "goto",
    summary="go on at a label of the script",
    arguments=(_LABEL,),
    details=_ELSEWHERE,
    examples=("goto again", "if !tries.int < 3 then goto again"),
    related=("call", "on error goto"),
)
def _goto(context: Context, call: Call) -> Result:
    if context.frame.run is not None:
        context.frame.run.goto(call.arguments["label"])
    return Result()


@commands.command(
    "call",
    summary="go on at a label of the script until 'return'",
    arguments=(_LABEL,),
    details=_ELSEWHERE,
    examples=("call report",),
    related=("return", "goto"),
)
def _call(context: Context, call: Call) -> Result:
    if context.frame.run is not None:
        context.frame.run.call(call.arguments["label"])
    return Result()


@commands.command(
    "return",
    summary="go on behind the latest 'call'",
    details=_ELSEWHERE,
    examples=("return",),
    related=("call", "end script"),
)
def _return(context: Context, call: Call) -> Result:
    if context.frame.run is not None:
        context.frame.run.go_back()
    return Result()


@commands.command(
    "end script",
    summary="leave the script",
    details=_ELSEWHERE,
    examples=("end script",),
    related=("exit scripts", "return"),
)
def _end(context: Context, call: Call) -> Result:
    if context.frame.run is not None:
        context.frame.run.end()
    return Result()


@commands.command(
    "exit scripts",
    summary="leave the script and all that called it",
    details=_ELSEWHERE,
    examples=("exit scripts",),
    related=("end script",),
)
def _exit_scripts(context: Context, call: Call) -> Result:
    for run in context.frame.runs():
        run.end()
    return Result()


@commands.command(
    "on error goto",
    summary="when a later command of the script fails, go on at a label",
    arguments=(_LABEL,),
    details=(
        "It holds until the next 'on error', and not in scripts that this one runs; but when one\n"
        "of those fails, so does the command that ran it. Commands that are badly written or\n"
        "unknown, and scripts that are missing, end the script nevertheless.\n" + _ELSEWHERE
    ),
    examples=("on error goto failed",),
    related=("on error call", "on error ignore", "on error end script"),
)
def _on_error_goto(context: Context, call: Call) -> Result:
    return _handle(context, Handler("goto", call.arguments["label"]))


@commands.command(
    "on error call",
    summary="when a later command of the script fails, call a label, then go on behind it",
    arguments=(_LABEL,),
    details=_ELSEWHERE,
    examples=("on error call report",),
    related=("on error goto", "return"),
)
def _on_error_call(context: Context, call: Call) -> Result:
    return _handle(context, Handler("call", call.arguments["label"]))


@commands.command(
    "on error ignore",
    summary="when a later command of the script fails, go on with the next one",
    details=_ELSEWHERE,
    examples=("on error ignore",),
    related=("on error goto", "on error end script"),
)
def _on_error_ignore(context: Context, call: Call) -> Result:
    return _handle(context, Handler("ignore"))


@commands.command(
    "on error end script",
    summary="when a later command of the script fails, leave the script with its error",
    details=_ELSEWHERE,
    examples=("on error end script",),
    related=("on error ignore",),
)
def _on_error_end(context: Context, call: Call) -> Result:
    return _handle(context, Handler("end"))


def _handle(context: Context, handler: Handler) -> Result:
    if context.frame.run is not None:
        context.frame.run.handler = handler
    return Result()
