"""Commands that tell about the TCP server: what it is, its threads, what passed through it."""

from __future__ import annotations

from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.commands.tcp_figures import info_data, queue_data, stats_data
from edgelake.commands.tcp_tables import info_table, stats_page
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import Boolean, Call, CommandSet, Option, Where
from edgelake.services.tcp import TcpService

__all__ = ["commands"]

commands = CommandSet(group="network", topics=("servers", "monitoring"))


@commands.command(
    "get tcp info",
    summary="show addresses, threads, limits and sessions of the TCP server",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    details="Every figure is explained in docs/statistics.md.",
    examples=("get tcp info", "get tcp info where format = json"),
    related=("get tcp pool", "get tcp stats", "get connections"),
)
def _get_tcp_info(context: Context, call: Call) -> Result:
    tcp = context.node.services.find(TcpService)
    data = info_data(tcp) if tcp else None
    if data is None:
        return _absent("Server", call)
    return answer(data, info_table(data), call.options)


@commands.command(
    "get tcp pool",
    summary="show the I/O threads of the TCP server and what passed through them",
    where=Where.OPTIONAL,
    options=(FORMAT, Option("details", Boolean(), default=False, help="one row per thread")),
    permission=Permission.READ,
    details=(
        "In brackets 1 for each thread that holds connections, in parentheses the messages\n"
        "that wait for a handler. JSON has all counters, also of what was dropped and why."
    ),
    examples=("get tcp pool", "get tcp pool where details = true"),
    related=("run tcp server", "get tcp info", "get tcp stats", "get processes"),
)
def _get_tcp_pool(context: Context, call: Call) -> Result:
    tcp = context.node.services.find(TcpService)
    threads = tcp.threads() if tcp else []
    figures = tcp.figures() if tcp else {}
    bounds = tcp.bounds() if tcp else {}
    if not threads or not figures or not bounds:
        return _absent("Pool", call)
    queue = queue_data(figures["server"], bounds)
    data = {
        "threads": len(threads),
        "waiting": queue["messages"],
        "queue": queue,
        "paused_threads": sum(thread["paused"] for thread in threads),
        "details": threads,
        **figures,
    }
    busy = [int(thread["connections"] > 0) for thread in threads]
    if call.options["format"] == "json" or not call.options["details"]:
        line = f"TCP Pool with {len(threads)} threads: {busy} ({queue['messages']})"
        return answer(data, line, call.options)
    total = sum(thread["messages"] for thread in threads) or 1
    rows = [
        (
            number,
            busy[number],
            thread["messages"],
            round(100 * thread["messages"] / total),
            thread["connections"],
            thread["bytes"],
            thread["paused"],
        )
        for number, thread in enumerate(threads)
    ]
    columns = ("Thread", "Status", "Calls", "Percentage", "Connections", "Bytes", "Paused")
    return answer(data, Table(columns, rows), call.options)


@commands.command(
    "get tcp stats",
    summary="show what passes through the TCP server: rates, latencies, faults, what waits",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    details=(
        "Rates are shown since the start and since this command was given before, but for\n"
        "at least a second. Every figure is explained in docs/statistics.md; JSON has those\n"
        "that are 0 as well."
    ),
    examples=("get tcp stats", "get tcp stats where format = json"),
    related=("get tcp info", "get tcp pool"),
)
def _get_tcp_stats(context: Context, call: Call) -> Result:
    tcp = context.node.services.find(TcpService)
    data = stats_data(tcp) if tcp else None
    if data is None:
        return _absent("Server", call)
    return answer(data, stats_page(data), call.options)


def _absent(what: str, call: Call) -> Result:
    return answer({"threads": 0}, f"Tcp {what} is not declared", call.options)
