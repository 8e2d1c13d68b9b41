/* chain.h - the audit trail's hash chain and the rules of lists, the same for every backend.
 *
 * What:  hash = SHA-256(hash of the entry before || the entry): whoever changes, removes or inserts
 *        an entry must change all later ones, too. The first entry follows 32 zeros.
 * Why:   here and not in the book: the book makes the chain, each store checks it.
 */
#pragma once
#include "store/store.h"

/* `row->hash` is not looked at. Numbers are 8 bytes little-endian, texts are preceded by their
 * length, in the order of struct audit_row. `hash` may be `previous`. */
void audit_chain_hash(const unsigned char previous[AUDIT_HASH_BYTES], const struct audit_row *row,
                      unsigned char hash[AUDIT_HASH_BYTES]);

struct audit_walk {
    uint64_t last; /* sequence */
    unsigned char hash[AUDIT_HASH_BYTES];
    enum err err;
    struct fault *fault;
};
/* An audit_visit over entries, oldest first: false at the first that is not what was written. */
bool audit_walk_next(void *walk, const struct audit_row *row);

/* ERR_FIELD_INVALID. */
NODISCARD enum err object_query_check(const struct object_query *query, struct fault *fault);
