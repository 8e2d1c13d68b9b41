/* customer.c - one customer's funds, counters and grants; see customer_int.h. */
#include "book/counters.h"
#include "book/customer_int.h"
#include <stdlib.h>

enum { MINUTE_US = 60000000 };

struct limits limits_of(int64_t requests_per_minute, int64_t tokens_per_minute,
                        int64_t concurrent_max)
{
    return (struct limits){
        .requests = {.limit = requests_per_minute, .period_us = MINUTE_US},
        .tokens = {.limit = tokens_per_minute, .period_us = MINUTE_US},
        .concurrent_max = concurrent_max,
    };
}

struct customer *customer_new(struct str id, struct str currency)
{
    struct customer *customer = calloc(1, sizeof *customer);
    if (!customer)
        return NULL;
    MUST(id.len <= CUSTOMER_ID_BYTES_MAX);
    MUST(currency.len <= sizeof customer->texts - CUSTOMER_ID_BYTES_MAX);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&customer->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    memcpy(customer->texts, id.ptr, id.len);
    customer->id = str_make(customer->texts, id.len);
    customer->currency = str_make(customer->texts + CUSTOMER_ID_BYTES_MAX, currency.len);
    if (currency.len > 0)
        memcpy(customer->texts + CUSTOMER_ID_BYTES_MAX, currency.ptr, currency.len);
    customer->in_credits = str_eq(currency, STR(WALLET_CREDITS));
    customer->grants_end = &customer->grants;
    customer->keys_end = &customer->keys;
    return customer;
}

void customer_free(struct customer *customer)
{
    while (customer->grants) {
        struct grant *grant = customer->grants;
        customer->grants = grant->next;
        free(grant);
    }
    while (customer->keys) {
        struct key *key = customer->keys;
        customer->keys = key->next;
        key_free(key);
    }
    counters_free(&customer->counters);
    free(customer->active);
    pthread_mutex_destroy(&customer->lock);
    free(customer);
}

int64_t customer_now_us(const struct book *book, struct customer *customer)
{
    int64_t const wall_us = clock_wall_us(book->clock);
    if (wall_us > customer->last_us)
        customer->last_us = wall_us;
    return customer->last_us;
}

/* --- funds --------------------------------------------------------------------------------- */
static int64_t positive(int64_t value)
{
    return value > 0 ? value : 0;
}

static int64_t minus(int64_t a, int64_t b)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return difference;
}

struct waterfall_funds customer_funds(const struct customer *customer, int64_t overage_room,
                                      int64_t now_us, bool ignore_holds)
{
    struct waterfall_funds funds = {
        .grants = customer->active,
        .grant_count = customer->active_count,
        .overage_room = overage_room,
        .now_us = now_us,
        .ignore_holds = ignore_holds,
    };
    int64_t const unowed = minus(customer->overdraft.nano, customer->totals.nano[TOTAL_DEBT]);
    int64_t const room = minus(unowed, ignore_holds ? 0 : customer->overdraft_held);
    funds.overdraft_room = positive(room);
    funds.owed = room < 0 ? minus(0, room) : 0;
    return funds;
}

int64_t customer_window_room(const struct counter *counter, int64_t limit, bool ignore_holds)
{
    int64_t const free = minus(minus(limit, counter->given), counter->used);
    return minus(free, ignore_holds ? 0 : counter->held);
}

static int64_t beside_grants(const struct customer *customer)
{
    int64_t const unowed = minus(customer->overdraft.nano, customer->totals.nano[TOTAL_DEBT]);
    return minus(unowed, customer->overdraft_held);
}

struct money customer_available(const struct customer *customer, int64_t now_us)
{
    int64_t available = beside_grants(customer);
    for (size_t i = 0; i < customer->active_count; i++)
        available = minus(available, -waterfall_free(customer->active[i], now_us));
    return (struct money){available};
}

struct money customer_scoped(const struct customer *customer, int64_t now_us)
{
    int64_t scoped = 0;
    for (size_t i = 0; i < customer->active_count; i++)
        if (!str_empty(customer->active[i]->features))
            scoped = minus(scoped, -waterfall_free(customer->active[i], now_us));
    return (struct money){scoped};
}

struct money customer_available_for(const struct customer *customer, struct str feature,
                                    int64_t now_us)
{
    int64_t available = beside_grants(customer);
    for (size_t i = 0; i < customer->active_count; i++)
        if (waterfall_is_for(customer->active[i], feature))
            available = minus(available, -waterfall_free(customer->active[i], now_us));
    return (struct money){available};
}

/* --- grants -------------------------------------------------------------------------------- */
static struct str add_text(char **at, struct str text)
{
    struct str const copy = {*at, text.len};
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

struct grant *grant_new(struct customer *customer, const struct grant_row *row)
{
    size_t const bytes =
        row->category.len + row->source_type.len + 1 + row->source_id.len + row->features.len;
    struct grant *grant = calloc(1, sizeof *grant + bytes);
    if (!grant)
        return NULL;
    char *at = grant->texts;
    grant->customer = customer;
    grant->amount = row->amount;
    grant->source_type = add_text(&at, row->source_type);
    (void)add_text(&at, STR("\x1f"));
    grant->source_id = add_text(&at, row->source_id);
    grant->key = str_make(grant->texts, (size_t)(at - grant->texts));
    grant->category = add_text(&at, row->category);
    grant->funds.features = add_text(&at, row->features);
    grant->status = row->status == GRANT_EXPIRED ? GRANT_EXPIRED : GRANT_ACTIVE;
    MUST(ulid_parse(row->id, &grant->funds.id));
    grant->funds.priority = row->priority;
    grant->funds.effective_us = row->effective_us;
    grant->funds.expires_us = row->expires_us;
    grant->funds.created_us = row->created_us;
    grant->funds.remaining = row->remaining.nano;
    return grant;
}

void customer_link_grant(struct customer *customer, struct grant *grant)
{
    *customer->grants_end = grant;
    customer->grants_end = &grant->next;
}

struct grant *customer_grant(const struct customer *customer, struct ulid id)
{
    for (struct grant *grant = customer->grants; grant; grant = grant->next)
        if (ulid_eq(grant->funds.id, id))
            return grant;
    return NULL;
}

enum err customer_activate(struct customer *customer, struct grant *grant)
{
    if (customer->active_count == GRANTS_ACTIVE_MAX)
        return ERR_TOO_LARGE;
    if (customer->active_count == customer->active_capacity) {
        size_t const capacity = customer->active_capacity ? customer->active_capacity * 2 : 4;
        void *grown = realloc(customer->active, capacity * sizeof *customer->active);
        if (!grown)
            return ERR_NO_MEMORY;
        customer->active = grown;
        customer->active_capacity = capacity;
    }
    size_t at = customer->active_count;
    while (at > 0 && waterfall_order(&grant->funds, customer->active[at - 1]) < 0) {
        customer->active[at] = customer->active[at - 1];
        at--;
    }
    customer->active[at] = &grant->funds;
    customer->active_count++;
    return ERR_OK;
}

void customer_deactivate(struct customer *customer, struct grant *grant)
{
    size_t kept = 0;
    for (size_t i = 0; i < customer->active_count; i++)
        if (customer->active[i] != &grant->funds)
            customer->active[kept++] = customer->active[i];
    customer->active_count = kept;
}
