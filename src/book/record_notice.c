/* record_notice.c - RECORD_NOTICE: something ends soon. Encoder, decoder, and its name. */
#include "book/expiry_notice.h"
#include "book/record_int.h"
#include <stdio.h>

size_t record_notice_encode(const struct record_notice *record, void *out, size_t room)
{
    struct pack pack = record_begin(out, room);
    pack_byte(&pack, (unsigned)record->what);
    pack_text(&pack, record->id, OBJECT_ID_BYTES_MAX);
    pack_text(&pack, record->customer_id, CUSTOMER_ID_BYTES_MAX);
    pack_text(&pack, record->scope, NAME_BYTES_MAX);
    pack_count(&pack, record->end_us);
    pack_count(&pack, record->days);
    return pack_end(&pack);
}

bool record_notice_decode(struct str payload, struct record_notice *record)
{
    struct unpack unpack = record_begin_read(payload);
    *record = (struct record_notice){.what = (enum ending_kind)unpack_byte(&unpack, ENDING_COUNT)};
    record->id = unpack_text(&unpack, OBJECT_ID_BYTES_MAX);
    record->customer_id = unpack_text(&unpack, CUSTOMER_ID_BYTES_MAX);
    record->scope = unpack_text(&unpack, NAME_BYTES_MAX);
    record->end_us = unpack_count(&unpack);
    record->days = (int)unpack_count_max(&unpack, NOTICE_DAY_MAX);
    return unpack_end(&unpack) && !str_empty(record->id);
}

struct str record_notice_name(const struct record_notice *record, char name[NOTICE_NAME_BYTES_MAX])
{
    static const char *const words[] = {
        [ENDING_LICENSE] = "license", [ENDING_OVERRIDE] = "override",
        [ENDING_KEY] = "key",         [ENDING_SUBSCRIPTION] = "subscription",
        [ENDING_TRIAL] = "trial",     [ENDING_GRANT] = "grant",
    };
    int const len = snprintf(name, NOTICE_NAME_BYTES_MAX, "%s/%.*s@%lld/%d", words[record->what],
                             STR_ARG(record->id), (long long)record->end_us, record->days);
    return str_make(name, (size_t)len);
}
