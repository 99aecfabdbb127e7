/* SipHash-2-4 with a 64-bit result (Aumasson, Bernstein: SipHash, 2012). */
#ifndef EDGELAKE_BENCH_SIPHASH_H
#define EDGELAKE_BENCH_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct sip_state {
    uint64_t a, b, c, d;
};

static inline uint64_t sip_rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void sip_rounds(struct sip_state *state, int count)
{
    for (int i = 0; i < count; i++) {
        state->a += state->b;
        state->c += state->d;
        state->b = sip_rotate(state->b, 13) ^ state->a;
        state->d = sip_rotate(state->d, 16) ^ state->c;
        state->a = sip_rotate(state->a, 32);
        state->c += state->b;
        state->a += state->d;
        state->b = sip_rotate(state->b, 17) ^ state->c;
        state->d = sip_rotate(state->d, 21) ^ state->a;
        state->c = sip_rotate(state->c, 32);
    }
}

/* Up to 8 bytes as a number, the first one lowest. */
static inline uint64_t sip_word(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static inline uint64_t siphash(const unsigned char key[16], const unsigned char *bytes,
                               size_t count)
{
    uint64_t low = sip_word(key, 8), high = sip_word(key + 8, 8);
    struct sip_state state = {low ^ 0x736f6d6570736575, high ^ 0x646f72616e646f6d,
                              low ^ 0x6c7967656e657261, high ^ 0x7465646279746573};
    for (size_t at = 0; at <= count; at += 8) {
        /* The last word holds what is left, and the length in its top byte. */
        size_t left = count - at;
        uint64_t word = left >= 8 ? sip_word(bytes + at, 8)
                                  : sip_word(bytes + at, left) | (uint64_t)count << 56;
        state.d ^= word;
        sip_rounds(&state, 2);
        state.a ^= word;
    }
    state.c ^= 0xff;
    sip_rounds(&state, 4);
    return state.a ^ state.b ^ state.c ^ state.d;
}

#endif
