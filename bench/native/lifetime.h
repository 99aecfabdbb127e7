/* A server or holder lives until its standard input closes or a signal asks it to end. */
#ifndef EDGELAKE_BENCH_LIFETIME_H
#define EDGELAKE_BENCH_LIFETIME_H

#include "common.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Before the first thread starts: all inherit the mask. Returns what to wait for. */
static inline int catch_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0)
        fail("signalfd");
    return fd;
}

/* Returns 1 at the end of standard input or at a signal, 0 after `wait_ms` (-1: never). */
static inline int wait_for_end(int signal_fd, int wait_ms)
{
    struct pollfd waits[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = signal_fd, .events = POLLIN}};
    char ignored[256];
    for (;;) {
        int count = poll(waits, 2, wait_ms);
        if (count < 0 && errno != EINTR)
            fail("poll");
        if (count == 0)
            return 0;
        if (waits[1].revents != 0)
            return 1;
        if (waits[0].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
            return 1;
    }
}

#endif
