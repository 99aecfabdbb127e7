"""Commands that inform about the node, and ``exit``."""

from __future__ import annotations

import threading
from typing import Any

from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import BadArgument
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import Argument, Boolean, Call, CommandSet, Option, Text, Where
from edgelake.services.tcp import TcpService

__all__ = ["commands"]

commands = CommandSet(group="node")

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
    related=("run tcp server", "get tcp pool"),
)
def _get_connections(context: Context, call: Call) -> Result:
    tcp = context.node.services.find(TcpService.name)
    addresses = (_NOT_DECLARED,) * 3
    if isinstance(tcp, TcpService):
        addresses = (str(tcp.options.external), str(tcp.options.internal), str(tcp.bound))
    data = {"TCP": dict(zip(("external", "local", "bind"), addresses, strict=True))}
    columns = ("Type", "External Address", "Internal Address", "Bind Address")
    return answer(data, Table(columns, [("TCP", *addresses)]), call.options)


@commands.command(
    "get tcp pool",
    summary="show the I/O threads of the TCP server and what passed through them",
    where=Where.OPTIONAL,
    options=(FORMAT, Option("details", Boolean(), default=False, help="one row per thread")),
    permission=Permission.READ,
    examples=("get tcp pool", "get tcp pool where details = true"),
    related=("run tcp server", "get processes"),
)
def _get_tcp_pool(context: Context, call: Call) -> Result:
    tcp = context.node.tcp()
    threads = tcp.threads()
    figures = tcp.figures()
    waiting = figures["server"]["queued_messages"]
    data = {"threads": len(threads), "waiting": waiting, "details": threads, **figures}
    line = f"TCP Pool with {len(threads)} threads: {waiting} messages wait"
    if call.options["format"] == "json" or not call.options["details"]:
        return answer(data, line, call.options)
    total = sum(thread["messages"] for thread in threads) or 1
    rows = [
        (
            number,
            thread["connections"],
            thread["messages"],
            100.0 * thread["messages"] / total,
            thread["bytes"],
        )
        for number, thread in enumerate(threads)
    ]
    table = Table(("Thread", "Connections", "Calls", "Percentage", "Bytes"), rows)
    return answer(data, table, call.options)


@commands.command(
    "exit",
    summary="stop a service, or the node with all of them",
    arguments=(Argument("process", Text(), help="a service of 'get processes', or node"),),
    permission=Permission.ADMIN,
    details="The services: tcp, synchronizer. The answer names the state that was reached.",
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
    if name not in services.names():
        raise BadArgument(
            f"no process is called '{name}'",
            hint="write one of: " + ", ".join([*services.names(), "node"]),
            column=call.column("process"),
        )
    if services.find(name) is None:
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
