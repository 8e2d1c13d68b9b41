/* claim.h - Idempotency-Keys of the management API, and secrets that follow from the pepper.
 *
 * What:  like the keys of calls (book.h), but of no customer: the hash says whose they are. That a
 *        claim began is journalled before anything is done; whoever repeats it after a crash does
 *        it again with the same `begun_us`, from which its ids and secrets are derived, so that
 *        what was done already is found and not done twice.
 * Rules: ends with exactly one of finish, drop and leave. Any thread that may wait for the journal.
 */
#pragma once
#include "book/book.h"

enum { BOOK_DERIVED_BYTES = 64 };

struct claim {
    enum idempotency_state state; /* NEW: go on; never LOST */
    bool again;                   /* NEW, after a first try whose end nobody knows */
    int64_t begun_us;             /* of the first try */
    struct idempotency_answer answer;
};

/* ERR_LEDGER_UNAVAILABLE, ERR_NO_MEMORY: nothing is claimed. */
NODISCARD enum err book_claim(struct book *book, const unsigned char key_hash[32],
                              const unsigned char fingerprint[32], struct arena *arena,
                              struct claim *claim);
void book_claim_finish(struct book *book, const unsigned char key_hash[32],
                       const struct idempotency_answer *answer);
/* Nothing was done: the key is free again. */
void book_claim_drop(struct book *book, const unsigned char key_hash[32]);
/* It is not known whether something was done: the same request may go on, no other. */
void book_claim_leave(struct book *book, const unsigned char key_hash[32]);

/* 64 bytes that only this book can make from `seed`; other labels, other bytes. */
void book_derive(const struct book *book, const char *label, struct str seed,
                 unsigned char derived[BOOK_DERIVED_BYTES]);
