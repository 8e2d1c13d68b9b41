/* record_basis.c - see record_basis.h. */
#include "book/record_basis.h"
#include "book/record_int.h"

size_t record_basis_encode(const struct record_basis *record, void *out, size_t room)
{
    struct pack pack = record_begin(out, room);
    pack_fixed(&pack, (int64_t)record->name);
    pack_text(&pack, record->text, room);
    return pack_end(&pack);
}

bool record_basis_decode(struct str payload, struct record_basis *record)
{
    struct unpack unpack = record_begin_read(payload);
    record->name = (uint64_t)unpack_fixed(&unpack);
    record->text = unpack_text(&unpack, payload.len);
    return unpack_end(&unpack) && record->name != 0;
}

enum { LINE_CARRIED = 16 };

/* --- decisions ----------------------------------------------------------------------------- */
size_t decision_encode(const struct record_end *end, unsigned char out[DECISION_BYTES_MAX])
{
    struct pack pack = pack_begin(out, DECISION_BYTES_MAX);
    if (end->context.basis == 0)
        return 0;
    pack_fixed(&pack, (int64_t)end->context.basis);
    pack_number(&pack, end->window_count);
    for (size_t i = 0; i < end->window_count; i++) {
        const struct record_window_line *line = &end->windows[i];
        pack_byte(&pack, line->number);
        pack_byte(&pack, (unsigned)line->role << 2 | (unsigned)line->metric |
                             (line->carried > 0 ? LINE_CARRIED : 0u));
        pack_count(&pack, line->amount);
        pack_count(&pack, line->used);
        if (line->carried > 0)
            pack_count(&pack, line->carried);
    }
    return pack_end(&pack);
}

bool decision_decode(struct str bytes, struct decision *decision)
{
    struct unpack unpack = unpack_begin(bytes);
    decision->basis = (uint64_t)unpack_fixed(&unpack);
    decision->count = (size_t)unpack_count_max(&unpack, RECORD_WINDOWS_MAX);
    for (size_t i = 0; i < decision->count && !unpack.bad; i++) {
        struct decision_line *line = &decision->lines[i];
        line->number = unpack_byte(&unpack, RECORD_WINDOWS_MAX);
        unsigned const said = unpack_byte(&unpack, 2 * LINE_CARRIED);
        unsigned const what = said & ~(unsigned)LINE_CARRIED;
        if (what >= WINDOW_ROLE_COUNT << 2)
            unpack.bad = true;
        line->role = (enum window_role)(what >> 2);
        line->metric = (enum metric)(what & 3);
        line->amount = unpack_count(&unpack);
        line->used = unpack_count(&unpack);
        line->carried = said & LINE_CARRIED ? unpack_count(&unpack) : 0;
    }
    return unpack_end(&unpack) && decision->basis != 0;
}
