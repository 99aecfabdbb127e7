"""Commands that inform about the node, and ``exit``."""

from __future__ import annotations

import threading
from typing import Any

from edgelake.commands.context import SERVICE_KINDS, Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import Argument, Call, CommandSet, OneOf, Option, Text, Where
from edgelake.services.rest import RestService
from edgelake.services.tcp import TcpService

__all__ = ["commands"]

commands = CommandSet(group="node", topics=("monitoring",))

_NOT_DECLARED = "Not declared"


@commands.command(
    "get status",
    summary="show that the node runs, and its name",
    where=Where.OPTIONAL,
    options=(
        FORMAT,
        Option(
            "include",
            Text(),
            repeatable=True,
            help="a reference whose value is added; the answer is then JSON",
        ),
    ),
    permission=Permission.READ,
    quick=True,
    examples=("get status", "get status where format = json"),
    related=("get processes", "get connections"),
)
def _get_status(context: Context, call: Call) -> Result:
    name = context.node.display_name()
    data: dict[str, Any] = {"assigned_name": name, "status": "running", "profiling": False}
    included = call.references("include")
    if included:
        data.update(included)
        return answer(data, "", {"format": "json"})
    return answer(data, f"{name} running", call.options)


@commands.command(
    "get processes",
    summary="list the services of the node and what each does",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get processes", "get processes where format = json"),
    related=("exit", "get status"),
)
def _get_processes(context: Context, call: Call) -> Result:
    data: dict[str, dict[str, str]] = {}
    rows = []
    for kind, status in context.node.services.statuses():
        state = status.state.value
        rows.append((kind.title, state, status.details))
        data[kind.title] = {"Status": state}
        if status.details:
            data[kind.title]["Details"] = status.details
    return answer(data, Table(("Process", "Status", "Details"), rows, indent=4), call.options)


@commands.command(
    "get connections",
    summary="show the addresses under which the node is reached",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get connections", "get connections where format = json"),
    related=("run tcp server", "get tcp info", "get tcp pool"),
)
def _get_connections(context: Context, call: Call) -> Result:
    tcp = context.node.services.find(TcpService)
    addresses = dict.fromkeys(("TCP", "REST", "Messaging"), (_NOT_DECLARED,) * 3)
    if tcp is not None:
        options = tcp.options
        addresses["TCP"] = (str(options.external), str(options.internal), str(tcp.bound))
    rest = context.node.services.find(RestService)
    if rest is not None:
        served = rest.options
        addresses["REST"] = (str(served.external), str(served.internal), str(rest.bound))
    keys = ("external", "local", "bind")
    data = {kind: dict(zip(keys, found, strict=True)) for kind, found in addresses.items()}
    columns = ("Type", "External Address", "Internal Address", "Bind Address")
    rows = [(kind, *found) for kind, found in addresses.items()]
    return answer(data, Table(columns, rows), call.options)


@commands.command(
    "exit",
    summary="stop a service, or the node with all of them",
    arguments=(
        Argument(
            "process",
            OneOf(*(kind.name for kind in SERVICE_KINDS), "node"),
            help="the service to stop; node stops all and ends",
        ),
    ),
    permission=Permission.ADMIN,
    details="The answer names the state that was reached.",
    examples=("exit tcp", "exit synchronizer", "exit node"),
    related=("get processes", "run tcp server", "run blockchain sync"),
)
def _exit(context: Context, call: Call) -> Result:
    name = call.arguments["process"]
    node = context.node
    if name == "node":
        node.end()
        return Result("node ends", "node ends")
    services = node.services
    if not services.runs(name):
        text = f"{name} was not running"
    elif context.origin.local:
        text = (
            f"{name} stopped"
            if services.stop(name)
            else f"{name} stopped, unfinished work was given up"
        )
    else:
        # The thread that runs this command belongs to what may be stopped.
        threading.Thread(target=services.stop, args=(name,), name="exit", daemon=True).start()
        text = f"{name} stops"
    return Result(text, text)
