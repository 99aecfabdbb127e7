# The system as the fuzzed code sees it, see kernel.h.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef int (*step_function)(int64_t timeout_ms) noexcept nogil

cdef extern from "kernel.h" nogil:
    int KERNEL_PEERS, KERNEL_MESSAGES, KERNEL_FAULTS
    int FAIL_MEMORY, FAIL_WATCH, FAIL_ACCEPT, FAIL_RECEIVE, FAIL_SEND, FAIL_SOCKET, FAIL_CONNECT
    void kernel_begin(step_function step) noexcept
    void kernel_end(size_t kept) noexcept
    void kernel_fail(int fault, int after, int error) noexcept
    void kernel_quiet(int quiet) noexcept
    void kernel_pass(int64_t ms) noexcept
    int64_t kernel_now_ns() noexcept
    void kernel_check(int holds, const char* what) noexcept
    int kernel_listener() noexcept
    int kernel_arrive(uint32_t ip, uint16_t port) noexcept
    int kernel_adopt(uint32_t ip, uint16_t port, int* fd) noexcept
    int kernel_peers() noexcept
    void kernel_deliver(int peer, const uint8_t* bytes, size_t length) noexcept
    void kernel_finish(int peer) noexcept
    void kernel_reset(int peer) noexcept
    void kernel_open_window(int peer, size_t bytes) noexcept
    void kernel_read_at_most(size_t bytes) noexcept
    uint64_t kernel_heard(int peer) noexcept
    void kernel_opened_session(int peer) noexcept
    void kernel_expect(uint32_t number, uint32_t blocks) noexcept
    int kernel_whole(uint32_t number) noexcept
