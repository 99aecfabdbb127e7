"""Events that nodes send each other without being asked by a person."""

from __future__ import annotations

from edgelake.commands.context import Context
from edgelake.errors import NotPermitted
from edgelake.interfaces import Notice, Permission, Result
from edgelake.language import Call, CommandSet

__all__ = ["commands"]

commands = CommandSet(group="network", topics=("peers",))


@commands.command(
    "event metadata_ping",
    summary="answer that this node is alive",
    permission=Permission.READ,
    examples=("run client 10.0.0.7:32048 event metadata_ping",),
    related=("event metadata_pong",),
)
def _ping(context: Context, call: Call) -> Result:
    asker = context.origin.peer
    if asker is None:
        raise NotPermitted("a ping is for another node", hint="write: run client ip:port event …")
    context.node.tcp().answer(
        asker, "event metadata_pong", context.origin.ip, context.origin.session
    )
    return Result()


@commands.command(
    "event metadata_pong",
    summary="tell the console that a node answered a ping",
    permission=Permission.READ,
    examples=("event metadata_pong",),
    related=("event metadata_ping",),
)
def _pong(context: Context, call: Call) -> Result:
    if context.origin.peer is not None:
        context.node.notices.post(Notice("alive", str(context.origin.peer)))
    return Result()
