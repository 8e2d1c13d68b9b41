/* schema.c - the tables, as numbered steps that are never changed once released: add a new one.
 *
 * Text:  *_nano is money in 10^-9 of the currency, *_us microseconds since 1970 UTC. Ids are text,
 * so that people can read the file with the sqlite3 shell; the views are for them, too.
 */
#include "store/sqlite/sqlite_int.h"

static const char tables[] =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('schema_version', 0), ('applied_lsn', 0), ('recover_lsn', 1);"
    "CREATE TABLE customer (id TEXT PRIMARY KEY, currency TEXT, origin INTEGER NOT NULL,"
    " unlimited INTEGER NOT NULL, status INTEGER NOT NULL, created_us INTEGER NOT NULL,"
    " overdraft_nano INTEGER NOT NULL, debt_nano INTEGER NOT NULL,"
    " requests_per_minute INTEGER NOT NULL, tokens_per_minute INTEGER NOT NULL,"
    " concurrent_max INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE api_key (id TEXT PRIMARY KEY, customer_id TEXT NOT NULL, name TEXT, prefix TEXT,"
    " hash BLOB NOT NULL, origin INTEGER NOT NULL, status INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
    " requests_per_minute INTEGER NOT NULL, tokens_per_minute INTEGER NOT NULL,"
    " concurrent_max INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE credit_grant (id TEXT PRIMARY KEY, customer_id TEXT NOT NULL, category TEXT,"
    " source_type TEXT, source_id TEXT, amount_nano INTEGER NOT NULL,"
    " remaining_nano INTEGER NOT NULL, priority INTEGER NOT NULL, effective_us INTEGER NOT NULL,"
    " expires_us INTEGER NOT NULL, created_us INTEGER NOT NULL, status INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE counter (customer_id TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,"
    " until_us INTEGER NOT NULL, PRIMARY KEY (customer_id, name)) WITHOUT ROWID;"
    "CREATE TABLE hold (id TEXT PRIMARY KEY, customer_id TEXT NOT NULL,"
    " deadline_us INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE usage (lsn INTEGER PRIMARY KEY, request_id TEXT, hold_id TEXT, customer_id TEXT,"
    " key_id TEXT, user_id TEXT, feature TEXT, module TEXT, profile TEXT, request_group TEXT,"
    " endpoint TEXT, model TEXT, provider TEXT, upstream_model TEXT, outcome TEXT,"
    " stream INTEGER, late INTEGER, http_status INTEGER, attempts INTEGER, cache_level INTEGER,"
    " usage_source INTEGER, input_tokens INTEGER, cached_input_tokens INTEGER,"
    " cache_write_tokens INTEGER, cache_write_1h_tokens INTEGER, output_tokens INTEGER,"
    " reasoning_tokens INTEGER, audio_input_tokens INTEGER, audio_output_tokens INTEGER,"
    " image_input_tokens INTEGER, image_output_tokens INTEGER, price_version INTEGER,"
    " cost_nano INTEGER, charged_nano INTEGER, covered_nano INTEGER, overage_nano INTEGER,"
    " debt_nano INTEGER, held_nano INTEGER, started_us INTEGER, first_byte_us INTEGER,"
    " finished_us INTEGER, ledger_txn INTEGER);"
    "CREATE TABLE usage_span (customer_id TEXT NOT NULL, first_lsn INTEGER NOT NULL,"
    " last_lsn INTEGER NOT NULL, PRIMARY KEY (customer_id, first_lsn)) WITHOUT ROWID;"
    "CREATE TABLE usage_chunk (first_lsn INTEGER PRIMARY KEY, last_lsn INTEGER NOT NULL,"
    " request_hashes BLOB NOT NULL);"
    "CREATE TABLE usage_bucket (start_us INTEGER NOT NULL, customer_id TEXT NOT NULL,"
    " key_id TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,"
    " requests INTEGER NOT NULL, failures INTEGER NOT NULL, latency_us INTEGER NOT NULL,"
    " cost_nano INTEGER NOT NULL, charged_nano INTEGER NOT NULL, input_tokens INTEGER NOT NULL,"
    " cached_input_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,"
    " cache_write_1h_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,"
    " reasoning_tokens INTEGER NOT NULL, audio_input_tokens INTEGER NOT NULL,"
    " audio_output_tokens INTEGER NOT NULL, image_input_tokens INTEGER NOT NULL,"
    " image_output_tokens INTEGER NOT NULL,"
    " PRIMARY KEY (start_us, customer_id, key_id, provider, model)) WITHOUT ROWID;"
    "CREATE TABLE ledger_txn (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, source_type TEXT NOT "
    "NULL,"
    " source_id TEXT NOT NULL, currency TEXT NOT NULL, at_us INTEGER NOT NULL,"
    " UNIQUE (kind, source_type, source_id));"
    "CREATE TABLE ledger_entry (txn_id INTEGER NOT NULL REFERENCES ledger_txn (id),"
    " number INTEGER NOT NULL, account TEXT NOT NULL, customer_id TEXT, grant_id TEXT,"
    " amount_nano INTEGER NOT NULL, PRIMARY KEY (txn_id, number)) WITHOUT ROWID;"
    "CREATE TABLE idempotency (customer_id TEXT NOT NULL, key_hash BLOB NOT NULL,"
    " fingerprint BLOB NOT NULL, status INTEGER NOT NULL, content_type TEXT, headers TEXT,"
    " body BLOB, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
    " PRIMARY KEY (customer_id, key_hash));"
    "CREATE INDEX idempotency_by_expiry ON idempotency (expires_us);";

static const char views[] =
    "CREATE VIEW reservation (id, customer_id, request_id, state, model, held_nano, cost_nano,"
    " charged_nano, ended_us) AS"
    " SELECT hold_id, customer_id, request_id, outcome, model, held_nano, cost_nano, charged_nano,"
    " finished_us FROM usage"
    " UNION ALL SELECT id, customer_id, NULL, 'held', NULL, NULL, NULL, NULL, NULL FROM hold;"
    "CREATE VIEW balance (customer_id, currency, remaining, remaining_nano, debt_nano) AS"
    " SELECT c.id, c.currency, coalesce(sum(g.remaining_nano), 0) / 1e9,"
    " coalesce(sum(g.remaining_nano), 0),"
    " coalesce((SELECT value FROM counter t WHERE t.customer_id = c.id AND t.name = 'total/debt'),"
    " c.debt_nano) FROM customer c LEFT JOIN credit_grant g ON g.customer_id = c.id GROUP BY c.id;"
    "CREATE VIEW ledger (txn_id, at, kind, source_type, source_id, account, customer_id, grant_id,"
    " amount_nano) AS SELECT t.id, datetime(t.at_us / 1000000, 'unixepoch'), t.kind,"
    " t.source_type, t.source_id, e.account, e.customer_id, e.grant_id, e.amount_nano"
    " FROM ledger_entry e JOIN ledger_txn t ON t.id = e.txn_id;";

/* What a customer is charged is no longer what a call costs; a grant may be for some features. */
static const char money_terms[] =
    "ALTER TABLE credit_grant ADD COLUMN features TEXT;"
    "ALTER TABLE usage_bucket ADD COLUMN charge_nano INTEGER NOT NULL DEFAULT 0;"
    "UPDATE usage_bucket SET charge_nano = cost_nano;"
    "CREATE VIEW markup AS SELECT id, version, datetime(updated_us / 1000000, 'unixepoch')"
    " AS updated_at, json_extract(text, '$.scope') AS scope,"
    " json_extract(text, '$.scope_id') AS scope_id, json_extract(text, '$.percent') AS percent,"
    " json_extract(text, '$.fixed') AS fixed FROM object WHERE kind = 'markup';";

/* Calls with provider keys of customers' own, their configurations, and long work. */
static const char own_keys[] =
    "ALTER TABLE usage ADD COLUMN own_key INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE usage ADD COLUMN list_nano INTEGER NOT NULL DEFAULT 0;"
    "CREATE VIEW ai_config AS SELECT id, version, datetime(updated_us / 1000000, 'unixepoch')"
    " AS updated_at, customer_id, json_extract(text, '$.provider') AS provider,"
    " json_extract(text, '$.model') AS model, json_extract(text, '$.active') AS active,"
    " json_extract(text, '$.key_last_four') AS key_last_four,"
    " json_extract(text, '$.key_set_at') AS key_set_at FROM object WHERE kind = 'ai_config';"
    "CREATE VIEW job AS SELECT id, version, datetime(updated_us / 1000000, 'unixepoch')"
    " AS updated_at, json_extract(text, '$.kind') AS kind,"
    " json_extract(text, '$.status') AS status, json_extract(text, '$.total') AS total,"
    " json_extract(text, '$.done') AS done,"
    " json_extract(text, '$.failed') AS failed FROM object WHERE kind = 'job';";

/* A key that got another secret: the one before is good for a while. */
static const char key_rotation[] =
    "ALTER TABLE api_key ADD COLUMN old_hash BLOB;"
    "ALTER TABLE api_key ADD COLUMN old_until_us INTEGER NOT NULL DEFAULT 0;";

/* Step n brings version n-1 to n. */
static const char *const steps[] = {tables,
                                    views,
                                    schema_objects_sql,
                                    money_terms,
                                    schema_alerts_sql,
                                    own_keys,
                                    schema_lists_sql,
                                    schema_basis_sql,
                                    key_rotation,
                                    schema_endings_sql};

int schema_version_latest(void)
{
    return (int)(sizeof steps / sizeof steps[0]);
}

const char *schema_step(int version)
{
    return steps[version - 1];
}
