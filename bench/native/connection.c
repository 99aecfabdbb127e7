/* One connection per message: connect, send, end the sending side, wait for the close. */
#define _GNU_SOURCE
#include "load.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void continue_sending(struct thread *thread, struct client *client)
{
    while (client->offset < client->end) {
        ssize_t count = send(client->fd, run.bytes + client->offset, client->end - client->offset,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            watch_client(thread, client, EPOLLOUT);
            return;
        }
        if (count < 0) {
            count_error(thread, client, "send", strerror(errno));
            return;
        }
        client->offset += (size_t)count;
        client->active_ns = now_ns();
    }
    client->messages = 1;
    if (shutdown(client->fd, run.mode == NO_WAIT ? SHUT_RDWR : SHUT_WR) != 0) {
        count_error(thread, client, "shutdown", strerror(errno));
    } else if (run.mode == NO_WAIT) {
        thread->last_ns = now_ns();
        thread->messages++;
        histogram_add(&thread->latency, thread->last_ns - client->due_ns);
        set_idle(thread, client);
    } else {
        client->phase = WAITING;
        watch_client(thread, client, EPOLLIN);
    }
}

static void start(struct thread *thread)
{
    if (thread->idle_count == thread->client_count)
        schedule_burst(&thread->schedule, now_ns());
    /* Each idle client once: one that fails at once must not hold the rest. */
    for (size_t left = thread->idle_count; left > 0;) {
        uint64_t due_ns;
        if (!schedule_take(&thread->schedule, now_ns(), &due_ns))
            return;
        struct client *client = &thread->clients[thread->idle[--left]];
        thread->idle[left] = thread->idle[--thread->idle_count];
        client->due_ns = due_ns;
        client->offset = thread->next_command * run.message_bytes;
        client->end = client->offset + run.message_bytes;
        thread->next_command = (thread->next_command + 1) % run.command_count;
        if (open_client(thread, client))
            continue_sending(thread, client);
    }
}

static void ready(struct thread *thread, struct client *client, uint32_t events)
{
    (void)events;
    if (client->phase == SENDING)
        continue_sending(thread, client);
    else
        wait_for_close(thread, client);
}

static void finish(struct thread *thread)
{
    (void)thread; /* what is under way ends by itself, or by its timeout */
}

const struct mover connection_mover = {start, ready, sweep_clients, finish};
