"""Watching scripts: ``set debug``, ``next``, ``continue``, ``stop``."""

from __future__ import annotations

from collections.abc import Callable

from edgelake.commands.context import Context
from edgelake.commands.runs import Debug, ScriptRun
from edgelake.errors import NotInScript, WrongValue
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, Integer, OneOf, Text

__all__ = ["commands"]

commands = CommandSet(group="scripts", topics=("automation", "debugging"))

_NUMBER = Argument("script", Integer(1), required=False, help="its number in 'get scripts'")


@commands.command(
    "set debug",
    summary="show each command of the script that runs, or wait before each",
    arguments=(Argument("mode", OneOf(*(mode.value for mode in Debug)), help="how to watch"),),
    details=(
        "on: each command is shown with its outcome. interactive: the script waits before each\n"
        "command for next, continue, stop or any other command; a script in a thread of its own\n"
        "waits until 'next' or 'continue' is commanded. Scripts that this one runs inherit it."
    ),
    examples=("set debug on", "set debug interactive", "set debug off"),
    related=("next", "continue", "stop", "get scripts"),
)
def _set_debug(context: Context, call: Call) -> Result:
    run = context.frame.run
    if run is None:
        raise NotInScript("no script runs here", hint="write it into a script")
    run.debug = Debug(call.arguments["mode"])
    return Result()


@commands.command(
    "next",
    summary="let a script that waits run one command",
    arguments=(_NUMBER,),
    permission=Permission.ADMIN,
    examples=("next", "next 3"),
    related=("set debug", "continue"),
)
def _next(context: Context, call: Call) -> Result:
    return _each_paused(context, call, ScriptRun.step)


@commands.command(
    "continue",
    summary="let a script that waits run on",
    arguments=(_NUMBER,),
    permission=Permission.ADMIN,
    examples=("continue", "continue 3"),
    related=("set debug", "next"),
)
def _continue(context: Context, call: Call) -> Result:
    return _each_paused(context, call, ScriptRun.resume)


@commands.command(
    "stop",
    summary="end a script before its next command",
    arguments=(Argument("script", Text(), help="its number in 'get scripts', or all"),),
    permission=Permission.ADMIN,
    examples=("stop 3", "stop all"),
    related=("get scripts", "thread"),
)
def _stop(context: Context, call: Call) -> Result:
    word: str = call.arguments["script"]
    if word != "all" and not word.isdecimal():
        raise WrongValue(
            f"'{word}' is not a script",
            hint="write its number in 'get scripts', or all",
            column=call.column("script"),
        )
    own = set(context.frame.runs())
    found = [
        run
        for run, _ in context.node.scripts
        if (word == "all" and run not in own) or str(run.number) == word
    ]
    if not found and word != "all":
        raise _missing(f"script {word} does not run")
    for run in found:
        run.stop()
    return Result()


def _each_paused(context: Context, call: Call, act: Callable[[ScriptRun], None]) -> Result:
    number = call.arguments["script"]
    found = [run for run, _ in context.node.scripts if run.paused and number in (None, run.number)]
    if not found:
        raise _missing("no script waits" if number is None else f"script {number} does not wait")
    for run in found:
        act(run)
    return Result()


def _missing(what: str) -> NotInScript:
    return NotInScript(what, hint="'get scripts' lists those that run")
