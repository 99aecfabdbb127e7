"""What a sender takes to send, and what it refuses."""

import os

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from edgelake._native.delivery cimport Delivery, delivery_close
from edgelake._native.message cimport Message
from edgelake._native.outbox cimport *
from edgelake._native.peers cimport peers_session
from edgelake._native.posix cimport AF_INET, getpid, inet_pton
from edgelake._native.posting cimport post
from edgelake._native.system cimport as_ns
from edgelake._native.wire cimport BLOCK_BYTES

from edgelake import limits as _limits
from edgelake.errors import ConfigurationError, LocalProtocolError, NotRunning, Overloaded


cdef enum:
    COPIED_AT_ONCE = 65536      # more is copied while other Python threads run


cdef class Sending:
    """Takes messages and answers. Not made alone, see `Sender`.

    Owns the memory that the sender's thread works on, and frees it when that is gone.
    """

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
            message.attempts_left = positive("attempts", attempts)
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

    def session_to(self, str ip not None, port):
        """Return the number of the session by which messages for an address travel, 0 for none.

        Raises
        ------
        LocalProtocolError
            The address is none.
        """
        cdef uint32_t number = 0
        cdef uint16_t to
        cdef uint64_t found = 0
        if inet_pton(AF_INET, ip.encode(errors="replace"), &number) != 1:
            raise LocalProtocolError(f"destination {ip!r} is no IPv4 address in numbers")
        if not 1 <= port <= 65535:
            raise LocalProtocolError(f"port {port} is not in 1..65535")
        to = port
        self._check_process()
        if self.delivery.shared != NULL:
            with nogil:
                found = peers_session(&self.delivery.shared.peers, number, to)
        return found

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

    cdef int _check_process(self) except -1:
        if self.process != getpid():
            raise NotRunning("the sender belongs to the parent process")
        return 0

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


cdef object positive(str name, object value):
    if not 1 <= value < 2**31:
        raise ConfigurationError(f"{name} {value} is not in 1..{2**31 - 1}")
    return value
