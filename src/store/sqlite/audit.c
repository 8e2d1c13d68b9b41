/* audit.c - do the books add up? Each rule is one query that finds the first violation.
 *
 * Rules: R1 entries of a transaction sum to zero. R2 a customer's credit account is what its grants
 *        have left. R3 buckets are the sums of the usage rows. R4 a charged usage row points to a
 *        transaction, and the charges of its rows are what that took from credit (what broke with
 *        an expired grant aside) and gave to revenue. R5 no
 *        amount of a row is negative.
 */
#include "store/sqlite/sqlite_int.h"

static const struct {
    const char *rule, *sql;
} rules[] = {
    {"ledger transaction does not sum to zero",
     "SELECT txn_id, sum(amount_nano) FROM ledger_entry GROUP BY txn_id"
     " HAVING sum(amount_nano) <> 0 LIMIT 1"},
    {"credit account differs from what the grants have left",
     "SELECT c.id, coalesce(g.n, 0) - coalesce(e.n, 0) FROM customer c"
     " LEFT JOIN (SELECT customer_id, sum(remaining_nano) AS n FROM credit_grant"
     " GROUP BY customer_id) g ON g.customer_id = c.id"
     " LEFT JOIN (SELECT customer_id, sum(amount_nano) AS n FROM ledger_entry"
     " WHERE account = 'credit' GROUP BY customer_id) e ON e.customer_id = c.id"
     " WHERE coalesce(g.n, 0) <> coalesce(e.n, 0) LIMIT 1"},
    {"buckets differ from the usage rows",
     "SELECT customer_id, sum(n) FROM (SELECT customer_id, start_us, coalesce(key_id, '') AS k,"
     " provider AS p, model AS m, requests AS n, cost_nano AS c, charged_nano AS h,"
     " charge_nano AS a,"
     " input_tokens + output_tokens AS t FROM usage_bucket UNION ALL"
     " SELECT coalesce(customer_id, ''), finished_us - finished_us % 900000000,"
     " coalesce(key_id, ''), coalesce(provider, ''), coalesce(model, ''), -1, -cost_nano,"
     " -charged_nano, -charged_nano - covered_nano - overage_nano - debt_nano,"
     " -input_tokens - output_tokens FROM usage)"
     " GROUP BY customer_id, start_us, k, p, m"
     " HAVING sum(n) <> 0 OR sum(c) <> 0 OR sum(h) <> 0 OR sum(a) <> 0 OR sum(t) <> 0 LIMIT 1"},
    {"charges of usage rows differ from their ledger transaction",
     "SELECT u.txn, u.charged FROM (SELECT ledger_txn AS txn, sum(charged_nano) AS charged,"
     " sum(charged_nano + overage_nano + debt_nano) AS owed FROM usage"
     " WHERE ledger_txn > 0 GROUP BY ledger_txn) u"
     " LEFT JOIN (SELECT txn_id, sum(amount_nano * (account IN ('credit', 'breakage'))) AS credit,"
     " sum(amount_nano * (account = 'revenue')) AS revenue"
     " FROM ledger_entry GROUP BY txn_id) e ON e.txn_id = u.txn"
     " WHERE NOT EXISTS (SELECT 1 FROM ledger_txn t WHERE t.id = u.txn)"
     " OR u.charged + coalesce(e.credit, 0) <> 0 OR u.owed <> coalesce(e.revenue, 0) LIMIT 1"},
    {"usage row with a charge but without a ledger transaction",
     "SELECT lsn, cost_nano FROM usage WHERE coalesce(ledger_txn, 0) = 0"
     " AND charged_nano + overage_nano + debt_nano <> 0 LIMIT 1"},
    {"usage row with an amount below zero",
     "SELECT lsn, cost_nano FROM usage WHERE min(cost_nano, charged_nano, covered_nano,"
     " overage_nano, debt_nano, held_nano) < 0 LIMIT 1"},
};

static enum err rule_run(sqlite3 *reader, size_t rule, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(reader, rules[rule].sql, -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fault(reader, "audit", fault);
    int const result = sqlite3_step(statement);
    enum err err = ERR_OK;
    if (result == SQLITE_ROW)
        err = fault_set(fault, ERR_CORRUPT, "audit: %s: %.*s (%lld)", rules[rule].rule,
                        STR_ARG(column_text(statement, 0)),
                        (long long)sqlite3_column_int64(statement, 1));
    else if (result != SQLITE_DONE)
        err = sqlite_fault(reader, "audit", fault);
    sqlite3_finalize(statement);
    return err;
}

enum err audit_run(struct store *store, struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    sqlite3 *reader = reader_take(self, fault);
    if (reader == NULL)
        return fault->code;
    /* One snapshot for all rules: the writer goes on meanwhile. */
    enum err err = sqlite3_exec(reader, "BEGIN", NULL, NULL, NULL) == SQLITE_OK
                       ? ERR_OK
                       : sqlite_fault(reader, "audit", fault);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && err == ERR_OK; i++)
        err = rule_run(reader, i, fault);
    (void)sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL); /* nothing was written */
    reader_return(self, reader);
    return err;
}
