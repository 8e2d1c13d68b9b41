/* basis.c - see basis.h: a set of names that threads ask without a lock.
 *
 * Set:   open addressing over atomic words, names are only added. Too full, it is emptied: the
 *        next calls tell their bases again. A name that one thread adds while another empties may
 *        be lost in the same way.
 */
#include "book/basis.h"
#include "book/book_int.h"
#include "book/record_basis.h"
#include <stdlib.h>

static size_t slot_of(uint64_t name)
{
    return (size_t)(name % BASIS_SLOTS);
}

bool book_basis_known(const struct book *book, uint64_t name)
{
    size_t at = slot_of(name);
    for (int tries = 0; tries < BASIS_TRIES_MAX; tries++, at = (at + 1) % BASIS_SLOTS) {
        uint64_t const held = atomic_load_explicit(&book->bases.names[at], memory_order_acquire);
        if (held == name)
            return true;
        if (held == 0)
            return false;
    }
    return false;
}

static void forget_all(struct basis_names *bases)
{
    for (size_t i = 0; i < BASIS_SLOTS; i++)
        atomic_store_explicit(&bases->names[i], 0, memory_order_relaxed);
}

static void note(struct basis_names *bases, uint64_t name)
{
    size_t at = slot_of(name);
    for (int tries = 0; tries < BASIS_TRIES_MAX; tries++, at = (at + 1) % BASIS_SLOTS) {
        uint64_t empty = 0;
        if (atomic_compare_exchange_strong(&bases->names[at], &empty, name) || empty == name)
            return;
    }
    forget_all(bases);
}

enum err book_basis_tell(struct book *book, uint64_t name, struct str text, struct fault *fault)
{
    uint64_t lsn;
    size_t const room = text.len + RECORD_BASIS_HEAD_BYTES_MAX;
    MUST(name != 0);
    unsigned char *bytes = malloc(room);
    if (bytes == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "what a decision rests on");
    struct record_basis const record = {.name = name, .text = text};
    size_t const len = record_basis_encode(&record, bytes, room);
    MUST(len > 0);
    enum err const err = journal_append(book->journal, RECORD_BASIS, clock_wall_us(book->clock),
                                        str_make((const char *)bytes, len), &lsn);
    free(bytes);
    if (err != ERR_OK)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal took no BASIS record");
    note(&book->bases, name);
    return ERR_OK;
}
