/* manage.h - changing the book from outside: customers, keys, credit. Configuration and the
 * management API call it, never the data path.
 *
 * Rules: calls that move money in or make keys block until the journal is on disk: not on a loop.
 */
#pragma once
#include "book/book.h"

struct limits_wanted { /* 0: no limit */
    int64_t requests_per_minute, tokens_per_minute, concurrent_max;
};

struct customer_wanted {
    struct str id;
    enum row_origin origin;
    bool unlimited;
    enum customer_status status;
    struct str currency; /* empty: USD, or what it is; "credits": of a unit that its plan names */
    struct money overdraft;
    struct limits_wanted limits; /* shared by all keys of the customer */
};
/* Makes or changes. ERR_FIELD_INVALID; ERR_CONFLICT: it belongs to the file and the caller does not
 * (or the other way round). */
NODISCARD enum err book_customer_put(struct book *book, const struct customer_wanted *want,
                                     struct fault *fault);
/* What its amounts are: a currency ("USD"), or WALLET_CREDITS. */
#define WALLET_CREDITS "credits"
struct str customer_currency(const struct customer *customer);
bool customer_in_credits(const struct customer *customer);
/* NULL when unknown. */
const struct customer *book_customer(struct book *book, struct str id);

struct key_wanted {
    struct str customer_id, name;
    struct str secret; /* empty: a fresh one is made ("ck_live_…") */
    enum row_origin origin;
    int64_t expires_us;
    struct limits_wanted limits;
};
struct key_made {
    char id[ULID_TEXT_BYTES];
    struct str secret; /* in the arena; shown once, never stored */
    bool existed;      /* the same secret of the same customer: limits were brought up to date */
};
/* Only a keyed BLAKE2b hash of the secret is kept. ERR_NOT_FOUND (customer), ERR_CONFLICT (another
 * customer has this secret, or the name is taken by an active key), ERR_FIELD_INVALID. */
NODISCARD enum err book_key_create(struct book *book, const struct key_wanted *want,
                                   struct arena *arena, struct key_made *made, struct fault *fault);
/* By id or by name within a customer; the very next request of every worker is refused. */
NODISCARD enum err book_key_revoke(struct book *book, struct str customer_id, struct str id_or_name,
                                   struct fault *fault);
typedef bool key_row_visit(void *owner, const struct key_row *row);
void book_keys(struct book *book, struct str customer_id, key_row_visit *visit, void *owner);
typedef bool customer_row_visit(void *owner, const struct customer_row *row);
void book_customers(struct book *book, customer_row_visit *visit, void *owner);

enum grant_status { GRANT_ACTIVE, GRANT_EXPIRED };

struct grant_wanted {
    struct str customer_id, category; /* "paid", "promo", "included", "bonus", "adjustment" */
    struct money amount;              /* > 0 */
    struct str features;              /* "chat reports": for calls of these alone; empty: for all */
    bool credits; /* the amount is in credits; a wallet that was never used turns to them */
    int64_t priority, effective_us, expires_us; /* 0: now; 0: never */
    struct str source_type, source_id;          /* unique together: the same grant is given once */
};
/* Durable before it returns. *existed: it was given before; nothing changed. ERR_CONFLICT: the
 * wallet is in another unit, and in use. */
NODISCARD enum err book_grant(struct book *book, const struct grant_wanted *want, bool *existed,
                              struct fault *fault);
/* Expires grants whose time is over (breakage); call every second or so. */
size_t book_expire_grants(struct book *book);

struct balance {
    struct money granted, consumed, breakage; /* granted = remaining + consumed + breakage */
    struct money remaining, held, available; /* available = remaining - held (+ overdraft) - debt */
    struct money scoped; /* part of available that is for calls of some features alone */
    struct money overage, debt, settled_cost, covered;
    int64_t holds; /* live ones */
};
NODISCARD enum err book_balance(struct book *book, struct str customer_id, struct balance *balance,
                                struct fault *fault);
typedef bool grant_row_visit(void *owner, const struct grant_row *row);
void book_grants(struct book *book, struct str customer_id, grant_row_visit *visit, void *owner);

/* Durable before it returns: the row of this alert is marked by the projector. */
NODISCARD enum err book_alert_seen(struct book *book, int64_t alert, struct str by,
                                   struct fault *fault);

/* The limits and their state of one key, without taking anything (GET /v1/me/usage). */
void book_limits(struct book *book, const struct key *key, struct admission *admission);

struct book_figures {
    int64_t customers, keys, live_holds, reserves, refusals, settles, releases, expiries;
};
void book_figures(struct book *book, struct book_figures *figures);
