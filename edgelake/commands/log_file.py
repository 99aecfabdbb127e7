"""The log file: how much is written to it, and how it fares."""

from __future__ import annotations

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import ConfigurationError
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import Argument, Call, CommandSet, OneOf, Where
from edgelake.services.log_file import LogFile
from edgelake.services.log_lines import LEVELS

__all__ = ["commands"]

commands = CommandSet(group="logs", topics=("monitoring",))


@commands.command(
    "set log level",
    summary="set what is written to the log file",
    value=Argument("level", OneOf(*LEVELS), help="debug, info, warning or error"),
    permission=Permission.ADMIN,
    details=(
        "error: what failed on this node. warning: also commands that failed, and what peers did\n"
        "wrong. info (default): also what was started and stopped. debug: also every command.\n"
        "trace level = 1 <service> writes all that one service says."
    ),
    examples=("set log level = debug", "set log level = info"),
    related=("get log info", "trace level", "set rest log"),
)
def _set_log_level(context: Context, call: Call) -> Result:
    log = _log(context)
    log.level = call.value
    context.node.logs.note_commands()
    return Result()


@commands.command(
    "set rest log",
    summary="write each call by REST to the log file",
    arguments=(Argument("state", OneOf("on", "off"), help="on or off"),),
    permission=Permission.ADMIN,
    details="Whoever calls, what, and how it went; commands and bodies are not written.",
    examples=("set rest log on", "set rest log off"),
    related=("get log info", "get rest calls"),
    topics=("rest",),
)
def _set_rest_log(context: Context, call: Call) -> Result:
    _log(context).rest_calls = call.arguments["state"] == "on"
    return Result()


@commands.command(
    "get log info",
    summary="show where the log file is, what is written to it, and whether it is",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    examples=("get log info", "get log info where format = json"),
    related=("set log level", "set rest log", "get event log", "get error log"),
)
def _get_log_info(context: Context, call: Call) -> Result:
    log = _log(context)
    data = {
        "file": str(log.path),
        "level": log.level,
        "traced": log.traced,
        "rest_log": log.rest_calls,
        "max_bytes": limits.MAX_LOG_FILE_BYTES,
        "files": limits.MAX_LOG_FILES,
        **log.figures(),
    }
    shown = {**data, "traced": ", ".join(log.traced)}
    return answer(data, Table(("Attribute", "Value"), list(shown.items())), call.options)


def _log(context: Context) -> LogFile:
    log = context.node.logs.file
    if log is None:
        raise ConfigurationError("this node has no log file")
    return log
