/* Kept streams: messages back to back on one connection per client, one way. */
#define _GNU_SOURCE
#include "load.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Sends what the socket takes. Returns 1 when all is sent, 0 to wait, -1 on error. */
static int send_stream(struct thread *thread, struct client *client)
{
    struct schedule *schedule = &thread->schedule;
    /* One turn is bounded, so that no client starves the others. */
    for (int turn = 0; turn < 16; turn++) {
        size_t partial = client->offset % run.message_bytes;
        client->active_ns = now_ns();
        if (partial == 0 && !schedule_open(schedule, client->active_ns))
            return 1;
        /* A message that was begun has left the budget already. */
        uint64_t left = schedule->budget + (partial != 0);
        uint64_t most = client->offset - partial + left * run.message_bytes;
        size_t end = most < run.bytes_count ? (size_t)most : run.bytes_count;
        ssize_t count = send(client->fd, run.bytes + client->offset, end - client->offset,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        size_t before = client->offset;
        client->offset += (size_t)count;
        client->messages += client->offset / run.message_bytes - before / run.message_bytes;
        schedule->budget -= (client->offset + run.message_bytes - 1) / run.message_bytes -
                            (before + run.message_bytes - 1) / run.message_bytes;
        if (client->offset == run.bytes_count)
            client->offset = 0;
    }
    return 0;
}

static void continue_stream(struct thread *thread, struct client *client)
{
    int sent = send_stream(thread, client);
    if (sent < 0) {
        count_error(thread, client, "send", strerror(errno));
    } else if (sent == 0) {
        watch_client(thread, client, EPOLLOUT);
    } else if (shutdown(client->fd, SHUT_WR) != 0) {
        count_error(thread, client, "shutdown", strerror(errno));
    } else {
        client->phase = WAITING;
        watch_client(thread, client, EPOLLIN);
    }
}

static void start(struct thread *thread)
{
    for (size_t left = thread->idle_count; left > 0;) {
        struct client *client = &thread->clients[thread->idle[--left]];
        thread->idle[left] = thread->idle[--thread->idle_count];
        client->offset = 0;
        if (open_client(thread, client))
            continue_stream(thread, client);
    }
}

static void ready(struct thread *thread, struct client *client, uint32_t events)
{
    (void)events;
    if (client->phase == SENDING)
        continue_stream(thread, client);
    else
        wait_for_close(thread, client);
}

static void finish(struct thread *thread)
{
    (void)thread; /* each stream sees by itself that it is over */
}

const struct mover stream_mover = {start, ready, sweep_clients, finish};
