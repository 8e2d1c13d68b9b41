/* pack.h - little-endian writer and reader of record payloads, for record*.c alone.
 *
 * What:  a cursor that notes once that something went wrong: callers check at the end only. Numbers
 *        are LEB128 in their shortest form (others are refused), so a value has one encoding.
 */
#pragma once
#include "base/str.h"
#include "base/ulid.h"

enum { PACK_NUMBER_BYTES_MAX = 10 };

struct pack {
    unsigned char *at, *start, *end;
    bool full;
};

static inline struct pack pack_begin(void *out, size_t room)
{
    return (struct pack){.at = out, .start = out, .end = (unsigned char *)out + room};
}

static inline size_t pack_end(const struct pack *pack)
{
    return pack->full ? 0 : (size_t)(pack->at - pack->start);
}

static inline void pack_raw(struct pack *pack, const void *bytes, size_t count)
{
    if (count > (size_t)(pack->end - pack->at)) {
        pack->full = true;
        return;
    }
    if (count > 0)
        memcpy(pack->at, bytes, count);
    pack->at += count;
}

static inline void pack_byte(struct pack *pack, unsigned value)
{
    unsigned char const byte = (unsigned char)value;
    pack_raw(pack, &byte, 1);
}

static inline void pack_number(struct pack *pack, uint64_t value)
{
    if (pack->end - pack->at < PACK_NUMBER_BYTES_MAX) {
        pack->full = true;
        return;
    }
    unsigned char *at = pack->at;
    while (value >= 0x80) {
        *at++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (unsigned char)value;
    pack->at = at;
}

/* Not negative: anything else could not be read back. */
static inline void pack_count(struct pack *pack, int64_t value)
{
    if (value < 0)
        pack->full = true;
    else
        pack_number(pack, (uint64_t)value);
}

static inline void pack_signed(struct pack *pack, int64_t value)
{
    pack_number(pack, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

static inline void pack_fixed(struct pack *pack, int64_t value)
{
    pack_raw(pack, &value, sizeof value);
}

static inline void pack_ulid(struct pack *pack, struct ulid id)
{
    pack_raw(pack, &id.high, sizeof id.high);
    pack_raw(pack, &id.low, sizeof id.low);
}

static inline void pack_text(struct pack *pack, struct str text, size_t len_max)
{
    if (text.len > len_max)
        pack->full = true;
    pack_number(pack, text.len);
    pack_raw(pack, text.ptr, text.len);
}

struct unpack {
    const unsigned char *at, *end;
    bool bad;
};

static inline struct unpack unpack_begin(struct str payload)
{
    const unsigned char *start = (const unsigned char *)payload.ptr;
    return (struct unpack){.at = start, .end = start + payload.len};
}

/* True when all was well and nothing is left over. */
static inline bool unpack_end(const struct unpack *unpack)
{
    return !unpack->bad && unpack->at == unpack->end;
}

/* A view of the next `count` bytes, or NULL. */
static inline const unsigned char *unpack_raw(struct unpack *unpack, size_t count)
{
    if (unpack->bad || count > (size_t)(unpack->end - unpack->at)) {
        unpack->bad = true;
        return NULL;
    }
    const unsigned char *bytes = unpack->at;
    unpack->at += count;
    return bytes;
}

/* Below `limit`, or bad. */
unsigned unpack_byte(struct unpack *unpack, unsigned limit);
uint64_t unpack_long_number(struct unpack *unpack);

/* Most numbers of a record are one byte. */
static inline uint64_t unpack_number(struct unpack *unpack)
{
    if (unpack->at < unpack->end && *unpack->at < 0x80 && !unpack->bad)
        return *unpack->at++;
    return unpack_long_number(unpack);
}

int64_t unpack_count(struct unpack *unpack);
int64_t unpack_count_max(struct unpack *unpack, int64_t max);
int64_t unpack_signed(struct unpack *unpack);
int64_t unpack_fixed(struct unpack *unpack);
struct ulid unpack_ulid(struct unpack *unpack);
struct str unpack_text(struct unpack *unpack, size_t len_max);
