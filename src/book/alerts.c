/* alerts.c - see alerts.h. */
#include "book/alerts.h"
#include "book/customer_int.h"
#include "book/pack.h"

/* The record leaves out the windows of calls that run now; lines that are told are never those. */
static size_t record_window(const struct hold *hold, size_t line)
{
    size_t window = line;
    for (size_t i = 0; i < line; i++)
        window -= hold->windows[i].counter->metric == METRIC_CONCURRENT;
    return window;
}

static bool is_reached(const struct effect *effect, const struct alert_line *line)
{
    struct alert_thresholds passed;
    const struct effect_window *window = &effect->windows[line->window];
    int64_t const after = window->counter->used;
    return alert_edges(after - window->used, after, line->limit, &line->thresholds, &passed) > 0;
}

/* An allowance is what is included, and what the window before has left. */
static void add_carried(const struct effect *effect, struct alert_line *line)
{
    const struct hold_window *window = &effect->hold->windows[line->window];
    if (window->role == ROLE_ALLOWANCE &&
        __builtin_add_overflow(line->limit, window->counter->carried, &line->limit))
        line->limit = INT64_MAX;
}

/* Bits of credit that this settle took the customer across; keeps low_told. */
static void look_at_credit(const struct effect *effect, int64_t now_us, struct alert_head *head)
{
    struct customer *customer = effect->customer;
    const int64_t *totals = customer->totals.nano;
    int64_t const paid = effect->charged.nano + effect->debt.nano;
    head->left = customer_available(customer, now_us).nano;
    int64_t const before = head->left + paid;
    int64_t const posted = head->left + customer->grants_held + customer->overdraft_held;
    if (head->low > 0 && customer->low_told > 0 && totals[TOTAL_GRANTED] >= customer->low_told &&
        before - head->low >= head->low / 10)
        customer->low_told = 0;
    if (head->low > 0 && head->left < head->low && customer->low_told == 0) {
        head->reached |= CREDIT_LOW;
        customer->low_told = totals[TOTAL_GRANTED] < INT64_MAX ? totals[TOTAL_GRANTED] + 1 : 1;
    }
    if (posted <= 0 && posted + paid > 0)
        head->reached |= CREDIT_SPENT;
    if (effect->debt.nano > 0 && totals[TOTAL_DEBT] == effect->debt.nano)
        head->reached |= CREDIT_DEBT;
}

static bool looks_at_credit(const struct effect *effect, const struct alert_head *head)
{
    const struct hold *hold = effect->hold;
    return !hold->own_key && !hold->unlimited &&
           (head->low > 0 || effect->charged.nano + effect->debt.nano > 0);
}

size_t alerts_reached(const struct effect *effect, const struct record_end *record, int64_t now_us,
                      unsigned char out[ALERT_LINES_BYTES_MAX])
{
    struct alert_head head;
    struct alert_line line;
    if (effect->type != RECORD_SETTLE)
        return 0;
    struct pack pack = pack_begin(out, ALERT_LINES_BYTES_MAX);
    int64_t const told_before = effect->customer->low_told;
    struct alert_reader reader = alert_read(effect->hold->alerts, &head);
    if (looks_at_credit(effect, &head))
        look_at_credit(effect, now_us, &head);
    head.told = effect->customer->low_told;
    alert_put_head(&pack, &head);
    const unsigned char *lines = pack.at;
    while (alert_read_line(&reader, &line)) {
        if (line.window < effect->window_count)
            add_carried(effect, &line);
        if (line.window >= effect->window_count || !is_reached(effect, &line))
            continue;
        line.window = record_window(effect->hold, line.window);
        MUST(line.window < record->window_count);
        alert_put_line(&pack, &line);
    }
    MUST(!pack.full);
    bool const nothing = pack.at == lines && head.reached == 0 && head.told == told_before;
    return nothing ? 0 : pack_end(&pack);
}

void alerts_replay(struct customer *customer, struct str alerts)
{
    struct alert_head head;
    if (alerts.len == 0)
        return;
    (void)alert_read(alerts, &head);
    customer->low_told = head.told;
}

enum err book_alert_seen(struct book *book, int64_t alert, struct str by, struct fault *fault)
{
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    uint64_t lsn;
    struct record_alert_seen const seen = {alert, alert_name_cut(by, NAME_BYTES_MAX)};
    size_t const len = record_alert_seen_encode(&seen, bytes, sizeof bytes);
    MUST(len > 0);
    enum err err = journal_append(book->journal, RECORD_ALERT_SEEN, clock_wall_us(book->clock),
                                  str_make((const char *)bytes, len), &lsn);
    if (err == ERR_OK)
        err = journal_sync(book->journal, lsn);
    return err == ERR_OK
               ? ERR_OK
               : fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal took no acknowledgement");
}
