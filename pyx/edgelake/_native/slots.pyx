"""Numbers by which other threads name the sessions of a worker; C only, no GIL.

Only the worker looks a number up; to the others it is a name, and may be that
of something that has ended.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, realloc

cdef enum:
    WORKER_AT = 56
    GENERATION_AT = 24          # 32 bits
    PLACES = 16777216           # 24 bits
    AT_ONCE = 64                # places that are made together


cdef inline uint64_t _id(int worker, uint32_t generation, uint32_t place) noexcept nogil:
    return <uint64_t>worker << WORKER_AT | <uint64_t>generation << GENERATION_AT | place


cdef inline uint32_t _place(uint64_t id) noexcept nogil:
    return <uint32_t>(id & (PLACES - 1))


cdef uint64_t slots_take(Slots* slots, void* holder) noexcept nogil:
    """Return a number for a holder, 0 when there is no memory."""
    cdef Slot* made
    cdef Slot* slot
    cdef uint32_t place
    if slots.first_free == slots.count:
        if slots.count + AT_ONCE > PLACES:
            return 0
        made = <Slot*>realloc(slots.slots, (slots.count + AT_ONCE) * sizeof(Slot))
        if made == NULL:
            return 0
        slots.slots = made
        for place in range(slots.count, slots.count + AT_ONCE):
            made[place].id = _id(slots.worker, slots.generation, place)
            made[place].holder = NULL
            made[place].next_free = place + 1
        slots.count += AT_ONCE
    slot = &slots.slots[slots.first_free]
    slots.first_free = slot.next_free
    slot.holder = holder
    return slot.id


cdef void slots_give(Slots* slots, uint64_t id) noexcept nogil:
    """Take a number back; the place gets another one."""
    cdef Slot* slot = &slots.slots[_place(id)]
    cdef uint32_t generation = <uint32_t>(id >> GENERATION_AT) + 1
    # No number is 0: that stands for none.
    slot.id = _id(slots.worker, generation if generation else 1, _place(id))
    slot.holder = NULL
    slot.next_free = slots.first_free
    slots.first_free = _place(id)


cdef void* slots_find(const Slots* slots, uint64_t id) noexcept nogil:
    """Return the holder of a number, NULL when it was given back."""
    if _place(id) >= slots.count or slots.slots[_place(id)].id != id:
        return NULL
    return slots.slots[_place(id)].holder


cdef void slots_free(Slots* slots) noexcept nogil:
    free(slots.slots)
    slots.slots = NULL
    slots.count = slots.first_free = 0
