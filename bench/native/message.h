/* A valid message of the network, as docs/protocol.md lays it out. */
#ifndef EDGELAKE_BENCH_MESSAGE_H
#define EDGELAKE_BENCH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK_BYTES = 2048, HEADER_BYTES = 207, BODY_BYTES = BLOCK_BYTES - HEADER_BYTES };

static inline void put_number(unsigned char *block, size_t offset, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        block[offset + i] = (unsigned char)(value >> (8 * (size - 1 - i)));
}

/* Writes `blocks` blocks. The command, at most 1,841 bytes, is in each of them;
 * data only where there are several, and then each is full. Source port 0 means
 * that nobody answers the message. */
static inline void encode_message(unsigned char *bytes, size_t blocks, const char *command,
                                  uint32_t source_port)
{
    static const char source_ip[] = "127.0.0.1";
    size_t command_bytes = strlen(command);
    size_t data_bytes = blocks > 1 ? BODY_BYTES - command_bytes : 0;
    for (size_t i = 0; i < blocks; i++) {
        unsigned char *block = bytes + i * BLOCK_BYTES;
        memset(block, 0, BLOCK_BYTES);
        put_number(block, 30, 4, i + 1);                      /* block counter */
        put_number(block, 35, 1, i + 1 == blocks);            /* last flag */
        put_number(block, 36, 1, 6);                          /* info type of a request */
        put_number(block, 39, 2, command_bytes);              /* command length */
        put_number(block, 43, 4, command_bytes + data_bytes); /* data length */
        put_number(block, 56, 2, 1);                          /* receivers */
        put_number(block, 60, 2, 1);                          /* partitions used */
        put_number(block, 72, 1, sizeof source_ip - 1);       /* source IP length */
        memcpy(block + 73, source_ip, sizeof source_ip - 1);
        put_number(block, 201, 4, source_port);
        memcpy(block + HEADER_BYTES, command, command_bytes);
        memset(block + HEADER_BYTES + command_bytes, 'x', data_bytes);
    }
}

#endif
