/* record_object.c - the payload of a put, change by change: it may be a megabyte, so nothing of it
 * is copied. */
#include "book/record_object.h"
#include "base/must.h"
#include "book/record_int.h"
#include "codec/utf8.h"

enum { FLAG_DELETED = 1, KIND_BYTES_MAX = 32 };

/* C0, DEL, and C1, which is C2 80 … C2 9F. */
bool object_id_valid(struct str id)
{
    if (id.len == 0 || id.len > OBJECT_ID_BYTES_MAX || !utf8_valid(id))
        return false;
    for (size_t i = 0; i < id.len; i++) {
        unsigned char const byte = (unsigned char)id.ptr[i];
        unsigned char const next = i + 1 < id.len ? (unsigned char)id.ptr[i + 1] : 0xff;
        if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && next < 0xa0))
            return false;
    }
    return true;
}

static void put_change(struct pack *pack, const struct record_object_change *change)
{
    pack_byte(pack, change->deleted ? FLAG_DELETED : 0u);
    pack_text(pack, change->kind, KIND_BYTES_MAX);
    pack_text(pack, change->id, OBJECT_ID_BYTES_MAX);
    pack_text(pack, change->customer_id, CUSTOMER_ID_BYTES_MAX);
    pack_number(pack, change->version);
    pack_byte(pack, change->origin);
    pack_count(pack, change->created_us);
    pack_text(pack, change->before, OBJECT_TEXT_BYTES_MAX);
    pack_text(pack, change->after, OBJECT_TEXT_BYTES_MAX);
    pack_raw(pack, change->hash, AUDIT_HASH_BYTES);
}

static void get_change(struct unpack *unpack, struct record_object_change *change)
{
    change->deleted = unpack_byte(unpack, FLAG_DELETED + 1) == FLAG_DELETED;
    change->kind = unpack_text(unpack, KIND_BYTES_MAX);
    change->id = unpack_text(unpack, OBJECT_ID_BYTES_MAX);
    change->customer_id = unpack_text(unpack, CUSTOMER_ID_BYTES_MAX);
    change->version = (uint32_t)unpack_count_max(unpack, UINT32_MAX);
    change->origin = (enum row_origin)unpack_byte(unpack, ORIGIN_RUNTIME + 1);
    change->created_us = unpack_count(unpack);
    change->before = unpack_text(unpack, OBJECT_TEXT_BYTES_MAX);
    change->after = unpack_text(unpack, OBJECT_TEXT_BYTES_MAX);
    record_get_hash(unpack, change->hash);
    if (!unpack->bad && (!object_id_valid(change->id) || change->version == 0 ||
                         change->deleted != str_empty(change->after)))
        unpack->bad = true;
}

size_t record_object_encode(const struct record_object *record,
                            const struct record_object_change *changes, void *out, size_t room)
{
    const struct object_actor *by = &record->by;
    struct str const texts[] = {by->actor, by->address, by->user_agent, by->reason, by->request_id};
    struct pack pack = record_begin(out, room);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        pack_text(&pack, texts[i], AUDIT_TEXT_BYTES_MAX);
    pack_number(&pack, record->sequence);
    pack_number(&pack, record->count);
    for (size_t i = 0; i < record->count; i++)
        put_change(&pack, &changes[i]);
    return pack_end(&pack);
}

bool record_object_decode(struct str payload, struct record_object *record)
{
    struct unpack unpack = record_begin_read(payload);
    struct object_actor *by = &record->by;
    struct str *const texts[] = {&by->actor, &by->address, &by->user_agent, &by->reason,
                                 &by->request_id};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = unpack_text(&unpack, AUDIT_TEXT_BYTES_MAX);
    record->sequence = (uint64_t)unpack_count_max(&unpack, INT64_MAX - OBJECT_PUT_CHANGES_MAX);
    record->count = (size_t)unpack_count_max(&unpack, OBJECT_PUT_CHANGES_MAX);
    if (unpack.bad || record->sequence == 0 || record->count == 0)
        return false;
    record->rest = str_make((const char *)unpack.at, (size_t)(unpack.end - unpack.at));
    for (size_t i = 0; i < record->count && !unpack.bad; i++) {
        struct record_object_change change;
        get_change(&unpack, &change);
    }
    return unpack_end(&unpack);
}

bool record_object_next(struct record_object *record, struct record_object_change *change)
{
    struct unpack unpack = unpack_begin(record->rest);
    if (str_empty(record->rest))
        return false;
    get_change(&unpack, change);
    MUST(!unpack.bad); /* record_object_decode has seen it all */
    record->rest = str_make((const char *)unpack.at, (size_t)(unpack.end - unpack.at));
    return true;
}

struct audit_row record_object_audit(const struct record_object *record,
                                     const struct record_object_change *change, uint64_t sequence,
                                     int64_t at_us)
{
    struct str action = change->version == 1 ? STR("create") : STR("update");
    bool const shown = !object_kind_secret(change->kind);
    if (change->deleted)
        action = STR("delete");
    return (struct audit_row){
        .sequence = sequence,
        .at_us = at_us,
        .actor = record->by.actor,
        .address = record->by.address,
        .user_agent = record->by.user_agent,
        .reason = record->by.reason,
        .request_id = record->by.request_id,
        .kind = change->kind,
        .object_id = change->id,
        .customer_id = change->customer_id,
        .action = action,
        .before = shown ? change->before : STR(""),
        .after = shown ? change->after : STR(""),
    };
}
