/* stage_replay.c - a stored answer for this Idempotency-Key, or the right to make one.
 *
 * What:  the same key with the same request gets the same answer for 24 hours; the same key with
 *        another request is refused; a key whose first call still runs is told so.
 * Why:   a client that retries after a lost connection must not pay twice.
 */
#include "gateway/request.h"
#include <sodium.h>

enum { LOAD_DEADLINE_MS = 5000 };

_Static_assert(sizeof((struct request *)0)->idempotency_hash == crypto_generichash_BYTES,
               "BLAKE2b-256");

static void fingerprint(struct request *request)
{
    crypto_generichash_state state;
    const struct http_head *head = http_head(request->exchange);
    struct str const key = request->idempotency_key;
    crypto_generichash_init(&state, NULL, 0, sizeof request->idempotency_hash);
    crypto_generichash_update(&state, (const unsigned char *)key.ptr, key.len);
    if (request->bearer) { /* users of one customer do not see each other's answers */
        struct str const user = request->bearer->user;
        crypto_generichash_update(&state, (const unsigned char *)"\0", 1);
        crypto_generichash_update(&state, (const unsigned char *)user.ptr, user.len);
    }
    crypto_generichash_final(&state, request->idempotency_hash, sizeof request->idempotency_hash);
    crypto_generichash_init(&state, NULL, 0, sizeof request->idempotency_print);
    crypto_generichash_update(&state, (const unsigned char *)head->path.ptr, head->path.len);
    crypto_generichash_update(&state, (const unsigned char *)"\0", 1);
    struct str const body = http_body(request->exchange);
    crypto_generichash_update(&state, (const unsigned char *)body.ptr, body.len);
    crypto_generichash_final(&state, request->idempotency_print, sizeof request->idempotency_print);
}

/* --- an answer that only the database has: read on libuv's thread pool ----------------------- */
struct load {
    uv_work_t work;
    struct request *request; /* it waits, so it lives; NULL once it has given up */
    struct gateway_worker *worker;
    struct store *store;
    struct str customer;
    unsigned char hash[32];
    struct buf content_type, headers, body; /* our own copies: the row dies with the call */
    int status;
    bool found;
};

static bool load_visit(void *owner, const struct idempotency_row *row)
{
    struct load *load = owner;
    load->status = row->status;
    load->found = buf_add(&load->content_type, row->content_type) == ERR_OK &&
                  buf_add(&load->headers, row->headers) == ERR_OK &&
                  buf_add(&load->body, row->body) == ERR_OK;
    return false;
}

static void load_run(uv_work_t *work)
{
    struct load *load = work->data;
    struct fault fault = {0};
    bool found;
    if (load->store->ops->idempotency_get(load->store, load->customer, load->hash, load_visit, load,
                                          &found, &fault) != ERR_OK)
        load->found = false;
}

static void load_done(uv_work_t *work, int status)
{
    (void)status;
    struct load *load = work->data;
    struct request *request = load->request;
    struct idempotency_answer *answer = &request->stored;
    if (load->found) {
        answer->status = load->status;
        answer->content_type = arena_copy(request->arena, buf_view(&load->content_type));
        answer->headers = arena_copy(request->arena, buf_view(&load->headers));
        answer->body = arena_copy(request->arena, buf_view(&load->body));
        if (!answer->content_type.ptr || !answer->headers.ptr || !answer->body.ptr)
            answer->status = 0;
    }
    buf_free(&load->content_type);
    buf_free(&load->headers);
    buf_free(&load->body);
    request->answer.ended = true;
    request_wake(request);
}

static enum step load_start(struct request *request)
{
    struct load *load = arena_zalloc(request->arena, sizeof *load);
    if (!load)
        return request_fail(request, ERR_NO_MEMORY, "no memory to load a stored answer");
    load->request = request;
    load->store = request->worker->gateway->options.store;
    load->customer = customer_id(key_customer(request->key));
    load->work.data = load;
    memcpy(load->hash, request->idempotency_hash, sizeof load->hash);
    buf_init(&load->content_type, NAME_BYTES_MAX);
    buf_init(&load->headers, HEAD_BYTES_MAX);
    buf_init(&load->body, JOURNAL_RECORD_BYTES_MAX);
    if (uv_queue_work(loop_uv(request->worker->loop), &load->work, load_run, load_done) != 0)
        return request_fail(request, ERR_OVERLOADED, "the thread pool takes no work");
    request->loading = true;
    request_wait_ms(request, LOAD_DEADLINE_MS);
    return STEP_WAIT;
}

static enum step loaded(struct request *request)
{
    if (!request->answer.ended) { /* the database is slow: it may still write into our memory */
        request_wait_ms(request, LOAD_DEADLINE_MS);
        return STEP_WAIT;
    }
    request->answer.ended = false;
    if (request->stored.status == 0)
        return request_fail(request, ERR_STORE_FAILED, "the stored answer could not be read");
    return STEP_SKIP;
}

enum step stage_replay(struct request *request)
{
    if (str_empty(request->idempotency_key))
        return STEP_NEXT;
    if (request->loading)
        return loaded(request);
    fingerprint(request);
    switch (book_idempotency_begin(request->worker->gateway->options.book,
                                   key_customer(request->key), request->idempotency_hash,
                                   request->idempotency_print, request->arena, &request->stored)) {
    case IDEMPOTENCY_NEW:
        request->idempotent = true;
        request->context.idempotency = request->idempotency_hash;
        return STEP_NEXT;
    case IDEMPOTENCY_DONE:
        if (request->stored.status != 0)
            return STEP_SKIP;
        break; /* it was charged, but there is no whole answer to give again */
    case IDEMPOTENCY_STORED:
        return load_start(request);
    case IDEMPOTENCY_IN_FLIGHT:
        return request_fail(request, ERR_IDEMPOTENCY_IN_FLIGHT, "the first call still runs");
    case IDEMPOTENCY_MISMATCH:
        return request_fail(request, ERR_IDEMPOTENCY_MISMATCH, "another request had this key");
    case IDEMPOTENCY_LOST:
        break;
    }
    return request_fail(request, ERR_IDEMPOTENCY_LOST, "the first call's answer is not known");
}
