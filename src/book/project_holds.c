/* project_holds.c - the live holds, as far as the projection knows them.
 *
 * Why:   after a restart the live holds are rebuilt from their RESERVE, DISPATCH and PROGRESS
 * records. A hold that lives for hours would keep hours of journal; so an old one becomes a row,
 * and a row that is out of date is written again, both after HOLD_LONG_US. The journal is needed
 *        from the oldest record that no row knows.
 */
#include "base/must.h"
#include "book/project_int.h"
#include <stdlib.h>

enum { SLOTS_MIN = 256 };

static size_t slot_of(const struct live_holds *holds, struct ulid id)
{
    uint64_t const hash = (id.low ^ id.high << 20) * 0x9e3779b97f4a7c15u;
    return (size_t)(hash >> 20) & (holds->slot_count - 1);
}

static struct live_hold *find(const struct live_holds *holds, struct ulid id, size_t *slot)
{
    if (holds->slot_count == 0)
        return NULL;
    for (size_t at = slot_of(holds, id); holds->slots[at] != 0;
         at = (at + 1) & (holds->slot_count - 1)) {
        struct live_hold *hold = &holds->pool[holds->slots[at] - 1];
        if (ulid_eq(hold->id, id)) {
            *slot = at;
            return hold;
        }
    }
    return NULL;
}

static void slot_put(struct live_holds *holds, uint32_t number)
{
    size_t at = slot_of(holds, holds->pool[number - 1].id);
    while (holds->slots[at] != 0)
        at = (at + 1) & (holds->slot_count - 1);
    holds->slots[at] = number;
}

/* Moves what follows forward, so that searches never meet a hole. */
static void slot_clear(struct live_holds *holds, size_t hole)
{
    size_t const mask = holds->slot_count - 1;
    for (size_t at = (hole + 1) & mask; holds->slots[at] != 0; at = (at + 1) & mask) {
        size_t const home = slot_of(holds, holds->pool[holds->slots[at] - 1].id);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            holds->slots[hole] = holds->slots[at];
            hole = at;
        }
    }
    holds->slots[hole] = 0;
}

static bool grow(struct live_holds *holds)
{
    size_t const slot_count = holds->slot_count > 0 ? 2 * holds->slot_count : SLOTS_MIN;
    struct live_hold *pool = realloc(holds->pool, slot_count / 2 * sizeof *pool);
    if (pool == NULL)
        return false;
    holds->pool = pool;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return false;
    uint32_t *before = holds->slots;
    size_t const before_count = holds->slot_count;
    holds->slots = slots;
    holds->slot_count = slot_count;
    holds->pool_capacity = slot_count / 2;
    for (size_t i = 0; i < before_count; i++) {
        if (before[i] != 0)
            slot_put(holds, before[i]);
    }
    free(before);
    return true;
}

/* --- the two lists --- */

static struct live_hold *at_number(const struct live_holds *holds, uint32_t number)
{
    MUST(number > 0 && number <= holds->pool_count);
    return &holds->pool[number - 1];
}

static void list_append(struct live_holds *holds, struct hold_list *list, uint32_t number)
{
    struct live_hold *hold = at_number(holds, number);
    hold->previous = list->last;
    hold->next = 0;
    if (list->last != 0)
        at_number(holds, list->last)->next = number;
    else
        list->first = number;
    list->last = number;
}

static void list_take(struct live_holds *holds, struct hold_list *list, uint32_t number)
{
    const struct live_hold *hold = at_number(holds, number);
    if (hold->previous != 0)
        at_number(holds, hold->previous)->next = hold->next;
    else
        list->first = hold->next;
    if (hold->next != 0)
        at_number(holds, hold->next)->previous = hold->previous;
    else
        list->last = hold->previous;
}

static uint32_t number_of(const struct live_holds *holds, const struct live_hold *hold)
{
    return (uint32_t)(hold - holds->pool) + 1;
}

/* --- what records do --- */

static struct live_hold *make(struct live_holds *holds, struct ulid id)
{
    size_t slot;
    if (find(holds, id, &slot) != NULL)
        return NULL;
    if (holds->free == 0 && holds->pool_count == holds->pool_capacity && !grow(holds))
        return NULL;
    uint32_t number = holds->free;
    if (number != 0)
        holds->free = at_number(holds, number)->next;
    else
        number = (uint32_t)++holds->pool_count;
    struct live_hold *hold = at_number(holds, number);
    *hold = (struct live_hold){.id = id};
    slot_put(holds, number);
    holds->live++;
    return hold;
}

static bool reserve_copy(struct live_hold *hold, struct str reserve)
{
    char *copy = malloc(reserve.len > 0 ? reserve.len : 1);
    if (copy == NULL)
        return false;
    memcpy(copy, reserve.ptr, reserve.len);
    hold->reserve = str_make(copy, reserve.len);
    hold->stored = true;
    return true;
}

enum err live_holds_stored(struct live_holds *holds, struct ulid id, struct str reserve)
{
    struct live_hold *hold = make(holds, id);
    if (hold == NULL)
        return ERR_NO_MEMORY;
    if (reserve_copy(hold, reserve))
        return ERR_OK;
    (void)live_holds_end(holds, id); /* was not known before */
    return ERR_NO_MEMORY;
}

enum err live_holds_begin(struct live_holds *holds, struct ulid id, uint64_t lsn, int64_t at_us,
                          struct str reserve)
{
    struct live_hold *hold = make(holds, id);
    if (hold == NULL)
        return ERR_NO_MEMORY;
    hold->lsn = lsn;
    hold->at_us = at_us;
    hold->reserve = reserve;
    list_append(holds, &holds->fresh, number_of(holds, hold));
    return ERR_OK;
}

void live_holds_progress(struct live_holds *holds, const struct record_progress *progress,
                         bool dispatch, uint64_t lsn, int64_t at_us)
{
    size_t slot;
    struct live_hold *hold = find(holds, progress->id, &slot);
    if (hold == NULL)
        return;
    hold->dispatched = hold->dispatched || dispatch;
    if (progress->output_tokens > hold->output_tokens)
        hold->output_tokens = progress->output_tokens;
    if (!hold->stored || hold->changed)
        return;
    hold->changed = true;
    hold->lsn = lsn;
    hold->at_us = at_us;
    list_append(holds, &holds->changed, number_of(holds, hold));
}

bool live_holds_end(struct live_holds *holds, struct ulid id)
{
    size_t slot;
    struct live_hold *hold = find(holds, id, &slot);
    if (hold == NULL)
        return false;
    bool const stored = hold->stored;
    uint32_t const number = number_of(holds, hold);
    if (!stored && hold->lsn > 0)
        list_take(holds, &holds->fresh, number);
    else if (hold->changed)
        list_take(holds, &holds->changed, number);
    if (stored)
        free((void *)(uintptr_t)hold->reserve.ptr);
    slot_clear(holds, slot);
    hold->next = holds->free;
    hold->stored = false;
    holds->free = number;
    holds->live--;
    return stored;
}

bool live_holds_known(const struct live_holds *holds, struct ulid id)
{
    size_t slot;
    return find(holds, id, &slot) != NULL;
}

void live_holds_free(struct live_holds *holds)
{
    for (size_t i = 0; i < holds->slot_count; i++) {
        if (holds->slots[i] == 0)
            continue;
        struct live_hold *hold = at_number(holds, holds->slots[i]);
        if (hold->stored)
            free((void *)(uintptr_t)hold->reserve.ptr);
    }
    free(holds->pool);
    free(holds->slots);
    *holds = (struct live_holds){0};
}

/* --- rows --- */

/* The RESERVE again, with what is known since. */
static enum err row_put(const struct live_hold *hold, struct store *store, struct fault *fault)
{
    struct record_reserve record;
    char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_RESERVE_BYTES_MAX], id[ULID_TEXT_BYTES];
    if (!record_reserve_decode(hold->reserve, &record))
        return fault_set(fault, ERR_CORRUPT, "projection: a live hold cannot be read");
    record.dispatched = record.dispatched || hold->dispatched;
    if (hold->output_tokens > record.output_tokens)
        record.output_tokens = hold->output_tokens;
    size_t const context_len = record_context_encode(&record.context, context, sizeof context);
    size_t const len =
        record_reserve_encode(&record, str_make(context, context_len), bytes, sizeof bytes);
    MUST(context_len > 0 && len > 0); /* it was decoded from as much */
    ulid_text(hold->id, id);
    struct hold_row const row = {
        .id = str_make(id, sizeof id),
        .customer_id = record.customer_id,
        .deadline_us = record.deadline_us,
        .record = str_make(bytes, len),
    };
    return store->ops->hold_put(store, &row, fault);
}

static enum err fresh_write(struct live_holds *holds, struct store *store, int64_t before_us,
                            struct fault *fault)
{
    while (holds->fresh.first != 0) {
        uint32_t const number = holds->fresh.first;
        struct live_hold *hold = at_number(holds, number);
        if (hold->at_us >= before_us)
            break;
        enum err err = row_put(hold, store, fault);
        if (err == ERR_OK && !reserve_copy(hold, hold->reserve))
            err = fault_set(fault, ERR_NO_MEMORY, "projection: a long hold");
        if (err != ERR_OK)
            return err;
        list_take(holds, &holds->fresh, number);
    }
    return ERR_OK;
}

enum err live_holds_write(struct live_holds *holds, struct store *store, int64_t before_us,
                          struct fault *fault)
{
    enum err err = fresh_write(holds, store, before_us, fault);
    while (err == ERR_OK && holds->changed.first != 0) {
        uint32_t const number = holds->changed.first;
        struct live_hold *hold = at_number(holds, number);
        if (hold->at_us >= before_us)
            break;
        err = row_put(hold, store, fault);
        if (err != ERR_OK)
            break;
        hold->changed = false;
        list_take(holds, &holds->changed, number);
    }
    return err;
}

uint64_t live_holds_recover_lsn(const struct live_holds *holds, uint64_t otherwise)
{
    uint64_t lsn = otherwise;
    if (holds->fresh.first != 0 && at_number(holds, holds->fresh.first)->lsn < lsn)
        lsn = at_number(holds, holds->fresh.first)->lsn;
    if (holds->changed.first != 0 && at_number(holds, holds->changed.first)->lsn < lsn)
        lsn = at_number(holds, holds->changed.first)->lsn;
    return lsn;
}
