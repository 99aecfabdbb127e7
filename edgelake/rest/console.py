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
from starlette.routing import Route

from edgelake.commands import Interpreter, NodeParts
from edgelake.errors import EdgeLakeError, FileMissing, WrongMethod
from edgelake.rest import assets, ledger_view, node_view, peers_view, typed
from edgelake.rest.desk import Desk
from edgelake.rest.problems import JsonReply, failure
from edgelake.rest.running import Runner
from edgelake.services.rest import RestService

__all__ = ["Console"]

_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]

Answer = Callable[[Request], Awaitable[Response]]
Tell = Callable[[Desk, Request], Awaitable[Any]]

_ASKED: dict[str, Tell] = {
    "overview": node_view.overview,
    "series": node_view.series,
    "logs": node_view.logs,
    "ledger": ledger_view.types,
    "ledger/policies": ledger_view.policies,
    "ledger/policy": ledger_view.policy,
    "ledger/history": ledger_view.history,
    "peers": peers_view.peers,
    "peers/ping": peers_view.ping,
}
_SENT: dict[str, Tell] = {"complete": typed.complete, "run": typed.run}


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

    def routes(self, answering: Callable[[Answer], Answer]) -> list[Route]:
        """Return the routes; ``answering`` makes answers of the errors of a handler."""
        told = [
            Route(f"/api/{path}", answering(self._telling(tell, methods)), methods=_METHODS)
            for tells, methods in ((_ASKED, ("GET", "HEAD")), (_SENT, ("POST",)))
            for path, tell in tells.items()
        ]
        return [
            *told,
            Route("/pages/{name}", answering(self._file), methods=_METHODS),
            Route("/login", answering(self._login), methods=_METHODS),
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

    def _telling(self, tell: Tell, methods: tuple[str, ...]) -> Answer:
        async def answered(request: Request) -> Response:
            if request.method not in methods:
                raise WrongMethod(
                    f"{request.method} is for nothing here", hint=f"use {' or '.join(methods)}"
                )
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
        if request.method not in ("GET", "HEAD"):
            raise WrongMethod(f"{request.method} is for nothing here", hint="use GET or HEAD")
        name = request.path_params["name"]
        if name not in assets.names():
            raise FileMissing(f"the console has no file '{name[:80]}'")
        return assets.file_reply(request, name)

    async def _login(self, request: Request) -> Response:
        return assets.login_reply(request, self._desk.node)
