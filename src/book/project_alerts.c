/* project_alerts.c - what a SETTLE has reached becomes rows: one for each limit, and one of credit.
 */
#include "book/project_alerts.h"
#include "book/project_int.h"
#include <stdio.h>

/* A settle has no more: its lines, and the three of credit. The id of a row is made of its record's
 * place, so that the same record gives the same rows. */
enum { ALERTS_PER_RECORD = 64, PERCENTS_BYTES_MAX = 5 * ALERT_THRESHOLDS_MAX + 1 };
_Static_assert(RECORD_WINDOWS_MAX + 3 <= ALERTS_PER_RECORD, "ids of two records do not meet");

static enum err alert_put(struct batch *batch, const struct alert_row *row)
{
    enum err const err = batch->store->ops->alert_put(batch->store, row, batch->fault);
    if (err == ERR_OK && batch->listener != NULL)
        batch->listener->alert(batch->listener->owner, row);
    return err;
}

static struct str percents_put(const struct alert_thresholds *passed, char text[PERCENTS_BYTES_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < ALERT_THRESHOLDS_MAX && passed->percent[i] > 0; i++)
        len += (size_t)snprintf(text + len, PERCENTS_BYTES_MAX - len, i > 0 ? ",%u" : "%u",
                                (unsigned)passed->percent[i]);
    return str_make(text, len);
}

static struct str kind_of(enum window_role role)
{
    return role == ROLE_ALLOWANCE     ? STR("allowance")
           : role == ROLE_OVERAGE_CAP ? STR("overage_cap")
                                      : STR("limit");
}

static enum err line_write(struct batch *batch, const struct record_end *end,
                           const struct alert_line *line, struct alert_row *row)
{
    const struct record_window_line *window = &end->windows[line->window];
    struct alert_thresholds passed;
    char text[PERCENTS_BYTES_MAX];
    size_t const count = alert_edges(window->used - window->amount, window->used, line->limit,
                                     &line->thresholds, &passed);
    if (count == 0)
        return ERR_OK; /* a use beyond what int64 counts: nothing can be said about it */
    row->kind = kind_of(window->role);
    row->severity = passed.percent[count - 1] >= 100 ? STR("critical") : STR("warning");
    row->scope = str_of(refusal_scope_name(line->scope));
    row->subject = line->name;
    row->metric = str_of(metric_name(window->metric));
    row->window = str_of(window_name(window->kind));
    row->start_us = window->start_us;
    row->end_us = window->end_us;
    row->percents = percents_put(&passed, text);
    row->used = window->used;
    row->limit = line->limit;
    return alert_put(batch, row);
}

static enum err credit_write(struct batch *batch, const struct alert_head *head,
                             const struct alert_row *base, int64_t *id)
{
    static const struct {
        enum alert_credit bit;
        struct str kind, severity;
    } kinds[] = {
        {CREDIT_LOW, STR_ROW("low_credit"), STR_ROW("warning")},
        {CREDIT_SPENT, STR_ROW("credit_exhausted"), STR_ROW("critical")},
        {CREDIT_DEBT, STR_ROW("debt_begun"), STR_ROW("critical")},
    };
    enum err err = ERR_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && err == ERR_OK; i++) {
        if ((head->reached & kinds[i].bit) == 0)
            continue;
        struct alert_row row = *base;
        row.id = (*id)++;
        row.kind = kinds[i].kind;
        row.severity = kinds[i].severity;
        row.scope = STR("credit");
        row.metric = STR("cost");
        row.used = head->left;
        row.limit = kinds[i].bit == CREDIT_LOW ? head->low : 0;
        err = alert_put(batch, &row);
    }
    return err;
}

enum err alerts_write(struct batch *batch, const struct journal_record *record,
                      const struct record_end *end)
{
    struct alert_head head;
    struct alert_line line;
    char key[ULID_TEXT_BYTES];
    int64_t id = (int64_t)(record->lsn * ALERTS_PER_RECORD);
    struct alert_row const base = {
        .at_us = record->at_us,
        .customer_id = end->customer_id,
        .key_id = {key, sizeof key},
        .user = end->context.user,
        .feature = end->context.feature,
        .request_id = end->context.request_id,
    };
    if (end->alerts.len == 0)
        return ERR_OK;
    ulid_text(end->key, key);
    struct alert_reader reader = alert_read(end->alerts, &head);
    struct counter_row const told = {
        .customer_id = end->customer_id, .name = STR(RECORD_LOW_TOLD_NAME), .value = head.told};
    enum err err = batch->store->ops->counter_put(batch->store, &told, batch->fault);
    if (err == ERR_OK)
        err = credit_write(batch, &head, &base, &id);
    while (err == ERR_OK && alert_read_line(&reader, &line)) {
        struct alert_row row = base;
        row.id = id++;
        err = line_write(batch, end, &line, &row);
    }
    return err;
}

/* --- what ends soon --------------------------------------------------------------------------- */
enum err notice_write(struct batch *batch, const struct journal_record *record,
                      const struct record_notice *notice)
{
    static const struct {
        struct str kind, scope;
    } kinds[] = {
        [ENDING_LICENSE] = {STR_ROW("license_expiring"), STR_ROW("license")},
        [ENDING_OVERRIDE] = {STR_ROW("override_expiring"), STR_ROW("override")},
        [ENDING_KEY] = {STR_ROW("key_expiring"), STR_ROW("key")},
        [ENDING_SUBSCRIPTION] = {STR_ROW("subscription_ending"), STR_ROW("subscription")},
        [ENDING_TRIAL] = {STR_ROW("subscription_ending"), STR_ROW("trial")},
        [ENDING_GRANT] = {STR_ROW("grant_expiring"), STR_ROW("grant")},
    };
    char name[NOTICE_NAME_BYTES_MAX];
    int64_t const left_us = notice->end_us - record->at_us;
    struct alert_row const row = {
        .id = (int64_t)(record->lsn * ALERTS_PER_RECORD),
        .at_us = record->at_us,
        .kind = kinds[notice->what].kind,
        .severity = notice->days <= 1 ? STR("critical") : STR("warning"),
        .customer_id = notice->customer_id,
        .scope = notice->scope.len > 0 ? notice->scope : kinds[notice->what].scope,
        .key_id = notice->what == ENDING_KEY ? notice->id : STR(""),
        .subject = notice->id,
        .metric = STR("days"),
        .end_us = notice->end_us,
        .used = left_us > 0 ? left_us / ((int64_t)86400 * 1000000) : 0,
        .limit = notice->days,
        .notice = record_notice_name(notice, name),
    };
    return alert_put(batch, &row);
}
