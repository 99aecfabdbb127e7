"""Data that arrives: what came for which table, what waits, and how much may."""

from __future__ import annotations

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import Argument, Call, CommandSet, Size, Where
from edgelake.services.arrivals import TableFigures

__all__ = ["commands"]

commands = CommandSet(group="data", topics=("streaming",))


@commands.command(
    "get streaming",
    summary="show what data arrived for each table, and what gathers",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    details=(
        "Since the node started. 'Cached' rows gather in a file of the prep folder; it goes to\n"
        "the watch folder when it is 60 seconds old, or 10,000 bytes large."
    ),
    examples=("get streaming", "get streaming where format = json"),
    related=("get data limit", "get msg clients"),
)
def _get_streaming(context: Context, call: Call) -> Result:
    arrivals = context.node.arrivals
    buffered = arrivals.buffered()
    known = {figures.table: figures for figures in arrivals.tables()}
    # What gathered before the node started has no figures yet.
    tables = [known.get(name) or TableFigures(name) for name in sorted({*known, *buffered})]
    data = []
    for figures in tables:
        rows, size, age_s = buffered.get(figures.table, (0, 0, 0.0))
        left_s = max(0.0, limits.ROW_BUFFER_S - age_s) if rows else None
        data.append(
            {
                "table": figures.table,
                "files": figures.files,
                "file_rows": figures.file_rows,
                "calls": figures.calls,
                "rows": figures.rows,
                "cached_rows": rows,
                "cached_bytes": size,
                "flushed_files": figures.flushed,
                "fill_percent": round(100 * size / limits.ROW_BUFFER_BYTES, 1),
                "time_left_s": None if left_s is None else round(left_s, 1),
            }
        )
    heads = (
        "DBMS-Table",
        "Put\nfiles",
        "Put\nRows",
        "Streaming\nCalls",
        "Streaming\nRows",
        "Cached\nRows",
        "Cached\nBytes",
        "Flushed\nFiles",
        "Buffer\nFill(%)",
        "Time Left\n(Sec)",
    )
    return answer(data, Table(heads, [tuple(row.values()) for row in data]), call.options)


@commands.command(
    "get streaming config",
    summary="show when rows that gather become a file",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get streaming config", "get streaming config where format = json"),
    related=("get streaming", "get data limit"),
)
def _get_streaming_config(context: Context, call: Call) -> Result:
    arrivals = context.node.arrivals
    data = {
        "status": "Running" if arrivals.running else "Not Running",
        "threshold_time_s": limits.ROW_BUFFER_S,
        "threshold_volume_bytes": limits.ROW_BUFFER_BYTES,
        "buffered_rows": sum(rows for rows, _, _ in arrivals.buffered().values()),
        "flushed_rows": sum(figures.flushed_rows for figures in arrivals.tables()),
    }
    return answer(data, Table(("Threshold", "Value"), list(data.items())), call.options)


@commands.command(
    "set data limit",
    summary="set how much data may wait in the watch folder and in buffers",
    arguments=(Argument("size", Size(), help="such as 500MB, or 10GB"),),
    permission=Permission.ADMIN,
    details=(
        "More is refused with status 503 until somebody takes files from the watch folder.\n"
        "The limit is not stored: set it in the script that starts the node. Default 1GB."
    ),
    examples=("set data limit 10GB",),
    related=("get data limit", "get streaming"),
)
def _set_data_limit(context: Context, call: Call) -> Result:
    context.node.arrivals.folder.max_bytes = call.arguments["size"]
    return Result()


@commands.command(
    "get data limit",
    summary="show how much data waits in the watch folder, and how much may",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get data limit", "get data limit where format = json"),
    related=("set data limit", "get streaming"),
)
def _get_data_limit(context: Context, call: Call) -> Result:
    folder = context.node.arrivals.folder
    waiting_bytes, files = folder.waiting()
    data = {
        "waiting_bytes": waiting_bytes,
        "waiting_files": files,
        "buffered_bytes": sum(size for _, size, _ in context.node.arrivals.buffered().values()),
        "max_bytes": folder.max_bytes,
        "max_files": limits.MAX_WAITING_DATA_FILES,
    }
    return answer(data, Table(("Figure", "Value"), list(data.items())), call.options)
