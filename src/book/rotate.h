/* rotate.h - another secret for a key that stays the same key.
 *
 * What:  id, name, limits and everything that counts for the key go on; the old secret opens it
 *        until the overlap ends. A key has at most two secrets that open it: rotated again, the
 *        one before the old one ends at once.
 */
#pragma once
#include "book/manage.h"

enum { KEY_OVERLAP_SECONDS_MAX = 90 * 24 * 3600 };

struct key_rotation {
    struct str customer_id, id_or_name;
    struct str secret; /* empty: a fresh one is made */
    int64_t overlap_s; /* the old one opens the key for so long; 0: no more */
};
struct key_rotated {
    struct key_made made;
    struct str name;      /* in the arena */
    int64_t old_until_us; /* wall */
    int64_t expires_us;   /* of the key; 0: never */
};
/* Durable when it returns. ERR_NOT_FOUND, ERR_CONFLICT (revoked, expired, of the configuration
 * file, or another key has this secret), ERR_FIELD_INVALID. The secret that it has already: done
 * before, nothing changes (made.existed). */
NODISCARD enum err book_key_rotate(struct book *book, const struct key_rotation *want,
                                   struct arena *arena, struct key_rotated *rotated,
                                   struct fault *fault);
