/* replay.h - rebuilding the book at start: rows of the database, then the journal.
 *
 * Order: book_load_customer … book_load_hold, book_apply_record for each record, then once
 *        book_close_orphans, which also ends this phase. One thread; nothing else uses the book.
 * Rules: what it reads may be damaged: everything is checked, nothing crashes; ERR_CORRUPT then.
 */
#pragma once
#include "book/book.h"
#include "book/record.h"

/* Customers before keys and grants, those before counters and holds. */
NODISCARD enum err book_load_customer(struct book *book, const struct customer_row *row,
                                      struct fault *fault);
NODISCARD enum err book_load_key(struct book *book, const struct key_row *row, struct fault *fault);
NODISCARD enum err book_load_grant(struct book *book, const struct grant_row *row,
                                   struct fault *fault);
/* Names as record_parts.h makes them; totals too (granted is known from the grants). */
NODISCARD enum err book_load_counter(struct book *book, const struct counter_row *row,
                                     struct fault *fault);
/* row->record: a RESERVE payload (record_reserve_encode). */
NODISCARD enum err book_load_hold(struct book *book, const struct hold_row *row,
                                  struct fault *fault);
/* status 0: begun, outcome lost; else answered, and the database has the answer. */
NODISCARD enum err book_load_idempotency(struct book *book, const struct idempotency_row *row,
                                         struct fault *fault);
/* Told to the listener, with its text. */
NODISCARD enum err book_load_object(struct book *book, const struct object_row *row,
                                    struct fault *fault);
/* The newest entry of the audit trail: new ones follow it. */
NODISCARD enum err book_load_audit_head(struct book *book, const struct audit_row *row,
                                        struct fault *fault);

enum replay_mode {
    REPLAY_HOLDS, /* the rows know this record already: only live holds are rebuilt from it */
    REPLAY_WHOLE,
};
NODISCARD enum err book_apply_record(struct book *book, const struct journal_record *record,
                                     enum replay_mode mode, struct fault *fault);

struct book_orphans {
    uint64_t released, settled;
    uint64_t mismatches; /* records whose totals are not what replay came to; logged */
};
/* Holds without an end: never dispatched -> released, else settled from orphan_input and the last
 * progress; outcome "crash" (journalled like any other). Expired ones are forgotten: nobody is left
 * who could settle them. ERR_LEDGER_UNAVAILABLE: the journal takes nothing. */
NODISCARD enum err book_close_orphans(struct book *book, struct book_orphans *orphans,
                                      struct fault *fault);
