"""``process``: run a script of commands."""

from __future__ import annotations

from pathlib import Path

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.errors import (
    CommandError,
    EdgeLakeError,
    NotPermitted,
    ScriptError,
    ScriptMissing,
    StorageError,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, LogicalLines, PathType, shortened
from edgelake.storage import read_file

__all__ = ["commands"]

commands = CommandSet(group="scripts")


@commands.command(
    "process",
    summary="run the commands of a script, one after the other",
    arguments=(Argument("script", PathType(), help="file of commands, one a line"),),
    permission=Permission.ADMIN,
    details="The first command that fails ends the script; the error names file and line.",
    examples=("process examples/standalone.al", "process !local_scripts/start.al"),
    related=("set",),
)
def _process(context: Context, call: Call) -> Result:
    inner = context.deeper()
    path = _script(context, call.arguments["script"])
    try:
        for number, text in _logical_lines(path):
            _line(inner, path, number, text)
            if context.node.stopping.is_set():
                break
    except ScriptError as exc:
        if context.origin.local:
            raise
        raise _discreet(exc, path) from exc
    return Result()


def _line(context: Context, path: Path, number: int, text: str) -> None:
    try:
        context.interpreter.execute(text, context.emit, parent=context)
    except EdgeLakeError as exc:
        raise _located(exc, path, number) from exc


def _script(context: Context, given: str) -> Path:
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


def _logical_lines(path: Path) -> list[tuple[int, str]]:
    """Return the script's commands with the numbers of their first lines."""
    try:
        content = read_file(path, limits.MAX_SCRIPT_BYTES).decode()
    except StorageError as exc:
        raise ScriptMissing(
            f"script '{path}' cannot be read: {exc}", hint="write the path of a file of commands"
        ) from exc
    except UnicodeDecodeError as exc:
        raise ScriptError(f"script '{path}' is not UTF-8 text") from exc
    except ValueError as exc:
        raise ScriptMissing(f"script '{path}' cannot be read: {exc}") from exc
    lines = LogicalLines(script=True)
    found: list[tuple[int, str]] = []
    try:
        for line in content.splitlines(keepends=True):
            found.extend(lines.feed(line))
        found.extend(lines.finish())
    except CommandError as exc:
        raise _located(exc, path, exc.line or 1) from exc
    return found


def _located(error: EdgeLakeError, path: Path, first_line: int) -> ScriptError:
    """Return the error with the place in the script; a nested script keeps its own place."""
    if isinstance(error, ScriptError):
        return error
    line = first_line + (error.line or 1) - 1
    where = f"{path}, line {line}"
    if error.column is not None:
        where += f", column {error.column}"
    located = ScriptError(f"{where}: {error}", hint=error.hint)
    located.code = error.code
    located.exit_status = error.exit_status
    return located


def _discreet(error: ScriptError, path: Path) -> ScriptError:
    """Return the error without what the script says: a peer may run it, not read it."""
    told = type(error)(f"script '{path.name}' failed with error {error.code}")
    told.code = error.code
    told.exit_status = error.exit_status
    return told
