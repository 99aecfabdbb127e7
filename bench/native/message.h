/* A valid message of the network, as docs/protocol.md lays it out. */
#ifndef EDGELAKE_BENCH_MESSAGE_H
#define EDGELAKE_BENCH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK_BYTES = 2048, HEADER_BYTES = 207, BODY_BYTES = BLOCK_BYTES - HEADER_BYTES };

/* Offsets of header fields. */
enum {
    AT_HASH = 0,
    AT_SOCKET_ID = 16,
    AT_TIME_ID = 18,
    AT_COUNTER = 30,
    AT_LAST_FLAG = 35,
    AT_INFO_TYPE = 36,
    AT_COMMAND_LENGTH = 39,
    AT_DATA_LENGTH = 43,
    AT_JOB_LOCATION = 50,
    AT_JOB_ID = 52,
    AT_RECEIVERS = 56,
    AT_PARTITIONS = 60,
    AT_SOURCE_IP_LENGTH = 72,
    AT_SOURCE_IP = 73,
    AT_SOURCE_PORT = 201,
};

#define SOURCE_IP "127.0.0.1"

static inline void put_number(unsigned char *block, size_t offset, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        block[offset + i] = (unsigned char)(value >> (8 * (size - 1 - i)));
}

static inline uint64_t get_number(const unsigned char *block, size_t offset, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | block[offset + i];
    return value;
}

/* Writes `blocks` blocks. The command, at most 1,841 bytes, is in each of them;
 * data only where there are several, and then each is full. Source port 0 means
 * that nobody answers the message. */
static inline void encode_message(unsigned char *bytes, size_t blocks, const char *command,
                                  uint32_t source_port)
{
    size_t command_bytes = strlen(command);
    size_t data_bytes = blocks > 1 ? BODY_BYTES - command_bytes : 0;
    for (size_t i = 0; i < blocks; i++) {
        unsigned char *block = bytes + i * BLOCK_BYTES;
        memset(block, 0, BLOCK_BYTES);
        put_number(block, AT_COUNTER, 4, i + 1);
        put_number(block, AT_LAST_FLAG, 1, i + 1 == blocks);
        put_number(block, AT_INFO_TYPE, 1, 6); /* a request */
        put_number(block, AT_COMMAND_LENGTH, 2, command_bytes);
        put_number(block, AT_DATA_LENGTH, 4, command_bytes + data_bytes);
        put_number(block, AT_RECEIVERS, 2, 1);
        put_number(block, AT_PARTITIONS, 2, 1);
        put_number(block, AT_SOURCE_IP_LENGTH, 1, sizeof SOURCE_IP - 1);
        memcpy(block + AT_SOURCE_IP, SOURCE_IP, sizeof SOURCE_IP - 1);
        put_number(block, AT_SOURCE_PORT, 4, source_port);
        memcpy(block + HEADER_BYTES, command, command_bytes);
        memset(block + HEADER_BYTES + command_bytes, 'x', data_bytes);
    }
}

#endif
