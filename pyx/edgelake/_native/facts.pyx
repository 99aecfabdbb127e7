"""What Python tells the I/O threads about this node; C only, no GIL."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp

from edgelake._native.posix cimport ntohl, pthread_mutex_lock, pthread_mutex_unlock
from edgelake._native.system cimport now_ns

cdef const char* _POLL = "event get_blockchain "

cdef enum:
    POLL_BYTES = 21
    TAIL_BYTES = 35             # a blank, the hash, " 0"


cdef bint facts_unchanged(Facts* facts, const Header* header) noexcept nogil:
    """Tell whether a message asks for the ledger by the hash it has: nothing is to be sent.

    The command is ``event get_blockchain <name> <hash> 0``. With a trace level
    above 0 the asker wants to hear even that.
    Source: docs/protocol.md, "Ledger".
    """
    cdef size_t length = header.command_length
    cdef const uint8_t* command = header.command
    cdef const uint8_t* name = command + POLL_BYTES
    cdef const uint8_t* tail = command + length - TAIL_BYTES
    cdef bint same
    if (
        length <= POLL_BYTES + TAIL_BYTES
        or memcmp(command, _POLL, POLL_BYTES) != 0
        or tail[0] != c" "
        or memcmp(tail + TAIL_BYTES - 2, <const char*>" 0", 2) != 0
        or memchr(name, c" ", <size_t>(tail - name)) != NULL
    ):
        return False
    pthread_mutex_lock(&facts.mutex)
    same = memcmp(tail + 1, facts.ledger_hash, HASH_BYTES) == 0
    same = same and now_ns() < facts.ledger_until_ns
    pthread_mutex_unlock(&facts.mutex)
    return same


cdef bint is_near(uint32_t ip) noexcept nogil:
    """Tell whether an address in network byte order belongs to a local network.

    Source: docs/protocol.md, "Reply address".
    """
    cdef uint32_t number = ntohl(ip)
    cdef uint32_t first = number >> 24
    return (
        first == 10
        or first == 127
        or number >> 16 == 0xc0a8       # 192.168/16
        or number >> 20 == 0xac1        # 172.16/12
        or number >> 22 == 0x191        # 100.64/10
    )
