"""The web application of a node: which path leads where."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edgelake.commands import Interpreter, NodeParts
from edgelake.errors import (
    CommandSyntaxError,
    EdgeLakeError,
    FileMissing,
    NotRunning,
    ServiceError,
    WrongMethod,
)
from edgelake.rest.access import Access, origin_of, user_of
from edgelake.rest.assets import GUARDS
from edgelake.rest.command_operations import COMMANDS
from edgelake.rest.console import Console
from edgelake.rest.data import DataDoor
from edgelake.rest.data_operations import ROWS
from edgelake.rest.monitoring import Monitoring
from edgelake.rest.openapi import openapi_routes
from edgelake.rest.operations import AnyRoute, DescribedRoute, allowed_by
from edgelake.rest.problems import problem
from edgelake.rest.replies import of_nodes, of_results
from edgelake.rest.requests import agent_of, body_of, wanted
from edgelake.rest.running import Runner
from edgelake.services.rest import RestService, WebApp

__all__ = ["make_app"]

_log = logging.getLogger(__name__)
_CALLER_CHARS = 40
_GUARDS = [(name.encode(), value.encode()) for name, value in GUARDS.items()]


def make_app(interpreter: Interpreter, node: NodeParts, service: RestService) -> WebApp:
    """Return the application that a REST server of a node serves.

    Parameters
    ----------
    interpreter : Interpreter
        Runs the commands.
    node : NodeParts
    service : RestService
        The server; its loop calls the application.
    """
    runner = Runner(interpreter, node, service)
    console = Console(interpreter, node, service, runner)
    door = _Door(node, service, runner, console)
    routes = [
        DescribedRoute("/", door.answering(door.command), (*COMMANDS, ROWS)),
        *console.routes(door.answering),
        *Monitoring(console.desk).routes(door.answering),
    ]
    return Starlette(
        routes=[
            *routes,
            *openapi_routes(door.answering, routes),
            AnyRoute(door.answering(door.nowhere)),
        ],
        lifespan=console.sampling,
    )


class _Door:
    """Takes the calls: checks them, has them done, counts them."""

    def __init__(
        self, node: NodeParts, service: RestService, runner: Runner, console: Console
    ) -> None:
        self._node = node
        self._service = service
        self._runner = runner
        self._console = console
        self._access = Access(node, service)
        self._data = DataDoor(node, runner)

    def answering(
        self, handle: Callable[[Request], Awaitable[Response]], *, everybody: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler whose errors are answers, and whose calls are counted.

        Parameters
        ----------
        everybody : bool
            It is for everybody: nobody is asked who he is, and `origin_of` has no answer.
        """
        access = self._access

        async def answered(request: Request) -> Response:
            fault = ""
            started = perf_counter()
            try:
                with access.calling(request):
                    known = await access.check(request, everybody=everybody)
                    response = known or await handle(request)
                fault = getattr(response, "fault", "")
            except ClientDisconnect:
                # Nobody is there to read it.
                response, fault = Response(status_code=499), "the caller went away"
            except asyncio.CancelledError:
                # The server has waited long enough; who waits for an answer still gets one.
                stops = NotRunning(
                    "the REST server stops",
                    hint="look whether it was carried out before you send it again",
                )
                response, fault = problem(stops), stops.message
            except EdgeLakeError as exc:
                response, fault = problem(exc), exc.message
                if isinstance(exc, WrongMethod):
                    response.headers["allow"] = allowed_by(request)
            except Exception as exc:
                _log.exception("a REST call failed")
                found = ServiceError(f"internal error: {exc!r}")
                self._node.report("rest", found)
                response, fault = problem(found, 500), found.message
            # Nothing else sets them: they need not be looked for among the headers one by one.
            response.raw_headers.extend(_GUARDS)
            access.sites.mark(request, response.headers)
            self._count(request, response, fault, perf_counter() - started)
            return response

        return answered

    async def command(self, request: Request) -> Response:
        """Answer a call that carries a command."""
        if request.method not in ("GET", "HEAD", "POST", "PUT"):
            raise WrongMethod(
                f"{request.method} is for nothing here",
                hint="GET asks for information, POST is for all other commands, PUT for data",
            )
        origin = origin_of(request, self._node)
        if request.method == "PUT":
            return await self._data.put(request, origin)
        if self._data.takes(request):
            return await self._data.post(request, origin)
        found = wanted(request, await body_of(request))
        if found is None:
            if request.method != "POST" and "text/html" in request.headers.get("accept", ""):
                return self._console.page(request)
            raise CommandSyntaxError(
                "missing command",
                hint="send it in the header 'command', or in the body by POST",
            )
        if found.destination:
            replies = await self._runner.there(found, origin)
            return of_nodes(replies, subset=found.subset, prefers_json=found.json)
        return of_results(await self._runner.here(found, origin), prefers_json=found.json)

    async def nowhere(self, request: Request) -> Response:
        """Answer a call to a path that nothing lies under."""
        path = request.scope["path"][:80]
        raise FileMissing(f"nothing lies under '{path}'", hint="commands are sent to /")

    def _count(self, request: Request, response: Response, fault: str, seconds: float) -> None:
        name = agent_of(request).partition("/")[0].strip()
        caller = name[:_CALLER_CHARS].lower() or "unknown"
        client = request.client
        address = f"{client.host}:{client.port}" if client else ""
        self._service.calls.note(
            caller,
            request.method,
            address,
            response.status_code,
            fault,
            user_of(request),
            seconds=seconds,
        )
        log = self._node.logs.file
        if log is not None:
            log.rest_call(
                request.method,
                request.scope["path"],
                address,
                caller,
                response.status_code,
                seconds,
                fault,
            )
