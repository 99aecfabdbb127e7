"""Rows by PUT, and messages by POST that clients of messages make rows of."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from edgelake import limits
from edgelake.commands import NodeParts, Origin
from edgelake.data import DataName, parse_rows
from edgelake.errors import (
    BadArgument,
    EdgeLakeError,
    MessageTooLarge,
    MissingOption,
    NotPermitted,
    NotRunning,
    OptionNotAvailable,
    WrongValue,
)
from edgelake.interfaces import Permission
from edgelake.rest.requests import agent_of, body_of
from edgelake.rest.running import Runner

__all__ = ["DataDoor"]

_GZIP = 16 + zlib.MAX_WBITS
_MESSAGES = "data"


class DataDoor:
    """Takes data. Used by the server's loop.

    Parameters
    ----------
    node : NodeParts
    runner : Runner
        Whose pool writes.
    """

    def __init__(self, node: NodeParts, runner: Runner) -> None:
        self._node = node
        self._runner = runner
        try:
            node.arrivals.resume()
        except EdgeLakeError as exc:
            # Who sends data is told so, too; commands need none of it.
            node.report("arrivals", exc)

    async def put(self, request: Request, origin: Origin) -> Response:
        """Store the rows of a body, and answer when they are on the disk."""
        with self._counting("put"):
            return await self._rows(request, origin)

    async def post(self, request: Request, origin: Origin) -> Response:
        """Store what a client of messages makes of a body, and answer when it is on the disk."""
        with self._counting("post"):
            return await self._messages(request, origin)

    async def _rows(self, request: Request, origin: Origin) -> Response:
        self._permit(origin)
        if "destination" in request.headers:
            raise WrongValue(
                "rows are stored by the node that gets them: 'destination' is for commands",
                hint="send them to that node's REST server",
            )
        name = _name(request)
        streaming = _mode(request) == "streaming"
        body = await body_of(request)
        zipped = _zipped(request)

        def store() -> str:
            rows = [row.text for row in parse_rows(_expanded(body) if zipped else body)]
            if not streaming:
                return self._node.arrivals.put(name, rows)[0]
            self._node.arrivals.stream(name, rows)
            return "0"

        return _done(await self._runner.in_pool(store))

    def takes(self, request: Request) -> bool:
        """Return whether a call by POST brings messages, and no commands."""
        command = request.headers.get("command")
        if request.method != "POST" or "destination" in request.headers:
            return False
        if command is not None:
            return command.strip() == _MESSAGES
        query: bytes = request.scope.get("query_string", b"")
        return b"command=" not in query.lower() and self._node.msg_clients.for_agent(
            agent_of(request)
        )

    async def _messages(self, request: Request, origin: Origin) -> Response:
        self._permit(origin)
        agent = agent_of(request)
        topic = request.headers.get("topic", "").strip()
        body = await body_of(request)
        zipped = _zipped(request)
        if not self._node.msg_clients.for_agent(agent):
            raise NotRunning(
                "no client takes messages of this User-Agent",
                hint="run msg client where broker = rest and user-agent = … and topic = (…)",
            )

        def store() -> None:
            self._node.msg_clients.take(agent, topic, _expanded(body) if zipped else body)

        await self._runner.in_pool(store)
        return _done("0")

    @contextlib.contextmanager
    def _counting(self, door: str) -> Iterator[None]:
        """Count why data is refused."""
        try:
            yield
        except EdgeLakeError as exc:
            self._node.arrivals.refusals.note(door, exc)
            raise

    def _permit(self, origin: Origin) -> None:
        if self._node.level_of(origin) < Permission.METADATA:
            raise NotPermitted(
                "data is not taken from callers of this level", hint="it needs: metadata"
            )


# ------------------------------------------------------------------- parts


def _name(request: Request) -> DataName:
    given = {}
    for key in ("dbms", "table"):
        value = request.headers.get(key, "").strip()
        if not value:
            raise MissingOption(
                f"header '{key}' is missing", hint="say where the rows belong: dbms, table"
            )
        given[key] = value
    for key in ("source", "instructions"):
        given[key] = request.headers.get(key, "").strip() or "0"
    kind = request.headers.get("type", "json").strip().lower()
    if kind != "json":
        raise OptionNotAvailable(
            f"'{kind[:40]}' is no type of data that this version takes", hint="write type: json"
        )
    return DataName(**given)


def _mode(request: Request) -> str:
    mode = request.headers.get("mode", "file").strip().lower()
    if mode not in ("file", "streaming"):
        raise WrongValue(f"'{mode[:40]}' is no mode", hint="write mode: file, or mode: streaming")
    return mode


def _zipped(request: Request) -> bool:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("gzip", "x-gzip", "identity", ""):
        raise OptionNotAvailable(
            f"a body in the coding '{coding[:40]}' cannot be read",
            hint="write gzip, or leave it out",
        )
    return "gzip" in coding


def _expanded(body: bytes) -> bytes:
    """Return what a body compressed by gzip holds; no more than a body may be."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        found = unpacker.decompress(body, limits.MAX_REST_BODY_BYTES + 1)
    except zlib.error as exc:
        raise BadArgument("the body is not compressed by gzip, or damaged") from exc
    if len(found) > limits.MAX_REST_BODY_BYTES:
        raise MessageTooLarge(
            f"the body expands to more than {limits.MAX_REST_BODY_BYTES} bytes",
            hint="send it in parts",
        )
    if not unpacker.eof or unpacker.unused_data:
        what = "ends before its compressed data does" if not unpacker.eof else "holds more behind"
        raise BadArgument(f"the body {what}", hint="compress it with gzip, once")
    return found


def _done(md5: str) -> Response:
    # Byte by byte what existing nodes answer.
    text = f'{{"AnyLog.status":"Success", "AnyLog.hash": "{md5}" }}'
    return Response(text.encode(), media_type="application/json")
