/* The opener's side of a session, as docs/protocol.md lays it out under "Sessions":
 * the announcement in the first block, the check of the answer, control blocks. */
#ifndef EDGELAKE_BENCH_SESSION_H
#define EDGELAKE_BENCH_SESSION_H

#include "common.h"
#include "message.h"
#include "siphash.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

enum block_kind { KIND_MESSAGE, KIND_OFFER, KIND_ACCEPT, KIND_ACKNOWLEDGE, KIND_LEAVE };
enum { NONCE_BYTES = 8, TAG_BYTES = 8 };

static inline enum block_kind block_kind(const unsigned char *block)
{
    return (enum block_kind)get_number(block, AT_SOCKET_ID, 2);
}

static inline void put_count(unsigned char *block, uint64_t received)
{
    put_number(block, AT_TIME_ID, 8, received);
}

/* Bound to source and destination, so that an echo is never taken for an announcement. */
static inline void session_tag(unsigned char tag[TAG_BYTES], enum block_kind kind,
                               const unsigned char nonce[NONCE_BYTES], uint32_t source_port,
                               const struct sockaddr_in *server)
{
    unsigned char key[16], bytes[2 + sizeof SOURCE_IP - 1 + 4 + 4 + 2];
    size_t at = 0;
    memcpy(key, nonce, NONCE_BYTES);
    memcpy(key + NONCE_BYTES, "EdgeLake", 8);
    bytes[at++] = (unsigned char)kind;
    bytes[at++] = sizeof SOURCE_IP - 1;
    memcpy(bytes + at, SOURCE_IP, sizeof SOURCE_IP - 1);
    at += sizeof SOURCE_IP - 1;
    put_number(bytes, at, 4, source_port);
    memcpy(bytes + at + 4, &server->sin_addr, 4); /* both in network order already */
    memcpy(bytes + at + 8, &server->sin_port, 2);
    uint64_t hash = siphash(key, bytes, sizeof bytes);
    for (size_t i = 0; i < TAG_BYTES; i++)
        tag[i] = (unsigned char)(hash >> (8 * i));
}

/* Turns the first block of a message into an offer, and returns its nonce. */
static inline void put_offer(unsigned char *block, unsigned char nonce[NONCE_BYTES],
                             uint32_t source_port, const struct sockaddr_in *server)
{
    static const unsigned char none[NONCE_BYTES];
    do {
        if (getrandom(nonce, NONCE_BYTES, 0) != NONCE_BYTES)
            fail("getrandom");
    } while (memcmp(nonce, none, NONCE_BYTES) == 0);
    memcpy(block + AT_HASH, nonce, NONCE_BYTES);
    session_tag(block + AT_HASH + NONCE_BYTES, KIND_OFFER, nonce, source_port, server);
    put_number(block, AT_SOCKET_ID, 2, KIND_OFFER);
    put_count(block, 0);
}

static inline bool is_accept(const unsigned char *block, const unsigned char nonce[NONCE_BYTES],
                             uint32_t source_port, const struct sockaddr_in *server)
{
    unsigned char tag[TAG_BYTES];
    session_tag(tag, KIND_ACCEPT, nonce, source_port, server);
    return block_kind(block) == KIND_ACCEPT && memcmp(block + AT_HASH, nonce, NONCE_BYTES) == 0 &&
           memcmp(block + AT_HASH + NONCE_BYTES, tag, TAG_BYTES) == 0;
}

static inline void put_control(unsigned char *block, enum block_kind kind, uint64_t received,
                               uint32_t source_port)
{
    encode_message(block, 1, "session", source_port);
    put_number(block, AT_SOCKET_ID, 2, kind);
    put_count(block, received);
}

#endif
