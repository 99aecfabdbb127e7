/* The system as the fuzzed code sees it: descriptors, sockets, memory and time of one process.
 *
 * No call of it waits. Whatever breaks a rule of the system - a descriptor used
 * after its end or never closed, a block that is no block, a loop that turns
 * without doing anything - ends the program, which the fuzzer takes for a
 * finding.
 */
#ifndef EDGELAKE_FUZZ_KERNEL_H
#define EDGELAKE_FUZZ_KERNEL_H

#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

/* ------------------------------------------- what the native modules call; linked with --wrap */

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void __wrap_free(void *at);

int __wrap_epoll_create1(int flags);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, const struct epoll_event *event);
int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int timeout_ms);
int __wrap_eventfd(unsigned int value, int flags);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_close(int fd);
ssize_t __wrap_read(int fd, void *buffer, size_t length);
ssize_t __wrap_write(int fd, const void *buffer, size_t length);

int __wrap_socket(int domain, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
ssize_t __wrap_recv(int fd, void *buffer, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *buffer, size_t length, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_getrandom(void *buffer, size_t length, unsigned int flags);
int __wrap_clock_gettime(clockid_t clock, struct timespec *value);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);

/* ------------------------------------------------------- what the targets call */

enum {
    KERNEL_PEERS = 16,          /* sockets of one run, also those that ended */
    KERNEL_MESSAGES = 256,      /* messages of ours that are followed */
    KERNEL_BLOCK = 2048,
};

enum kernel_fault {             /* which call fails next */
    FAIL_MEMORY,
    FAIL_WATCH,                 /* epoll_ctl, adding */
    FAIL_ACCEPT,
    FAIL_RECEIVE,
    FAIL_SEND,
    FAIL_SOCKET,
    FAIL_CONNECT,
    KERNEL_FAULTS
};

/* Begin a run. `step` is called whenever the code under test would wait: it does
 * what the world does meanwhile, and tells whether that was anything. */
void kernel_begin(int (*step)(int64_t timeout_ms));
/* End it: nothing may be open, nothing allocated beyond `kept` pieces. */
void kernel_end(size_t kept);
void kernel_fail(int fault, int after, int error);
void kernel_quiet(int quiet);   /* 1: no fault strikes */
void kernel_pass(int64_t ms);
int64_t kernel_now_ns(void);
void kernel_check(int holds, const char *what);

int kernel_listener(void);
/* A peer connects; returns its number, or -1 when there are enough. */
int kernel_arrive(uint32_t ip, uint16_t port);
/* The same, and the connection has been accepted; `fd` gets the descriptor. */
int kernel_adopt(uint32_t ip, uint16_t port, int *fd);
int kernel_peers(void);
int kernel_peer_of(int fd);
void kernel_deliver(int peer, const uint8_t *bytes, size_t length);
void kernel_finish(int peer);   /* the peer sends no more */
void kernel_reset(int peer);
void kernel_open_window(int peer, size_t bytes);
void kernel_read_at_most(size_t bytes);
int kernel_alive(int peer);     /* neither side has closed */
/* Whole messages that the peer has been sent. */
uint64_t kernel_heard(int peer);
void kernel_opened_session(int peer);

/* Messages of ours carry their number, from 1, as their job id. */
void kernel_expect(uint32_t number, uint32_t blocks);
int kernel_whole(uint32_t number);

#endif
