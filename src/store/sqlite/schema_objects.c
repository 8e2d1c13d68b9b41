/* schema_objects.c - step 3 of the schema: documents of operators, the audit trail, and views of
 * both for people. Never changed once released. */
#include "store/sqlite/sqlite_int.h"

#define MEMBER(name) ", json_extract(text, '$." name "') AS " name
#define VIEW(name, kind, members)                                                                  \
    "CREATE VIEW " name " AS SELECT id, version, datetime(updated_us / 1000000, 'unixepoch')"      \
    " AS updated_at" members " FROM object WHERE kind = '" kind "';"
#define NAMES                                                                                      \
    ", json_extract(text, '$.name.pt') AS name_pt, json_extract(text, '$.name.en') AS name_en"

const char schema_objects_sql[] =
    "CREATE TABLE object (kind TEXT NOT NULL, id TEXT NOT NULL, customer_id TEXT NOT NULL,"
    " version INTEGER NOT NULL, origin INTEGER NOT NULL, created_us INTEGER NOT NULL,"
    " updated_us INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;"
    "CREATE INDEX object_by_customer ON object (kind, customer_id, id);"
    "CREATE INDEX object_by_update ON object (kind, updated_us, id);"
    "CREATE TABLE audit (seq INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, actor TEXT, address TEXT,"
    " user_agent TEXT, reason TEXT, request_id TEXT, kind TEXT NOT NULL, object_id TEXT NOT NULL,"
    " customer_id TEXT NOT NULL, action TEXT NOT NULL, \"before\" TEXT, \"after\" TEXT,"
    " hash BLOB NOT NULL);"
    "CREATE INDEX audit_by_object ON audit (kind, object_id);"
    "CREATE INDEX audit_by_customer ON audit (customer_id);"
    "CREATE VIEW audit_trail AS SELECT seq, datetime(at_us / 1000000, 'unixepoch') AS at, actor,"
    " address, reason, request_id, action, kind, object_id, customer_id, \"before\", \"after\""
    " FROM audit;"
    /* clang-format off */
    VIEW("feature", "feature", NAMES MEMBER("type") MEMBER("category") MEMBER("active"))
    VIEW("provider", "provider", MEMBER("display_name")
        MEMBER("dialect")
        MEMBER("base_url")
        MEMBER("status")
        MEMBER("default_model"))
    VIEW("model", "model", MEMBER("provider")
        MEMBER("upstream_model")
        MEMBER("max_output_tokens")
        MEMBER("context_tokens")
        MEMBER("active"))
    VIEW("price", "price", MEMBER("model")
        MEMBER("status")
        MEMBER("effective_from")
        MEMBER("effective_to")
        MEMBER("pools")
        MEMBER("source"))
    VIEW("plan", "plan", NAMES MEMBER("price") MEMBER("currency") MEMBER("active"))
    VIEW("plan_version", "plan_version", MEMBER("plan")
        MEMBER("number")
        MEMBER("status")
        MEMBER("interval")
        MEMBER("interval_count")
        MEMBER("ai_token_limit")
        MEMBER("items")
        MEMBER("limits"))
    VIEW("feature_provider", "feature_provider", MEMBER("feature")
        MEMBER("provider")
        MEMBER("role")
        MEMBER("weight")
        MEMBER("model")
        MEMBER("active"))
    VIEW("matrix_cell", "matrix_cell", MEMBER("plan")
        MEMBER("feature")
        MEMBER("provider")
        MEMBER("profile")
        MEMBER("daily_limit")
        MEMBER("monthly_limit")
        MEMBER("origin")
        MEMBER("active"))
    VIEW("customer_group", "group", NAMES MEMBER("priority"))
    VIEW("group_member", "group_member", ", json_extract(text, '$.group') AS group_id"
        MEMBER("customer")
        MEMBER("user")
        MEMBER("valid_from")
        MEMBER("valid_to"))
    VIEW("override", "override", MEMBER("scope")
        MEMBER("scope_id")
        MEMBER("target")
        MEMBER("selector")
        MEMBER("op")
        MEMBER("value")
        MEMBER("priority")
        MEMBER("starts_at")
        MEMBER("expires_at")
        MEMBER("reason"))
    VIEW("limit_rule", "limit", MEMBER("owner")
        MEMBER("owner_id")
        MEMBER("name")
        MEMBER("metric") ", json_extract(text, '$.window') AS " "time_window" MEMBER("value")
        MEMBER("mode"))
    VIEW("customer_profile", "profile", ", customer_id" MEMBER("name")
        MEMBER("time_zone")
        MEMBER("currency")
        MEMBER("tax_id")
        MEMBER("locale")
        MEMBER("external_id"))
    VIEW("customer_user", "user", ", customer_id" MEMBER("external_id")
        MEMBER("name")
        MEMBER("profile")
        MEMBER("active"))
    VIEW("subscription", "subscription", ", customer_id" MEMBER("plan_version")
        MEMBER("status")
        MEMBER("anchor_at")
        MEMBER("cancel_at")
        MEMBER("grace_until")
        MEMBER("suspended_reason")
        MEMBER("previous"))
    VIEW("license", "license", ", customer_id" MEMBER("status")
        MEMBER("modules")
        MEMBER("ai_enabled")
        MEMBER("ai_token_limit")
        MEMBER("valid_from")
        MEMBER("valid_to"))
    VIEW("key_rules", "key_rules", ", customer_id" MEMBER("scopes")
        MEMBER("models")
        MEMBER("features")
        MEMBER("addresses")
        MEMBER("budget")
        MEMBER("user"));
/* clang-format on */
