/* caller.c - a credential looked at: a JWT when it is one and they are accepted, else a key. */
#include "gateway/caller.h"
#include "book/token_key.h"

enum { REFUSED_LOG_MS = 1000 };

/* The key as any official SDK sends it; Authorization wins over the others. */
struct str caller_secret(const struct http_exchange *exchange)
{
    static const struct str names[] = {STR_ROW("x-api-key"), STR_ROW("api-key"),
                                       STR_ROW("x-goog-api-key")};
    struct str value = http_header(exchange, STR("authorization"));
    if (value.ptr) {
        if (value.len >= 7 && str_eq_nocase(str_make(value.ptr, 7), STR("Bearer ")))
            return str_trim(str_skip(value, 7));
        return STR(""); /* Basic and others: there is a credential, but it is none of ours */
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        value = http_header(exchange, names[i]);
        if (value.ptr)
            return value;
    }
    return (struct str){0};
}

/* The verifier in force, NULL: tokens are not accepted. Its cache begins anew with each one. */
static const struct verifier *verifier_of(struct gateway_worker *worker)
{
    struct gateway *gateway = worker->gateway;
    uint64_t const serial = atomic_load_explicit(&gateway->verifier_serial, memory_order_acquire);
    if (serial == worker->verifier_serial)
        return worker->verifier;
    verifier_unref(worker->verifier);
    pthread_mutex_lock(&gateway->lock);
    worker->verifier = gateway->verifier ? verifier_ref(gateway->verifier) : NULL;
    worker->verifier_serial = atomic_load_explicit(&gateway->verifier_serial, memory_order_relaxed);
    pthread_mutex_unlock(&gateway->lock);
    if (worker->tokens)
        token_cache_clear(worker->tokens);
    return worker->verifier;
}

/* One line a second: whoever sends rubbish does not fill our disk. */
static void log_refused(struct gateway_worker *worker, const struct fault *fault)
{
    int64_t const now_ms = loop_now_ms(worker->loop);
    if (worker->token_logged_ms != 0 && now_ms - worker->token_logged_ms < REFUSED_LOG_MS) {
        worker->tokens_unlogged++;
        return;
    }
    LOG(token_refused, field_text("reason", fault->detail),
        field_int("unlogged", worker->tokens_unlogged));
    worker->token_logged_ms = now_ms;
    worker->tokens_unlogged = 0;
}

/* The cache's texts live until its next change: the call keeps its own. */
static enum err bearer_keep(struct arena *arena, const struct bearer *from, struct bearer *bearer,
                            struct fault *fault)
{
    bearer->customer = arena_copy(arena, from->customer);
    bearer->user = arena_copy(arena, from->user);
    bearer->profile = arena_copy(arena, from->profile);
    bearer->groups = arena_copy(arena, from->groups);
    bearer->expires_s = from->expires_s;
    bool const whole =
        bearer->customer.ptr && bearer->user.ptr && bearer->profile.ptr && bearer->groups.ptr;
    return whole ? ERR_OK : fault_set(fault, ERR_NO_MEMORY, "a token");
}

static enum err read_token(struct gateway_worker *worker, struct arena *arena, struct str token,
                           struct bearer *bearer, struct fault *fault)
{
    int64_t const now_s = clock_wall_us(worker->gateway->options.clock) / 1000000;
    if (!worker->tokens)
        worker->tokens = token_cache_new();
    const struct bearer *known =
        worker->tokens ? token_cache_get(worker->tokens, token, now_s) : NULL;
    if (known)
        return bearer_keep(arena, known, bearer, fault);
    enum err const err = verifier_read(worker->verifier, token, now_s, arena, bearer, fault);
    if (err == ERR_OK && worker->tokens)
        token_cache_put(worker->tokens, token, bearer);
    return err;
}

enum err caller_authenticate(struct gateway_worker *worker, struct http_exchange *exchange,
                             struct caller *caller, struct fault *fault)
{
    struct book *book = worker->gateway->options.book;
    struct str const secret = caller_secret(exchange);
    *caller = (struct caller){0};
    if (!secret.ptr)
        return fault_set(fault, ERR_KEY_MISSING, "no key in any of the four headers");
    if (!is_jwt(secret) || !verifier_of(worker))
        return book_authenticate(book, secret, &caller->key, fault);
    caller->by_token = true;
    enum err err = read_token(worker, http_arena(exchange), secret, &caller->bearer, fault);
    if (err == ERR_OK)
        err = book_token_key(book, caller->bearer.customer, &caller->key, fault);
    if (err != ERR_OK)
        log_refused(worker, fault);
    return err;
}
