"""``system`` and ``subprocess``: commands for the shell of this machine."""

from __future__ import annotations

import os

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.errors import SystemCallFailed
from edgelake.interfaces import Notice, Permission, Result
from edgelake.language import Argument, Call, CommandSet, Form, ShellCommand, ShellText, shortened
from edgelake.services.processes import SHELL, Finished

__all__ = ["commands"]

commands = CommandSet(group="local tools")


@commands.command(
    "system",
    summary="run a command of the shell and show what it writes",
    arguments=(
        Argument("command", ShellText(timeout=True), help="[timeout = seconds], then the command"),
    ),
    form=Form.SOURCE,
    permission=Permission.NEVER,
    details=(
        "The text reaches the shell as it is written: quotes, >, |, $NAME, && and 2>&1 are the\n"
        "shell's. '!x' stands for its value, whatever is in it; a free-standing & ends the\n"
        f"command. After {limits.SYSTEM_TIMEOUT_S:g} seconds, or 'timeout = seconds', the command "
        "is ended with all\nthat it started. An exit status other than 0 is an error."
    ),
    examples=(
        "system echo from the shell",
        "system timeout = 60 tar -czf /tmp/scripts.tgz !local_scripts",
        "host = system uname -n",
    ),
    related=("subprocess", "python"),
)
def _system(context: Context, call: Call) -> Result:
    command: ShellCommand = call.arguments["command"]
    finished = context.node.children.run(
        (SHELL, "-c", command.text),
        environment={**os.environ, **command.values},
        timeout_s=command.timeout_s or limits.SYSTEM_TIMEOUT_S,
        most_output_bytes=limits.MAX_SYSTEM_OUTPUT_BYTES,
        most_error_bytes=limits.MAX_SYSTEM_ERROR_BYTES,
        watch=context.watch,
    )
    output, errors = _text(finished.output), _text(finished.errors)
    if finished.status != 0:
        raise _failed(finished, output, errors)
    if errors:
        context.node.notices.post(Notice(errors))
    return Result(output, output)


@commands.command(
    "subprocess",
    summary="start a command of the shell that goes on by itself",
    arguments=(Argument("command", ShellText(), help="the command"),),
    form=Form.SOURCE,
    permission=Permission.NEVER,
    details=(
        "Nobody waits for it: it goes on when the node ends, and what it writes is lost unless\n"
        "it goes into a file. The answer is the number of its process."
    ),
    examples=("subprocess tar -czf /tmp/scripts.tgz !local_scripts > /tmp/tar.log 2>&1",),
    related=("system",),
)
def _subprocess(context: Context, call: Call) -> Result:
    command: ShellCommand = call.arguments["command"]
    number = context.node.children.start_detached(
        command.text, environment={**os.environ, **command.values}
    )
    return Result(number, f"process {number} started")


# ------------------------------------------------------------------- parts


def _text(data: bytes) -> str:
    """Return output as text without the line feed at its end, as a shell takes it."""
    return data.decode(errors="replace").rstrip("\n")


def _failed(finished: Finished, output: str, errors: str) -> SystemCallFailed:
    """Return the error for an exit status, with the last line that was written."""
    status = finished.status
    how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
    said = (errors or output).rsplit("\n", 1)[-1].strip()
    return SystemCallFailed(f"{how}: {shortened(said)}" if said else how)
