/* project.h - carries the journal into the database, exactly once, on its own thread; and back
 * into the book at start.
 *
 * What:  batches of records become rows in one transaction with the journal position. Usage of one
 *        customer in one batch is one balanced ledger transaction, to which its usage rows point.
 * Why:   the hot path touches no database, whatever the load or the database's health.
 */
#pragma once
#include "book/book.h"
#include "store/store.h"

/* Loads the rows, replays the journal from the position, closes orphans: holds without an end are
 * released if they were never dispatched, else settled from input + last progress and marked
 * outcome "crash". Call before anything else touches the book. */
struct recovered {
    uint64_t records, released, settled;
    int64_t took_us;
};
NODISCARD enum err book_recover(struct book *book, struct store *store, struct recovered *recovered,
                                struct fault *fault);

struct projector;
/* Starts the thread; it owns the writing side of `store` until projector_stop. */
NODISCARD enum err projector_start(struct book *book, struct store *store,
                                   struct projector **projector, struct fault *fault);
/* Blocks until everything appended so far is in the database (tests, shutdown, CLI reads). False:
 * not within timeout_ms. */
bool projector_flush(struct projector *projector, int timeout_ms);
struct projector_figures {
    uint64_t applied_lsn, lag_records, batches, rows, failures;
    bool healthy;
};
void projector_figures(const struct projector *projector, struct projector_figures *figures);
void projector_stop(struct projector *projector); /* flushes first */
