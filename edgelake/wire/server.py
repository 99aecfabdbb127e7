"""The message server: native I/O threads below, Python handlers above."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any

from edgelake import limits
from edgelake._native import Message, Server
from edgelake.errors import EdgeLakeError, Overloaded, RemoteProtocolError
from edgelake.wire.addresses import Endpoint, numeric_ip, route_to
from edgelake.wire.codes import short_text, wire_code
from edgelake.wire.messages import (
    Reply,
    fixed_reply_blocks,
    reply_blocks,
    reply_destination,
)
from edgelake.wire.sender import MessageSender

__all__ = ["BatchHandler", "Handler", "MessageServer"]

Handler = Callable[[Message], Reply | Future[Reply | None] | None]
"""Takes one whole message; what it returns, or what the future gives, goes back to the
message's source."""

BatchHandler = Callable[[list[Message]], Iterable[tuple[Message, Reply]] | None]
"""Takes messages in the order of their arrival; returns answers to any of them."""

_log = logging.getLogger(__name__)
_LOOK_AROUND_S = 0.25
_ANY = "0.0.0.0"
_FAR_AWAY = "192.0.2.1"  # of no network (RFC 5737); stands for all that are not local


class MessageServer:
    """Listens for messages and answers them.

    Parameters
    ----------
    host : str
        IPv4 address to listen on; ``0.0.0.0`` for every interface.
    port : int
        0..65535; 0 lets the system choose, see `address`.
    handler : callable
        Called with each whole `Message` on one of ``dispatch_threads``
        threads, never on an I/O thread. Returns a `Reply`, ``None``, or a future of
        them: then no thread waits for the answer. An `EdgeLakeError` it raises is
        answered as the protocol's error reply; any other exception is logged and
        answered with error 3.
    batch : bool
        The handler is a `BatchHandler`: it is called once for all messages
        that came together, up to ``limits.BATCH_MESSAGES``, and must not raise
        for one of them.
    threads : int
        Native I/O threads, 1..64.
    dispatch_threads : int
        Python threads that run the handler, 1..64.
    source : callable or None
        Gives our own address as a peer (its IP) should see it; by default
        the listening address.
    sender : MessageSender or None
        Used for replies, and left running on `stop`; by default the server
        has one of its own.
    **native
        Limits of the native server, see `edgelake.limits`:
        ``byte_timeout_s``, ``message_timeout_s``, ``idle_timeout_s``,
        ``max_connections``, ``max_message_bytes``, ``max_assembly_bytes``,
        ``max_queued_messages``, ``max_queued_bytes``, ``backlog``.

    Notes
    -----
    A context manager: entering starts, leaving stops. `reply` may be called
    from any thread.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        handler: Handler | BatchHandler,
        batch: bool = False,
        threads: int = limits.DEFAULT_THREADS,
        dispatch_threads: int = limits.DISPATCH_THREADS,
        source: Callable[[str], Endpoint] | None = None,
        sender: MessageSender | None = None,
        **native: Any,
    ) -> None:
        self._native = Server(host, port, threads=threads, **native)
        self._handler: Any = handler
        self._source = source or self._own_address
        self._fixed_source: tuple[str, int] | None = None  # the same for every peer
        self._sender = sender or MessageSender()
        self._owns_sender = sender is None
        self._sender.attach(self._native)
        self._ready: deque[Message] = deque()
        self._counters = {"handler_errors": 0, "replies": 0, "reply_failures": 0}
        self._routes: dict[str, Reply | None] = {}
        self._routing = threading.Lock()
        self._handled = [0] * dispatch_threads  # each written by one thread
        self._lock = threading.Lock()
        self._later = 0
        self._none_later = threading.Condition(self._lock)
        self._large = threading.Lock()
        dispatch = self._dispatch_batches if batch else self._dispatch
        self._dispatchers = [
            threading.Thread(target=dispatch, args=(n,), name=f"dispatch-{n}", daemon=True)
            for n in range(dispatch_threads)
        ]

    @property
    def address(self) -> tuple[str, int]:
        """Host and real port of the listening socket."""
        return self._native.address

    @property
    def dispatch_threads(self) -> int:
        """Threads that run the handler."""
        return len(self._dispatchers)

    @property
    def running(self) -> bool:
        """Whether the listening socket is open."""
        return self._native.running

    def start(self) -> None:
        """Bind, listen and start every thread.

        Raises
        ------
        OSError
            The address is taken or not ours.
        """
        self._native.start()
        if self._source == self._own_address and self._native.address[0] != _ANY:
            self._fixed_source = self._native.address
        with self._routing:  # answers name our port, which is known now
            for command, reply in self._routes.items():
                self._set_route(command, reply)
        if self._owns_sender:
            self._sender.start()
        for thread in self._dispatchers:
            thread.start()

    def stop(self, timeout_s: float = limits.STOP_TIMEOUT_S) -> bool:
        """Stop accepting, handle what was accepted, close; return whether all was handled.

        May be called twice, and from any thread but a handler's.
        """
        deadline = time.monotonic() + timeout_s
        drained = self._native.stop(timeout_s)
        for thread in self._dispatchers:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
                drained = drained and not thread.is_alive()
        with self._none_later:
            left_s = max(0.0, deadline - time.monotonic())
            drained = self._none_later.wait_for(lambda: not self._later, left_s) and drained
        if self._owns_sender:
            drained = self._sender.stop(max(0.1, deadline - time.monotonic())) and drained
        return drained

    def __enter__(self) -> MessageServer:
        """Start and return the server."""
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the server."""
        self.stop()

    def reply(self, message: Message, reply: Reply) -> None:
        """Send an answer to the source of a message, now or later; never blocks.

        An answer that cannot be sent is counted and logged, not raised: the
        peer named an address where nothing is.
        """
        try:
            if self._fixed_source is not None:
                host, port = self._fixed_source
            else:
                source = self._source(message.peer_ip)
                host, port = source.host, source.port
            if reply.body:
                self._answer_large(message, reply, host, port)
            else:
                self._sender.answer(message, reply_blocks(message, reply, host, port))
        except EdgeLakeError as exc:
            self._count("reply_failures")
            _log.info("no reply to %s: %s", reply_destination(message) or message.peer_ip, exc)
        except Exception:
            # Whatever a handler answers, or a peer makes it answer, ends no dispatcher.
            self._count("reply_failures")
            _log.exception("no reply to a message from %s", message.peer_ip)
        else:
            self._count("replies")

    def _answer_large(self, message: Message, reply: Reply, host: str, port: int) -> None:
        """Send an answer with a body, or say that there is no room for it now.

        One at a time: each is there two or three times while it is made.
        """
        with self._large:
            try:
                waiting = self._sender.statistics()["pending_bytes"]
                if waiting + len(reply.body) > limits.MAX_PENDING_LARGE_BYTES:
                    raise Overloaded(f"{waiting:,} bytes wait to be sent to others")
                self._sender.answer(message, reply_blocks(message, reply, host, port))
            except Overloaded as exc:
                refusal = Reply.failed(exc.code, f"{short_text(exc.code)}: {exc}")
                self._sender.answer(message, reply_blocks(message, refusal, host, port))

    # ----------------------------------------------------- native answers

    def route(self, command: str, reply: Reply | None) -> None:
        """Have the I/O threads answer a command by themselves, without Python.

        Parameters
        ----------
        command : str
            The whole message, at most 63 bytes; it must be exactly this.
        reply : Reply or None
            The answer to each of them, at most 64 KiB as blocks; ``None``
            counts the message and drops it.

        Raises
        ------
        ConfigurationError
            A bound is exceeded.

        Notes
        -----
        Before or while the server runs; each I/O thread takes it up with its
        next round. A request that names its reply address by a host name goes
        to the handler all the same.
        """
        with self._routing:
            self._set_route(command, reply)
            self._routes[command] = reply

    def unroute(self, command: str) -> None:
        """End what `route` began; nothing happens if there is no such route."""
        with self._routing:
            self._routes.pop(command, None)
            self._native.remove_route(command.encode())

    def own_addresses(self, places: Iterable[Endpoint]) -> None:
        """Name the addresses by which peers reach this server through routers.

        An offer of a session is bound to the address its sender connected to.
        Host names are left out.
        """
        numeric = {(ip, to.port) for to in places if (ip := numeric_ip(to.host)) is not None}
        self._native.set_places(sorted(numeric))

    def ledger_unchanged(self, md5: str, lease_s: float) -> None:
        """Have polls of the ledger with this hash answered natively, with nothing.

        Parameters
        ----------
        md5 : str
            32 hexadecimal digits, or empty: from now on no poll is.
        lease_s : float
            How long the hash is known to be right.
        """
        self._native.set_ledger_hash(md5.encode(), lease_s)

    def _set_route(self, command: str, reply: Reply | None) -> None:
        near = far = b""
        if reply is not None:
            near = self._fixed(reply, "127.0.0.1")
            far = self._fixed(reply, _FAR_AWAY)
        self._native.set_route(command.encode(), near, far)

    def _fixed(self, reply: Reply, peer_ip: str) -> bytes:
        host, port = self._native.address
        if self._source == self._own_address:
            # Of 0.0.0.0 receivers take the address that the answer comes from.
            source = Endpoint(host, port)
        else:
            source = self._source(peer_ip)
        return fixed_reply_blocks(reply, source.host, source.port)

    # ----------------------------------------------------------- figures

    def statistics(self) -> dict[str, int]:
        """Return counters of the native server and of the handlers."""
        native = self._native.statistics()
        # Those that a thread received with others wait for a handler, too.
        native["queued_messages"] += len(self._ready)
        with self._lock:
            return {**native, "handled": sum(self._handled), **self._counters}

    def latencies(self) -> dict[str, bytes]:
        """Return how long messages took, see `edgelake.wire.latencies`."""
        return self._native.latencies()

    def bounds(self) -> dict[str, int | float]:
        """Return the limits of the native server that are in force, by their names."""
        return self._native.bounds()

    def threads(self) -> list[dict[str, int]]:
        """Return the counters of each I/O thread."""
        return self._native.threads()

    def _own_address(self, peer_ip: str) -> Endpoint:
        host, port = self.address
        return Endpoint(route_to(peer_ip, 9) if host == _ANY else host, port)

    def _count(self, name: str, more: int = 1) -> None:
        with self._lock:
            self._counters[name] += more

    def _dispatch(self, number: int) -> None:
        ready, native = self._ready, self._native
        while True:
            # What one thread received is open to all: a slow handler holds
            # back its own message only. Threads that sleep look around from
            # time to time for messages left behind by a slow one.
            try:
                message = ready.popleft()
            except IndexError:
                batch = native.receive(limits.BATCH_MESSAGES, _LOOK_AROUND_S)
                if batch is None:
                    if not ready:
                        return
                    continue
                ready.extend(batch)
                del batch
                continue
            if self._handle(message):
                self._handled[number] += 1
            native.note_handled(message)
            # A thread that sleeps keeps nothing: a message may be as long as a ledger.
            del message

    def _dispatch_batches(self, number: int) -> None:
        native = self._native
        while (batch := native.receive(limits.BATCH_MESSAGES, None)) is not None:
            if not batch:
                continue
            if self._handle_batch(batch):
                self._handled[number] += len(batch)
            native.note_handled(batch[0], len(batch))
            del batch

    def _handle_batch(self, batch: list[Message]) -> bool:
        """Run the handler and answer; return whether the messages were handled."""
        try:
            for message, answer in self._handler(batch) or ():
                self.reply(message, answer)
        except Exception:
            self._count("handler_errors", len(batch))
            _log.exception("handler failed for %d messages", len(batch))
            return False
        return True

    def _handle(self, message: Message) -> bool:
        """Run the handler and answer; return whether the message was handled."""
        try:
            answer = self._handler(message)
        except RemoteProtocolError as exc:
            # A peer that cannot encode its text would not read our answer.
            self._count("handler_errors")
            _log.warning("message from %s dropped: %s", message.peer_ip, exc)
            return False
        except Exception as exc:
            answer = self._failure(message, exc)
        if isinstance(answer, Future):
            with self._lock:
                self._later += 1
            answer.add_done_callback(partial(self._answer_later, message))
        elif answer is not None:
            self.reply(message, answer)
        return True

    def _answer_later(self, message: Message, done: Future[Reply | None]) -> None:
        """Send an answer that has come after its handler returned."""
        error = done.exception()
        answer = done.result() if error is None else self._failure(message, error)
        if answer is not None:
            self.reply(message, answer)
        with self._none_later:
            self._later -= 1
            self._none_later.notify_all()

    def _failure(self, message: Message, error: BaseException) -> Reply:
        """Return the answer of a handler that failed."""
        self._count("handler_errors")
        if isinstance(error, EdgeLakeError):
            code = wire_code(error)
            return Reply.failed(code, f"{short_text(code)}: {error}")
        _log.error("handler failed for a message from %s", message.peer_ip, exc_info=error)
        return Reply.failed(3)
