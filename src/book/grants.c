/* grants.c - credit comes in and runs out: granting, expiring, listing, balances. */
#include "base/log.h"
#include "book/customer_int.h"
#include "book/effect.h"
#include <stdlib.h>

/* --- the heap of grants that expire -------------------------------------------------------- */
static bool expires_before(const struct grant *a, const struct grant *b)
{
    return a->funds.expires_us < b->funds.expires_us;
}

static enum err heap_push(struct book *book, struct grant *grant)
{
    if (book->expiring_count == book->expiring_capacity) {
        size_t const capacity = book->expiring_capacity ? book->expiring_capacity * 2 : 16;
        struct grant **grown = realloc(book->expiring, capacity * sizeof *grown);
        if (!grown)
            return ERR_NO_MEMORY;
        book->expiring = grown;
        book->expiring_capacity = capacity;
    }
    size_t at = book->expiring_count++;
    while (at > 0 && expires_before(grant, book->expiring[(at - 1) / 2])) {
        book->expiring[at] = book->expiring[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    book->expiring[at] = grant;
    return ERR_OK;
}

static void heap_pop(struct book *book)
{
    struct grant **heap = book->expiring;
    size_t const count = --book->expiring_count;
    struct grant *last = heap[count];
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && expires_before(heap[child + 1], heap[child]))
            child++;
        if (!expires_before(heap[child], last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
}

enum err book_add_grant(struct book *book, struct grant *grant)
{
    enum err err = ERR_OK;
    if (grant->funds.expires_us > 0 && grant->status == GRANT_ACTIVE)
        err = heap_push(book, grant);
    return err == ERR_OK ? map_put(&book->sources, grant->key, grant) : err;
}

/* --- granting ------------------------------------------------------------------------------ */
static enum err check_wanted(const struct grant_wanted *want, int64_t now_us, struct fault *fault)
{
    if (want->amount.nano <= 0)
        return fault_param(fault, ERR_FIELD_INVALID, "amount", "more than 0");
    if (want->source_id.len == 0 || want->source_id.len > NAME_BYTES_MAX ||
        want->source_type.len == 0 || want->source_type.len > NAME_BYTES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "source", "type and id, 1 to %d bytes",
                           NAME_BYTES_MAX);
    if (want->category.len > NAME_BYTES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "category", "at most %d bytes",
                           NAME_BYTES_MAX);
    if (want->features.len > GRANT_FEATURES_BYTES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "features", "together at most %d bytes",
                           GRANT_FEATURES_BYTES_MAX);
    if (want->effective_us < 0 || want->expires_us < 0 ||
        (want->expires_us > 0 && want->expires_us <= now_us) ||
        (want->expires_us > 0 && want->expires_us <= want->effective_us))
        return fault_param(fault, ERR_FIELD_INVALID, "expires", "it would never be usable");
    return ERR_OK;
}

static struct grant_row row_of(const struct grant *grant, char id[ULID_TEXT_BYTES])
{
    ulid_text(grant->funds.id, id);
    return (struct grant_row){
        .id = str_make(id, ULID_TEXT_BYTES),
        .customer_id = grant->customer->id,
        .category = grant->category,
        .source_type = grant->source_type,
        .source_id = grant->source_id,
        .features = grant->funds.features,
        .amount = grant->amount,
        .remaining = {grant->funds.remaining},
        .priority = grant->funds.priority,
        .effective_us = grant->funds.effective_us,
        .expires_us = grant->funds.expires_us,
        .created_us = grant->funds.created_us,
        .status = (int)grant->status,
    };
}

/* Debt is paid back before anything else can use the credit, but not by what was given for some
 * features alone: nobody knows of which feature the debt is. */
static struct money owed(const struct customer *customer, const struct grant *grant, int64_t now_us)
{
    if (grant->funds.effective_us > now_us || !str_empty(grant->funds.features))
        return (struct money){0};
    return money_min(grant->amount, (struct money){customer->totals.nano[TOTAL_DEBT]});
}

/* In the critical section: all or nothing. */
static enum err commit(struct book *book, struct grant *grant, int64_t now_us)
{
    struct customer *customer = grant->customer;
    char id[ULID_TEXT_BYTES];
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    struct money const repaid = owed(customer, grant, now_us);
    if (!effect_grant_fits(customer, grant, repaid))
        return ERR_FIELD_INVALID; /* more than int64 can count */
    enum err const err = customer_activate(customer, grant);
    if (err != ERR_OK)
        return err;
    if (journal_promise(book->journal, RECORD_SMALL_BYTES_MAX) != ERR_OK) {
        customer_deactivate(customer, grant);
        return ERR_LEDGER_UNAVAILABLE;
    }
    effect_grant(customer, grant, repaid);
    struct record_grant const record = {
        .row = row_of(grant, id), .repaid = repaid, .totals = customer->totals};
    size_t const len = record_grant_encode(&record, bytes, sizeof bytes);
    MUST(len > 0);
    journal_append_promised(book->journal, RECORD_SMALL_BYTES_MAX, RECORD_GRANT, now_us,
                            str_make((const char *)bytes, len), &grant->lsn);
    customer_link_grant(customer, grant);
    return ERR_OK;
}

static enum err add(struct book *book, struct customer *customer, const struct grant_wanted *want,
                    struct grant **made, struct fault *fault)
{
    char id[ULID_TEXT_BYTES];
    int64_t const wall_us = clock_wall_us(book->clock);
    ulid_text(ulid_make(&book->random, wall_us), id);
    struct grant_row const row = {
        .id = str_make(id, sizeof id),
        .category = want->category,
        .source_type = want->source_type,
        .source_id = want->source_id,
        .features = want->features,
        .amount = want->amount,
        .priority = want->priority,
        .effective_us = want->effective_us,
        .expires_us = want->expires_us,
        .status = GRANT_ACTIVE,
    };
    struct grant *grant = grant_new(customer, &row);
    if (!grant)
        return fault_set(fault, ERR_NO_MEMORY, "a grant");
    pthread_mutex_lock(&customer->lock);
    int64_t const now_us = customer_now_us(book, customer);
    grant->funds.created_us = now_us;
    if (grant->funds.effective_us == 0)
        grant->funds.effective_us = now_us;
    enum err const err = commit(book, grant, now_us);
    pthread_mutex_unlock(&customer->lock);
    if (err != ERR_OK) {
        free(grant);
        return fault_set(fault, err, "the grant could not be booked");
    }
    *made = grant;
    if (book_add_grant(book, grant) != ERR_OK) /* booked, but a repeat would not be known */
        return fault_set(fault, ERR_NO_MEMORY, "booked; its source is not known until a restart");
    LOG(credit_granted, field_str("customer", customer->id), field_str("grant", row.id),
        field_int("nano", want->amount.nano));
    return ERR_OK;
}

static struct grant *find_source(const struct book *book, const struct grant_wanted *want)
{
    char key[2 * NAME_BYTES_MAX + 1];
    memcpy(key, want->source_type.ptr, want->source_type.len);
    key[want->source_type.len] = '\x1f';
    memcpy(key + want->source_type.len + 1, want->source_id.ptr, want->source_id.len);
    return map_get(&book->sources, str_make(key, want->source_type.len + 1 + want->source_id.len));
}

/* Amounts of a wallet are all of one unit. */
static enum err check_unit(struct book *book, struct customer *customer,
                           const struct grant_wanted *want, struct fault *fault)
{
    bool const in_credits = atomic_load(&customer->in_credits);
    if (in_credits == want->credits)
        return ERR_OK;
    if (in_credits)
        return fault_param(fault, ERR_CONFLICT, "amount_usd", "the wallet is in credits");
    return customer_turn_to_credits(book, customer, fault);
}

enum err book_grant(struct book *book, const struct grant_wanted *want, bool *existed,
                    struct fault *fault)
{
    *existed = false;
    enum err err = check_wanted(want, clock_wall_us(book->clock), fault);
    if (err != ERR_OK)
        return err;
    pthread_mutex_lock(&book->manage);
    struct customer *customer = book_find_customer(book, want->customer_id);
    struct grant *grant = find_source(book, want);
    if (!customer)
        err = fault_param(fault, ERR_NOT_FOUND, "customer", "no such customer");
    else if (grant && grant->customer != customer)
        err = fault_set(fault, ERR_CONFLICT, "this source has paid another customer");
    else if (grant)
        *existed = true;
    else
        err = check_unit(book, customer, want, fault);
    if (customer && !grant && err == ERR_OK)
        err = add(book, customer, want, &grant, fault);
    uint64_t const lsn = grant && err == ERR_OK ? grant->lsn : 0;
    pthread_mutex_unlock(&book->manage);
    /* A repeat waits too: the first one may not be on disk yet. lsn 0: from the database. */
    if (lsn > 0 && journal_sync(book->journal, lsn) != ERR_OK)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal cannot be synced");
    return err;
}

/* --- expiry -------------------------------------------------------------------------------- */
/* False: the journal has no room; try again later. */
static bool expire(struct book *book, struct grant *grant)
{
    struct customer *customer = grant->customer;
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    uint64_t lsn;
    pthread_mutex_lock(&customer->lock);
    bool const goes = journal_promise(book->journal, RECORD_SMALL_BYTES_MAX) == ERR_OK;
    if (goes) {
        int64_t const now_us = customer_now_us(book, customer);
        struct money const breakage = effect_grant_expire(customer, grant);
        struct record_grant_expire const record = {
            .customer_id = customer->id,
            .grant = grant->funds.id,
            .breakage = breakage,
            .remaining = {grant->funds.remaining},
            .totals = customer->totals,
        };
        size_t const len = record_grant_expire_encode(&record, bytes, sizeof bytes);
        MUST(len > 0);
        journal_append_promised(book->journal, RECORD_SMALL_BYTES_MAX, RECORD_GRANT_EXPIRE, now_us,
                                str_make((const char *)bytes, len), &lsn);
    }
    pthread_mutex_unlock(&customer->lock);
    return goes;
}

size_t book_expire_grants(struct book *book)
{
    size_t expired = 0;
    int64_t const now_us = clock_wall_us(book->clock);
    pthread_mutex_lock(&book->manage);
    while (book->expiring_count > 0 && book->expiring[0]->funds.expires_us <= now_us) {
        struct grant *grant = book->expiring[0];
        bool const active = grant->status == GRANT_ACTIVE; /* replay may have ended it */
        if (active && !expire(book, grant))
            break;
        heap_pop(book);
        expired += active;
    }
    pthread_mutex_unlock(&book->manage);
    return expired;
}

/* --- looking ------------------------------------------------------------------------------- */
void book_grants(struct book *book, struct str customer_id, grant_row_visit *visit, void *owner)
{
    pthread_mutex_lock(&book->manage);
    struct customer *customer = book_find_customer(book, customer_id);
    bool more = customer != NULL;
    for (const struct grant *grant = more ? customer->grants : NULL; grant && more;
         grant = grant->next) {
        char id[ULID_TEXT_BYTES];
        pthread_mutex_lock(&customer->lock);
        struct grant_row const row = row_of(grant, id);
        pthread_mutex_unlock(&customer->lock);
        more = visit(owner, &row);
    }
    pthread_mutex_unlock(&book->manage);
}

enum err book_balance(struct book *book, struct str customer_id, struct balance *balance,
                      struct fault *fault)
{
    struct customer *customer = book_find_customer(book, customer_id);
    if (!customer)
        return fault_param(fault, ERR_NOT_FOUND, "customer", "no such customer");
    pthread_mutex_lock(&customer->lock);
    const int64_t *totals = customer->totals.nano;
    int64_t const now_us = customer_now_us(book, customer);
    *balance = (struct balance){
        .granted = {totals[TOTAL_GRANTED]},
        .consumed = {totals[TOTAL_CONSUMED]},
        .breakage = {totals[TOTAL_BREAKAGE]},
        .remaining = {totals[TOTAL_GRANTED] - totals[TOTAL_CONSUMED] - totals[TOTAL_BREAKAGE]},
        .held = {customer->grants_held},
        .available = customer_available(customer, now_us),
        .scoped = customer_scoped(customer, now_us),
        .overage = {totals[TOTAL_OVERAGE]},
        .debt = {totals[TOTAL_DEBT]},
        .settled_cost = {totals[TOTAL_SETTLED]},
        .covered = {totals[TOTAL_COVERED]},
        .holds = customer->meter.live,
    };
    pthread_mutex_unlock(&customer->lock);
    return ERR_OK;
}
