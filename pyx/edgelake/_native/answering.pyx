"""What a message server answers by itself, without Python."""

import threading

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from edgelake._native.announcement cimport Place
from edgelake._native.facts cimport HASH_BYTES, MOST_PLACES
from edgelake._native.inbox cimport inbox_set_routes
from edgelake._native.posix cimport (
    AF_INET,
    inet_pton,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from edgelake._native.routes cimport (
    ROUTE_BUCKETS,
    RouteTable,
    routes_add,
    routes_free,
    routes_new,
)
from edgelake._native.system cimport as_ns, now_ns
from edgelake._native.wire cimport BLOCK_BYTES
from edgelake._native.worker cimport *

from edgelake import limits as _limits
from edgelake.errors import ConfigurationError

cdef enum:
    MOST_THREADS = 64           # limits.MAX_THREADS


cdef class Answering(Metered):
    """Routes and facts by which I/O threads answer. Not made alone, see `Server`."""

    def __cinit__(self, *_args, **_options):
        self.routes = {}
        self.lock = threading.Lock()

    def set_route(self, bytes command not None, bytes near not None, bytes far not None):
        """Have the I/O threads answer a command by themselves.

        Parameters
        ----------
        command : bytes
            The whole message, 1..63 bytes; it must be exactly this.
        near, far : bytes
            The answer to peers of the local network and to others, as blocks
            of at most 64 KiB; their job fields are replaced by the request's.
            Empty: the message is counted and not answered.

        Raises
        ------
        ConfigurationError
            Too long, too many, or no whole blocks.

        Notes
        -----
        Each thread takes the change up with its next round.
        """
        if not 1 <= len(command) < ROUTE_BUCKETS:
            raise ConfigurationError(
                f"a command of {len(command)} bytes is not in 1..{ROUTE_BUCKETS - 1}"
            )
        for blocks in (near, far):
            if len(blocks) % BLOCK_BYTES or len(blocks) > SCRATCH_BYTES:
                raise ConfigurationError(
                    f"an answer of {len(blocks)} bytes is not whole blocks of at most "
                    f"{SCRATCH_BYTES} bytes"
                )
        with self.lock:
            if command not in self.routes and len(self.routes) >= _limits.MAX_ROUTES:
                raise ConfigurationError(f"routes have reached {_limits.MAX_ROUTES}")
            self.routes[command] = (near, far)
            self._hand_routes()

    def remove_route(self, bytes command not None):
        """End what `set_route` began; nothing happens if there is none."""
        with self.lock:
            if self.routes.pop(command, None) is not None:
                self._hand_routes()

    cdef int _hand_routes(self) except -1:
        """Give each thread a table of its own: all of them, or none where memory lacks."""
        cdef RouteTable* tables[MOST_THREADS]
        cdef int made = 0
        cdef int number
        try:
            for made in range(self.shared.workers_made):
                tables[made] = self._table()
        except MemoryError:
            for number in range(made):
                routes_free(tables[number])
            raise
        for number in range(self.shared.workers_made):
            routes_free(
                inbox_set_routes(&self.shared.workers[number].inbox, tables[number])
            )
        return 0

    cdef RouteTable* _table(self) except NULL:
        cdef RouteTable* table = routes_new()
        if table == NULL:
            raise MemoryError
        for command, (near, far) in self.routes.items():
            if not routes_add(table, command, len(command), near, len(near), far, len(far)):
                routes_free(table)
                raise MemoryError
        return table

    def set_places(self, places):
        """Name the addresses by which other nodes reach this one.

        Parameters
        ----------
        places : sequence of tuple of (str, int)
            IPv4 address in numbers and port, at most 8. An offer of a session
            to one of them is for this node, as one to the listening address is.
        """
        cdef Place[MOST_PLACES] made
        cdef int count = 0
        for ip, port in places:
            if count == MOST_PLACES:
                raise ConfigurationError(f"places exceed {MOST_PLACES}")
            if inet_pton(AF_INET, ip.encode(errors="replace"), &made[count].ip) != 1:
                raise ConfigurationError(f"place {ip!r} is no IPv4 address in numbers")
            made[count].port = _port(port)
            count += 1
        with nogil:
            pthread_mutex_lock(&self.shared.facts.mutex)
            memcpy(self.shared.facts.places, made, <size_t>count * sizeof(Place))
            self.shared.facts.place_count = count
            pthread_mutex_unlock(&self.shared.facts.mutex)

    def set_ledger_hash(self, bytes digits not None, lease_s):
        """Have polls with this hash of the ledger answered by the I/O threads, with nothing.

        Parameters
        ----------
        digits : bytes
            32 hexadecimal digits; others end it at once.
        lease_s : float
            Seconds for which the hash is known to be right.
        """
        cdef int64_t until = now_ns() + as_ns(lease_s, "lease_s")
        cdef const unsigned char* text = digits
        if len(digits) != HASH_BYTES:
            until = 0
        with nogil:
            pthread_mutex_lock(&self.shared.facts.mutex)
            if until:
                memcpy(self.shared.facts.ledger_hash, text, HASH_BYTES)
            self.shared.facts.ledger_until_ns = until
            pthread_mutex_unlock(&self.shared.facts.mutex)


cdef object _port(object value):
    if not 0 <= value <= 65535:
        raise ConfigurationError(f"port {value} is not in 0..65535")
    return value
