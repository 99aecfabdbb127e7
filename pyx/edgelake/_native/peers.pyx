"""What we know of other nodes by their address: a session, or that they are old; C only.

Lock order: ``PeerTable.mutex`` is a leaf.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from edgelake._native.links cimport Link, link_alone, link_append, link_move_last, link_remove
from edgelake._native.posix cimport (
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)


cdef int peers_init(PeerTable* peers, size_t most) noexcept nogil:
    """Prepare a zeroed table; returns 0 or an errno."""
    link_alone(&peers.ages)
    peers.most = most
    return pthread_mutex_init(&peers.mutex, NULL)


cdef void peers_destroy(PeerTable* peers) noexcept nogil:
    cdef Link* at = peers.ages.after
    cdef Link* after
    while at != &peers.ages:
        after = at.after
        free(<Peer*>at)
        at = after
    pthread_mutex_destroy(&peers.mutex)


cdef inline Peer** _bucket(PeerTable* peers, uint32_t ip, uint16_t port) noexcept nogil:
    # Fibonacci hashing: addresses of one network differ in few bits.
    cdef uint64_t key = (<uint64_t>ip << 16) | port
    return &peers.buckets[(key * <uint64_t>0x9e3779b97f4a7c15) >> 54]


cdef Peer* _find(PeerTable* peers, uint32_t ip, uint16_t port) noexcept nogil:
    cdef Peer* peer = _bucket(peers, ip, port)[0]
    while peer != NULL and not (peer.ip == ip and peer.port == port):
        peer = peer.next
    return peer


cdef inline size_t _has_session(const Peer* peer) noexcept nogil:
    return peer.session != 0 or peer.reverse != 0


cdef void _forget(PeerTable* peers, Peer* peer) noexcept nogil:
    cdef Peer** at = _bucket(peers, peer.ip, peer.port)
    while at[0] != peer:
        at = &at[0].next
    at[0] = peer.next
    link_remove(&peer.age)
    peers.count -= 1
    peers.kept -= _has_session(peer)
    free(peer)


cdef Peer* _obtain(PeerTable* peers, uint32_t ip, uint16_t port) noexcept nogil:
    """Return the record of an address, a new one if need be, or NULL."""
    cdef Peer** bucket
    cdef Peer* peer = _find(peers, ip, port)
    if peer != NULL:
        link_move_last(&peers.ages, &peer.age)
        return peer
    if peers.count >= peers.most:
        # An address that is forgotten is asked again, and found again.
        _forget(peers, <Peer*>peers.ages.after)
    peer = <Peer*>calloc(1, sizeof(Peer))
    if peer == NULL:
        return NULL
    bucket = _bucket(peers, ip, port)
    peer.ip = ip
    peer.port = port
    peer.next = bucket[0]
    bucket[0] = peer
    link_append(&peers.ages, &peer.age)
    peers.count += 1
    return peer


cdef void peers_count(PeerTable* peers, size_t* known, size_t* kept) noexcept nogil:
    """Tell how many addresses are known, and how many of them have a session."""
    pthread_mutex_lock(&peers.mutex)
    known[0] = peers.count
    kept[0] = peers.kept
    pthread_mutex_unlock(&peers.mutex)


cdef uint64_t peers_session(PeerTable* peers, uint32_t ip, uint16_t port) noexcept nogil:
    """Return the session by which messages for an address travel, 0 for none."""
    cdef Peer* peer
    cdef uint64_t found = 0
    pthread_mutex_lock(&peers.mutex)
    peer = _find(peers, ip, port)
    if peer != NULL:
        link_move_last(&peers.ages, &peer.age)
        found = peer.session
        if found == 0 and peer.unreachable:
            found = peer.reverse
    pthread_mutex_unlock(&peers.mutex)
    return found


cdef uint64_t peers_reverse(PeerTable* peers, uint32_t ip, uint16_t port) noexcept nogil:
    """Note that an address cannot be reached; return the session it opened itself, or 0.

    Who opened that session only says that it has this address. So it is asked
    where nobody answers, and not before.
    """
    cdef Peer* peer
    cdef uint64_t found = 0
    pthread_mutex_lock(&peers.mutex)
    peer = _find(peers, ip, port)
    if peer != NULL and peer.reverse != 0:
        peer.unreachable = True
        found = peer.reverse
    pthread_mutex_unlock(&peers.mutex)
    return found


cdef bint peers_ask(
    PeerTable* peers, uint32_t ip, uint16_t port, int64_t now, int64_t until
) noexcept nogil:
    """Tell whether an address shall be offered a session now; the next time is ``until``."""
    cdef Peer* peer
    cdef bint shall = False
    pthread_mutex_lock(&peers.mutex)
    peer = _obtain(peers, ip, port)
    if peer != NULL and peer.session == 0 and peer.ask_ns <= now:
        peer.ask_ns = until
        shall = True
    pthread_mutex_unlock(&peers.mutex)
    return shall


cdef void peers_old(
    PeerTable* peers, uint32_t ip, uint16_t port, int64_t until
) noexcept nogil:
    """Note that an address took no offer; it gets none before ``until``."""
    cdef Peer* peer
    pthread_mutex_lock(&peers.mutex)
    peer = _obtain(peers, ip, port)
    if peer != NULL:
        peer.ask_ns = until
    pthread_mutex_unlock(&peers.mutex)


cdef bint peers_add(
    PeerTable* peers, uint32_t ip, uint16_t port, uint64_t session, bint opener
) noexcept nogil:
    """Keep a session under an address; False when it has one already, or no memory is left."""
    cdef Peer* peer
    cdef bint added = False
    pthread_mutex_lock(&peers.mutex)
    peer = _obtain(peers, ip, port)
    if peer != NULL:
        peers.kept -= _has_session(peer)
    if peer != NULL and opener and peer.session == 0:
        peer.session = session
        peer.ask_ns = 0
        added = True
    elif peer != NULL and not opener:
        # The newer one: a node that started again knows nothing of the older.
        peer.reverse = session
        peer.unreachable = False
        added = True
    if peer != NULL:
        peers.kept += _has_session(peer)
    pthread_mutex_unlock(&peers.mutex)
    return added


cdef void peers_remove(
    PeerTable* peers, uint32_t ip, uint16_t port, uint64_t session
) noexcept nogil:
    """Forget a session; nothing happens if another one has taken its place."""
    cdef Peer* peer
    pthread_mutex_lock(&peers.mutex)
    peer = _find(peers, ip, port)
    if peer != NULL:
        peers.kept -= _has_session(peer)
        if peer.session == session:
            peer.session = 0
        if peer.reverse == session:
            peer.reverse = 0
            peer.unreachable = False
        peers.kept += _has_session(peer)
        if peer.session == 0 and peer.reverse == 0 and peer.ask_ns == 0:
            _forget(peers, peer)
    pthread_mutex_unlock(&peers.mutex)
