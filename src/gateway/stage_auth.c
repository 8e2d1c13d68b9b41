/* stage_auth.c - the key, and the customer it belongs to; for a JWT the key that it calls by.
 *
 * What:  the first call by token of a customer finds no such key: it is made on a thread of
 *        libuv's pool, because that waits for the disk. Nobody ever sees its secret.
 */
#include "base/secret.h"
#include "book/token_key.h"
#include "gateway/request.h"

enum { MAKING_DEADLINE_MS = 5000, MAKING_ARENA_BYTES = 64 << 10 };

struct key_making {
    uv_work_t work;
    struct request *request; /* it waits, so it lives */
    struct book *book;
    struct str customer;
    bool ended;
    struct fault fault;
};

static void making_run(uv_work_t *work)
{
    struct key_making *making = work->data;
    struct key_wanted const wanted = {
        .customer_id = making->customer, .name = TOKEN_KEY_NAME, .origin = ORIGIN_RUNTIME};
    struct key_made made = {0};
    const struct key *key;
    enum err err = book_token_key(making->book, making->customer, &key, &making->fault);
    if (err != ERR_OK || key) /* another call was faster */
        return;
    struct arena *arena = arena_new(MAKING_ARENA_BYTES);
    err = arena ? book_key_create(making->book, &wanted, arena, &made, &making->fault)
                : fault_set(&making->fault, ERR_NO_MEMORY, "a key for tokens");
    if (made.secret.ptr)
        secret_zero((void *)(uintptr_t)made.secret.ptr, made.secret.len);
    if (err == ERR_CONFLICT) /* … in the meantime */
        making->fault = (struct fault){0};
    arena_free(arena);
}

static void making_done(uv_work_t *work, int status)
{
    struct key_making *making = work->data;
    if (status != 0)
        fault_set(&making->fault, ERR_OVERLOADED, "making a key for tokens was cancelled");
    making->ended = true;
    request_wake(making->request);
}

static enum step making_start(struct request *request)
{
    struct key_making *making = arena_zalloc(request->arena, sizeof *making);
    if (!making)
        return request_fail(request, ERR_NO_MEMORY, "no memory to make a key for tokens");
    making->request = request;
    making->book = request->worker->gateway->options.book;
    making->customer = request->bearer->customer;
    making->work.data = making;
    if (uv_queue_work(loop_uv(request->worker->loop), &making->work, making_run, making_done) != 0)
        return request_fail(request, ERR_OVERLOADED, "the thread pool takes no work");
    request->making = making;
    request_wait_ms(request, MAKING_DEADLINE_MS);
    return STEP_WAIT;
}

static enum step making_ended(struct request *request)
{
    struct key_making *making = request->making;
    if (!making->ended) { /* the disk is slow: the thread may still write into our memory */
        request_wait_ms(request, MAKING_DEADLINE_MS);
        return STEP_WAIT;
    }
    request->fault = making->fault;
    if (request->fault.code != ERR_OK ||
        book_token_key(making->book, making->customer, &request->key, &request->fault) != ERR_OK)
        return STEP_FAIL;
    if (!request->key)
        return request_fail(request, ERR_INTERNAL, "the key for tokens was not made");
    return STEP_NEXT;
}

enum step stage_auth(struct request *request)
{
    struct caller caller;
    if (request->making)
        return making_ended(request);
    if (caller_authenticate(request->worker, request->exchange, &caller, &request->fault) != ERR_OK)
        return STEP_FAIL;
    request->key = caller.key;
    if (!caller.by_token)
        return STEP_NEXT;
    request->bearer = arena_alloc(request->arena, sizeof *request->bearer);
    if (!request->bearer)
        return request_fail(request, ERR_NO_MEMORY, "no memory for a token");
    *request->bearer = caller.bearer;
    return request->key ? STEP_NEXT : making_start(request);
}
