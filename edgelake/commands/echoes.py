"""The echo queue: messages that wait until somebody reads them, instead of breaking in."""

from __future__ import annotations

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import Argument, Call, CommandSet, Integer, OneOf, Option, Where

__all__ = ["commands"]

commands = CommandSet(group="output")


@commands.command(
    "set echo queue",
    summary="keep messages in the echo queue, or show them at once",
    arguments=(Argument("state", OneOf("on", "off"), help="on or off"),),
    permission=Permission.ADMIN,
    details=(
        "While it is on, the texts of 'echo', replies to 'run client' and what other nodes\n"
        "print here go to the queue; the prompt 'EL +>' tells that there are unread ones.\n"
        "Switched off, it keeps what is in it."
    ),
    examples=("set echo queue on", "set echo queue off"),
    related=("get echo queue", "reset echo queue", "echo"),
    topics=("console",),
)
def _set_echo_queue(context: Context, call: Call) -> Result:
    context.node.echoes.on = call.arguments["state"] == "on"
    return Result()


@commands.command(
    "get echo queue",
    summary="show the messages in the echo queue",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    details="They stay there until 'reset echo queue'; the oldest go when it is full.",
    examples=("get echo queue", "get echo queue where format = json"),
    related=("set echo queue", "reset echo queue"),
    topics=("console",),
)
def _get_echo_queue(context: Context, call: Call) -> Result:
    queue = context.node.echoes
    messages, dropped = queue.read()
    data = {
        "on": queue.on,
        "size": queue.size,
        "dropped": dropped,
        "messages": [
            {"ID": m.number, "Time": m.time, "Source": m.source or "local", "Text": m.text}
            for m in messages
        ],
    }
    if call.options["format"] == "json":
        return answer(data, "", call.options)
    rows = [(m.number, m.time, m.source or "local", m.text) for m in messages]
    told = f"{dropped:,} older messages were dropped" if dropped else ""
    shown = answer(data, Table(("ID", "Time", "Source", "Text"), rows), call.options)
    return Result(data, f"{shown.text}{told}") if rows else Result(data, "The echo queue is empty")


@commands.command(
    "reset echo queue",
    summary="empty the echo queue, and set how many messages it keeps",
    where=Where.OPTIONAL,
    options=(
        Option(
            "size",
            Integer(1, limits.MAX_ECHO_MESSAGES),
            help=f"messages kept from now on; {limits.ECHO_MESSAGES} at first",
        ),
    ),
    permission=Permission.ADMIN,
    examples=("reset echo queue", "reset echo queue where size = 50"),
    related=("get echo queue", "set echo queue"),
    topics=("console",),
)
def _reset_echo_queue(context: Context, call: Call) -> Result:
    context.node.echoes.reset(call.options["size"])
    return Result()
