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

/* Step n brings version n-1 to n. */
static const char *const steps[] = {tables, views, schema_objects_sql};

int schema_version_latest(void)
{
    return (int)(sizeof steps / sizeof steps[0]);
}

const char *schema_step(int version)
{
    return steps[version - 1];
}
