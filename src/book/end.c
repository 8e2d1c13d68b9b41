/* end.c - see end.h. */
#include "book/end.h"
#include "book/alerts.h"
#include "book/customer_int.h"
#include "book/hold.h"

/* Parts of RECORD_END_BYTES_MAX that do not depend on lines. */
enum { FIXED_BYTES = 656, GRANT_BYTES = 46, WINDOW_BYTES = 46 };
_Static_assert(FIXED_BYTES + RECORD_GRANTS_MAX * GRANT_BYTES + RECORD_WINDOWS_MAX * WINDOW_BYTES ==
                   RECORD_END_BYTES_MAX,
               "the bound is made of these");

size_t end_bytes_max(const struct hold *hold)
{
    size_t const grants = hold->grant_count + GRANTS_PER_HOLD_MAX;
    return FIXED_BYTES + grants * GRANT_BYTES + hold->window_count * WINDOW_BYTES +
           hold->context.len + hold->alerts.len + ALERT_HEAD_BYTES_MAX;
}

static void settle_limiter(struct effect *effect, enum record_limiter limiter,
                           const struct gcra *state, const struct gcra_limit *limit,
                           int64_t tokens_used, int64_t now_us)
{
    bool const was_taken = effect->hold->limiters & 1u << limiter;
    int64_t const taken = was_taken ? effect->hold->tokens : 0;
    if (limit->limit == 0 || taken == tokens_used)
        return;
    struct gcra const next = tokens_used < taken
                                 ? gcra_refund(state, limit, taken - tokens_used, now_us)
                                 : gcra_take(state, limit, tokens_used - taken, now_us);
    effect->limiters.set |= 1u << limiter;
    effect->limiters.tat[limiter] = next.tat;
}

void end_limiters(struct effect *effect, int64_t tokens_used, int64_t now_us)
{
    effect->limiters.set = 0;
    settle_limiter(effect, LIMITER_KEY_TOKENS, &effect->key->meter.tokens,
                   &effect->key->limits.tokens, tokens_used, now_us);
    settle_limiter(effect, LIMITER_CUSTOMER_TOKENS, &effect->customer->meter.tokens,
                   &effect->customer->limits.tokens, tokens_used, now_us);
}

static void fill_lines(const struct effect *effect, struct record_end *record)
{
    record->grant_count = record->window_count = 0;
    for (size_t i = 0; i < effect->grant_count; i++) {
        const struct effect_grant *line = &effect->grants[i];
        if (line->consumed > 0 || line->breakage > 0)
            record->grants[record->grant_count++] = (struct record_grant_line){
                .grant = line->grant->funds.id,
                .amount = line->consumed,
                .breakage = line->breakage,
                .remaining = line->grant->funds.remaining,
            };
    }
    for (size_t i = 0; i < effect->window_count; i++) {
        const struct counter *counter = effect->windows[i].counter;
        if (counter->metric == METRIC_CONCURRENT)
            continue; /* nothing is used up */
        record->windows[record->window_count++] = (struct record_window_line){
            .counter = counter->id,
            .kind = counter->kind,
            .metric = counter->metric,
            .role = effect->hold->windows[i].role,
            .start_us = counter->start_us,
            .end_us = counter->end_us,
            .amount = effect->windows[i].used,
            .used = counter->used,
            .number = (unsigned)i,
            .carried = effect->hold->windows[i].role == ROLE_ALLOWANCE ? counter->carried : 0,
        };
    }
}

uint64_t end_commit(struct book *book, struct effect *effect, const struct end_facts *facts,
                    size_t promised, int64_t now_us)
{
    struct hold *hold = effect->hold;
    struct record_end record;
    unsigned char bytes[RECORD_SETTLE_BYTES_MAX], alerts[ALERT_LINES_BYTES_MAX];
    uint64_t lsn = 0;
    MUST(effect_end_fits(effect));
    effect_end(effect);
    record.id = hold->id;
    record.key = hold->key->id;
    record.customer_id = hold->customer->id;
    record.late = effect->late;
    record.limiters = effect->limiters;
    record.totals = hold->customer->totals;
    record.price_version = hold->price.version;
    record.held = hold->cost;
    record.charge = effect->charge;
    record.cost = effect->cost;
    record.list = effect->list;
    record.charged = effect->charged;
    record.covered = effect->covered;
    record.overage = effect->overage;
    record.debt = effect->debt;
    if (facts) {
        record.outcome = facts->outcome;
        record.http_status = facts->http_status;
        record.attempts = facts->attempts;
        record.first_byte_us = facts->first_byte_us;
        record.usage = facts->usage;
    }
    fill_lines(effect, &record);
    record.alerts = str_make((const char *)alerts, alerts_reached(effect, &record, now_us, alerts));
    size_t const len = record_end_encode(effect->type, &record, hold->context, bytes, sizeof bytes);
    MUST(len > 0 && len <= promised);
    journal_append_promised(book->journal, promised, (uint8_t)effect->type, now_us,
                            str_make((const char *)bytes, len), &lsn);
    return lsn;
}

/* The hold's own grants, nothing consumed. */
static void begin_free_end(struct effect *effect, enum record_type type, struct hold *hold,
                           int64_t now_us)
{
    *effect = (struct effect){
        .type = type,
        .customer = hold->customer,
        .key = hold->key,
        .hold = hold,
        .late = hold->state == HOLD_EXPIRED,
    };
    for (size_t i = 0; i < hold->grant_count && !effect->late; i++)
        effect->grants[effect->grant_count++].grant = hold->grants[i].grant;
    if (!effect->late)
        end_limiters(effect, 0, now_us);
}

void book_release(struct book *book, struct hold *hold, const char *outcome, int http_status)
{
    struct customer *customer = hold->customer;
    struct effect effect;
    struct end_facts const facts = {.outcome = str_of(outcome), .http_status = http_status};
    MUST(facts.outcome.len <= RECORD_OUTCOME_BYTES_MAX);
    pthread_mutex_lock(&customer->lock);
    bool const open = hold->state == HOLD_HELD || hold->state == HOLD_EXPIRED;
    if (open) {
        int64_t const now_us = customer_now_us(book, customer);
        begin_free_end(&effect, RECORD_RELEASE, hold, now_us);
        (void)end_commit(book, &effect, &facts, hold->promised, now_us);
    }
    pthread_mutex_unlock(&customer->lock);
    if (open)
        hold_unlist(book, hold, RECORD_RELEASE);
}

bool end_expire(struct book *book, struct hold *hold)
{
    struct customer *customer = hold->customer;
    struct effect effect;
    pthread_mutex_lock(&customer->lock);
    bool const expires =
        hold->state == HOLD_HELD && journal_promise(book->journal, RECORD_END_BYTES_MAX) == ERR_OK;
    if (expires) {
        int64_t const now_us = customer_now_us(book, customer);
        begin_free_end(&effect, RECORD_EXPIRE, hold, now_us);
        (void)end_commit(book, &effect, NULL, RECORD_END_BYTES_MAX, now_us);
    }
    pthread_mutex_unlock(&customer->lock);
    return expires;
}

void end_forget(struct book *book, struct hold *hold)
{
    pthread_mutex_lock(&hold->customer->lock);
    if (hold->state == HOLD_EXPIRED) {
        effect_forget(hold);
        journal_forget(book->journal, hold->promised);
    }
    pthread_mutex_unlock(&hold->customer->lock);
}

/* --- on the way ---------------------------------------------------------------------------- */
/* False: the journal took nothing. Nothing is written for a hold that has ended. */
static bool note(struct book *book, struct hold *hold, enum record_type type, int64_t tokens)
{
    struct record_progress const record = {hold->id, tokens};
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    uint64_t lsn;
    size_t const len = record_progress_encode(&record, bytes, sizeof bytes);
    if (hold->state != HOLD_HELD)
        return true;
    int64_t const now_us = customer_now_us(book, hold->customer);
    return journal_append(book->journal, (uint8_t)type, now_us, str_make((const char *)bytes, len),
                          &lsn) == ERR_OK;
}

enum err book_dispatch(struct book *book, struct hold *hold, struct fault *fault)
{
    pthread_mutex_lock(&hold->customer->lock);
    bool const known = hold->dispatched || note(book, hold, RECORD_DISPATCH, 0);
    hold->dispatched = known;
    pthread_mutex_unlock(&hold->customer->lock);
    if (!known)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal took no DISPATCH record");
    return ERR_OK;
}

void book_progress(struct book *book, struct hold *hold, int64_t output_tokens)
{
    pthread_mutex_lock(&hold->customer->lock);
    if (output_tokens > hold->output_tokens && note(book, hold, RECORD_PROGRESS, output_tokens))
        hold->output_tokens = output_tokens;
    pthread_mutex_unlock(&hold->customer->lock);
}
