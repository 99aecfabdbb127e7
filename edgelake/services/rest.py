"""The REST service: an HTTP server that is the node's door for programs and people."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from edgelake import limits
from edgelake.errors import LibraryMissing, ServiceError
from edgelake.services.base import Service
from edgelake.services.rest_callers import RestCallers
from edgelake.services.rest_calls import RestCalls
from edgelake.wire import Endpoint

if TYPE_CHECKING:
    from edgelake.services.http import HttpServer

__all__ = ["CERTIFICATE", "REFUSALS", "RestOptions", "RestService", "TlsFiles", "WebApp"]

WebApp: TypeAlias = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]
"""An ASGI application."""


CERTIFICATE = "edgelake.certificate"
"""Key of a call's scope: the one common name in the certificate of who calls."""


REFUSALS = {
    "slow_request": "a request was not whole in time",
    "slow_reader": "an answer was not taken",
    "large_head": "the head of a request was too large",
    "bad_request": "what came was no HTTP",
    "no_room": "there were too many connections",
    "no_handshake": "TLS was not agreed on",
}
"""Why connections were closed."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files of a server that speaks TLS, PEM each.

    Attributes
    ----------
    certificate, key : Path
        Of this server.
    authority : Path
        Signs the certificates of those who may connect.
    """

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class RestOptions:
    """What ``run rest server`` was told.

    Attributes
    ----------
    external, internal : Endpoint
        Port 0 lets the system choose.
    bind : bool
        Listen on the internal address only, else on every interface.
    timeout_s : float
        How long replies of other nodes are waited for; 0 for no limit.
    threads : int
        How many commands run at a time, 1..64.
    tls : TlsFiles or None
    rate : int
        Calls a second of one address; 0 for no limit.
    sites : tuple of str
        Origins whose pages may call, such as ``https://wall.example:3000``.
    hosts : tuple of str
        Names by which callers may ask for this node, besides those that it knows.
    """

    external: Endpoint
    internal: Endpoint
    bind: bool = False
    timeout_s: float = limits.DEFAULT_REST_TIMEOUT_S
    threads: int = limits.DEFAULT_REST_THREADS
    tls: TlsFiles | None = None
    rate: int = limits.DEFAULT_REST_RATE
    sites: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class RestService(Service):
    """Serves an application by HTTP, or HTTPS.

    Parameters
    ----------
    options : RestOptions
    app : callable
        Makes the application for this service when it starts.

    Attributes
    ----------
    options : RestOptions
        With the ports that were chosen.
    calls : RestCalls
        Who called, and how it went.
    callers : RestCallers
        How much each address asks; for the server's loop.
    pool : ThreadPoolExecutor
        Threads that run commands; while the service runs.
    password_pool : ThreadPoolExecutor
        Threads that check passwords, likewise.
    """

    name = "rest"
    title = "REST"
    absent = "No active connection"

    def __init__(self, options: RestOptions, app: Callable[[RestService], WebApp]) -> None:
        super().__init__()
        self.options = options
        self.calls = RestCalls()
        self.callers = RestCallers(options.rate)
        self._make = app
        self._server: HttpServer | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._password_pool: ThreadPoolExecutor | None = None
        self._started_s = 0.0

    # ------------------------------------------------------------- life

    def _start(self) -> None:
        try:
            from edgelake.services.http import HttpServer
        except ImportError as exc:
            raise LibraryMissing(
                f"the REST server needs the library {exc.name}, which is not installed",
                hint="pip install 'edgelake[rest]'",
            ) from exc
        options = self.options
        listening = _listen(self.bound)
        port = listening.getsockname()[1]
        self.options = replace(
            options,
            external=Endpoint(options.external.host, options.external.port or port),
            internal=Endpoint(options.internal.host, port),
        )
        self._pool = ThreadPoolExecutor(options.threads, thread_name_prefix="rest")
        self._password_pool = ThreadPoolExecutor(
            limits.PASSWORD_THREADS, thread_name_prefix="rest-password"
        )
        self._started_s = time.monotonic()
        try:
            server = HttpServer(self._make(self), listening, options.tls, self.fail)
            server.start()
        except BaseException:
            listening.close()
            self._end_pools()
            raise
        self._server = server

    def _stop(self, timeout_s: float) -> bool:
        server = self._server
        if server is None:
            return True
        finished = server.stop(timeout_s)
        self._end_pools()
        self._server = None
        return finished

    def _end_pools(self) -> None:
        for pool in (self._pool, self._password_pool):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._password_pool = None

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads that run commands.

        Raises
        ------
        ServiceError
            The service does not run.
        """
        if self._pool is None:
            raise ServiceError("the REST server stops")
        return self._pool

    @property
    def password_pool(self) -> ThreadPoolExecutor:
        """The threads that check passwords.

        Raises
        ------
        ServiceError
            The service does not run.
        """
        if self._password_pool is None:
            raise ServiceError("the REST server stops")
        return self._password_pool

    # ---------------------------------------------------------- reports

    def set_timeout(self, timeout_s: float) -> None:
        """Change how long replies of other nodes are waited for; 0 for no limit."""
        self.options = replace(self.options, timeout_s=timeout_s)

    @property
    def bound(self) -> Endpoint:
        """The address the socket is bound to."""
        internal = self.options.internal
        return internal if self.options.bind else Endpoint("0.0.0.0", internal.port)

    @property
    def url(self) -> str:
        """Address of the console in the browser."""
        scheme = "https" if self.options.tls else "http"
        return f"{scheme}://{self.options.internal}"

    def describe(self) -> str:
        """Return where the server listens, with how many threads and which time-out."""
        options = self.options
        return (
            f"Listening on: {self.bound}, Threads Pool: {options.threads}, "
            f"Timeout: {options.timeout_s:g}, SSL: {options.tls is not None}"
        )

    def figures(self) -> dict[str, Any]:
        """Return counts of calls and connections."""
        server = self._server
        return {
            "connections": server.connections if server else 0,
            **self.calls.totals(),
            **dict.fromkeys(REFUSALS, 0),
            **(server.refusals() if server else {}),
        }

    def uptime_s(self) -> float:
        """Return how long the service has been listening, in seconds."""
        return time.monotonic() - self._started_s


def _listen(where: Endpoint) -> socket.socket:
    # Named, so that asyncio sees TCP and sends the parts of an answer without waiting (Nagle).
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((where.host, where.port))
        listening.listen(limits.REST_BACKLOG)
    except (OSError, UnicodeError) as exc:
        listening.close()
        reason = (exc.strerror if isinstance(exc, OSError) else None) or exc
        raise ServiceError(
            f"cannot listen on {where}: {reason}",
            hint="choose another port or end the program that uses it",
        ) from exc
    listening.setblocking(False)
    return listening
