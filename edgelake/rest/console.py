"""The console in the browser: its page, and the calls under ``/api/`` that it lives on.

Each call is READ or above by the caller's level: it is allowed to whom the command is
that tells the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from edgelake.commands import Interpreter, NodeParts
from edgelake.errors import EdgeLakeError, FileMissing
from edgelake.rest import assets, ledger_view, node_view, peers_view, typed
from edgelake.rest.api_operations import API, LOGIN, PAGE_FILE
from edgelake.rest.desk import Desk
from edgelake.rest.operations import Answering, DescribedRoute, Handler, route
from edgelake.rest.problems import JsonReply, failure
from edgelake.rest.running import Runner
from edgelake.services.rest import RestService

__all__ = ["Console"]

Tell = Callable[[Desk, Request], Awaitable[Any]]

_CALLS: dict[str, Tell] = {
    "overview": node_view.overview,
    "series": node_view.series,
    "logs": node_view.logs,
    "ledger": ledger_view.types,
    "ledger/policies": ledger_view.policies,
    "ledger/policy": ledger_view.policy,
    "ledger/history": ledger_view.history,
    "peers": peers_view.peers,
    "peers/ping": peers_view.ping,
    "complete": typed.complete,
    "run": typed.run,
}


class Console:
    """The console of one REST server.

    Parameters
    ----------
    interpreter : Interpreter
    node : NodeParts
    service : RestService
    runner : Runner
    """

    def __init__(
        self, interpreter: Interpreter, node: NodeParts, service: RestService, runner: Runner
    ) -> None:
        self._desk = Desk(interpreter, node, service, runner)

    def routes(self, answering: Answering) -> list[DescribedRoute]:
        """Return the routes; ``answering`` makes answers of the errors of a handler."""
        told = [
            route(f"/api/{path}", self._telling(tell), answering, API[path])
            for path, tell in _CALLS.items()
        ]
        return [
            *told,
            route("/pages/{name}", self._file, answering, PAGE_FILE),
            route("/login", self._login, answering, LOGIN),
        ]

    @property
    def desk(self) -> Desk:
        """What the calls work with."""
        return self._desk

    def page(self, request: Request) -> Response:
        """Return the page itself."""
        return assets.file_reply(request, "index.html")

    @property
    def sampling(self) -> Callable[[Any], AbstractAsyncContextManager[None]]:
        """What takes the samples for the charts as long as the application runs."""

        @asynccontextmanager
        async def running(app: Any) -> AsyncIterator[None]:
            clock = self._desk.sampling()
            try:
                yield
            finally:
                clock.cancel()

        return running

    # ------------------------------------------------------------- parts

    def _telling(self, tell: Tell) -> Handler:
        async def answered(request: Request) -> Response:
            try:
                found = await tell(self._desk, request)
            except EdgeLakeError as exc:
                if exc.column is None:
                    raise
                found = failure(exc, column=exc.column)
            reply = found if isinstance(found, Response) else JsonReply(found)
            reply.headers["cache-control"] = "no-store"
            return reply

        return answered

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in assets.names():
            raise FileMissing(f"the console has no file '{name[:80]}'")
        return assets.file_reply(request, name)

    async def _login(self, request: Request) -> Response:
        return assets.login_reply(request, self._desk.node)
