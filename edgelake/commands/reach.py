"""How far a command on files reaches: everywhere for the node's own, its work folders for peers."""

from __future__ import annotations

import os

from edgelake.commands.context import Context
from edgelake.interfaces import Permission
from edgelake.language import Call
from edgelake.storage import EVERYWHERE, Reach

__all__ = ["path_of", "reach_of"]


def reach_of(context: Context) -> Reach:
    """Return what who asks may touch (``docs/security.md``, "Files")."""
    if context.origin.local:
        return EVERYWHERE
    if context.node.level_of(context.origin) >= Permission.ADMIN:
        return context.node.home.reach_of_peers()
    return context.node.home.reach_of_strangers()


def path_of(context: Context, call: Call, name: str) -> str:
    """Return the path given for an argument; ``~`` is the home of this node's own user."""
    given: str = call.arguments[name]
    return os.path.expanduser(given) if context.origin.local else given
