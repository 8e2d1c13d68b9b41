/* record_basis.h - RECORD_BASIS, and the part of a usage row that points to it.
 *
 * What:  a basis is told once (book/basis.h). A decision is what one call's row keeps: the name of
 *        its basis, and for each limit in it what had been used before and after.
 * Not:   the journal's lines (record.h), which carry windows and counters as well.
 */
#pragma once
#include "book/record.h"

enum {
    RECORD_BASIS_HEAD_BYTES_MAX = 32,
    DECISION_LINE_BYTES_MAX = 32,
    DECISION_BYTES_MAX = 16 + RECORD_WINDOWS_MAX * DECISION_LINE_BYTES_MAX,
};

struct record_basis {
    uint64_t name;
    struct str text;
};
size_t record_basis_encode(const struct record_basis *record, void *out, size_t room);
NODISCARD bool record_basis_decode(struct str payload, struct record_basis *record);

struct decision_line {
    unsigned number; /* of the limit in its basis; of ROLE_LIMIT only */
    enum window_role role;
    enum metric metric;
    int64_t amount, used; /* by this call; after it. Concurrency: not counted, 0 */
    int64_t carried;      /* of an allowance: from the window before */
};
struct decision {
    uint64_t basis; /* 0: no plan, no limits of documents */
    size_t count;
    struct decision_line lines[RECORD_WINDOWS_MAX];
};
/* Of an end's own lines; 0: there is nothing to keep. */
size_t decision_encode(const struct record_end *end, unsigned char out[DECISION_BYTES_MAX]);
NODISCARD bool decision_decode(struct str bytes, struct decision *decision);
