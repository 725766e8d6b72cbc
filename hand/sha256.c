#include "sha256.h"

#include <stdio.h>
#include <string.h>
/* A test leaves the first way out, to see that the second is right. */
#if defined(__x86_64__) && !defined(SHA256_BY_HAND)
#define HAS_PROCESSOR_WAY
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t beginning[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t turn(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

static void mix_by_hand(uint32_t state[8], const unsigned char *bytes)
{
    uint32_t words[64];
    for (int index = 0; index < 16; index++)
        words[index] = (uint32_t)bytes[4 * index] << 24 | (uint32_t)bytes[4 * index + 1] << 16 |
                       (uint32_t)bytes[4 * index + 2] << 8 | bytes[4 * index + 3];
    for (int index = 16; index < 64; index++) {
        uint32_t near = words[index - 2], far = words[index - 15];
        words[index] = words[index - 16] + (turn(far, 7) ^ turn(far, 18) ^ far >> 3) + words[index - 7] +
                       (turn(near, 17) ^ turn(near, 19) ^ near >> 10);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int index = 0; index < 64; index++) {
        uint32_t first = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + constants[index] +
                         words[index];
        uint32_t second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
    for (int index = 0; index < 8; index++)
        state[index] += sums[index];
}

#ifdef HAS_PROCESSOR_WAY

/* The processor's own instructions keep the state as a, b, e, f and c, d, g, h, and do two rounds at a time. */
__attribute__((target("sha,sse4.1"))) static void mix_by_processor(uint32_t state[8], const unsigned char *bytes)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
    const __m128i abef_before = _mm_alignr_epi8(low, high, 8), cdgh_before = _mm_blend_epi16(high, low, 0xf0);
    __m128i abef = abef_before, cdgh = cdgh_before, words[4] = {_mm_setzero_si128()};
    for (int group = 0; group < 16; group++) {
        __m128i *now = &words[group % 4], before = words[(group + 3) % 4];
        if (group < 4)
            *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 16 * group)), swap);
        else
            *now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(*now, words[(group + 1) % 4]),
                                                      _mm_alignr_epi8(before, words[(group + 2) % 4], 4)),
                                        before);
        __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(constants + 4 * group)));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    low = _mm_shuffle_epi32(_mm_add_epi32(abef, abef_before), 0x1b);
    high = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh_before), 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

static int has_instructions(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) && __builtin_cpu_supports("sse4.1");
}

#endif

static void mix(struct sha256 *hash, const unsigned char *bytes)
{
#ifdef HAS_PROCESSOR_WAY
    static int by_processor = -1;
    if (by_processor < 0)
        by_processor = has_instructions();
    if (by_processor) {
        mix_by_processor(hash->state, bytes);
        return;
    }
#endif
    mix_by_hand(hash->state, bytes);
}

void sha256_begin(struct sha256 *hash)
{
    memcpy(hash->state, beginning, sizeof beginning);
    hash->length = 0;
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t length)
{
    const unsigned char *next = bytes;
    size_t held = hash->length % sizeof hash->block;
    hash->length += length;
    if (held + length < sizeof hash->block) {
        memcpy(hash->block + held, next, length);
        return;
    }
    if (held > 0) {
        size_t missing = sizeof hash->block - held;
        memcpy(hash->block + held, next, missing);
        mix(hash, hash->block);
        next += missing;
        length -= missing;
    }
    for (; length >= sizeof hash->block; next += sizeof hash->block, length -= sizeof hash->block)
        mix(hash, next);
    memcpy(hash->block, next, length);
}

void sha256_end(struct sha256 *hash, char hex[65])
{
    uint64_t bits = hash->length * 8;
    unsigned char end[72] = {0x80};
    size_t held = hash->length % sizeof hash->block;
    size_t padding = (held < 56 ? 56 : 120) - held;
    for (int index = 0; index < 8; index++)
        end[padding + (size_t)index] = (unsigned char)(bits >> (56 - 8 * index));
    sha256_add(hash, end, padding + 8);
    for (int index = 0; index < 8; index++)
        snprintf(hex + 8 * index, 9, "%08x", hash->state[index]);
}
