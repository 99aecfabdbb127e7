"""Every command of the node: its declaration and its handler, side by side.

What it is: the one place where words become deeds. What it is not: it parses
nothing (`edgelake.language`) and keeps nothing running (`edgelake.services`).
"""

from __future__ import annotations

from edgelake.commands import (
    archive,
    blockchain,
    checks,
    clock,
    debugging,
    echoes,
    events,
    expressions,
    files,
    flow,
    folders,
    identity,
    json_data,
    ledger_events,
    ledger_local,
    ledger_metadata,
    ledger_queries,
    ledger_table,
    local_scripts,
    log_file,
    logs,
    msg_clients,
    output,
    peer_files,
    peers,
    permission,
    platforms,
    relay,
    rest,
    script_flow,
    scripts,
    shell,
    status,
    storage,
    streaming,
    sync,
    tcp,
    tcp_status,
    texts,
    traces,
    users,
    variables,
)
from edgelake.commands.context import SERVICE_KINDS, Context, NodeParts, Origin
from edgelake.commands.interpreter import Interpreter
from edgelake.commands.kept import Kept
from edgelake.language import CommandRegistry

__all__ = [
    "SERVICE_KINDS",
    "Context",
    "Interpreter",
    "Kept",
    "NodeParts",
    "Origin",
    "build_registry",
    "network_commands",
]


_NETWORK_COMMANDS = "network_commands.txt"


def network_commands() -> list[str]:
    """Return the names of all commands that nodes of the network know."""
    from importlib import resources

    text = (resources.files(__name__) / _NETWORK_COMMANDS).read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def build_registry() -> CommandRegistry:
    """Return the registry of all commands."""
    return CommandRegistry(
        [
            module.commands
            for module in (
                output,
                echoes,
                logs,
                log_file,
                traces,
                variables,
                flow,
                json_data,
                scripts,
                script_flow,
                debugging,
                local_scripts,
                storage,
                files,
                folders,
                archive,
                peer_files,
                tcp,
                tcp_status,
                rest,
                streaming,
                msg_clients,
                peers,
                status,
                permission,
                users,
                blockchain,
                ledger_queries,
                platforms,
                ledger_local,
                ledger_table,
                ledger_metadata,
                sync,
                relay,
                events,
                ledger_events,
                expressions,
                shell,
                texts,
                clock,
                identity,
                checks,
            )
        ],
        network=network_commands,
    )
