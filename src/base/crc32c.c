/* crc32c.c - eight bytes a step with the processor's instruction, a table elsewhere. */
#include "base/crc32c.h"
#include <pthread.h>

#ifdef __SSE4_2__
#include <nmmintrin.h>

uint32_t crc32c(uint32_t crc, struct str bytes)
{
    uint64_t sum = ~crc;
    const char *at = bytes.ptr, *end = bytes.len > 0 ? at + bytes.len : at;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        sum = _mm_crc32_u64(sum, word);
    }
    uint32_t tail = (uint32_t)sum;
    for (; at < end; at++)
        tail = _mm_crc32_u8(tail, (unsigned char)*at);
    return ~tail;
}
#else
static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ 0x82f63b78u : value >> 1;
        table[i] = value;
    }
}

uint32_t crc32c(uint32_t crc, struct str bytes)
{
    pthread_once(&table_once, table_fill);
    crc = ~crc;
    for (size_t i = 0; i < bytes.len; i++)
        crc = crc >> 8 ^ table[(crc ^ (unsigned char)bytes.ptr[i]) & 0xff];
    return ~crc;
}
#endif
