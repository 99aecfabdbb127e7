"""The sender: outbound messages, each on its own connection."""

import os
import warnings

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from edgelake._native cimport atomic
from edgelake._native.delivery cimport (
    Delivery,
    delivery_close,
    delivery_open,
    delivery_run,
)
from edgelake._native.message cimport Message
from edgelake._native.outbox cimport *
from edgelake._native.posix cimport (
    AF_INET,
    getpid,
    inet_pton,
    pid_t,
    pthread_join,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from edgelake._native.posting cimport post
from edgelake._native.server cimport Server
from edgelake._native.system cimport (
    as_ns,
    close_quietly,
    condition_wait,
    now_ns,
    remember,
    slice_end,
    thread_start,
    wake,
)
from edgelake._native.wire cimport BLOCK_BYTES

from edgelake import limits as _limits
from edgelake.errors import (
    AlreadyRunning,
    ConfigurationError,
    LocalProtocolError,
    NotRunning,
    Overloaded,
)


cdef enum:
    COPIED_AT_ONCE = 65536      # more is copied while other Python threads run


@cython.final
cdef class Sender:
    """One thread that connects, writes and closes for any number of messages.

    Parameters
    ----------
    connect_timeout_s : float
        Wait for one connection attempt.
    block_timeout_s : float
        Longest time in which a peer takes no byte of a message.
    max_pending, max_pending_bytes : int
        Messages that wait or travel, over all destinations. Outcomes that
        nobody has fetched by `completions` count as messages.
    max_pending_per_destination : int
        Messages that wait for or travel to one address.
    max_sockets_per_destination : int
        Connections open to one address at a time.

    Raises
    ------
    ConfigurationError
        A parameter is out of its range.

    Notes
    -----
    Lives once: `start`, then `stop` or `close`. Owns the thread, which owns
    the sockets; both are gone when `stop` or `close` returns. The native
    thread never touches Python. Every method may be called from any thread;
    a process forked from the owner's must not use it.
    While a destination fails it is probed by one connection at a time; a
    failed probe counts as an attempt of every message that waited for it.
    Source: docs/protocol.md, "Connections"; docs/locks.md.
    """

    cdef Outbox* outbox
    cdef Delivery* delivery
    cdef bint started
    cdef bint outbox_ready
    cdef pid_t process
    cdef Server server          # kept alive: its threads keep the sessions
    cdef int reply_attempts
    cdef int64_t reply_pause_ns
    cdef object __weakref__

    def __cinit__(self, *_args, **_options):
        cdef int failed
        self.process = getpid()
        self.outbox = <Outbox*>calloc(1, sizeof(Outbox))
        self.delivery = <Delivery*>calloc(1, sizeof(Delivery))
        if self.outbox == NULL or self.delivery == NULL:
            raise MemoryError
        self.delivery.epoll_fd = -1
        self.delivery.outbox = self.outbox
        failed = outbox_init(self.outbox)
        if failed:
            raise OSError(failed, os.strerror(failed))
        self.outbox_ready = True

    def __init__(
        self,
        *,
        connect_timeout_s=_limits.CONNECT_TIMEOUT_S,
        block_timeout_s=_limits.BLOCK_SEND_TIMEOUT_S,
        max_pending=_limits.MAX_PENDING_SENDS,
        max_pending_bytes=_limits.MAX_PENDING_SEND_BYTES,
        max_pending_per_destination=_limits.MAX_PENDING_PER_DESTINATION,
        max_sockets_per_destination=_limits.MAX_SOCKETS_PER_DESTINATION,
    ):
        if self.started:
            raise AlreadyRunning("the sender was started before")
        self.delivery.connect_timeout_ns = as_ns(connect_timeout_s, "connect_timeout_s")
        self.delivery.block_timeout_ns = as_ns(block_timeout_s, "block_timeout_s")
        self.delivery.max_sockets = _limits.MAX_SENDER_SOCKETS
        self.delivery.max_per_destination = _positive(
            "max_sockets_per_destination", max_sockets_per_destination
        )
        self.delivery.max_courting = _limits.MAX_OPEN_OFFERS
        self.delivery.accept_timeout_ns = as_ns(_limits.SESSION_ACCEPT_S, "accept_timeout_s")
        self.delivery.ask_pause_ns = as_ns(_limits.SESSION_ASK_PAUSE_S, "ask_pause_s")
        self.reply_attempts = _limits.SEND_ATTEMPTS
        self.reply_pause_ns = as_ns(_limits.RETRY_PAUSE_S, "retry_pause_s")
        self.outbox.max_replies = _limits.MAX_PENDING_REPLIES_PER_PEER
        self.outbox.max_reply_bytes = _limits.MAX_PENDING_REPLY_BYTES_PER_PEER
        self.outbox.max_pending = _positive("max_pending", max_pending)
        self.outbox.max_pending_bytes = _positive("max_pending_bytes", max_pending_bytes)
        self.outbox.max_per_destination = _positive(
            "max_pending_per_destination", max_pending_per_destination
        )

    def attach(self, Server server not None):
        """Belong to a server: its I/O threads keep the sessions of both.

        From then on destinations are offered sessions, and the server can
        answer natively. Before either of them is started.

        Raises
        ------
        AlreadyRunning
            One of them was started, or belongs to another one.
        """
        if (
            self.started
            or server.started
            or self.server is not None
            or server.sender is not None
        ):
            raise AlreadyRunning("sender and server are joined before they start")
        self.server = server
        self.delivery.shared = server.shared
        server.sender = self
        server.shared.outbox = self.outbox

    def start(self):
        """Start the thread.

        Raises
        ------
        OSError
            The system has no room for it.
        AlreadyRunning
            It was started before; make a new one.
        """
        cdef int failed
        if self.started:
            raise AlreadyRunning("the sender was started before")
        if self.outbox.max_pending == 0:
            raise NotRunning("the sender was not initialised")
        failed = delivery_open(self.delivery)
        if failed == 0:
            self.outbox.state = SENDING
            failed = thread_start(&self.outbox.thread, delivery_run, self.delivery, "el-sender")
        if failed != 0:
            self.outbox.state = ENDED
            delivery_close(self.delivery)
            raise OSError(failed, os.strerror(failed))
        self.outbox.running = True
        self.started = True
        remember(self)

    def send(
        self,
        str ip not None,
        port,
        bytes blocks not None,
        *,
        ticket=0,
        attempts=_limits.SEND_ATTEMPTS,
        retry_pause_s=_limits.RETRY_PAUSE_S,
        session=0,
        str cause not None="",
        bint asks=False,
    ):
        """Queue a message and return at once.

        Parameters
        ----------
        ip : str
            IPv4 address in numbers.
        port : int
            1..65,535.
        blocks : bytes
            Whole blocks, see `encode_message`; copied.
        ticket : int
            Any number but 0 to have the outcome reported by `completions`.
        attempts : int
            Connection attempts, from 1.
        retry_pause_s : float
            Seconds between two attempts.
        session : int
            `Message.session` of the message that is answered: the answer goes
            back the same way, and to the address only if that has ended.
        cause : str
            IPv4 address, in numbers, of the peer whose message is answered.
            What one peer causes is bounded.
        asks : bool
            Offer a session in any case, and complete the ticket only when it
            is known whether the peer keeps connections.

        Raises
        ------
        LocalProtocolError
            The address is none, or the bytes are no whole blocks.
        Overloaded
            Too many messages or bytes are pending, or caused by that peer.
        NotRunning
            The sender was not started, or is stopped.
        """
        cdef uint32_t number = 0
        cdef uint32_t causing = 0
        cdef size_t length = <size_t>len(blocks)
        cdef Outgoing* message
        cdef unsigned short to
        cdef int status
        if inet_pton(AF_INET, ip.encode(errors="replace"), &number) != 1:
            raise LocalProtocolError(f"destination {ip!r} is no IPv4 address in numbers")
        if not 1 <= port <= 65535:
            raise LocalProtocolError(f"port {port} is not in 1..65535")
        if length == 0 or length % BLOCK_BYTES:
            raise LocalProtocolError(f"{length} bytes are no whole blocks of {BLOCK_BYTES}")
        to = port
        if cause and inet_pton(AF_INET, cause.encode(errors="replace"), &causing) != 1:
            raise LocalProtocolError(f"cause {cause!r} is no IPv4 address in numbers")
        self._check_process()
        message = _outgoing(blocks, length)
        try:
            message.ticket = ticket
            message.session = session
            message.cause = causing
            message.asks = asks
            message.attempts_left = _positive("attempts", attempts)
            message.pause_ns = as_ns(retry_pause_s, "retry_pause_s")
            with nogil:
                status = post(self.outbox, self.delivery.shared, message, number, to)
            if status == ADDED:
                message = NULL
        finally:
            outgoing_free_all(message)
        if status != ADDED:
            self._refuse(status, ip, port, cause)

    def answer(self, Message message not None, bytes blocks not None):
        """Send an answer to where a message came from; nobody waits for its outcome.

        It goes back by the message's session, or to the source its header
        names: ``0.0.0.0`` and nothing stand for the address the connection
        came from.

        Returns
        -------
        bool
            False when the source is a host name, and nothing was done.

        Raises
        ------
        LocalProtocolError
            The source port is 0 or none: no answer is wanted.
        Overloaded
            As `send`.
        NotRunning
            The sender was not started, or is stopped.

        Notes
        -----
        Source: docs/protocol.md, "Replies".
        """
        cdef uint32_t number = 0
        cdef size_t length = <size_t>len(blocks)
        cdef Outgoing* made
        cdef int status
        if not 1 <= message.source_port <= 65535:
            raise LocalProtocolError(f"port {message.source_port} is not in 1..65535")
        if len(message.source_ip) and inet_pton(AF_INET, message.source_ip, &number) != 1:
            if message.session == 0:
                return False
            number = 0
        if number == 0:
            number = message._peer_ip
        self._check_process()
        made = _outgoing(blocks, length)
        made.session = message.session
        made.cause = message._peer_ip
        made.attempts_left = self.reply_attempts
        made.pause_ns = self.reply_pause_ns
        with nogil:
            status = post(
                self.outbox, self.delivery.shared, made, number, <uint16_t>message.source_port
            )
        if status != ADDED:
            outgoing_free_all(made)
            self._refuse(
                status,
                message.source_ip.decode("ascii", "replace"),
                message.source_port,
                message.peer_ip,
            )
        return True

    def require_room(self, str cause not None, size_bytes):
        """Check, before the work of making it, that an answer of a size can be sent.

        Raises
        ------
        Overloaded
            Too many answers, or too many bytes, that this peer caused are under way.
        """
        cdef uint32_t causing = 0
        cdef size_t length = size_bytes
        cdef int status
        if inet_pton(AF_INET, cause.encode(errors="replace"), &causing) != 1:
            raise LocalProtocolError(f"cause {cause!r} is no IPv4 address in numbers")
        with nogil:
            status = outbox_room(self.outbox, causing, length)
        if status != ADDED:
            self._refuse(status, "", 0, cause)

    cdef object _refuse(self, int status, str ip, object port, str cause):
        cdef Outbox* outbox = self.outbox
        if status == NOT_RUNNING:
            raise NotRunning("the sender is not running")
        if status == TOO_MANY:
            raise Overloaded(f"pending messages have reached {outbox.max_pending}")
        if status == TOO_MANY_BYTES:
            raise Overloaded(f"pending messages would exceed {outbox.max_pending_bytes} bytes")
        if status == TOO_MANY_FOR_ONE:
            raise Overloaded(
                f"messages pending for {ip}:{port} have reached {outbox.max_per_destination}"
            )
        if status == TOO_MANY_REPLIES:
            raise Overloaded(
                f"replies for {cause} under way have reached {outbox.max_replies}"
            )
        if status == TOO_MANY_REPLY_BYTES:
            raise Overloaded(
                f"replies for {cause} under way would exceed {outbox.max_reply_bytes} bytes"
            )
        raise MemoryError

    def completions(self, max_count, timeout_s=None):
        """Return the outcomes of messages that had a ticket.

        Parameters
        ----------
        max_count : int
            Most outcomes to return, from 1.
        timeout_s : float or None
            Seconds to wait for the first one; ``None`` waits until the sender
            is stopped.

        Returns
        -------
        list of tuple of (int, int, bool), or None
            Ticket; 0 or an errno: ``ETIMEDOUT``, ``ECONNREFUSED``,
            ``ECONNRESET``, ``ECANCELED`` after a stop, and others; whether
            the peer keeps connections. 0 means that the system took every
            byte, and of a session that the peer has the message. Empty
            when the time was over; ``None`` when the sender is stopped and
            every outcome was fetched.

        Raises
        ------
        NotRunning
            The sender was never started.
        """
        cdef size_t most = _positive("max_count", max_count)
        cdef int64_t until = INT64_MAX
        cdef int64_t look
        cdef OutgoingList collected
        cdef Outgoing* message
        cdef bint more
        cdef list found = []
        if timeout_s is not None:
            until = now_ns() + as_ns(timeout_s, "timeout_s")
        self._check_process()
        if not self.started:
            raise NotRunning("the sender was not started")
        while True:
            look = slice_end(until)
            with nogil:
                more = outbox_collect(self.outbox, most, look, &collected)
            if collected.first != NULL:
                try:
                    message = collected.first
                    while message != NULL:
                        found.append((message.ticket, message.error, bool(message.kept)))
                        message = message.next
                finally:
                    outgoing_free_all(collected.first)
                return found
            if not more:
                return None
            PyErr_CheckSignals()
            if now_ns() >= until:
                return []

    def stop(self, timeout_s):
        """Send what can be sent in ``timeout_s`` seconds, fail the rest with ECANCELED.

        Returns
        -------
        bool
            Whether nothing was cancelled.

        Notes
        -----
        Several threads may call it. Outcomes stay fetchable.
        """
        cdef int64_t until = now_ns() + as_ns(timeout_s, "timeout_s")
        cdef bint flushed
        if not self.started:
            return True
        self._check_process()
        self._leave_state(FLUSHING, until)
        self._join()
        with nogil:
            pthread_mutex_lock(&self.outbox.mutex)
            # What is still in sessions has no outcome, so that it is not sent.
            flushed = self.outbox.cancelled == 0 and self.outbox.counts.pending == 0
            pthread_mutex_unlock(&self.outbox.mutex)
        return flushed

    def close(self):
        """Close every socket at once; unsent messages fail with ECANCELED.

        May be called twice, from any thread.
        """
        if not self.started or self.process != getpid():
            return
        self._leave_state(CANCELLED, 0)
        self._join()

    cdef int _leave_state(self, int state, int64_t until) except -1:
        cdef Outbox* outbox = self.outbox
        with nogil:
            pthread_mutex_lock(&outbox.mutex)
            if outbox.state < state:
                outbox.state = state
                outbox.stop_at_ns = until
                wake(outbox.wake_fd)
            pthread_mutex_unlock(&outbox.mutex)
        return 0

    cdef int _join(self) except -1:
        """Wait until the thread has ended; the main thread looks for signals."""
        cdef Outbox* outbox = self.outbox
        cdef int64_t look
        cdef bint ended = False
        while not ended:
            look = slice_end(INT64_MAX)
            with nogil:
                pthread_mutex_lock(&outbox.mutex)
                while outbox.state != ENDED and now_ns() < look:
                    condition_wait(&outbox.changed, &outbox.mutex, look)
                ended = outbox.state == ENDED
                if ended and outbox.running:
                    # The thread has left the mutex for good.
                    pthread_join(outbox.thread, NULL)
                    outbox.running = False
                    delivery_close(self.delivery)
                    outbox.wake_fd = close_quietly(outbox.wake_fd)
                pthread_mutex_unlock(&outbox.mutex)
            if not ended:
                PyErr_CheckSignals()
        return 0

    def statistics(self):
        """Return the counters.

        Returns
        -------
        dict of str to int
            ``sent``, ``failed``, ``retries``, ``rejected``, ``sent_bytes`` (but
            for those by sessions, which the server counts) since the start;
            ``pending``, ``pending_bytes``, ``sockets``, ``destinations`` now.
        """
        cdef Counts counts
        cdef dict found
        self._check_process()
        with nogil:
            outbox_count(self.outbox, &counts)
        found = counts
        found["sent_bytes"] = atomic.counted(&self.delivery.sent_bytes)
        return found

    cdef int _check_process(self) except -1:
        if self.process != getpid():
            raise NotRunning("the sender belongs to the parent process")
        return 0

    def __repr__(self):
        return f"<Sender {self.statistics()}>"

    def __del__(self):
        if self.started and self.outbox.running and self.process == getpid():
            try:
                warnings.warn("unclosed <Sender>", ResourceWarning, stacklevel=1, source=self)
            finally:            # a warning may be an error
                self.close()

    def __dealloc__(self):
        # After a fork the thread exists in the parent only; its memory and
        # descriptors are left as they are.
        if self.process != getpid():
            return
        if self.delivery != NULL:
            delivery_close(self.delivery)
            free(self.delivery)
        if self.outbox_ready:
            outbox_destroy(self.outbox)
        free(self.outbox)


cdef Outgoing* _outgoing(bytes blocks, size_t length) except NULL:
    """Return a message with a copy of its blocks."""
    cdef const char* data
    cdef Outgoing* made = <Outgoing*>calloc(1, sizeof(Outgoing))
    if made == NULL:
        raise MemoryError
    made.data = <uint8_t*>malloc(length)
    if made.data == NULL:
        free(made)
        raise MemoryError
    made.length = length
    data = PyBytes_AS_STRING(blocks)
    if length < COPIED_AT_ONCE:
        memcpy(made.data, data, length)
    else:
        with nogil:
            memcpy(made.data, data, length)
    return made


cdef object _positive(str name, object value):
    if not 1 <= value < 2**31:
        raise ConfigurationError(f"{name} {value} is not in 1..{2**31 - 1}")
    return value
