"""Running scripts: ``process``, ``thread`` and ``event``."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.frames import Frame
from edgelake.commands.rendering import FORMAT, answer
from edgelake.commands.runs import ScriptRun
from edgelake.commands.script_files import load_script
from edgelake.commands.streams import internal_error
from edgelake.errors import (
    ArgumentMismatch,
    CommandError,
    EdgeLakeError,
    EventMissing,
    NotPermitted,
    Overloaded,
    ScriptError,
    ScriptMissing,
)
from edgelake.interfaces import Notice, Permission, Result, Table
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Name,
    PathType,
    Script,
    Text,
    Where,
    format_error,
    shortened,
)

__all__ = ["commands"]

commands = CommandSet(group="scripts", topics=("automation",))

_ARGUMENTS = Argument(
    "arguments",
    Text(empty=True),
    required=False,
    repeatable=True,
    help="values of the names that the script declares with variables (…), if it does",
)


@commands.command(
    "process",
    summary="run the commands of a script, one after the other",
    arguments=(Argument("script", PathType(), help="file of commands, one a line"), _ARGUMENTS),
    permission=Permission.ADMIN,
    slow=True,
    details=(
        "The first command that fails ends the script, unless 'on error' says otherwise; the\n"
        "error names file and line. A .json file holds parts with settings and commands."
    ),
    examples=(
        "process examples/standalone.al",
        "process !local_scripts/start.al",
        "process !local_scripts + /connect.al orchard 32048",
    ),
    related=("thread", "event", "on error goto", "get scripts"),
)
def _process(context: Context, call: Call) -> Result:
    path = _permitted(context, call.arguments["script"])
    _run(context, load_script(path), path, call.arguments["arguments"])
    return Result()


@commands.command(
    "thread",
    summary="run a script in the background",
    arguments=(Argument("script", PathType(), help="file of commands, one a line"), _ARGUMENTS),
    permission=Permission.ADMIN,
    details="What it prints, and the error that ends it, appear at the console as they come.",
    examples=("thread !local_scripts/watch.al",),
    related=("process", "get scripts", "stop"),
)
def _thread(context: Context, call: Call) -> Result:
    path = _permitted(context, call.arguments["script"])
    script = load_script(path)
    arguments = call.arguments["arguments"]
    _check_arguments(script, path, arguments)
    notices = context.node.notices

    def emit(result: Result) -> None:
        if result.text:
            notices.post(Notice(result.text))

    def work() -> None:
        try:
            _go(background, run, arguments)
        except EdgeLakeError as exc:
            if not context.node.stopping.is_set():
                failed(exc)  # else the node's end ended it, which is no fault of the script
        except Exception as exc:
            failed(internal_error(exc))

    def failed(error: EdgeLakeError) -> None:
        context.node.logs.failed(f"thread {path}", context.origin.source, error, perf_counter())
        notices.post(Notice(format_error(error)))

    background = replace(context, frame=Frame(), emit=emit)
    thread = threading.Thread(target=work, daemon=True)
    run = ScriptRun(script, str(path), background.frame)
    context.node.scripts.add(run, thread)
    try:
        thread.start()
    except RuntimeError as exc:
        context.node.scripts.remove(run)
        raise Overloaded(f"the system gives no thread for another script: {exc}") from exc
    return Result({"script": run.number}, "")


@commands.command(
    "event",
    summary="run the script that a variable names",
    arguments=(Argument("name", Name(), help="the variable that holds its path"), _ARGUMENTS),
    permission=Permission.NEVER,
    details="Events that nodes send each other have names of their own: see 'help event'.",
    examples=("event on_start", "event alarm pump_a 97"),
    related=("process", "thread"),
)
def _event(context: Context, call: Call) -> Result:
    name = call.arguments["name"]
    value = context.variables.get(name)
    if not value:
        raise EventMissing(
            f"no script for the event '{shortened(name)}'", hint=f"write set {name} = <path>"
        )
    path = Path(value).expanduser()
    _run(context, load_script(path), path, call.arguments["arguments"])
    return Result()


@commands.command(
    "get scripts",
    summary="list the scripts that run",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    examples=("get scripts",),
    related=("thread", "stop"),
)
def _get_scripts(context: Context, call: Call) -> Result:
    rows: list[dict[str, Any]] = [
        {
            "number": run.number,
            "script": run.name,
            "line": run.line,
            "state": "Paused" if run.paused else "Running",
            "thread": thread,
        }
        for run, thread in context.node.scripts
    ]
    heads = ("Number", "Script", "Line", "State", "Thread")
    return answer(rows, Table(heads, [tuple(row.values()) for row in rows]), call.options)


# ------------------------------------------------------------------- parts


def _run(context: Context, script: Script, path: Path, arguments: tuple[str, ...]) -> None:
    _check_arguments(script, path, arguments)
    if context.frame.depth >= limits.MAX_SCRIPT_DEPTH:
        raise CommandError(f"scripts call scripts more than {limits.MAX_SCRIPT_DEPTH} deep")
    run = ScriptRun(script, str(path), context.frame)
    context.node.scripts.add(run)
    _go(context, run, arguments)


def _go(context: Context, run: ScriptRun, arguments: tuple[str, ...]) -> None:
    """Run a script that is on the list."""
    for name, value in zip(run.script.parameters or (), arguments, strict=False):
        context.node.variables.set(name, value)
    try:
        run.run(context)
    except ScriptError as exc:
        if context.origin.local:
            raise
        raise _discreet(exc, Path(run.name)) from exc
    finally:
        context.node.scripts.remove(run)


def _check_arguments(script: Script, path: Path, arguments: tuple[str, ...]) -> None:
    """Refuse a call whose arguments are not those that the script declares, if it does."""
    names = script.parameters
    if names is None or len(arguments) == len(names):
        return
    raise ArgumentMismatch(
        f"script '{path}' takes {len(names)} arguments and got {len(arguments)}",
        hint=f"its arguments: ({', '.join(names)})",
    )


def _permitted(context: Context, given: str) -> Path:
    """Return the path of a script that who asks may run.

    Raises
    ------
    ScriptMissing
        The path names nobody's home folder, or is no path at all.
    NotPermitted
        A peer named a file outside the folder of the node's scripts.
    """
    try:
        path = Path(given).expanduser()
        if context.origin.local:
            return path
        folder, resolved = context.node.home.scripts_dir.resolve(), path.resolve()
    except (RuntimeError, ValueError, OSError) as exc:
        raise ScriptMissing(f"script '{shortened(given)}' cannot be read: {exc}") from exc
    if not resolved.is_relative_to(folder):
        raise NotPermitted(
            f"script '{shortened(given)}' may not run from remote",
            hint="only scripts in the node's folder !local_scripts may",
        )
    return resolved


def _discreet(error: ScriptError, path: Path) -> ScriptError:
    """Return the error without what the script says: a peer may run it, not read it."""
    told = type(error)(f"script '{path.name}' failed with error {error.code}")
    told.code = error.code
    told.exit_status = error.exit_status
    return told
