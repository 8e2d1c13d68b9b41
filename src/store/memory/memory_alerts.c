/* memory_alerts.c - alerts of the memory backend. */
#include "base/must.h"
#include "store/memory/memory_int.h"
#include <stdlib.h>

static struct alert_row *find(struct memory_store *self, int64_t id)
{
    struct alert_row *rows = self->tables[TABLE_ALERT].rows;
    for (size_t i = 0; i < self->tables[TABLE_ALERT].count; i++)
        if (rows[i].id == id)
            return &rows[i];
    return NULL;
}

static bool find_notice(struct memory_store *self, struct str notice)
{
    const struct alert_row *rows = self->tables[TABLE_ALERT].rows;
    for (size_t i = 0; !str_empty(notice) && i < self->tables[TABLE_ALERT].count; i++)
        if (str_eq(rows[i].notice, notice))
            return true;
    return false;
}

static enum err alert_put(struct store *store, const struct alert_row *row, struct fault *fault)
{
    struct memory_store *self = (struct memory_store *)(void *)store;
    struct alert_row copy = *row;
    bool ok = true;
    struct str *const texts[] = {
        &copy.kind,     &copy.severity,   &copy.customer_id,     &copy.scope,  &copy.key_id,
        &copy.user,     &copy.feature,    &copy.subject,         &copy.metric, &copy.window,
        &copy.percents, &copy.request_id, &copy.acknowledged_by, &copy.notice,
    };
    if (find(self, row->id) != NULL || find_notice(self, row->notice))
        return ERR_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        memory_own(self, texts[i], &ok);
    return memory_row_put(self, TABLE_ALERT, NULL, &copy, ok, fault);
}

static enum err alert_seen(struct store *store, int64_t id, int64_t at_us, struct str by,
                           struct fault *fault)
{
    struct memory_store *self = (struct memory_store *)(void *)store;
    struct alert_row *row = find(self, id);
    bool ok = true;
    MUST(self->began);
    if (row == NULL || row->acknowledged_us > 0)
        return ERR_OK;
    memory_own(self, &by, &ok);
    if (!ok)
        return fault_set(fault, ERR_NO_MEMORY, "memory store");
    row->acknowledged_us = at_us;
    row->acknowledged_by = by;
    return ERR_OK;
}

static bool matches(const struct alert_query *query, const struct alert_row *row)
{
    return (query->id == 0 || row->id == query->id) &&
           (str_empty(query->customer_id) || str_eq(query->customer_id, row->customer_id)) &&
           (str_empty(query->notice) || str_eq(query->notice, row->notice)) &&
           (str_empty(query->kind) || str_eq(query->kind, row->kind)) &&
           row->at_us >= query->since_us && (query->before == 0 || row->id < query->before) &&
           (query->acknowledged == 0 || (query->acknowledged > 0) == (row->acknowledged_us > 0));
}

static int by_number(const void *a, const void *b)
{
    int64_t const left = ((const struct alert_row *)a)->id,
                  right = ((const struct alert_row *)b)->id;
    return (left > right) - (left < right);
}

static enum err alert_list(struct store *store, const struct alert_query *query, alert_visit *visit,
                           void *owner, struct fault *fault)
{
    struct table table;
    size_t given = 0;
    enum err const err = memory_sorted(store, TABLE_ALERT, by_number, &table, fault);
    const struct alert_row *rows = table.rows;
    for (size_t i = table.count; err == ERR_OK && i-- > 0;) {
        if (!matches(query, &rows[i]))
            continue;
        if ((query->limit > 0 && given++ == query->limit) || !visit(owner, &rows[i]))
            break;
    }
    free(table.rows);
    return err;
}

void memory_alerts_fill(struct store_ops *ops)
{
    ops->alert_put = alert_put;
    ops->alert_seen = alert_seen;
    ops->alert_list = alert_list;
}
