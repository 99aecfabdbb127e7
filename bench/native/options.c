/* The arguments of the load generator: each within its limits. */
#define _GNU_SOURCE
#include "load.h"
#include "message.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <string.h>

enum { DEFAULT_SESSION_PORT = 9 }; /* "discard": a server that answers the old way finds nobody */
#define MAX_RATE 10e6

_Noreturn static void usage(void)
{
    fprintf(stderr, "usage: load --port P [--host 127.A.B.C] [--clients N] [--threads K]\n"
                    "  [--messages M] [--seconds S] [--timeout S] [--blocks B]\n"
                    "  [--command TEXT ... | --commands FILE] [--source-port P] [--sources N]\n"
                    "  [--no-wait | --kept | --exchange | --session] [--depth D]\n"
                    "  [--rate R | --burst S]\n");
    exit(2);
}

static void add_command(const char *command)
{
    if (run.command_count == MAX_COMMANDS) {
        fprintf(stderr, "more than %d commands\n", MAX_COMMANDS);
        exit(2);
    }
    run.commands[run.command_count++] = command;
}

/* One command a line; empty lines and those that begin with # are none. */
static void add_commands(const char *path)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        fail(path);
    while (getline(&line, &room, file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        char *copy = strdup(line);
        if (copy == NULL)
            fail("strdup");
        add_command(copy);
    }
    free(line);
    fclose(file);
}

static void check(const char *host)
{
    size_t longest = 0;
    bool answers = run.mode == EXCHANGE || run.mode == SESSION;
    if (run.command_count == 0)
        add_command("set a = 5");
    for (size_t i = 0; i < run.command_count; i++)
        if (strlen(run.commands[i]) > longest)
            longest = strlen(run.commands[i]);
    run.server.sin_family = AF_INET;
    if (run.server.sin_port == 0 || inet_pton(AF_INET, host, &run.server.sin_addr) != 1 ||
        ntohl(run.server.sin_addr.s_addr) >> 24 != 127 ||
        longest > BODY_BYTES - (run.blocks > 1) || (run.depth > 1 && !answers) ||
        (run.rate > 0 && run.burst_s > 0) || (run.rate > 0 && run.mode == KEPT) ||
        (run.burst_s > 0 && run.mode != CONNECTION && run.mode != NO_WAIT))
        usage();
    double copies = (double)run.command_count + (answers ? (double)(run.clients * run.depth) : 0);
    if (copies * (double)run.blocks * BLOCK_BYTES > (double)MAX_BYTES) {
        fprintf(stderr, "these messages need more than %llu bytes\n", MAX_BYTES);
        exit(2);
    }
    if (run.threads > run.clients)
        run.threads = run.clients;
    if (run.mode == SESSION && run.source_port == 0)
        run.source_port = DEFAULT_SESSION_PORT;
}

void parse_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"host", required_argument, NULL, 'h'},     {"port", required_argument, NULL, 'p'},
        {"clients", required_argument, NULL, 'c'},  {"threads", required_argument, NULL, 't'},
        {"messages", required_argument, NULL, 'm'}, {"seconds", required_argument, NULL, 's'},
        {"timeout", required_argument, NULL, 'o'},  {"blocks", required_argument, NULL, 'b'},
        {"command", required_argument, NULL, 'x'},  {"commands", required_argument, NULL, 'f'},
        {"sources", required_argument, NULL, 'a'},  {"source-port", required_argument, NULL, 'r'},
        {"depth", required_argument, NULL, 'd'},    {"rate", required_argument, NULL, 'q'},
        {"burst", required_argument, NULL, 'u'},    {"no-wait", no_argument, NULL, 'n'},
        {"kept", no_argument, NULL, 'k'},           {"exchange", no_argument, NULL, 'e'},
        {"session", no_argument, NULL, 'i'},        {NULL, 0, NULL, 0}};
    const char *host = "127.0.0.1";
    int option, index = 0, modes = 0;
    while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
        const char *name = options[index].name;
        switch (option) {
        case 'h': host = optarg; break;
        case 'p': run.server.sin_port = htons((uint16_t)whole(name, optarg, 1, 65535)); break;
        case 'c': run.clients = whole(name, optarg, 1, MAX_CLIENTS); break;
        case 't': run.threads = whole(name, optarg, 1, MAX_THREADS); break;
        case 'm': run.messages = whole(name, optarg, 1, MAX_MESSAGES); break;
        case 's': run.seconds_ns = (uint64_t)(decimal(name, optarg, 0.001, MAX_SECONDS) * 1e9); break;
        case 'o': run.timeout_ns = (uint64_t)(decimal(name, optarg, 0.001, MAX_SECONDS) * 1e9); break;
        case 'b': run.blocks = whole(name, optarg, 1, MAX_BLOCKS); break;
        case 'x': add_command(optarg); break;
        case 'f': add_commands(optarg); break;
        case 'r': run.source_port = (uint32_t)whole(name, optarg, 0, 65535); break;
        case 'a': run.sources = whole(name, optarg, 1, MAX_SOURCES); break;
        case 'd': run.depth = whole(name, optarg, 1, MAX_DEPTH); break;
        case 'q': run.rate = decimal(name, optarg, 0.1, MAX_RATE); break;
        case 'u': run.burst_s = decimal(name, optarg, 0.001, MAX_SECONDS); break;
        case 'n': run.mode = NO_WAIT; modes++; break;
        case 'k': run.mode = KEPT; modes++; break;
        case 'e': run.mode = EXCHANGE; modes++; break;
        case 'i': run.mode = SESSION; modes++; break;
        default: usage();
        }
    }
    if (optind != argc || modes > 1)
        usage();
    check(host);
}
