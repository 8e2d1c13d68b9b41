/* stage_dispatch.c - bytes from the provider to the client.
 *
 * What:  starts the call, waits until it has ended, names what went wrong. relay.c carries the
 *        bytes in between.
 */
#include "base/must.h"
#include "gateway/assistant.h"
#include "gateway/own.h"
#include "gateway/relay.h"

enum { DEADLINE_GRACE_MS = 5000 };

static bool build_request(struct request *request)
{
    const struct model *model = request->model;
    const struct provider *provider = model->provider;
    bool const chat = request->operation == OPERATION_CHAT;
    struct openai_rewrite const how = {
        .model = own_upstream_model(request),
        .output_cap = chat ? request->admission.output_cap : -1,
        .cap_field = provider->cap_field,
        .ask_usage = request->ask.stream,
    };
    struct upstream_request *out = &request->upstream_request;
    if (openai_rewrite(&request->ask, &how, request->arena, out, &request->fault) != ERR_OK)
        return false;
    out->path = chat ? provider->path_chat : provider->path_embeddings;
    if (out->headers.ptr)
        return true; /* of the first try: they serve again */
    struct str const lines[] = {
        own_credentials(request),
        request->ask.stream
            ? STR("content-type: application/json\r\naccept: text/event-stream\r\nx-request-id: ")
            : STR("content-type: application/json\r\naccept: application/json\r\nx-request-id: "),
        request->context.request_id,
        STR("\r\n"),
    };
    out->headers = arena_concat(request->arena, lines, sizeof lines / sizeof lines[0]);
    if (!out->headers.ptr) {
        fault_set(&request->fault, ERR_NO_MEMORY, "no memory for the provider's request");
        return false;
    }
    return true;
}

static enum step start(struct request *request)
{
    if (!build_request(request))
        return STEP_FAIL;
    const struct upstream_target *target = &request->model->provider->target;
    buf_init(&request->answer.body, UPSTREAM_ANSWER_BYTES_MAX);
    buf_init(&request->recorded, JOURNAL_RECORD_BYTES_MAX / 2);
    request_wait_ms(request, target->timeouts.total_ms + target->timeouts.connect_ms +
                                 request->model->provider->drain_ms + DEADLINE_GRACE_MS);
    request->call = upstream_call(request->worker->client, target, &request->upstream_request,
                                  request->arena, &relay_handler, request);
    if (request->call && request->fault.code == ERR_OK)
        return STEP_WAIT;
    request->call = NULL; /* no memory, or the book refused the dispatch: the call is gone */
    request->waiting = false;
    timer_stop(&request->timer);
    fault_set(&request->fault, ERR_NO_MEMORY, "the provider call could not be started");
    return STEP_FAIL;
}

/* Is it the answer that an assistant owes? Else once more, on the same hold. */
static enum step judge(struct request *request)
{
    switch (assistant_judge(request)) {
    case ASSISTANT_GOOD:
        return STEP_NEXT;
    case ASSISTANT_AGAIN:
        settle_try(request);
        assistant_again(request);
        return start(request);
    case ASSISTANT_BAD:
        break;
    }
    return STEP_FAIL;
}

enum step stage_dispatch(struct request *request)
{
    if (!request->call && !request->answer.ended)
        return start(request);
    if (!request->answer.ended) { /* the deadline of all deadlines */
        if (request->draining)
            fault_set(&request->fault, ERR_CLIENT_GONE, "the client left; read on for a while");
        else
            fault_set(&request->fault, ERR_UPSTREAM_TIMEOUT, "the call outlived its deadline");
        relay_stop(request);
    }
    MUST(!request->call);
    if (request->fault.code != ERR_OK)
        return STEP_FAIL;
    return request->assistant ? judge(request) : STEP_NEXT;
}
