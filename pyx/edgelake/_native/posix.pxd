# C declarations of the system, as far as it is used here.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from posix.types cimport pid_t
from posix.unistd cimport close, getpid, read, write

cdef extern from "<errno.h>" nogil:
    int errno
    int EAGAIN, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM
    int ECANCELED, ECONNREFUSED, EINPROGRESS, ETIMEDOUT, ECONNRESET, EPIPE

cdef extern from "<fcntl.h>" nogil:
    int O_RDONLY, O_CLOEXEC
    int open(const char* path, int flags) noexcept

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr:
        pass
    int AF_INET, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC
    int SOL_SOCKET, SO_REUSEADDR, SO_ERROR, MSG_NOSIGNAL
    int socket(int domain, int kind, int protocol) noexcept
    int bind(int fd, const sockaddr* address, socklen_t length) noexcept
    int listen(int fd, int backlog) noexcept
    int connect(int fd, const sockaddr* address, socklen_t length) noexcept
    int accept4(int fd, sockaddr* address, socklen_t* length, int flags) noexcept
    int getsockname(int fd, sockaddr* address, socklen_t* length) noexcept
    int setsockopt(int fd, int level, int name, const void* value, socklen_t length) noexcept
    int getsockopt(int fd, int level, int name, void* value, socklen_t* length) noexcept
    int SO_KEEPALIVE
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    ssize_t sendmsg(int fd, const msghdr* message, int flags) noexcept
    ssize_t recv(int fd, void* buffer, size_t length, int flags) noexcept
    ssize_t send(int fd, const void* buffer, size_t length, int flags) noexcept

cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        uint32_t s_addr
    struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    int IPPROTO_TCP
    uint16_t htons(uint16_t value) noexcept
    uint16_t ntohs(uint16_t value) noexcept
    uint32_t ntohl(uint32_t value) noexcept

cdef extern from "<netinet/tcp.h>" nogil:
    int TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char* text, void* address) noexcept

cdef extern from "<sys/epoll.h>" nogil:
    # EPOLLIN and its like are macros over an enum.
    uint32_t EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP, EPOLLEXCLUSIVE
    int EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_CLOEXEC
    union epoll_data:
        void* ptr
    struct epoll_event:
        uint32_t events
        epoll_data data
    int epoll_create1(int flags) noexcept
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) noexcept
    int epoll_wait(int epoll_fd, epoll_event* events, int most, int timeout_ms) noexcept

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_CLOEXEC, EFD_NONBLOCK
    int eventfd(unsigned int value, int flags) noexcept

cdef extern from "<sys/random.h>" nogil:
    ssize_t getrandom(void* buffer, size_t length, unsigned int flags) noexcept

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    int SIG_SETMASK
    int sigfillset(sigset_t* set) noexcept

cdef extern from "<time.h>" nogil:
    struct timespec:
        int64_t tv_sec
        long tv_nsec
    ctypedef int clockid_t
    clockid_t CLOCK_MONOTONIC
    int clock_gettime(clockid_t clock, timespec* value) noexcept

cdef extern from "<semaphore.h>" nogil:
    ctypedef struct sem_t:
        pass
    int sem_init(sem_t* semaphore, int shared, unsigned int value) noexcept
    int sem_destroy(sem_t* semaphore) noexcept
    int sem_post(sem_t* semaphore) noexcept
    int sem_wait(sem_t* semaphore) noexcept
    int sem_clockwait(sem_t* semaphore, clockid_t clock, const timespec* until) noexcept

ctypedef void* (*thread_body)(void* argument) noexcept nogil

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    ctypedef struct pthread_attr_t:
        pass
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    ctypedef struct pthread_condattr_t:
        pass
    int pthread_attr_init(pthread_attr_t* attributes) noexcept
    int pthread_attr_setstacksize(pthread_attr_t* attributes, size_t size) noexcept
    int pthread_attr_destroy(pthread_attr_t* attributes) noexcept
    int pthread_create(
        pthread_t* thread, const pthread_attr_t* attributes, thread_body body, void* argument
    ) noexcept
    int pthread_join(pthread_t thread, void** result) noexcept
    int pthread_setname_np(pthread_t thread, const char* name) noexcept
    int pthread_sigmask(int how, const sigset_t* set, sigset_t* old) noexcept
    int pthread_mutex_init(pthread_mutex_t* mutex, const void* attributes) noexcept
    int pthread_mutex_destroy(pthread_mutex_t* mutex) noexcept
    int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept
    int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept
    int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept
    int pthread_condattr_init(pthread_condattr_t* attributes) noexcept
    int pthread_condattr_destroy(pthread_condattr_t* attributes) noexcept
    int pthread_condattr_setclock(pthread_condattr_t* attributes, clockid_t clock) noexcept
    int pthread_cond_init(
        pthread_cond_t* condition, const pthread_condattr_t* attributes
    ) noexcept
    int pthread_cond_destroy(pthread_cond_t* condition) noexcept
    int pthread_cond_signal(pthread_cond_t* condition) noexcept
    int pthread_cond_broadcast(pthread_cond_t* condition) noexcept
    int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) noexcept
    int pthread_cond_timedwait(
        pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until
    ) noexcept
