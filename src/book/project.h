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

/* Hears of what becomes rows, on the projector's thread. What was told counts when `committed`
 * comes; after `rolled_back` all of it comes again. */
struct project_listener {
    void *owner;
    bool (*wants)(void *owner); /* asked before each batch: false: nothing of it is told */
    void (*usage)(void *owner, const struct usage_row *row);
    void (*alert)(void *owner, const struct alert_row *row);
    /* version 0: it was deleted */
    void (*document)(void *owner, const struct object_row *row);
    /* kind "customer", "key" or "grant" */
    void (*account)(void *owner, struct str kind, struct str id, struct str customer_id);
    void (*committed)(void *owner);
    void (*rolled_back)(void *owner);
};

struct projector;
/* Starts the thread; it owns the writing side of `store` until projector_stop. */
NODISCARD enum err projector_start(struct book *book, struct store *store,
                                   struct projector **projector, struct fault *fault);
/* Blocks until everything appended so far is in the database (tests, shutdown, CLI reads). False:
 * not within timeout_ms. */
bool projector_flush(struct projector *projector, int timeout_ms);
/* Once; it lives until projector_stop. Any thread. */
void projector_listen(struct projector *projector, const struct project_listener *listener);
struct projector_figures {
    uint64_t applied_lsn, lag_records, batches, rows, failures;
    bool healthy;
};
void projector_figures(const struct projector *projector, struct projector_figures *figures);
void projector_stop(struct projector *projector); /* flushes first */
