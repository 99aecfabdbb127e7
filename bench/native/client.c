/* A client of the load generator: its connection, its errors, its end. */
#define _GNU_SOURCE
#include "load.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The port is chosen at connect, where it need only be free for this pair. */
static int bind_next_source(struct thread *thread, int fd)
{
    int on = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    thread->source = (thread->source + 1) % run.sources;
    source.sin_addr.s_addr = htonl(0x7f000101u + (uint32_t)thread->source);
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0)
        return -1;
    return bind(fd, (struct sockaddr *)&source, sizeof source);
}

/* Over loopback the connection is there at once: no round of epoll for it. */
bool open_client(struct thread *thread, struct client *client)
{
    client->active_ns = now_ns();
    client->watched = false;
    client->messages = 0;
    client->phase = SENDING;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        fail("socket");
    if (bind_next_source(thread, client->fd) != 0) {
        count_error(thread, client, "bind", strerror(errno));
        return false;
    }
    if (connect(client->fd, (struct sockaddr *)&run.server, sizeof run.server) != 0 &&
        errno != EINPROGRESS) {
        count_error(thread, client, "connect", strerror(errno));
        return false;
    }
    return true;
}

void watch_client(struct thread *thread, struct client *client, uint32_t events)
{
    struct epoll_event event = {.events = events,
                                .data.u64 = (uint64_t)(client - thread->clients)};
    if (client->watched && client->events == events)
        return;
    if (epoll_ctl(thread->epoll_fd, client->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, client->fd,
                  &event) != 0)
        fail("epoll_ctl");
    client->watched = true;
    client->events = events;
}

void set_idle(struct thread *thread, struct client *client)
{
    if (client->fd >= 0)
        close(client->fd); /* leaves the epoll set by itself */
    client->fd = -1;
    client->phase = IDLE;
    thread->idle[thread->idle_count++] = (size_t)(client - thread->clients);
}

void count_error(struct thread *thread, struct client *client, const char *what, const char *why)
{
    if (thread->errors++ == 0)
        snprintf(thread->first_error, sizeof thread->first_error, "%s: %s", what, why);
    set_idle(thread, client);
}

/* After the last byte: the message is done when the server has closed. */
void wait_for_close(struct thread *thread, struct client *client)
{
    char answer[64];
    ssize_t count = recv(client->fd, answer, sizeof answer, MSG_DONTWAIT);
    if (count == 0) {
        thread->last_ns = now_ns();
        thread->messages += client->messages;
        if (run.mode != KEPT)
            histogram_add(&thread->latency, thread->last_ns - client->due_ns);
        set_idle(thread, client);
    } else if (count > 0) {
        count_error(thread, client, "receive", "the server sent bytes");
    } else if (errno != EAGAIN && errno != EINTR) {
        count_error(thread, client, "receive", strerror(errno));
    }
}

void sweep_clients(struct thread *thread, uint64_t now)
{
    for (size_t i = 0; i < thread->client_count; i++) {
        struct client *client = &thread->clients[i];
        if (client->phase != IDLE && now > client->active_ns + run.timeout_ns)
            count_error(thread, client, client->phase == SENDING ? "send" : "receive",
                        "timeout");
    }
}
