"""An HTTP server in a thread of its own: uvicorn, with bounds that it does not have itself.

Needs the extra ``edgelake[rest]``. What one client does costs no other anything: a client
that is slow to ask, or slow to take its answer, holds a socket until its time is up; and what
all of them have not taken is bounded. Why uvicorn: ``docs/decisions/0007-rest-on-uvicorn.md``.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import socket
import ssl
import sys
import termios
import threading
from asyncio import TimerHandle
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgelake import limits
from edgelake.errors import ConfigurationError, ServiceError
from edgelake.services.rest import CERTIFICATE
from edgelake.services.tls_listener import TlsListener

if TYPE_CHECKING:
    from edgelake.services.rest import TlsFiles, WebApp

__all__ = ["HttpServer"]

_log = logging.getLogger(__name__)
_HEAD_FRAME_BYTES = len(b"GET  HTTP/1.1\r\n\r\n")
_FIELD_FRAME_BYTES = len(b": \r\n")


class _ToOurs(logging.Handler):
    """Has the library's errors in the log file, and off the node's terminal.

    Its warnings are about what callers send: they are counted, see `HttpServer.refusals`.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            _log.handle(record)


logging.getLogger("uvicorn").addHandler(_ToOurs())

_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class HttpServer:
    """One application behind one listening socket.

    Parameters
    ----------
    app : WebApp
    listening : socket
        Bound and listening; closed by `stop`.
    tls : TlsFiles or None
    failed : callable
        Told the reason if the server ends by itself.

    Notes
    -----
    `start` and `stop` may be called from any thread, each once. The application runs in
    the server's thread.
    """

    def __init__(
        self,
        app: WebApp,
        listening: socket.socket,
        tls: TlsFiles | None,
        failed: Callable[[str], None],
    ) -> None:
        self._listening = listening
        self._failed = failed
        self._refused: dict[str, int] = {}
        self._handshakes: TlsListener | None = None
        context = None if tls is None else _context(tls)
        if context is not None:
            self._listening = self._handshakes = TlsListener(listening, self._count)
        config = uvicorn.Config(
            app,
            http=_bounded_by(self._refused, self._handshakes),
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=limits.REST_KEEP_ALIVE_S,
            timeout_graceful_shutdown=limits.REST_FINISH_S,
            backlog=limits.REST_BACKLOG,
            ssl_context_factory=None if context is None else lambda config, usual: context,
        )
        config.load()
        self._server = _Server(config)
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="rest", daemon=True)

    def start(self) -> None:
        """Start serving, and return when requests are taken.

        Raises
        ------
        ServiceError
            The server did not come up.
        """
        self._thread.start()
        if not self._server.ready.wait(limits.START_TIMEOUT_S) or not self._server.started:
            self._ending = True
            self._server.should_exit = True
            self._listening.close()
            raise ServiceError(f"the REST server did not start: {self._server.trouble or 'late'}")

    def stop(self, timeout_s: float) -> bool:
        """Take no more requests, finish those at hand; return whether all were in time."""
        self._ending = True
        self._server.should_exit = True
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(limits.REST_FINISH_S)
        self._listening.close()
        return not self._thread.is_alive() and not self._server.force_exit

    @property
    def connections(self) -> int:
        """How many connections are open, those that have not agreed on keys yet included."""
        beginning = self._handshakes.handshakes if self._handshakes is not None else 0
        return len(self._server.server_state.connections) + beginning

    def refusals(self) -> dict[str, int]:
        """Return how many connections were closed for which reason."""
        return dict(self._refused)

    def _count(self, reason: str) -> None:
        self._refused[reason] = self._refused.get(reason, 0) + 1

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(self._server.serve(sockets=[self._listening]))
        except BaseException as exc:  # the thread's last word
            self._server.trouble = str(exc) or type(exc).__name__
            _log.exception("the REST server ended")
        self._server.ready.set()
        if not self._ending:
            self._failed(f"the REST server ended: {self._server.trouble or 'for no known reason'}")


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose servers bound how long TLS takes to begin, and to end."""

    async def create_server(self, *args: Any, **options: Any) -> Any:
        """Return a server."""
        if options.get("ssl") is not None:
            options["ssl_handshake_timeout"] = limits.REST_REQUEST_S
            options["ssl_shutdown_timeout"] = limits.REST_TAKE_S
        return await super().create_server(*args, **options)


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.trouble = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _bounded_by(refused: dict[str, int], handshakes: TlsListener | None) -> type[asyncio.Protocol]:
    """Return the protocol of a server that counts here whom it closed, and why."""
    own = {
        "refused": refused,
        "handshakes": handshakes,
        "addresses": Counter(),
        "untaken": {},
    }
    return type("BoundedHttp", (_BoundedHttp,), own)


class _BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 with bounds on what is not a whole request yet, and on answers not taken."""

    refused: dict[str, int]
    handshakes: TlsListener | None
    addresses: Counter[str]
    untaken: dict[_BoundedHttp, None]
    """Whose answers are not taken as fast as they come, the longest waiting first."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.handshakes is not None:
            self.handshakes.agreed(transport.get_extra_info("peername"))
        self._timer: TimerHandle | None = None
        self._reader: TimerHandle | None = None
        self._head_bytes = 0
        self._parsed_bytes = 0
        self._in_head = True
        super().connection_made(transport)  # type: ignore[arg-type]
        # Whatever of an answer nobody takes is noticed, be it the end of it. (With 0 asyncio's
        # TLS never writes again.)
        self.transport.set_write_buffer_limits(1)
        self._certified = _common_name(transport)
        self._address = self.client[0] if self.client else ""
        self.addresses[self._address] += 1
        if (
            len(self.connections) > limits.MAX_REST_CONNECTIONS
            or self.addresses[self._address] > limits.MAX_REST_CONNECTIONS_OF_ADDRESS
        ):
            self._refuse(503, "no_room", "too many connections", "try again later")
            return
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_reader()
        self.addresses[self._address] -= 1
        if not self.addresses[self._address]:
            del self.addresses[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > limits.MAX_REST_HEAD_BYTES and not self.transport.is_closing():
            self._too_large()

    def on_message_begin(self) -> None:
        self._in_head = True
        self._parsed_bytes = _HEAD_FRAME_BYTES
        if self._timer is None:
            self._await_request()
        super().on_message_begin()
        if self._certified:
            self.scope[CERTIFICATE] = self._certified  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._parse(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # A field behind the body: who was judged by his head does not change it.
            return
        if len(self.headers) >= limits.MAX_REST_HEADERS:
            self._too_large()
            return
        super().on_header(name, value)
        self._parse(len(name) + len(value) + _FIELD_FRAME_BYTES)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Begin to count what is no body: the next line, or the fields behind the last one."""
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        if self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_timer()
        self._in_head = True
        if self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            self._refuse(400, "bad_request", "this is no HTTP request", "write HTTP/1.1")

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reader is None:
            self.untaken[self] = None
            self._await_reader()
            self._make_room()

    def resume_writing(self) -> None:
        self._stop_reader()
        super().resume_writing()

    # ------------------------------------------------------------- bounds

    def _await_request(self) -> None:
        """Begin to count the time in which a request has to be whole."""
        self._timer = self.loop.call_later(limits.REST_REQUEST_S, self._late)

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(408, "slow_request", "the request was not whole in time", "send it faster")

    def _await_reader(self) -> None:
        """Begin to count the time in which a part of the answer has to be taken."""
        self._reader = self.loop.call_later(limits.REST_TAKE_S, self._taken_since, self._left())

    def _left(self) -> int:
        """Return how many bytes of the answer the caller's machine has not acknowledged."""
        sent = self.transport.get_extra_info("socket")
        in_kernel = fcntl.ioctl(sent.fileno(), termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)

    def _taken_since(self, before: int) -> None:
        if before - self._left() < limits.REST_TAKE_BYTES:
            self._not_taken()
        else:
            self._await_reader()

    def _make_room(self) -> None:
        """Drop those who have waited longest while too much waits, but for this one."""
        held = {one: one.transport.get_write_buffer_size() for one in self.untaken}
        total = sum(held.values())
        for one, size in held.items():
            if total <= limits.MAX_REST_UNTAKEN_BYTES or one is self:
                break
            one._not_taken()
            total -= size

    def _not_taken(self) -> None:
        self._stop_reader()
        self._count("slow_reader")
        self.transport.abort()

    def _parse(self, size_bytes: int) -> None:
        """Count a part of the head: a whole one may come at once, and is no smaller for that."""
        self._parsed_bytes += size_bytes
        if self._parsed_bytes > limits.MAX_REST_HEAD_BYTES:
            self._too_large()

    def _too_large(self) -> None:
        if not self.transport.is_closing():
            self._refuse(
                431,
                "large_head",
                f"the head of the request exceeds {limits.MAX_REST_HEAD_BYTES} bytes"
                f" or {limits.MAX_REST_HEADERS} fields",
                "send a long command in the body",
            )

    def _refuse(self, status: int, reason: str, error: str, hint: str) -> None:
        """Answer what never became a request, and close."""
        self._count(reason)
        self._stop_timer()
        if self._is_answering():
            # Who is in the middle of an answer would take this for a part of it.
            self.transport.abort()
            return
        body = json.dumps({"code": ServiceError.code, "error": error, "hint": hint}).encode()
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
        # Who takes nothing, or does not agree to end TLS, would hold it.
        self.loop.call_later(limits.REST_FINISH_S, self.transport.abort)

    def _is_answering(self) -> bool:
        """Return whether an answer is under way, or is owed for a whole request."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return cycle.response_started or not cycle.more_body or bool(self.pipeline)

    def _count(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_reader(self) -> None:
        self.untaken.pop(self, None)
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None


def _common_name(transport: asyncio.BaseTransport) -> str:
    """Return the one common name in the certificate of who connected; empty if there is none."""
    certificate = transport.get_extra_info("peercert") or {}
    parts = (pair for part in certificate.get("subject", ()) for pair in part)
    names = [value for key, value in parts if key == "commonName"]
    return names[0] if len(names) == 1 else ""


def _context(tls: TlsFiles) -> ssl.SSLContext:
    """Return a context that asks each client for a certificate of the authority.

    Raises
    ------
    ConfigurationError
        A file is missing or holds something else.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED

    def nobody_there() -> str:
        # Else the library asks on the terminal, and the node waits.
        raise ConfigurationError(
            f"the key for TLS is encrypted: {tls.key}",
            hint="store it without a pass phrase, readable for the node's user alone",
        )

    def load_chain() -> None:
        context.load_cert_chain(tls.certificate, tls.key, nobody_there)

    steps: Sequence[tuple[str, Callable[[], Any], Any]] = (
        ("certificate", load_chain, tls.certificate),
        ("authority", lambda: context.load_verify_locations(tls.authority), tls.authority),
    )
    for what, load, path in steps:
        try:
            load()
        except FileNotFoundError as exc:
            missing = next(
                (p for p in (tls.certificate, tls.key, tls.authority) if not p.exists()), path
            )
            raise ConfigurationError(
                f"file for TLS is missing: {missing}",
                hint="put it there, or run the server without ssl = true",
            ) from exc
        except (ssl.SSLError, OSError) as exc:
            raise ConfigurationError(
                f"{what} for TLS is not usable: {path}: {exc}",
                hint="certificates and keys are PEM, and the key is that of the certificate",
            ) from exc
    return context
