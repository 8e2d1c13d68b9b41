/* record_int.h - what both halves of the record codec share. */
#pragma once
#include "book/pack.h"
#include "book/record.h"

enum { RECORD_VERSION = 1, RECORD_HASH_BYTES = 32, RECORD_HTTP_STATUS_MAX = 999 };

static inline struct pack record_begin(void *out, size_t room)
{
    struct pack pack = pack_begin(out, room);
    pack_byte(&pack, RECORD_VERSION);
    return pack;
}

static inline struct unpack record_begin_read(struct str payload)
{
    struct unpack unpack = unpack_begin(payload);
    if (unpack_byte(&unpack, RECORD_VERSION + 1) != RECORD_VERSION)
        unpack.bad = true;
    return unpack;
}

static inline void record_get_hash(struct unpack *unpack, unsigned char hash[RECORD_HASH_BYTES])
{
    const unsigned char *bytes = unpack_raw(unpack, RECORD_HASH_BYTES);
    if (bytes)
        memcpy(hash, bytes, RECORD_HASH_BYTES);
}

static inline void record_put_totals(struct pack *pack, const struct record_totals *totals)
{
    for (unsigned i = 0; i < TOTAL_COUNT; i++)
        pack_count(pack, totals->nano[i]);
}

static inline void record_get_totals(struct unpack *unpack, struct record_totals *totals)
{
    for (unsigned i = 0; i < TOTAL_COUNT; i++)
        totals->nano[i] = unpack_count(unpack);
}

/* record_windows.c: the lines of a RESERVE, or of a SETTLE (`whole`). */
void record_put_windows(struct pack *pack, const struct record_window_line *lines, size_t count,
                        bool whole);
size_t record_get_windows(struct unpack *unpack, struct record_window_line *lines, bool whole);
size_t record_get_windows_words(struct unpack *unpack, struct record_window_line *lines,
                                bool whole);
