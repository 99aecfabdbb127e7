# Circular lists whose members know their place; C only, no GIL.

cdef struct Link:
    # A place in a circular list; alone it points at itself.
    Link* before
    Link* after

cdef inline void link_alone(Link* link) noexcept nogil:
    link.before = link
    link.after = link

cdef inline void link_remove(Link* link) noexcept nogil:
    link.before.after = link.after
    link.after.before = link.before
    link_alone(link)

cdef inline void link_append(Link* head, Link* link) noexcept nogil:
    link.before = head.before
    link.after = head
    head.before.after = link
    head.before = link

cdef inline void link_move_last(Link* head, Link* link) noexcept nogil:
    link_remove(link)
    link_append(head, link)

cdef inline bint link_is_alone(const Link* link) noexcept nogil:
    # Of a head: the list is empty.
    return link.after == link
