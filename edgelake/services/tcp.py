"""The TCP service: listens for other nodes and is the address they answer to."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from edgelake import limits
from edgelake.errors import ConfigurationError, EdgeLakeError, ServiceError
from edgelake.services.base import Service
from edgelake.services.rates import RateMeter, Rates
from edgelake.wire import (
    Endpoint,
    FileFlag,
    Handler,
    Job,
    MessageSender,
    MessageServer,
    Reply,
    encoded_command,
    file_blocks,
    is_private,
    numeric_ip,
    request_blocks,
    travels_as_file,
)

__all__ = ["TcpOptions", "TcpService"]


@dataclass(frozen=True, slots=True)
class TcpOptions:
    """What ``run tcp server`` was told.

    Attributes
    ----------
    external, internal : Endpoint
        Addresses for peers outside and inside the local network; port 0
        lets the system choose.
    bind : bool
        Listen on the internal address only, else on every interface.
    threads : int
        I/O threads, 1..64.
    """

    external: Endpoint
    internal: Endpoint
    bind: bool = False
    threads: int = limits.DEFAULT_THREADS


class TcpService(Service):
    """Owns the message server and the sender of a node.

    Parameters
    ----------
    options : TcpOptions
    handler : callable
        Gets every message of a peer, see `edgelake.wire.Handler`.
    """

    name = "tcp"
    title = "TCP"
    absent = "No active connection"

    def __init__(self, options: TcpOptions, handler: Handler) -> None:
        super().__init__()
        self.options = options
        self._handler = handler
        self._sender: MessageSender | None = None
        self._server: MessageServer | None = None
        self._started_s = 0.0
        self._meter = RateMeter(0.0)
        self._large = cycle(range(1, 101))

    # ------------------------------------------------------------- life

    def _start(self) -> None:
        options = self.options
        host = _own_address(options.internal.host)
        if not options.bind:
            host = "0.0.0.0"
        sender = MessageSender(route=self._route)
        server = MessageServer(
            host,
            options.internal.port,
            handler=self._handler,
            threads=options.threads,
            source=self.source_for,
            sender=sender,
        )
        sender.start()
        self._started_s = time.monotonic()
        self._meter = RateMeter(self._started_s)
        # Set before the first message can arrive: its answer needs them.
        self._sender, self._server = sender, server
        try:
            server.start()
        except OSError as exc:
            self._sender = self._server = None
            sender.stop(0.1)
            where = f"{host}:{options.internal.port}"
            raise ServiceError(
                f"cannot listen on {where}: {exc.strerror or exc}",
                hint="choose another port or end the program that uses it",
            ) from exc
        port = server.address[1]
        self.options = TcpOptions(
            Endpoint(options.external.host, options.external.port or port),
            Endpoint(options.internal.host, port),
            options.bind,
            options.threads,
        )
        server.own_addresses((self.options.external, self.options.internal))

    def _stop(self, timeout_s: float) -> bool:
        server, sender = self._server, self._sender
        if server is None or sender is None:
            return True
        deadline = time.monotonic() + timeout_s
        drained = server.stop(timeout_s)
        drained = sender.stop(max(0.1, deadline - time.monotonic())) and drained
        self._server = self._sender = None
        return drained

    def describe(self) -> str:
        """Return where the server listens and with how many threads."""
        return f"Listening on: {self.bound}, Threads Pool: {self.options.threads}"

    # ---------------------------------------------------------- figures

    def figures(self) -> dict[str, Any]:
        """Return counters of server and sender; none when the service has stopped."""
        server, sender = self._server, self._sender
        if server is None or sender is None:
            return {}
        return {"server": server.statistics(), "sender": sender.statistics()}

    def threads(self) -> list[dict[str, int]]:
        """Return the counters of each I/O thread."""
        server = self._server
        return server.threads() if server else []

    def latencies(self) -> dict[str, bytes]:
        """Return how long messages took, see `edgelake.wire.Latency`."""
        server = self._server
        return server.latencies() if server else {}

    def bounds(self) -> dict[str, int | float]:
        """Return the limits of the server that are in force, by their names."""
        server = self._server
        if server is None:
            return {}
        return {"handler_threads": server.dispatch_threads, **server.bounds()}

    def uptime_s(self) -> float:
        """Return how long the service has been listening, in seconds."""
        return time.monotonic() - self._started_s

    def rates(self, totals: Mapping[str, int]) -> tuple[Rates, Rates]:
        """Return how fast counters grow: since the start, and since rates were asked before.

        Parameters
        ----------
        totals : mapping of str to int
            The counters now; always the same ones.
        """
        return self._meter.take(time.monotonic(), totals)

    # -------------------------------------------------------- addresses

    @property
    def bound(self) -> Endpoint:
        """The address the socket is bound to."""
        host = self.options.internal.host if self.options.bind else "0.0.0.0"
        return Endpoint(host, self.options.internal.port)

    def source_for(self, peer: str) -> Endpoint:
        """Return the address a peer should answer to: internal for peers of the local network."""
        ip = numeric_ip(peer)
        if ip is not None and is_private(ip):
            return self.options.internal
        return self.options.external

    def _route(self, to: Endpoint) -> Endpoint:
        # Routers seldom lead back in: our own external address is reached inside.
        if to.host == self.options.external.host:
            return Endpoint(self.options.internal.host, to.port)
        return to

    # ---------------------------------------------------------- sending

    def request(
        self,
        to: Endpoint,
        command: str,
        job: Job | None = None,
        *,
        attempts: int = limits.SEND_ATTEMPTS,
        retry_pause_s: float = limits.RETRY_PAUSE_S,
        asks: bool = False,
    ) -> Future[bool]:
        """Send a command to a node; return a future done when it was taken.

        A command over 1,840 bytes travels as a file that the receiver
        executes. Whether its reply can be matched is the future's result; with
        ``asks`` it is waited for whatever the length.
        """
        source = self.source_for(to.host)
        encoded = encoded_command(command)
        large = travels_as_file(encoded)
        if large:
            name = f"cmd.{source.host}.{next(self._large)}.lmsg"
            blocks = file_blocks(name, encoded, FileFlag.COMMAND, source.host, source.port, job)
        else:
            blocks = request_blocks(command, source.host, source.port, job)
        return self._require_sender().send(
            to,
            blocks,
            attempts=attempts,
            retry_pause_s=retry_pause_s,
            asks=asks or (large and job is not None and job.number != 0),
        )

    def session_to(self, to: Endpoint) -> int:
        """Return the session that leads to a node, 0 if there is none or the service stops."""
        sender = self._sender
        return sender.session_to(to) if sender is not None else 0

    def send_file(
        self, to: Endpoint, name: str, content: bytes, flag: FileFlag, job: Job
    ) -> Future[bool]:
        """Send a file under a name of the receiver's; return a future done when it was taken.

        Its result says whether the receiver answers the job when it has written the file.
        """
        source = self.source_for(to.host)
        blocks = file_blocks(name, content, flag, source.host, source.port, job)
        return self._require_sender().send(
            to, blocks, retry_pause_s=limits.CLIENT_RETRY_PAUSE_S, asks=True
        )

    def answer(self, to: Endpoint, command: str, peer_ip: str, session: int = 0) -> None:
        """Send a command as the answer to a message that came from ``peer_ip``."""
        source = self.source_for(to.host)
        blocks = request_blocks(command, source.host, source.port)
        self._require_sender().reply(to, blocks, peer_ip, session)

    def tell(self, command: str, peers: Iterable[tuple[Endpoint, str, int]]) -> int:
        """Send one short command as the answer to earlier messages of many peers.

        Parameters
        ----------
        peers : iterable of (Endpoint, str, int)
            Where each wants it, the IP address its message came from, and its session.

        Returns
        -------
        int
            To how many it is on its way.
        """
        sender = self._require_sender()
        made: dict[Endpoint, bytes] = {}
        count = 0
        for to, peer_ip, session in peers:
            source = self.source_for(to.host)
            blocks = made.get(source)
            if blocks is None:
                blocks = made[source] = request_blocks(command, source.host, source.port)
            try:
                sender.reply(to, blocks, peer_ip, session)
            except EdgeLakeError:
                continue
            count += 1
        return count

    def answer_file(
        self,
        to: Endpoint,
        name: str,
        content: bytes,
        flag: FileFlag,
        peer_ip: str,
        session: int = 0,
    ) -> None:
        """Send a file, under a name of the receiver's, as the answer to a message."""
        sender = self._require_sender()
        sender.require_room(peer_ip, len(content))
        source = self.source_for(to.host)
        blocks = file_blocks(name, content, flag, source.host, source.port)
        sender.reply(to, blocks, peer_ip, session)

    # --------------------------------------------------- native answers

    def route(self, command: str, reply: Reply | None) -> None:
        """Have a command answered without Python, see `MessageServer.route`."""
        if self._server is not None:
            self._server.route(command, reply)

    def ledger_unchanged(self, md5: str) -> None:
        """Have polls with this hash answered natively for a while; empty: none any more."""
        if self._server is not None:
            self._server.ledger_unchanged(md5, limits.LEDGER_LEASE_S)

    def _require_sender(self) -> MessageSender:
        if self._sender is None:
            raise ServiceError("the TCP server is stopping")
        return self._sender


def _own_address(host: str) -> str:
    """Return the numeric address to bind for a name of this machine."""
    ip = numeric_ip(host)
    if ip is not None:
        return ip
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise ConfigurationError(
            f"'{host}' is no IPv4 address and does not resolve to one",
            hint="write an address of this machine, for example 127.0.0.1",
        ) from exc
    return str(found[0][4][0])
