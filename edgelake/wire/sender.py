"""Outbound messages: sent by one native thread, their outcome as futures."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count

from edgelake import limits
from edgelake._native import Message, Sender, Server
from edgelake.errors import (
    EdgeLakeError,
    LocalProtocolError,
    PeerClosed,
    PeerError,
    PeerRefused,
    PeerTimeout,
)
from edgelake.wire.addresses import Endpoint, Resolver, numeric_ip
from edgelake.wire.messages import reply_destination

__all__ = ["MessageSender"]

_REFUSED = {errno.ECONNREFUSED}
_TIMEOUT = {errno.ETIMEDOUT}
_CLOSED = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}


class MessageSender:
    """Sends whole messages without ever blocking.

    Each goes on a connection of its own, or by the session that leads to its
    destination (``docs/protocol.md``, "Sessions"). Owns the native sender
    thread, one thread that completes futures, and the resolver. ``start``
    once, ``stop`` once; ``reply`` and ``send`` from any thread between.

    Parameters
    ----------
    route : callable or None
        Rewrites a destination before it is used, for addresses that are
        reached another way from here.
    """

    def __init__(self, route: Callable[[Endpoint], Endpoint] | None = None) -> None:
        self._route = route
        self._native = Sender(
            connect_timeout_s=limits.CONNECT_TIMEOUT_S,
            block_timeout_s=limits.BLOCK_SEND_TIMEOUT_S,
            max_pending=limits.MAX_PENDING_SENDS,
            max_pending_bytes=limits.MAX_PENDING_SEND_BYTES,
            max_pending_per_destination=limits.MAX_PENDING_PER_DESTINATION,
            max_sockets_per_destination=limits.MAX_SOCKETS_PER_DESTINATION,
        )
        self._resolver = Resolver()
        self._lock = threading.Lock()
        self._tickets = count(1)
        self._waiting: dict[int, tuple[Endpoint, Future[bool]]] = {}
        self._reaper = threading.Thread(target=self._complete, name="send-results", daemon=True)

    def attach(self, server: Server) -> None:
        """Keep sessions in the I/O threads of a native server; before either is started."""
        self._native.attach(server)

    def start(self) -> None:
        """Start the two threads."""
        self._native.start()
        self._reaper.start()

    def stop(self, timeout_s: float) -> bool:
        """Send what goes in ``timeout_s`` seconds, fail the rest; return whether all went."""
        self._resolver.close()
        flushed = self._native.stop(timeout_s)
        if self._reaper.is_alive():
            self._reaper.join(timeout_s)
        return flushed

    def answer(self, message: Message, blocks: bytes) -> None:
        """Send an answer to the source of a message; nobody waits for its outcome.

        By its session, or by the protocol's retry rule to the address it names.

        Raises
        ------
        Overloaded, LocalProtocolError
        """
        if (self._route is None or message.session) and self._native.answer(message, blocks):
            return
        to = reply_destination(message)
        if to is None:
            raise LocalProtocolError(f"port {message.source_port} wants no answer")
        self.reply(to, blocks, message.peer_ip, message.session)

    def reply(self, to: Endpoint, blocks: bytes, peer: str, session: int = 0) -> None:
        """Send an answer by the protocol's retry rule; nobody waits for its outcome.

        Parameters
        ----------
        peer : str
            IP address whose message caused it. What one peer causes is
            bounded, so that answers nobody takes do not displace those of others.
        session : int
            `Message.session` of that message: the answer goes back by it.

        Raises
        ------
        Overloaded, LocalProtocolError
        """
        to = self._route(to) if self._route else to
        ip = numeric_ip(to.host)
        if ip is None and session:
            ip = peer
        if ip is not None:
            self._native.send(ip, to.port, blocks, cause=peer, session=session)
            return

        def go(found: str) -> None:
            self._native.send(found, to.port, blocks, cause=peer)

        outcome = self._resolver.resolve(to.host, go, limits.MAX_PENDING_REPLY_LOOKUPS)
        if outcome.done():
            outcome.result()

    def require_room(self, peer: str, size: int) -> None:
        """Check, before the work of making it, that an answer of ``size`` bytes can be sent.

        Raises
        ------
        Overloaded
            Too many answers, or too many bytes, that this peer caused are under way.
        """
        self._native.require_room(peer, size)

    def send(
        self,
        to: Endpoint,
        blocks: bytes,
        *,
        attempts: int = limits.SEND_ATTEMPTS,
        retry_pause_s: float = limits.RETRY_PAUSE_S,
        asks: bool = False,
    ) -> Future[bool]:
        """Send and return a future that is done when the peer has the message.

        On a connection of its own that means that the peer's kernel took every
        byte; by a session, that the peer acknowledged it.

        Parameters
        ----------
        asks : bool
            Wait until it is known whether the peer keeps connections.

        Returns
        -------
        Future of bool
            Whether the peer is known to keep connections: it then answers
            requests of any length. Holds `PeerRefused`, `PeerTimeout`,
            `PeerClosed`, `PeerError` or `Overloaded` when it failed.
        """
        to = self._route(to) if self._route else to
        outcome: Future[bool] = Future()
        with self._lock:
            ticket = next(self._tickets)
            self._waiting[ticket] = (to, outcome)

        def go(ip: str) -> None:
            self._native.send(
                ip,
                to.port,
                blocks,
                ticket=ticket,
                attempts=attempts,
                retry_pause_s=retry_pause_s,
                asks=asks,
            )

        def check(started: Future[None]) -> None:
            error = started.exception()
            if error is not None:
                with self._lock:
                    self._waiting.pop(ticket, None)
                outcome.set_exception(error)

        try:
            self._resolver.resolve(to.host, go).add_done_callback(check)
        except EdgeLakeError as exc:
            with self._lock:
                self._waiting.pop(ticket, None)
            outcome.set_exception(exc)
        return outcome

    def session_to(self, to: Endpoint) -> int:
        """Return the number of the session by which messages for a node travel, 0 for none.

        An answer that was to come by a session that is not there any more will most likely
        never come. Waits for nothing: of a host name nobody has looked up nothing is known.
        """
        to = self._route(to) if self._route else to
        ip = numeric_ip(to.host) or self._resolver.known(to.host)
        return self._native.session_to(ip, to.port) if ip is not None else 0

    def statistics(self) -> dict[str, int]:
        """Return the native counters: sent, failed, retries, pending and more."""
        return self._native.statistics()

    def _complete(self) -> None:
        while True:
            batch = self._native.completions(limits.BATCH_MESSAGES, None)
            if batch is None:
                self._give_up()
                return
            for ticket, number, kept in batch:
                with self._lock:
                    entry = self._waiting.pop(ticket, None)
                if entry is None:
                    continue
                to, outcome = entry
                if number == 0:
                    outcome.set_result(kept)
                else:
                    outcome.set_exception(_peer_error(to, number))

    def _give_up(self) -> None:
        """Fail what is still in sessions: it may have arrived, but nobody hears of it any more."""
        with self._lock:
            left = list(self._waiting.values())
            self._waiting.clear()
        for to, outcome in left:
            outcome.set_exception(_peer_error(to, errno.ECANCELED))


def _peer_error(to: Endpoint, number: int) -> PeerError:
    """Return the error for a system error number of one destination."""
    if number in _REFUSED:
        return PeerRefused(
            f"{to} refused the connection", hint="start that node or correct the address"
        )
    if number in _TIMEOUT:
        return PeerTimeout(f"{to} did not take the message in time")
    if number in _CLOSED:
        return PeerClosed(f"{to} closed the connection before it took the message")
    return PeerError(f"sending to {to} failed: {os.strerror(number)}")
