"""Every command of the node: its declaration and its handler, side by side.

What it is: the one place where words become deeds. What it is not: it parses
nothing (`edgelake.language`) and keeps nothing running (`edgelake.services`).
"""

from __future__ import annotations

from edgelake.commands import (
    blockchain,
    debugging,
    events,
    flow,
    json_data,
    output,
    peers,
    permission,
    script_flow,
    scripts,
    status,
    storage,
    sync,
    tcp,
    tcp_status,
    variables,
)
from edgelake.commands.context import SERVICE_KINDS, Context, NodeParts, Origin
from edgelake.commands.interpreter import Interpreter
from edgelake.language import CommandRegistry

__all__ = [
    "SERVICE_KINDS",
    "Context",
    "Interpreter",
    "NodeParts",
    "Origin",
    "build_registry",
]


def build_registry() -> CommandRegistry:
    """Return the registry of all commands."""
    return CommandRegistry(
        [
            module.commands
            for module in (
                output,
                variables,
                flow,
                json_data,
                scripts,
                script_flow,
                debugging,
                storage,
                tcp,
                tcp_status,
                peers,
                status,
                permission,
                blockchain,
                sync,
                events,
            )
        ]
    )
