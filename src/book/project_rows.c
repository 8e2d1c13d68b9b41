/* project_rows.c - a record of the journal becomes rows, or adds to the sums of its batch. */
#include "base/must.h"
#include "book/customer_int.h"
#include "book/project_alerts.h"
#include "book/project_int.h"
#include "book/record_basis.h"
#include "book/record_object.h"
#include <sched.h>

static enum err unreadable(struct batch *batch, const struct journal_record *record)
{
    return fault_set(batch->fault, ERR_CORRUPT, "projection: record %llu of type %d cannot be read",
                     (unsigned long long)record->lsn, record->type);
}

/* Errors of the sums carry no text yet. */
static enum err explained(struct batch *batch, enum err err)
{
    return err == ERR_OK
               ? ERR_OK
               : fault_set(batch->fault, err, "projection: %.*s", STR_ARG(err_row(err)->text));
}

static struct str ulid_view(struct ulid id, char text[ULID_TEXT_BYTES])
{
    ulid_text(id, text);
    return str_make(text, ULID_TEXT_BYTES);
}

/* --- people and credit --- */

static void account_told(struct batch *batch, struct str kind, struct str id, struct str customer)
{
    if (batch->listener != NULL)
        batch->listener->account(batch->listener->owner, kind, id, customer);
}

static enum err take_customer(struct batch *batch, const struct journal_record *record)
{
    struct record_customer change;
    if (!record_customer_decode(record->payload, &change))
        return unreadable(batch, record);
    change.row.requests_per_minute = change.limits.requests_per_minute;
    change.row.tokens_per_minute = change.limits.tokens_per_minute;
    change.row.concurrent_max = change.limits.concurrent_max;
    account_told(batch, STR("customer"), change.row.id, change.row.id);
    return batch->store->ops->customer_put(batch->store, &change.row, batch->fault);
}

static enum err take_key(struct batch *batch, const struct journal_record *record)
{
    struct key_row row;
    if (!record_key_decode(record->payload, &row))
        return unreadable(batch, record);
    account_told(batch, STR("key"), row.id, row.customer_id);
    return batch->store->ops->key_put(batch->store, &row, batch->fault);
}

static struct str currency_of(struct batch *batch, struct str customer_id)
{
    const struct customer *customer = book_find_customer(batch->book, customer_id);
    return customer != NULL ? customer_currency(customer) : STR("USD");
}

/* The newest totals of a customer, as far as this record may have changed them. */
static enum err take_totals(struct batch *batch, struct str customer_id, unsigned set,
                            const struct record_totals *totals)
{
    uint32_t number;
    enum err const err = sums_customer(batch->sums, batch->book, customer_id, &number);
    if (err != ERR_OK)
        return explained(batch, err);
    struct sum_customer *owner = sums_customer_at(batch->sums, number);
    owner->totals = *totals;
    owner->totals_set |= set;
    return ERR_OK;
}

/* What is paid for comes from cash; what is given is the house's expense. */
static enum err take_grant(struct batch *batch, const struct journal_record *record)
{
    struct record_grant change;
    if (!record_grant_decode(record->payload, &change))
        return unreadable(batch, record);
    const struct grant_row *row = &change.row;
    bool const paid = str_eq(row->category, STR("paid"));
    int64_t const credit = row->amount.nano - change.repaid.nano;
    struct ledger_entry_row entries[3] = {
        {.account = paid ? STR("cash") : STR("promo_expense"), .amount = {-row->amount.nano}}};
    size_t count = 1;
    if (credit != 0)
        entries[count++] = (struct ledger_entry_row){.account = STR("credit"),
                                                     .customer_id = row->customer_id,
                                                     .grant_id = row->id,
                                                     .amount = {credit}};
    if (change.repaid.nano != 0)
        entries[count++] = (struct ledger_entry_row){.account = STR("debt"),
                                                     .customer_id = row->customer_id,
                                                     .grant_id = row->id,
                                                     .amount = change.repaid};
    struct ledger_txn_row const txn = {
        .id = (int64_t)record->lsn,
        .kind = STR("grant"),
        .source_type = STR("grant"),
        .source_id = row->id,
        .currency = currency_of(batch, row->customer_id),
        .at_us = record->at_us,
        .entry_count = count,
        .entries = entries,
    };
    account_told(batch, STR("grant"), row->id, row->customer_id);
    enum err err = batch->store->ops->grant_put(batch->store, row, batch->fault);
    if (err == ERR_OK)
        err = batch->store->ops->ledger_add(batch->store, &txn, batch->fault);
    if (err == ERR_OK)
        err = take_totals(batch, row->customer_id,
                          1u << TOTAL_GRANTED | 1u << TOTAL_CONSUMED | 1u << TOTAL_DEBT,
                          &change.totals);
    return err;
}

static enum err take_grant_expire(struct batch *batch, const struct journal_record *record)
{
    struct record_grant_expire change;
    char text[ULID_TEXT_BYTES];
    if (!record_grant_expire_decode(record->payload, &change))
        return unreadable(batch, record);
    struct str const id = ulid_view(change.grant, text);
    struct ledger_entry_row const entries[] = {
        {.account = STR("credit"),
         .customer_id = change.customer_id,
         .grant_id = id,
         .amount = {-change.breakage.nano}},
        {.account = STR("breakage"), .amount = change.breakage},
    };
    struct ledger_txn_row const txn = {
        .id = (int64_t)record->lsn,
        .kind = STR("breakage"),
        .source_type = STR("grant"),
        .source_id = id,
        .currency = currency_of(batch, change.customer_id),
        .at_us = record->at_us,
        .entry_count = 2,
        .entries = entries,
    };
    sums_grant_left(batch->sums, change.grant, change.remaining.nano);
    enum err err = batch->store->ops->grant_left(batch->store, id, change.remaining, GRANT_EXPIRED,
                                                 batch->fault);
    if (err == ERR_OK && change.breakage.nano != 0)
        err = batch->store->ops->ledger_add(batch->store, &txn, batch->fault);
    if (err == ERR_OK)
        err = take_totals(batch, change.customer_id, 1u << TOTAL_BREAKAGE, &change.totals);
    return err;
}

/* --- holds --- */

static enum err take_rollover(struct batch *batch, const struct journal_record *record)
{
    struct record_reserve reserve;
    uint32_t number;
    if (!record_reserve_decode(record->payload, &reserve))
        return unreadable(batch, record);
    enum err err = sums_customer(batch->sums, batch->book, reserve.customer_id, &number);
    for (size_t i = 0; err == ERR_OK && i < reserve.window_count; i++)
        if (reserve.windows[i].role == ROLE_ALLOWANCE)
            err = sums_window(batch->sums, number, &reserve.windows[i], &reserve.rollover);
    return explained(batch, err);
}

static enum err take_reserve(struct batch *batch, const struct journal_record *record)
{
    struct record_reserve reserve;
    if (!record_reserve_peek(record->payload, &reserve))
        return unreadable(batch, record);
    enum err err =
        live_holds_begin(batch->holds, reserve.id, record->lsn, record->at_us, record->payload);
    uint32_t number;
    if (err == ERR_OK && reserve.limiters.set != 0) {
        err = sums_customer(batch->sums, batch->book, reserve.customer_id, &number);
        if (err == ERR_OK)
            err = sums_limiters(batch->sums, number, reserve.key, &reserve.limiters);
    }
    if (err == ERR_OK && reserve.rollover.said)
        return take_rollover(batch, record);
    return explained(batch, err);
}

static enum err take_progress(struct batch *batch, const struct journal_record *record)
{
    struct record_progress progress;
    if (!record_progress_decode(record->payload, &progress))
        return unreadable(batch, record);
    live_holds_progress(batch->holds, &progress, record->type == RECORD_DISPATCH, record->lsn,
                        record->at_us);
    return ERR_OK;
}

static enum err bucket_take(struct batch *batch, const struct usage_row *row, struct ulid key)
{
    int64_t const latency_us = row->finished_us - row->started_us;
    struct bucket_row bucket = {
        .start_us = row->finished_us - row->finished_us % BUCKET_US,
        .customer_id = row->customer_id,
        .provider = row->provider,
        .model = row->model,
        .requests = 1,
        .failures = str_eq(row->outcome, STR("ok")) ? 0 : 1,
        .latency_us = latency_us > 0 ? latency_us : 0,
        .cost = row->cost,
        .charged = row->charged,
        .charge = usage_row_charge(row),
    };
    memcpy(bucket.tokens, row->usage.tokens, sizeof bucket.tokens);
    return sums_bucket(batch->sums, &bucket, key);
}

static enum err usage_take(struct batch *batch, const struct journal_record *record,
                           const struct record_end *end, int64_t txn)
{
    char hold[ULID_TEXT_BYTES], key[ULID_TEXT_BYTES];
    unsigned char decision[DECISION_BYTES_MAX];
    const struct call_context *context = &end->context;
    struct usage_row const row = {
        .lsn = record->lsn,
        .request_id = context->request_id,
        .hold_id = ulid_view(end->id, hold),
        .customer_id = end->customer_id,
        .key_id = ulid_view(end->key, key),
        .user = context->user,
        .feature = context->feature,
        .module = context->module,
        .profile = context->profile,
        .group = context->group,
        .endpoint = context->endpoint,
        .model = context->model,
        .provider = context->provider,
        .upstream_model = context->upstream_model,
        .outcome = end->outcome,
        .stream = context->stream,
        .own_key = context->own_key,
        .late = end->late,
        .http_status = end->http_status,
        .attempts = end->attempts,
        .usage = end->usage,
        .price_version = end->price_version,
        .cost = end->cost,
        .charged = end->charged,
        .covered = end->covered,
        .overage = end->overage,
        .debt = end->debt,
        .held = end->held,
        .list = end->list,
        .started_us = context->started_us,
        .first_byte_us = end->first_byte_us,
        .finished_us = record->at_us,
        .ledger_txn = txn,
        .decision = str_make((const char *)decision, decision_encode(end, decision)),
    };
    batch->rows++;
    if (batch->listener != NULL)
        batch->listener->usage(batch->listener->owner, &row);
    enum err const err = batch->store->ops->usage_add(batch->store, &row, batch->fault);
    return err != ERR_OK ? err : explained(batch, bucket_take(batch, &row, end->key));
}

/* The call has begun, its answer is not known: IDEMPOTENCY overwrites this row with the answer. */
static enum err idempotency_begun(struct batch *batch, const struct record_end *end, int64_t at_us)
{
    struct idempotency_row row = {
        .customer_id = end->customer_id,
        .created_us = at_us,
        .expires_us = at_us + (int64_t)IDEMPOTENCY_KEEP_S * 1000000,
    };
    memcpy(row.key_hash, end->context.idempotency, sizeof row.key_hash);
    return batch->store->ops->idempotency_put(batch->store, &row, batch->fault);
}

/* The ledger transaction of a customer in this batch is named by its first record with money. */
static int64_t txn_of(struct batch *batch, uint32_t customer, const struct journal_record *record,
                      bool has_money)
{
    struct sum_customer *owner = sums_customer_at(batch->sums, customer);
    if (!has_money)
        return 0;
    if (owner->txn_first == 0)
        owner->txn_first = record->lsn;
    owner->txn_last = record->lsn;
    owner->txn_at_us = record->at_us;
    return (int64_t)owner->txn_first;
}

static enum err end_sums(struct batch *batch, const struct record_end *end, uint32_t customer)
{
    enum err err = sums_limiters(batch->sums, customer, end->key, &end->limiters);
    if (err == ERR_OK)
        err = sums_end(batch->sums, customer, end);
    for (size_t i = 0; i < end->window_count && err == ERR_OK; i++)
        err = sums_window(batch->sums, customer, &end->windows[i], NULL);
    return err;
}

static enum err take_end(struct batch *batch, const struct journal_record *record)
{
    struct record_end end;
    uint32_t customer;
    if (!record_end_decode((enum record_type)record->type, record->payload, &end))
        return unreadable(batch, record);
    enum err err = sums_customer(batch->sums, batch->book, end.customer_id, &customer);
    if (err != ERR_OK)
        return explained(batch, err);
    int64_t const broken = sums_customer_at(batch->sums, customer)->breakage;
    err = explained(batch, end_sums(batch, &end, customer));
    if (err != ERR_OK)
        return err;
    bool const pays = end.charged.nano != 0 || end.overage.nano != 0 || end.debt.nano != 0;
    bool const breaks = sums_customer_at(batch->sums, customer)->breakage != broken;
    int64_t const txn = txn_of(batch, customer, record, pays || breaks);
    if (live_holds_end(batch->holds, end.id)) {
        char id[ULID_TEXT_BYTES];
        err = batch->store->ops->hold_delete(batch->store, ulid_view(end.id, id), batch->fault);
    }
    if (err == ERR_OK && record->type != RECORD_EXPIRE)
        err = usage_take(batch, record, &end, pays ? txn : 0);
    if (err == ERR_OK)
        err = alerts_write(batch, record, &end);
    if (err == ERR_OK && record->type == RECORD_SETTLE && end.context.idempotency != NULL)
        err = idempotency_begun(batch, &end, record->at_us);
    return err;
}

static enum err take_idempotency(struct batch *batch, const struct journal_record *record)
{
    struct idempotency_row row;
    if (!record_idempotency_decode(record->payload, &row))
        return unreadable(batch, record);
    return batch->store->ops->idempotency_put(batch->store, &row, batch->fault);
}

/* --- documents --- */

static enum err object_take(struct batch *batch, const struct record_object_change *change,
                            int64_t at_us)
{
    struct store *store = batch->store;
    struct object_row const row = {
        .kind = change->kind,
        .id = change->id,
        .customer_id = change->customer_id,
        .version = change->version,
        .origin = change->origin,
        .created_us = change->created_us,
        .updated_us = at_us,
        .text = change->after,
    };
    struct object_row told = row;
    told.version = change->deleted ? 0 : row.version;
    if (batch->listener != NULL)
        batch->listener->document(batch->listener->owner, &told);
    return change->deleted ? store->ops->object_delete(store, row.kind, row.id, batch->fault)
                           : store->ops->object_put(store, &row, batch->fault);
}

static enum err take_object(struct batch *batch, const struct journal_record *record)
{
    struct record_object put;
    struct record_object_change change;
    enum err err = ERR_OK;
    if (!record_object_decode(record->payload, &put))
        return unreadable(batch, record);
    for (uint64_t at = put.sequence; err == ERR_OK && record_object_next(&put, &change); at++) {
        struct audit_row entry = record_object_audit(&put, &change, at, record->at_us);
        memcpy(entry.hash, change.hash, sizeof entry.hash);
        err = object_take(batch, &change, record->at_us);
        if (err == ERR_OK)
            err = batch->store->ops->audit_add(batch->store, &entry, batch->fault);
    }
    return err;
}

static enum err take_alert_seen(struct batch *batch, const struct journal_record *record)
{
    struct record_alert_seen seen;
    if (!record_alert_seen_decode(record->payload, &seen))
        return unreadable(batch, record);
    return batch->store->ops->alert_seen(batch->store, seen.alert, record->at_us, seen.by,
                                         batch->fault);
}

static enum err take_basis(struct batch *batch, const struct journal_record *record)
{
    struct record_basis basis;
    if (!record_basis_decode(record->payload, &basis))
        return unreadable(batch, record);
    struct basis_row const row = {.name = basis.name, .text = basis.text};
    return batch->store->ops->basis_put(batch->store, &row, batch->fault);
}

static enum err take_notice(struct batch *batch, const struct journal_record *record)
{
    struct record_notice notice;
    return record_notice_decode(record->payload, &notice) ? notice_write(batch, record, &notice)
                                                          : unreadable(batch, record);
}

bool batch_record(void *owner, const struct journal_record *record)
{
    static enum err (*const takers[])(struct batch *, const struct journal_record *) = {
        [RECORD_CUSTOMER] = take_customer,
        [RECORD_KEY] = take_key,
        [RECORD_GRANT] = take_grant,
        [RECORD_GRANT_EXPIRE] = take_grant_expire,
        [RECORD_RESERVE] = take_reserve,
        [RECORD_DISPATCH] = take_progress,
        [RECORD_PROGRESS] = take_progress,
        [RECORD_SETTLE] = take_end,
        [RECORD_RELEASE] = take_end,
        [RECORD_EXPIRE] = take_end,
        [RECORD_IDEMPOTENCY] = take_idempotency,
        [RECORD_OBJECT] = take_object,
        [RECORD_BASIS] = take_basis,
        [RECORD_ALERT_SEEN] = take_alert_seen,
        [RECORD_NOTICE] = take_notice,
    };
    struct batch *batch = owner;
    if (record->lsn > batch->until || batch->records == BATCH_RECORDS_MAX)
        return false;
    bool const known =
        record->type < sizeof takers / sizeof takers[0] && takers[record->type] != NULL;
    batch->err = known ? takers[record->type](batch, record) : unreadable(batch, record);
    if (batch->err != ERR_OK)
        return false;
    batch->records++;
    if (batch->records % BATCH_TURN_RECORDS == 0)
        sched_yield(); /* a worker that shares our core answers its clients in between */
    batch->applied = record->lsn;
    if (record->at_us > batch->at_us)
        batch->at_us = record->at_us;
    return true;
}
