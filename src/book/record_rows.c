/* record_rows.c - payloads of what changes rarely: customers, keys, grants, stored answers. */
#include "base/must.h"
#include "book/record_int.h"

enum {
    CURRENCY_BYTES_MAX = 16,
    PREFIX_BYTES_MAX = 16,
    TEXT_BYTES_MAX = NAME_BYTES_MAX,
};

static struct str get_id(struct unpack *unpack)
{
    struct str const id = unpack_text(unpack, CUSTOMER_ID_BYTES_MAX);
    if (str_empty(id))
        unpack->bad = true;
    return id;
}

/* Our own ids: a ULID as text. */
static struct str get_ulid_text(struct unpack *unpack)
{
    struct ulid id;
    struct str const text = unpack_text(unpack, ULID_TEXT_BYTES);
    if (!unpack->bad && !ulid_parse(text, &id))
        unpack->bad = true;
    return text;
}

size_t record_customer_encode(const struct record_customer *record, void *out, size_t room)
{
    struct pack pack = record_begin(out, room);
    pack_text(&pack, record->row.id, CUSTOMER_ID_BYTES_MAX);
    pack_text(&pack, record->row.currency, CURRENCY_BYTES_MAX);
    pack_byte(&pack, record->row.origin);
    pack_byte(&pack, record->row.unlimited);
    pack_byte(&pack, (unsigned)record->row.status);
    pack_count(&pack, record->row.created_us);
    pack_count(&pack, record->row.overdraft.nano);
    pack_count(&pack, record->limits.requests_per_minute);
    pack_count(&pack, record->limits.tokens_per_minute);
    pack_count(&pack, record->limits.concurrent_max);
    return pack_end(&pack);
}

bool record_customer_decode(struct str payload, struct record_customer *record)
{
    struct unpack unpack = record_begin_read(payload);
    *record = (struct record_customer){0};
    record->row.id = get_id(&unpack);
    record->row.currency = unpack_text(&unpack, CURRENCY_BYTES_MAX);
    record->row.origin = (enum row_origin)unpack_byte(&unpack, ORIGIN_RUNTIME + 1);
    record->row.unlimited = unpack_byte(&unpack, 2) == 1;
    record->row.status = (int)unpack_byte(&unpack, CUSTOMER_CLOSED + 1);
    record->row.created_us = unpack_count(&unpack);
    record->row.overdraft.nano = unpack_count(&unpack);
    record->limits.requests_per_minute = unpack_count(&unpack);
    record->limits.tokens_per_minute = unpack_count(&unpack);
    record->limits.concurrent_max = unpack_count(&unpack);
    return unpack_end(&unpack);
}

size_t record_key_encode(const struct key_row *row, void *out, size_t room)
{
    struct pack pack = record_begin(out, room);
    pack_text(&pack, row->id, ULID_TEXT_BYTES);
    pack_text(&pack, row->customer_id, CUSTOMER_ID_BYTES_MAX);
    pack_text(&pack, row->name, KEY_NAME_BYTES_MAX);
    pack_text(&pack, row->prefix, PREFIX_BYTES_MAX);
    pack_raw(&pack, row->hash, RECORD_HASH_BYTES);
    pack_byte(&pack, row->origin);
    pack_byte(&pack, (unsigned)row->status);
    pack_count(&pack, row->created_us);
    pack_count(&pack, row->expires_us);
    pack_count(&pack, row->requests_per_minute);
    pack_count(&pack, row->tokens_per_minute);
    pack_count(&pack, row->concurrent_max);
    if (row->old_until_us > 0) { /* records of keys that were never rotated end here */
        pack_count(&pack, row->old_until_us);
        pack_raw(&pack, row->old_hash, RECORD_HASH_BYTES);
    }
    return pack_end(&pack);
}

bool record_key_decode(struct str payload, struct key_row *row)
{
    struct unpack unpack = record_begin_read(payload);
    *row = (struct key_row){0};
    row->id = get_ulid_text(&unpack);
    row->customer_id = get_id(&unpack);
    row->name = unpack_text(&unpack, KEY_NAME_BYTES_MAX);
    row->prefix = unpack_text(&unpack, PREFIX_BYTES_MAX);
    record_get_hash(&unpack, row->hash);
    row->origin = (enum row_origin)unpack_byte(&unpack, ORIGIN_RUNTIME + 1);
    row->status = (int)unpack_byte(&unpack, KEY_REVOKED + 1);
    row->created_us = unpack_count(&unpack);
    row->expires_us = unpack_count(&unpack);
    row->requests_per_minute = unpack_count(&unpack);
    row->tokens_per_minute = unpack_count(&unpack);
    row->concurrent_max = unpack_count(&unpack);
    if (!unpack.bad && unpack.at < unpack.end) {
        row->old_until_us = unpack_count(&unpack);
        record_get_hash(&unpack, row->old_hash);
        if (row->old_until_us == 0)
            unpack.bad = true;
    }
    return unpack_end(&unpack);
}

size_t record_grant_encode(const struct record_grant *record, void *out, size_t room)
{
    const struct grant_row *row = &record->row;
    struct pack pack = record_begin(out, room);
    pack_text(&pack, row->id, ULID_TEXT_BYTES);
    pack_text(&pack, row->customer_id, CUSTOMER_ID_BYTES_MAX);
    pack_text(&pack, row->category, TEXT_BYTES_MAX);
    pack_text(&pack, row->source_type, TEXT_BYTES_MAX);
    pack_text(&pack, row->source_id, TEXT_BYTES_MAX);
    pack_count(&pack, row->amount.nano);
    pack_count(&pack, record->repaid.nano);
    pack_signed(&pack, row->priority);
    pack_count(&pack, row->effective_us);
    pack_count(&pack, row->expires_us);
    pack_count(&pack, row->created_us);
    record_put_totals(&pack, &record->totals);
    if (row->features.len > 0) /* at the end, where older records have nothing */
        pack_text(&pack, row->features, GRANT_FEATURES_BYTES_MAX);
    return pack_end(&pack);
}

bool record_grant_decode(struct str payload, struct record_grant *record)
{
    struct unpack unpack = record_begin_read(payload);
    *record = (struct record_grant){0};
    struct grant_row *row = &record->row;
    row->id = get_ulid_text(&unpack);
    row->customer_id = get_id(&unpack);
    row->category = unpack_text(&unpack, TEXT_BYTES_MAX);
    row->source_type = unpack_text(&unpack, TEXT_BYTES_MAX);
    row->source_id = unpack_text(&unpack, TEXT_BYTES_MAX);
    row->amount.nano = unpack_count(&unpack);
    record->repaid.nano = unpack_count_max(&unpack, row->amount.nano);
    row->remaining.nano = row->amount.nano - record->repaid.nano;
    row->priority = unpack_signed(&unpack);
    row->effective_us = unpack_count(&unpack);
    row->expires_us = unpack_count(&unpack);
    row->created_us = unpack_count(&unpack);
    row->status = GRANT_ACTIVE;
    record_get_totals(&unpack, &record->totals);
    if (!unpack.bad && unpack.at < unpack.end) {
        row->features = unpack_text(&unpack, GRANT_FEATURES_BYTES_MAX);
        if (str_empty(row->features))
            unpack.bad = true;
    }
    return unpack_end(&unpack);
}

size_t record_grant_expire_encode(const struct record_grant_expire *record, void *out, size_t room)
{
    struct pack pack = record_begin(out, room);
    pack_text(&pack, record->customer_id, CUSTOMER_ID_BYTES_MAX);
    pack_ulid(&pack, record->grant);
    pack_count(&pack, record->breakage.nano);
    pack_count(&pack, record->remaining.nano);
    record_put_totals(&pack, &record->totals);
    return pack_end(&pack);
}

bool record_grant_expire_decode(struct str payload, struct record_grant_expire *record)
{
    struct unpack unpack = record_begin_read(payload);
    record->customer_id = get_id(&unpack);
    record->grant = unpack_ulid(&unpack);
    record->breakage.nano = unpack_count(&unpack);
    record->remaining.nano = unpack_count(&unpack);
    record_get_totals(&unpack, &record->totals);
    return unpack_end(&unpack);
}

size_t record_alert_seen_encode(const struct record_alert_seen *record, void *out, size_t room)
{
    struct pack pack = record_begin(out, room);
    pack_count(&pack, record->alert);
    pack_text(&pack, record->by, NAME_BYTES_MAX);
    return pack_end(&pack);
}

bool record_alert_seen_decode(struct str payload, struct record_alert_seen *record)
{
    struct unpack unpack = record_begin_read(payload);
    record->alert = unpack_count(&unpack);
    record->by = unpack_text(&unpack, NAME_BYTES_MAX);
    return unpack_end(&unpack);
}

size_t record_idempotency_encode(const struct idempotency_row *row, void *out, size_t room)
{
    struct pack pack = record_begin(out, room);
    pack_text(&pack, row->customer_id, CUSTOMER_ID_BYTES_MAX);
    pack_raw(&pack, row->key_hash, RECORD_HASH_BYTES);
    pack_raw(&pack, row->fingerprint, RECORD_HASH_BYTES);
    pack_count(&pack, row->status);
    pack_count(&pack, row->created_us);
    pack_count(&pack, row->expires_us);
    pack_text(&pack, row->content_type, JOURNAL_RECORD_BYTES_MAX);
    pack_text(&pack, row->headers, JOURNAL_RECORD_BYTES_MAX);
    pack_text(&pack, row->body, JOURNAL_RECORD_BYTES_MAX);
    return pack_end(&pack);
}

bool record_idempotency_decode(struct str payload, struct idempotency_row *row)
{
    struct unpack unpack = record_begin_read(payload);
    *row = (struct idempotency_row){0};
    row->customer_id = unpack_text(&unpack, CUSTOMER_ID_BYTES_MAX); /* none: claim.h */
    record_get_hash(&unpack, row->key_hash);
    record_get_hash(&unpack, row->fingerprint);
    row->status = (int)unpack_count_max(&unpack, RECORD_HTTP_STATUS_MAX);
    row->created_us = unpack_count(&unpack);
    row->expires_us = unpack_count(&unpack);
    row->content_type = unpack_text(&unpack, JOURNAL_RECORD_BYTES_MAX);
    row->headers = unpack_text(&unpack, JOURNAL_RECORD_BYTES_MAX);
    row->body = unpack_text(&unpack, JOURNAL_RECORD_BYTES_MAX);
    return unpack_end(&unpack);
}
