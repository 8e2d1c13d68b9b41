/* chain.c - hashing entries of the audit trail, and finding the one that was tampered with. */
#include "store/chain.h"
#include <sodium.h>

_Static_assert(AUDIT_HASH_BYTES == crypto_hash_sha256_BYTES, "SHA-256");

static void add_number(crypto_hash_sha256_state *state, uint64_t number)
{
    unsigned char bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    crypto_hash_sha256_update(state, bytes, sizeof bytes);
}

void audit_chain_hash(const unsigned char previous[AUDIT_HASH_BYTES], const struct audit_row *row,
                      unsigned char hash[AUDIT_HASH_BYTES])
{
    const struct str texts[] = {
        row->actor,     row->address,     row->user_agent, row->reason, row->request_id, row->kind,
        row->object_id, row->customer_id, row->action,     row->before, row->after,
    };
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, previous, AUDIT_HASH_BYTES);
    add_number(&state, row->sequence);
    add_number(&state, (uint64_t)row->at_us);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        add_number(&state, texts[i].len);
        crypto_hash_sha256_update(&state, (const unsigned char *)texts[i].ptr, texts[i].len);
    }
    crypto_hash_sha256_final(&state, hash);
}

bool audit_walk_next(void *owner, const struct audit_row *row)
{
    struct audit_walk *walk = owner;
    if (row->sequence != walk->last + 1) {
        walk->err = fault_set(walk->fault, ERR_CORRUPT, "audit trail: entry %llu is missing",
                              (unsigned long long)walk->last + 1);
        return false;
    }
    audit_chain_hash(walk->hash, row, walk->hash);
    if (memcmp(walk->hash, row->hash, AUDIT_HASH_BYTES) != 0) {
        walk->err =
            fault_set(walk->fault, ERR_CORRUPT, "audit trail: entry %llu is not what was written",
                      (unsigned long long)row->sequence);
        return false;
    }
    walk->last = row->sequence;
    return true;
}

static bool is_member_name(struct str name)
{
    if (name.len == 0 || name.len > OBJECT_MEMBER_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if ((name.ptr[i] < 'a' || name.ptr[i] > 'z') && name.ptr[i] != '_')
            return false;
    return true;
}

enum err object_query_check(const struct object_query *query, struct fault *fault)
{
    if (query->filter_count > OBJECT_FILTERS_MAX)
        return fault_set(fault, ERR_FIELD_INVALID, "at most %d filters", OBJECT_FILTERS_MAX);
    for (size_t i = 0; i < query->filter_count; i++)
        if (!is_member_name(query->filters[i].member))
            return fault_set(fault, ERR_FIELD_INVALID, "not the name of a member: %.*s",
                             STR_ARG(query->filters[i].member));
    return ERR_OK;
}
