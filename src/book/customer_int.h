/* customer_int.h - what the files of the book ask of one customer; under customer->lock. */
#pragma once
#include "book/book_int.h"

/* Wall time that never goes back for this customer, whatever the clock does. */
int64_t customer_now_us(const struct book *book, struct customer *customer);

/* Everything that can pay, holds counted as gone; `ignore_holds`: as if they had all ended.
 * This is where leases go: with a shared store (issue: many nodes) a node may only pay from the
 * slices of balance and windows it has leased, so the rooms are cut to the slice here and in
 * customer_window_room, and nowhere else. One node owns everything: its lease has no end. */
struct waterfall_funds customer_funds(const struct customer *customer, int64_t overage_room,
                                      int64_t now_us, bool ignore_holds);
/* What a window's rule still admits; may be negative. */
int64_t customer_window_room(const struct counter *counter, int64_t limit, bool ignore_holds);
/* Credit left: grants - holds + overdraft - debt; may be negative. */
struct money customer_available(const struct customer *customer, int64_t now_us);
/* Part of it that is for calls of some features alone. */
struct money customer_scoped(const struct customer *customer, int64_t now_us);
/* … for a call of that feature. */
struct money customer_available_for(const struct customer *customer, struct str feature,
                                    int64_t now_us);

struct grant *customer_grant(const struct customer *customer, struct ulid id);

/* From now on its amounts are credits. ERR_CONFLICT: it has been used. Under book->manage. */
NODISCARD enum err customer_turn_to_credits(struct book *book, struct customer *customer,
                                            struct fault *fault);
/* Puts a grant into the order of paying. ERR_NO_MEMORY, ERR_TOO_LARGE (GRANTS_ACTIVE_MAX). */
NODISCARD enum err customer_activate(struct customer *customer, struct grant *grant);
void customer_deactivate(struct customer *customer, struct grant *grant);
static inline struct grant *grant_of(const struct waterfall_grant *funds)
{
    return LIST_OWNER(funds, struct grant, funds);
}

/* Made, not yet in the book; freed by customer_free. NULL: memory is short. */
struct customer *customer_new(struct str id, struct str currency);
void customer_free(struct customer *customer);
struct grant *grant_new(struct customer *customer, const struct grant_row *row);
/* At the end of the customer's list; the customer owns it from then on. */
void customer_link_grant(struct customer *customer, struct grant *grant);

struct limits limits_of(int64_t requests_per_minute, int64_t tokens_per_minute,
                        int64_t concurrent_max);

/* The book's maps: insert once, never removed. */
NODISCARD enum err book_add_customer(struct book *book, struct customer *customer);
NODISCARD enum err book_add_key(struct book *book, struct key *key);
struct customer *book_find_customer(const struct book *book, struct str id);
/* The key that this secret opens, now or once. */
struct key *book_find_key(struct book *book, const unsigned char hash[KEY_HASH_BYTES]);
struct key_secret *book_find_secret(struct book *book, const unsigned char hash[KEY_HASH_BYTES]);
/* Findable by this secret, too. ERR_NO_MEMORY. */
NODISCARD enum err book_add_secret(struct book *book, struct key_secret *secret);
/* The newest from now on; the one before goes on until then. */
void key_secret_replace(struct key *key, struct key_secret *secret, struct str prefix,
                        int64_t until_us);
/* NULL: memory is short. */
struct key_secret *key_secret_new(struct key *key, const unsigned char hash[KEY_HASH_BYTES]);
void key_free(struct key *key);
struct key_row key_row_of(const struct key *key);
/* Under customer->lock. ERR_LEDGER_UNAVAILABLE. */
NODISCARD enum err key_append(struct book *book, struct customer *customer,
                              const struct key_row *row, uint64_t *lsn);
struct str key_fresh_secret(struct arena *arena); /* ptr NULL: no memory */
/* The part of a secret that lists show: never more than a quarter of it. */
struct str key_shown(struct str secret);
struct key *customer_key_named(const struct customer *customer, struct str id_or_name);
struct key *customer_key(const struct customer *customer, struct ulid id);
/* A key that is in no map yet; name and prefix are copied. NULL: memory is short. */
struct key *key_new(struct customer *customer, const struct key_row *row);
void book_hash_secret(const struct book *book, struct str secret,
                      unsigned char hash[KEY_HASH_BYTES]);
/* Known by its source, and expired when its time comes. ERR_NO_MEMORY. Under book->manage. */
NODISCARD enum err book_add_grant(struct book *book, struct grant *grant);
