/* idempotency.h - which Idempotency-Keys are known, for the other files of the book. */
#pragma once
#include "book/book_int.h"

struct idempotency;

struct idempotency *idempotency_new(void);
void idempotency_free(struct idempotency *table);
/* Replay: begun (nobody knows yet how it ended), ended without an effect, answered. */
NODISCARD enum err idempotency_replay_begun(struct book *book, const struct customer *customer,
                                            const unsigned char key_hash[32], int64_t at_us);
void idempotency_replay_released(struct book *book, const struct customer *customer,
                                 const unsigned char key_hash[32]);
NODISCARD enum err idempotency_replay_row(struct book *book, const struct customer *customer,
                                          const struct idempotency_row *row);
/* Those still begun are lost: their process died. */
void idempotency_replay_end(struct book *book);
/* Forgets what is older than a day; a bounded piece of work. */
void idempotency_sweep(struct book *book);
