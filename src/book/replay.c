/* replay.c - records of the journal become state again, through the same effects as live. */
#include "book/replay.h"
#include "base/log.h"
#include "book/alerts.h"
#include "book/counters.h"
#include "book/customer_int.h"
#include "book/effect.h"
#include "book/end.h"
#include "book/hold.h"
#include "book/idempotency.h"
#include "book/object_int.h"
#include "book/replay_int.h"
#include <stdlib.h>

enum { MISMATCHES_LOGGED_MAX = 8 };

static struct str hold_key(const struct ulid *id)
{
    return str_make((const char *)id, sizeof *id);
}

static struct hold *find_hold(const struct book *book, const struct ulid *id)
{
    return map_get(&book->replayed, hold_key(id));
}

static void drop_hold(struct book *book, struct hold *hold)
{
    (void)map_remove(&book->replayed, hold_key(&hold->id));
    hold_unref(hold);
}

static void see_time(struct customer *customer, int64_t at_us)
{
    if (at_us > customer->last_us)
        customer->last_us = at_us;
}

/* Every total that a record states must be what we have come to. */
static void compare_totals(struct book *book, const struct customer *customer,
                           const struct record_totals *totals)
{
    if (memcmp(&customer->totals, totals, sizeof *totals) == 0)
        return;
    if (book->mismatches++ < MISMATCHES_LOGGED_MAX)
        LOG(audit_mismatch, field_str("customer", customer->id),
            field_text("where", "replay of the journal"));
}

/* --- RESERVE ------------------------------------------------------------------------------- */
static bool resolve(struct hold *hold, const struct record_reserve *record)
{
    hold->grant_count = record->grant_count;
    for (size_t i = 0; i < record->grant_count; i++) {
        hold->grants[i].grant = customer_grant(hold->customer, record->grants[i].grant);
        hold->grants[i].amount = record->grants[i].amount;
        if (!hold->grants[i].grant)
            return false;
    }
    hold->window_count = record->window_count;
    for (size_t i = 0; i < record->window_count; i++) {
        hold->windows[i].counter = counters_get(&hold->customer->counters, &record->windows[i]);
        hold->windows[i].amount = record->windows[i].amount;
        hold->windows[i].role = record->windows[i].role;
        if (!hold->windows[i].counter)
            return false;
    }
    return true;
}

static struct hold *make_hold(struct customer *customer, struct key *key,
                              const struct record_reserve *record)
{
    char context[RECORD_CONTEXT_BYTES_MAX];
    size_t const len = record_context_encode(&record->context, context, sizeof context);
    MUST(len > 0); /* it has just been decoded */
    struct hold *hold = hold_new(str_make(context, len), record->alerts);
    if (!hold)
        return NULL;
    hold->customer = customer;
    hold->key = key;
    hold->id = record->id;
    hold->price = record->price;
    hold->estimate = record->estimate;
    hold->orphan_input = record->orphan_input;
    hold->output_tokens = record->output_tokens;
    hold->dispatched = record->dispatched;
    hold->unlimited = record->unlimited;
    hold->free = record->free;
    hold->tariff = record->tariff;
    hold->own_key = record->context.own_key;
    hold->deadline_us = record->deadline_us;
    hold->tokens = record->tokens;
    hold->limiters = record->limiters.set;
    hold->cost = record->cost;
    hold->overage = record->overage;
    hold->overdraft = record->overdraft;
    return hold;
}

enum err replay_hold(struct book *book, const struct record_reserve *record, enum replay_mode mode,
                     struct fault *fault)
{
    struct customer *customer = book_find_customer(book, record->customer_id);
    struct key *key = customer ? customer_key(customer, record->key) : NULL;
    if (!key || find_hold(book, &record->id))
        return replay_corrupt(fault, "a hold of nobody, or twice", record->customer_id);
    struct hold *hold = make_hold(customer, key, record);
    if (!hold)
        return fault_set(fault, ERR_NO_MEMORY, "a hold");
    if (!resolve(hold, record) || !effect_reserve_fits(hold, mode == REPLAY_HOLDS)) {
        hold_unref(hold);
        return replay_corrupt(fault, "a hold that does not fit", record->customer_id);
    }
    const unsigned char *idempotency = record_context_idempotency(hold->context);
    enum err err = map_put(&book->replayed, hold_key(&hold->id), hold);
    if (err == ERR_OK && idempotency)
        err = idempotency_replay_begun(book, customer, idempotency, record->context.started_us);
    if (err != ERR_OK) {
        drop_hold(book, hold);
        return fault_set(fault, err, "a hold");
    }
    struct record_limiters const none = {0};
    effect_reserve(hold, mode == REPLAY_WHOLE ? &record->limiters : &none);
    return ERR_OK;
}

static enum err apply_reserve(struct book *book, const struct journal_record *record,
                              enum replay_mode mode, struct fault *fault)
{
    struct record_reserve reserve;
    if (!record_reserve_decode(record->payload, &reserve))
        return replay_corrupt(fault, "a record that cannot be read", STR("RESERVE"));
    enum err const err = replay_hold(book, &reserve, mode, fault);
    if (err != ERR_OK)
        return err;
    const struct hold *hold = find_hold(book, &reserve.id);
    if (mode == REPLAY_WHOLE)
        effect_rollover(hold, &reserve.rollover, record->at_us);
    see_time(hold->customer, record->at_us);
    return ERR_OK;
}

static enum err apply_progress(struct book *book, const struct journal_record *record,
                               struct fault *fault)
{
    struct record_progress progress;
    if (!record_progress_decode(record->payload, &progress))
        return replay_corrupt(fault, "a record that cannot be read", STR("PROGRESS"));
    struct hold *hold = find_hold(book, &progress.id);
    if (hold)
        see_time(hold->customer, record->at_us);
    if (hold && record->type == RECORD_DISPATCH)
        hold->dispatched = true;
    else if (hold && progress.output_tokens > hold->output_tokens)
        hold->output_tokens = progress.output_tokens;
    return ERR_OK;
}

/* --- SETTLE, RELEASE, EXPIRE --------------------------------------------------------------- */
/* The rows know how it ended: only what it held is dropped. */
static void drop_held(struct book *book, const struct record_end *end, enum record_type type)
{
    struct hold *hold = find_hold(book, &end->id);
    if (!hold || hold->state != HOLD_HELD)
        return;
    struct effect effect = {
        .type = RECORD_RELEASE, .customer = hold->customer, .key = hold->key, .hold = hold};
    effect_end(&effect);
    const unsigned char *idempotency = record_context_idempotency(hold->context);
    if (idempotency && type == RECORD_RELEASE)
        idempotency_replay_released(book, hold->customer, idempotency);
    drop_hold(book, hold);
}

static bool add_grant_line(struct effect *effect, const struct record_grant_line *line)
{
    struct grant *grant = customer_grant(effect->customer, line->grant);
    size_t at = 0;
    while (at < effect->grant_count && effect->grants[at].grant != grant)
        at++;
    if (!grant || at == RECORD_GRANTS_MAX)
        return false;
    if (at == effect->grant_count)
        effect->grants[effect->grant_count++] = (struct effect_grant){.grant = grant};
    return !__builtin_add_overflow(effect->grants[at].consumed, line->amount,
                                   &effect->grants[at].consumed);
}

static bool fill_effect(struct effect *effect, const struct record_end *end)
{
    for (size_t i = 0; effect->hold && !end->late && i < effect->hold->grant_count; i++)
        effect->grants[effect->grant_count++].grant = effect->hold->grants[i].grant;
    for (size_t i = 0; i < end->grant_count; i++)
        if (!add_grant_line(effect, &end->grants[i]))
            return false;
    for (size_t i = 0; i < end->window_count; i++) {
        struct counter *counter = counters_get(&effect->customer->counters, &end->windows[i]);
        if (!counter)
            return false;
        effect->windows[effect->window_count++] =
            (struct effect_window){counter, end->windows[i].amount};
    }
    return effect_end_fits(effect);
}

static enum err apply_whole_end(struct book *book, const struct journal_record *record,
                                const struct record_end *end, struct fault *fault)
{
    struct customer *customer = book_find_customer(book, end->customer_id);
    struct effect effect = {
        .type = (enum record_type)record->type,
        .customer = customer,
        .key = customer ? customer_key(customer, end->key) : NULL,
        .hold = find_hold(book, &end->id),
        .late = end->late,
        .cost = end->cost,
        .charge = end->charge,
        .charged = end->charged,
        .covered = end->covered,
        .overage = end->overage,
        .debt = end->debt,
        .limiters = end->limiters,
    };
    if (!effect.key || (effect.hold && effect.hold->key != effect.key) ||
        !fill_effect(&effect, end))
        return replay_corrupt(fault, "an end that does not fit its hold", end->customer_id);
    effect_end(&effect);
    alerts_replay(customer, end->alerts);
    see_time(customer, record->at_us);
    compare_totals(book, customer, &end->totals);
    if (record->type == RECORD_EXPIRE)
        return ERR_OK; /* a late end may follow */
    if (end->context.idempotency && record->type == RECORD_RELEASE)
        idempotency_replay_released(book, customer, end->context.idempotency);
    if (effect.hold)
        drop_hold(book, effect.hold);
    return ERR_OK;
}

static enum err apply_end(struct book *book, const struct journal_record *record,
                          enum replay_mode mode, struct fault *fault)
{
    struct record_end end;
    if (!record_end_decode((enum record_type)record->type, record->payload, &end))
        return replay_corrupt(fault, "a record that cannot be read", STR("end of a hold"));
    if (mode == REPLAY_WHOLE)
        return apply_whole_end(book, record, &end, fault);
    drop_held(book, &end, (enum record_type)record->type);
    return ERR_OK;
}

/* --- what is new as a whole ---------------------------------------------------------------- */
static enum err apply_customer(struct book *book, const struct journal_record *record,
                               struct fault *fault)
{
    struct record_customer change;
    if (!record_customer_decode(record->payload, &change))
        return replay_corrupt(fault, "a record that cannot be read", STR("CUSTOMER"));
    struct customer *customer = book_find_customer(book, change.row.id);
    enum err err = ERR_OK;
    if (!customer)
        err = replay_customer(book, &change.row, &customer, fault);
    if (err != ERR_OK)
        return err;
    customer->unlimited = change.row.unlimited;
    customer->in_credits = str_eq(change.row.currency, STR(WALLET_CREDITS));
    customer->status = change.row.status;
    customer->overdraft = change.row.overdraft;
    customer->limits = limits_of(change.limits.requests_per_minute, change.limits.tokens_per_minute,
                                 change.limits.concurrent_max);
    see_time(customer, record->at_us);
    return ERR_OK;
}

/* It has a secret that we do not know yet: the newest. */
static enum err apply_rotation(struct book *book, struct key *key, const struct key_row *row,
                               struct fault *fault)
{
    if (row->old_until_us == 0 ||
        memcmp(row->old_hash, key->newest->hash, sizeof row->old_hash) != 0)
        return replay_corrupt(fault, "a key that has two secrets", row->id);
    struct key_secret *secret = key_secret_new(key, row->hash);
    if (!secret || book_add_secret(book, secret) != ERR_OK) {
        free(secret);
        return fault_set(fault, ERR_NO_MEMORY, "a secret of a key");
    }
    key_secret_replace(key, secret, row->prefix, row->old_until_us);
    return ERR_OK;
}

static enum err apply_key(struct book *book, const struct journal_record *record,
                          struct fault *fault)
{
    struct key_row row;
    if (!record_key_decode(record->payload, &row))
        return replay_corrupt(fault, "a record that cannot be read", STR("KEY"));
    struct key *key = book_find_key(book, row.hash);
    struct customer *customer = book_find_customer(book, row.customer_id);
    if (customer)
        see_time(customer, record->at_us);
    struct ulid id;
    if (!key && customer && ulid_parse(row.id, &id) && (key = customer_key(customer, id)) != NULL) {
        enum err const err = apply_rotation(book, key, &row, fault);
        if (err != ERR_OK)
            return err;
    }
    if (!key)
        return replay_key(book, &row, fault);
    if (!str_eq(key_id(key), row.id) || !str_eq(key->customer->id, row.customer_id))
        return replay_corrupt(fault, "two keys with one secret", row.id);
    key->status = row.status;
    key->expires_us = row.expires_us;
    key->limits = limits_of(row.requests_per_minute, row.tokens_per_minute, row.concurrent_max);
    return ERR_OK;
}

static enum err apply_grant(struct book *book, const struct journal_record *record,
                            struct fault *fault)
{
    struct record_grant change;
    struct grant *grant;
    if (!record_grant_decode(record->payload, &change))
        return replay_corrupt(fault, "a record that cannot be read", STR("GRANT"));
    enum err const err = replay_grant(book, &change.row, &grant, fault);
    if (err != ERR_OK)
        return err;
    if (!effect_grant_fits(grant->customer, grant, change.repaid))
        return replay_corrupt(fault, "a grant that does not fit", change.row.id);
    effect_grant(grant->customer, grant, change.repaid);
    grant->lsn = record->lsn;
    see_time(grant->customer, record->at_us);
    compare_totals(book, grant->customer, &change.totals);
    return ERR_OK;
}

static enum err apply_grant_expire(struct book *book, const struct journal_record *record,
                                   struct fault *fault)
{
    struct record_grant_expire change;
    if (!record_grant_expire_decode(record->payload, &change))
        return replay_corrupt(fault, "a record that cannot be read", STR("GRANT_EXPIRE"));
    struct customer *customer = book_find_customer(book, change.customer_id);
    struct grant *grant = customer ? customer_grant(customer, change.grant) : NULL;
    if (!grant || grant->status != GRANT_ACTIVE)
        return replay_corrupt(fault, "the end of no grant", change.customer_id);
    (void)effect_grant_expire(customer, grant);
    see_time(customer, record->at_us);
    compare_totals(book, customer, &change.totals);
    return ERR_OK;
}

static enum err apply_idempotency(struct book *book, const struct journal_record *record,
                                  struct fault *fault)
{
    struct idempotency_row row;
    if (!record_idempotency_decode(record->payload, &row))
        return replay_corrupt(fault, "a record that cannot be read", STR("IDEMPOTENCY"));
    return book_load_idempotency(book, &row, fault);
}

/* --- the phases ---------------------------------------------------------------------------- */
/* Between rows and new records everything must fit together. */
static enum err check_holds(struct book *book, struct fault *fault)
{
    size_t at = 0;
    book->replayed_whole = true;
    for (const struct customer *customer = map_next(&book->customers, &at); customer;
         customer = map_next(&book->customers, &at)) {
        for (const struct grant *grant = customer->grants; grant; grant = grant->next)
            if (grant->funds.held > grant->funds.remaining)
                return replay_corrupt(fault, "more held than a grant has", customer->id);
        counters_loaded(&customer->counters);
    }
    return ERR_OK;
}

static enum err apply_new(struct book *book, const struct journal_record *record,
                          struct fault *fault)
{
    switch (record->type) {
    case RECORD_CUSTOMER:
        return apply_customer(book, record, fault);
    case RECORD_KEY:
        return apply_key(book, record, fault);
    case RECORD_GRANT:
        return apply_grant(book, record, fault);
    case RECORD_GRANT_EXPIRE:
        return apply_grant_expire(book, record, fault);
    case RECORD_IDEMPOTENCY:
        return apply_idempotency(book, record, fault);
    case RECORD_OBJECT:
        return objects_replay(book, record, fault);
    case RECORD_ALERT_SEEN:
    case RECORD_BASIS:
    case RECORD_NOTICE:
        return ERR_OK; /* only rows know them */
    default:
        return fault_set(fault, ERR_CORRUPT, "a record of unknown type %d", record->type);
    }
}

enum err book_apply_record(struct book *book, const struct journal_record *record,
                           enum replay_mode mode, struct fault *fault)
{
    if (mode == REPLAY_WHOLE && !book->replayed_whole) {
        enum err const err = check_holds(book, fault);
        if (err != ERR_OK)
            return err;
    }
    switch (record->type) {
    case RECORD_RESERVE:
        return apply_reserve(book, record, mode, fault);
    case RECORD_DISPATCH:
    case RECORD_PROGRESS:
        return apply_progress(book, record, fault);
    case RECORD_SETTLE:
    case RECORD_RELEASE:
    case RECORD_EXPIRE:
        return apply_end(book, record, mode, fault);
    default:
        return mode == REPLAY_WHOLE ? apply_new(book, record, fault) : ERR_OK;
    }
}

/* --- orphans ------------------------------------------------------------------------------- */
static void close_orphan(struct book *book, struct hold *hold, struct book_orphans *orphans)
{
    char id[ULID_TEXT_BYTES];
    struct settled settled;
    ulid_text(hold->id, id);
    if (hold->dispatched) {
        struct settlement how = {.outcome = "crash", .usage.source = USAGE_ESTIMATED};
        how.usage.tokens[POOL_INPUT] = hold->orphan_input;
        how.usage.tokens[POOL_OUTPUT] = hold->output_tokens;
        book_settle(book, hold, &how, &settled);
        orphans->settled++;
    } else {
        const unsigned char *idempotency = record_context_idempotency(hold->context);
        if (idempotency) /* nothing was sent: the client may try again with its key */
            idempotency_replay_released(book, hold->customer, idempotency);
        book_release(book, hold, "crash", 0);
        orphans->released++;
    }
    LOG(hold_recovered, field_str("hold", str_make(id, sizeof id)),
        field_text("how", hold->dispatched ? "settled" : "released"));
}

static int oldest_first(const void *a, const void *b)
{
    const struct hold *const *left = a, *const *right = b;
    struct ulid const x = (*left)->id, y = (*right)->id;
    if (x.high != y.high)
        return x.high < y.high ? -1 : 1;
    return (x.low > y.low) - (x.low < y.low);
}

static enum err close_one(struct book *book, struct hold *hold, struct book_orphans *orphans)
{
    if (hold->state == HOLD_EXPIRED) {
        effect_forget(hold);
        return ERR_OK;
    }
    hold->promised = end_bytes_max(hold);
    if (journal_promise(book->journal, hold->promised) != ERR_OK)
        return ERR_LEDGER_UNAVAILABLE;
    close_orphan(book, hold, orphans);
    return ERR_OK;
}

/* Oldest first, so that the same journal always gives the same book. */
enum err book_close_orphans(struct book *book, struct book_orphans *orphans, struct fault *fault)
{
    size_t const count = book->replayed.count;
    size_t at = 0, filled = 0;
    enum err err = book->replayed_whole ? ERR_OK : check_holds(book, fault);
    *orphans = (struct book_orphans){.mismatches = book->mismatches};
    struct hold **holds = calloc(count + 1, sizeof *holds);
    if (!holds)
        return fault_set(fault, ERR_NO_MEMORY, "the list of orphans");
    for (struct hold *hold = map_next(&book->replayed, &at); hold;
         hold = map_next(&book->replayed, &at))
        holds[filled++] = hold;
    qsort(holds, filled, sizeof *holds, oldest_first);
    for (size_t i = 0; i < filled && err == ERR_OK; i++) {
        err = close_one(book, holds[i], orphans);
        if (err == ERR_OK)
            drop_hold(book, holds[i]);
    }
    free(holds);
    if (err != ERR_OK)
        return fault_set(fault, err, "the journal has no room to close orphans");
    map_free(&book->replayed);
    idempotency_replay_end(book);
    objects_loaded(book);
    return ERR_OK;
}
