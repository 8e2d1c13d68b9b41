/* load.c - rows of the database become customers, keys, grants, counters and holds. */
#include "book/counters.h"
#include "book/customer_int.h"
#include "book/effect.h"
#include "book/hold.h"
#include "book/idempotency.h"
#include "book/replay_int.h"

enum err replay_corrupt(struct fault *fault, const char *what, struct str detail)
{
    return fault_set(fault, ERR_CORRUPT, "%s: %.*s", what, STR_ARG(detail));
}

static bool is_name(struct str text, size_t len_max)
{
    return text.len <= len_max;
}

enum err replay_customer(struct book *book, const struct customer_row *row, struct customer **made,
                         struct fault *fault)
{
    bool const valid = row->id.len > 0 && is_name(row->id, CUSTOMER_ID_BYTES_MAX) &&
                       is_name(row->currency, 16) && row->overdraft.nano >= 0 &&
                       row->status >= CUSTOMER_ACTIVE && row->status <= CUSTOMER_CLOSED;
    if (!valid || book_find_customer(book, row->id))
        return replay_corrupt(fault, "a customer that cannot be, or is there twice", row->id);
    struct customer *customer = customer_new(row->id, row->currency);
    if (!customer)
        return fault_set(fault, ERR_NO_MEMORY, "a customer");
    customer->origin = row->origin;
    customer->unlimited = row->unlimited;
    customer->status = row->status;
    customer->created_us = row->created_us;
    customer->overdraft = row->overdraft;
    enum err const err = book_add_customer(book, customer);
    if (err != ERR_OK) {
        customer_free(customer);
        return fault_set(fault, err, "a customer");
    }
    *made = customer;
    return ERR_OK;
}

enum err book_load_customer(struct book *book, const struct customer_row *row, struct fault *fault)
{
    struct customer *customer;
    enum err const err = replay_customer(book, row, &customer, fault);
    if (err != ERR_OK)
        return err;
    if (row->requests_per_minute < 0 || row->tokens_per_minute < 0 || row->concurrent_max < 0)
        return replay_corrupt(fault, "a customer's limit is negative", row->id);
    customer->limits =
        limits_of(row->requests_per_minute, row->tokens_per_minute, row->concurrent_max);
    if (row->debt.nano > 0)
        customer->totals.nano[TOTAL_DEBT] = row->debt.nano;
    return ERR_OK;
}

enum err replay_key(struct book *book, const struct key_row *row, struct fault *fault)
{
    struct ulid id;
    struct customer *customer = book_find_customer(book, row->customer_id);
    bool const valid = customer && ulid_parse(row->id, &id) &&
                       is_name(row->name, KEY_NAME_BYTES_MAX) && is_name(row->prefix, 16) &&
                       row->requests_per_minute >= 0 && row->tokens_per_minute >= 0 &&
                       row->concurrent_max >= 0 && row->expires_us >= 0 &&
                       (row->status == KEY_ACTIVE || row->status == KEY_REVOKED);
    if (!valid || book_find_key(book, row->hash) || customer_key(customer, id))
        return replay_corrupt(fault, "a key that cannot be, or is there twice", row->id);
    struct key *key = key_new(customer, row);
    if (!key)
        return fault_set(fault, ERR_NO_MEMORY, "a key");
    enum err const err = book_add_key(book, key);
    if (err != ERR_OK)
        return fault_set(fault, err, "a key");
    return ERR_OK;
}

enum err book_load_key(struct book *book, const struct key_row *row, struct fault *fault)
{
    return replay_key(book, row, fault);
}

static bool grant_can_be(const struct grant_row *row)
{
    return row->amount.nano > 0 && row->remaining.nano >= 0 &&
           row->remaining.nano <= row->amount.nano && row->expires_us >= 0 &&
           is_name(row->category, NAME_BYTES_MAX) && is_name(row->source_type, NAME_BYTES_MAX) &&
           is_name(row->source_id, NAME_BYTES_MAX) &&
           is_name(row->features, GRANT_FEATURES_BYTES_MAX);
}

enum err replay_grant(struct book *book, const struct grant_row *row, struct grant **made,
                      struct fault *fault)
{
    struct ulid id;
    struct customer *customer = book_find_customer(book, row->customer_id);
    if (!customer || !ulid_parse(row->id, &id) || !grant_can_be(row) ||
        customer_grant(customer, id))
        return replay_corrupt(fault, "a grant that cannot be, or is there twice", row->id);
    struct grant *grant = grant_new(customer, row);
    if (!grant)
        return fault_set(fault, ERR_NO_MEMORY, "a grant");
    customer_link_grant(customer, grant);
    if (map_get(&book->sources, grant->key))
        return replay_corrupt(fault, "a source that has paid twice", row->source_id);
    enum err err = book_add_grant(book, grant);
    if (err == ERR_OK && grant->status == GRANT_ACTIVE && grant->funds.remaining > 0)
        err = customer_activate(customer, grant);
    *made = grant;
    return err == ERR_OK ? ERR_OK : fault_set(fault, err, "a grant");
}

enum err book_load_grant(struct book *book, const struct grant_row *row, struct fault *fault)
{
    struct grant *grant;
    enum err const err = replay_grant(book, row, &grant, fault);
    if (err != ERR_OK)
        return err;
    int64_t *granted = &grant->customer->totals.nano[TOTAL_GRANTED];
    if (__builtin_add_overflow(*granted, grant->amount.nano, granted))
        return replay_corrupt(fault, "more credit than int64 can count", row->customer_id);
    return ERR_OK;
}

static enum err load_limiter(struct customer *customer, const struct record_counter *counter,
                             int64_t tat)
{
    enum record_limiter const limiter = counter->limiter;
    bool const of_key = limiter == LIMITER_KEY_REQUESTS || limiter == LIMITER_KEY_TOKENS;
    struct key *key = of_key ? customer_key(customer, counter->key) : NULL;
    if (of_key && !key)
        return ERR_CORRUPT;
    struct meter *meter = of_key ? &key->meter : &customer->meter;
    bool const requests = limiter == LIMITER_KEY_REQUESTS || limiter == LIMITER_CUSTOMER_REQUESTS;
    if (limiter == LIMITER_CUSTOMER_THROTTLE)
        meter->throttle = (struct gcra){tat};
    else
        *(requests ? &meter->requests : &meter->tokens) = (struct gcra){tat};
    return ERR_OK;
}

static enum err load_window(struct customer *customer, const struct record_counter *row,
                            int64_t value)
{
    struct counter *counter = counters_get(&customer->counters, &row->window);
    if (!counter)
        return ERR_NO_MEMORY;
    *(row->kind == COUNTER_CARRIED    ? &counter->carried
      : row->kind == COUNTER_INCLUDED ? &counter->included
                                      : &counter->used) = value;
    return ERR_OK;
}

enum err book_load_counter(struct book *book, const struct counter_row *row, struct fault *fault)
{
    struct record_counter counter;
    struct customer *customer = book_find_customer(book, row->customer_id);
    if (!customer || row->value < 0 || !record_counter_parse(row->name, &counter))
        return replay_corrupt(fault, "a counter that cannot be", row->name);
    enum err err = ERR_OK;
    if (counter.kind == COUNTER_LIMITER)
        err = load_limiter(customer, &counter, row->value);
    else if (counter.kind == COUNTER_LOW_TOLD)
        customer->low_told = row->value;
    else if (counter.kind != COUNTER_TOTAL)
        err = load_window(customer, &counter, row->value);
    else if (counter.total != TOTAL_GRANTED) /* the grants say that */
        customer->totals.nano[counter.total] = row->value;
    return err == ERR_OK ? ERR_OK : fault_set(fault, err, "counter %.*s", STR_ARG(row->name));
}

enum err book_load_hold(struct book *book, const struct hold_row *row, struct fault *fault)
{
    struct record_reserve record;
    if (!record_reserve_decode(row->record, &record))
        return replay_corrupt(fault, "a hold that cannot be read", row->id);
    return replay_hold(book, &record, REPLAY_HOLDS, fault);
}

enum err book_load_idempotency(struct book *book, const struct idempotency_row *row,
                               struct fault *fault)
{
    const struct customer *customer = book_find_customer(book, row->customer_id);
    bool const claimed = row->customer_id.len == 0; /* claim.h */
    if ((!customer && !claimed) || row->status < 0)
        return replay_corrupt(fault, "an idempotency key of nobody", row->customer_id);
    enum err const err = idempotency_replay_row(book, customer, row);
    return err == ERR_OK ? ERR_OK : fault_set(fault, err, "an idempotency key");
}
