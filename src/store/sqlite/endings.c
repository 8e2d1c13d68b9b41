/* endings.c - what ends by itself soon: keys, grants and documents in the order of their ends.
 *
 * Why:   each kind has an index of those alone that have an end, so that a page costs what is on it
 *        and not what there is. Ends of documents are texts, maybe of another time zone: the bounds
 *        are a day wider, and whoever asks looks at the instant itself.
 */
#include "codec/when.h"
#include "store/sqlite/objects_int.h"

#define MEMBER(alias, name) "json_extract(" alias "text, '$." name "')"

/* clang-format off */
#define INDEX(name, kind, member, more)                                                            \
    "CREATE INDEX " name " ON object (" MEMBER("", member) ", id) WHERE kind = '" kind "'" more ";"

const char schema_endings_sql[] =
    "ALTER TABLE alert ADD COLUMN notice TEXT;"
    "CREATE UNIQUE INDEX alert_by_notice ON alert (notice) WHERE notice IS NOT NULL;"
    "CREATE INDEX api_key_by_end ON api_key (expires_us, id) WHERE expires_us > 0;"
    "CREATE INDEX credit_grant_by_end ON credit_grant (expires_us, id) WHERE expires_us > 0;"
    INDEX("license_by_end", "license", "valid_to", "")
    INDEX("override_by_end", "override", "expires_at", "")
    INDEX("subscription_by_end", "subscription", "cancel_at", "")
    INDEX("subscription_in_trial", "subscription", "anchor_at",
        " AND " MEMBER("", "status") " = 'trialing'");

/* INDEXED BY: the planner would rather walk all of a kind. Columns: id, customer, end (text, or
 * microseconds), scope, days after the end. */
#define PAGE(end)                                                                                  \
    " AND " end " > ?1 AND " end " <= ?2 AND (" end ", id) > (?3, ?4)"                             \
    " ORDER BY " end ", id LIMIT ?5"
#define TRIAL MEMBER("", "anchor_at")

enum { TRIAL_DAYS_MAX = 3650 };
static int64_t const day_us = (int64_t)86400 * 1000000;

#define OWNER                                                                                      \
    "CASE " MEMBER("", "scope") " WHEN 'customer' THEN " MEMBER("", "scope_id")                    \
    " WHEN 'user' THEN substr(" MEMBER("", "scope_id") ", 1,"                                      \
    " instr(" MEMBER("", "scope_id") ", '/') - 1)"                                                 \
    " WHEN 'key' THEN (SELECT k.customer_id FROM api_key k WHERE k.id = "                          \
    MEMBER("object.", "scope_id") ") END"
#define DAYS                                                                                       \
    "(SELECT " MEMBER("v.", "trial_days") " FROM object v WHERE v.kind = 'plan_version'"           \
    " AND v.id = " MEMBER("object.", "plan_version") ")"

static const struct {
    bool is_text;
    int days_before; /* the end is so many days after what is looked for, at most */
    const char *sql;
} sources[] = {
    [ENDING_LICENSE] = {true, 0,
        "SELECT id, customer_id, " MEMBER("", "valid_to") ", NULL, 0 FROM object"
        " INDEXED BY license_by_end WHERE kind = 'license' AND " MEMBER("", "status") " = 'active'"
        PAGE(MEMBER("", "valid_to"))},
    [ENDING_OVERRIDE] = {true, 0,
        "SELECT id, " OWNER ", " MEMBER("", "expires_at") ", " MEMBER("", "scope") ", 0"
        " FROM object INDEXED BY override_by_end WHERE kind = 'override'"
        PAGE(MEMBER("", "expires_at"))},
    [ENDING_KEY] = {false, 0,
        "SELECT id, customer_id, expires_us, NULL, 0 FROM api_key"
        " WHERE expires_us > 0 AND status = 0" PAGE("expires_us")},
    [ENDING_SUBSCRIPTION] = {true, 0,
        "SELECT id, customer_id, " MEMBER("", "cancel_at") ", NULL, 0 FROM object"
        " INDEXED BY subscription_by_end WHERE kind = 'subscription' AND " MEMBER("", "status")
        " IN ('trialing', 'active', 'cancel_scheduled', 'past_due')"
        PAGE(MEMBER("", "cancel_at"))},
    [ENDING_TRIAL] = {true, TRIAL_DAYS_MAX,
        "SELECT id, customer_id, " TRIAL ", NULL, " DAYS " FROM object"
        " INDEXED BY subscription_in_trial WHERE kind = 'subscription' AND "
        MEMBER("", "status") " = 'trialing'" PAGE(TRIAL)},
    [ENDING_GRANT] = {false, 0,
        "SELECT id, customer_id, expires_us, NULL, 0 FROM credit_grant"
        " WHERE expires_us > 0 AND status = 0 AND remaining_nano > 0" PAGE("expires_us")},
};
/* clang-format on */
_Static_assert(sizeof sources / sizeof sources[0] == ENDING_COUNT, "a row for each");

static void bind_bounds(sqlite3_stmt *statement, const struct ending_query *query)
{
    char text[2][WHEN_TEXT_BYTES];
    int64_t const early_us = (1 + sources[query->what].days_before) * day_us;
    int64_t mark = 0;
    if (!sources[query->what].is_text) {
        sqlite3_bind_int64(statement, 1, query->from_us);
        sqlite3_bind_int64(statement, 2, query->until_us);
        if (!str_to_i64(query->after_mark, &mark))
            mark = 0;
        sqlite3_bind_int64(statement, 3, mark);
        return;
    }
    struct str const from = when_text(query->from_us - early_us, text[0]);
    struct str const until = when_text(query->until_us + day_us, text[1]);
    sqlite3_bind_text(statement, 1, from.ptr, (int)from.len, SQLITE_TRANSIENT);
    sqlite3_bind_text(statement, 2, until.ptr, (int)until.len, SQLITE_TRANSIENT);
    bind_name(statement, 3, query->after_mark);
}

static bool deliver(sqlite3_stmt *at, bool is_text, ending_visit *visit, void *owner)
{
    struct ending_row row = {
        .id = column_text(at, 0),
        .customer_id = column_text(at, 1),
        .scope = column_text(at, 3),
    };
    int64_t const days = sqlite3_column_int64(at, 4);
    if (!is_text)
        row.end_us = sqlite3_column_int64(at, 2);
    row.mark = column_text(at, 2); /* turns a number into its text */
    if (is_text && (!when_parse(row.mark, &row.end_us) || days < 0 || days > TRIAL_DAYS_MAX))
        row.end_us = 0;
    else if (is_text && sqlite3_column_type(at, 4) != SQLITE_NULL)
        row.end_us += days * day_us;
    return visit(owner, &row);
}

enum err endings_read(struct store *store, const struct ending_query *query, ending_visit *visit,
                      void *owner, struct fault *fault)
{
    struct reading reading;
    bool const is_text = sources[query->what].is_text;
    enum err const err = reading_begin(store, sources[query->what].sql, &reading, fault);
    if (err != ERR_OK)
        return err;
    bind_bounds(reading.statement, query);
    bind_name(reading.statement, 4, query->after_id);
    sqlite3_bind_int64(reading.statement, 5, (int64_t)query->limit);
    int result = sqlite3_step(reading.statement);
    while (result == SQLITE_ROW && deliver(reading.statement, is_text, visit, owner))
        result = sqlite3_step(reading.statement);
    return reading_end(&reading, result, fault);
}
