/* customers.c - making, changing and listing customers. */
#include "book/customer_int.h"

static const struct str currency_default = STR_ROW("USD");
enum { CURRENCY_BYTES_MAX = 16 };

struct customer *book_find_customer(const struct book *book, struct str id)
{
    pthread_rwlock_t *lock = (pthread_rwlock_t *)(uintptr_t)&book->customers_lock;
    pthread_rwlock_rdlock(lock);
    struct customer *customer = map_get(&book->customers, id);
    pthread_rwlock_unlock(lock);
    return customer;
}

enum err book_add_customer(struct book *book, struct customer *customer)
{
    pthread_rwlock_wrlock(&book->customers_lock);
    enum err const err = map_put(&book->customers, customer->id, customer);
    pthread_rwlock_unlock(&book->customers_lock);
    if (err == ERR_OK)
        atomic_fetch_add(&book->customer_count, 1);
    return err;
}

const struct customer *book_customer(struct book *book, struct str id)
{
    return book_find_customer(book, id);
}

struct str customer_id(const struct customer *customer)
{
    return customer->id;
}

bool customer_unlimited(const struct customer *customer)
{
    return atomic_load_explicit(&customer->unlimited, memory_order_relaxed);
}

bool customer_in_credits(const struct customer *customer)
{
    return atomic_load_explicit(&customer->in_credits, memory_order_acquire);
}

struct str customer_currency(const struct customer *customer)
{
    return customer_in_credits(customer) ? STR(WALLET_CREDITS) : customer->currency;
}

static struct customer_row row_of(const struct customer *customer)
{
    return (struct customer_row){
        .id = customer->id,
        .currency = customer_currency(customer),
        .origin = customer->origin,
        .unlimited = customer->unlimited,
        .status = customer->status,
        .created_us = customer->created_us,
        .overdraft = customer->overdraft,
        .debt = {customer->totals.nano[TOTAL_DEBT]},
    };
}

static enum err check_wanted(const struct customer_wanted *want, struct fault *fault)
{
    const struct limits_wanted *limits = &want->limits;
    if (want->id.len == 0 || want->id.len > CUSTOMER_ID_BYTES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "id", "1 to %d bytes", CUSTOMER_ID_BYTES_MAX);
    if (want->currency.len > CURRENCY_BYTES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "currency", "at most %d bytes",
                           CURRENCY_BYTES_MAX);
    if (want->overdraft.nano < 0)
        return fault_param(fault, ERR_FIELD_INVALID, "overdraft", "not negative");
    if (limits->requests_per_minute < 0 || limits->tokens_per_minute < 0 ||
        limits->concurrent_max < 0)
        return fault_param(fault, ERR_FIELD_INVALID, "limits", "not negative");
    if (want->status > CUSTOMER_CLOSED)
        return fault_param(fault, ERR_FIELD_INVALID, "status", "unknown");
    return ERR_OK;
}

static bool is_same(const struct customer *customer, const struct customer_wanted *want)
{
    return customer->unlimited == want->unlimited && customer->status == (int)want->status &&
           customer->overdraft.nano == want->overdraft.nano &&
           customer->limits.requests.limit == want->limits.requests_per_minute &&
           customer->limits.tokens.limit == want->limits.tokens_per_minute &&
           customer->limits.concurrent_max == want->limits.concurrent_max;
}

/* Writes down and makes true, in one critical section; then waits for the disk. */
static enum err change(struct book *book, struct customer *customer,
                       const struct customer_wanted *want, struct fault *fault)
{
    struct record_customer record = {.row = row_of(customer), .limits = want->limits};
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    uint64_t lsn = 0;
    record.row.unlimited = want->unlimited;
    record.row.status = (int)want->status;
    record.row.overdraft = want->overdraft;
    size_t const len = record_customer_encode(&record, bytes, sizeof bytes);
    MUST(len > 0);
    pthread_mutex_lock(&customer->lock);
    enum err const err =
        journal_append(book->journal, RECORD_CUSTOMER, customer_now_us(book, customer),
                       str_make((const char *)bytes, len), &lsn);
    if (err == ERR_OK) {
        customer->unlimited = want->unlimited;
        customer->overdraft = want->overdraft;
        customer->limits = limits_of(want->limits.requests_per_minute,
                                     want->limits.tokens_per_minute, want->limits.concurrent_max);
        atomic_store_explicit(&customer->status, (int)want->status, memory_order_release);
    }
    pthread_mutex_unlock(&customer->lock);
    if (err != ERR_OK || journal_sync(book->journal, lsn) != ERR_OK)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal took no CUSTOMER record");
    return ERR_OK;
}

static enum err add(struct book *book, const struct customer_wanted *want, struct str currency,
                    struct fault *fault)
{
    struct customer *customer = customer_new(want->id, currency);
    if (!customer)
        return fault_set(fault, ERR_NO_MEMORY, "a customer");
    customer->origin = want->origin;
    customer->created_us = clock_wall_us(book->clock);
    enum err err = change(book, customer, want, fault);
    if (err == ERR_OK) {
        err = book_add_customer(book, customer);
        if (err != ERR_OK)
            (void)fault_set(fault, err, "a customer");
    }
    if (err != ERR_OK)
        customer_free(customer);
    return err;
}

enum err book_customer_put(struct book *book, const struct customer_wanted *want,
                           struct fault *fault)
{
    enum err err = check_wanted(want, fault);
    if (err != ERR_OK)
        return err;
    struct str const currency = str_empty(want->currency) ? currency_default : want->currency;
    pthread_mutex_lock(&book->manage);
    struct customer *customer = book_find_customer(book, want->id);
    if (!customer)
        err = add(book, want, currency, fault);
    else if (customer->origin != want->origin)
        err = fault_set(fault, ERR_CONFLICT, "the customer belongs to the %s",
                        customer->origin == ORIGIN_FILE ? "configuration file" : "management API");
    else if (!str_empty(want->currency) && !str_eq(customer_currency(customer), want->currency))
        err = fault_param(fault, ERR_CONFLICT, "currency", "a wallet never changes its currency");
    else if (!is_same(customer, want))
        err = change(book, customer, want, fault);
    pthread_mutex_unlock(&book->manage);
    return err;
}

static bool is_unused(const struct customer *customer)
{
    static const struct record_totals none;
    return customer->grants == NULL && customer->meter.live == 0 &&
           memcmp(&customer->totals, &none, sizeof none) == 0;
}

enum err customer_turn_to_credits(struct book *book, struct customer *customer, struct fault *fault)
{
    struct record_customer record = {.row = row_of(customer)};
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    uint64_t lsn = 0;
    enum err err = ERR_CONFLICT;
    record.row.currency = STR(WALLET_CREDITS);
    record.limits =
        (struct limits_wanted){customer->limits.requests.limit, customer->limits.tokens.limit,
                               customer->limits.concurrent_max};
    size_t const len = record_customer_encode(&record, bytes, sizeof bytes);
    MUST(len > 0);
    pthread_mutex_lock(&customer->lock);
    if (is_unused(customer))
        err = journal_append(book->journal, RECORD_CUSTOMER, customer_now_us(book, customer),
                             str_make((const char *)bytes, len), &lsn);
    if (err == ERR_OK)
        atomic_store_explicit(&customer->in_credits, true, memory_order_release);
    pthread_mutex_unlock(&customer->lock);
    if (err == ERR_CONFLICT)
        return fault_param(fault, err, "credits", "the wallet is in %.*s, and in use",
                           STR_ARG(customer->currency));
    if (err != ERR_OK)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal took no CUSTOMER record");
    return ERR_OK; /* the grant that follows is synced, and this is before it */
}

void book_customers(struct book *book, customer_row_visit *visit, void *owner)
{
    size_t at = 0;
    pthread_mutex_lock(&book->manage); /* nobody adds one meanwhile */
    for (struct customer *customer = map_next(&book->customers, &at); customer;
         customer = map_next(&book->customers, &at)) {
        pthread_mutex_lock(&customer->lock);
        struct customer_row const row = row_of(customer);
        pthread_mutex_unlock(&customer->lock);
        if (!visit(owner, &row))
            break;
    }
    pthread_mutex_unlock(&book->manage);
}
