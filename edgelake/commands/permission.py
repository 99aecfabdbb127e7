"""What peers may command: ``set remote permission``."""

from __future__ import annotations

from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, OneOf, Where

__all__ = ["LEVELS", "commands"]

commands = CommandSet(group="security", topics=("peers",))

LEVELS = {
    "read": Permission.READ,
    "metadata": Permission.METADATA,
    "admin": Permission.ADMIN,
}
"""Levels that somebody else can have, by their names."""


@commands.command(
    "set remote permission",
    summary="set which commands other nodes may send to this one",
    value=Argument("level", OneOf(*LEVELS), help="read, metadata or admin"),
    permission=Permission.NEVER,
    details=(
        "read: information, pings, fetching the ledger. metadata (default): also changes of\n"
        "a master's ledger. admin: also commands that change this node. See docs/security.md."
    ),
    examples=("set remote permission = read",),
    related=("get remote permission",),
)
def _set_remote_permission(context: Context, call: Call) -> Result:
    context.node.permission = LEVELS[call.value]
    return Result()


@commands.command(
    "get remote permission",
    summary="show which commands other nodes may send",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get remote permission",),
    related=("set remote permission",),
)
def _get_remote_permission(context: Context, call: Call) -> Result:
    level = next(name for name, value in LEVELS.items() if value is context.node.permission)
    return answer({"remote_permission": level}, level, call.options)
