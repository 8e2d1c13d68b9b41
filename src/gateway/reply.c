/* reply.c - headers and error bodies, rendered. */
#include "gateway/reply.h"
#include "codec/json_write.h"
#include "gateway/refusal.h"
#include "http/reply_head.h"

enum { HEADERS_BYTES_MAX = 4096, ERROR_BYTES_MAX = 2048 };

/* "1.5s" style durations, as OpenAI writes x-ratelimit-reset-*. */
static void add_reset(struct buf *out, const char *name, int64_t reset_us, enum err *err)
{
    char text[32];
    int64_t const ms = reset_us / 1000;
    snprintf(text, sizeof text, "%lld.%03llds", (long long)(ms / 1000), (long long)(ms % 1000));
    if (*err == ERR_OK)
        *err = reply_header(out, name, str_of(text));
}

static void add_i64(struct buf *out, const char *name, int64_t value, enum err *err)
{
    if (*err == ERR_OK)
        *err = reply_header_i64(out, name, value);
}

static void add_text(struct buf *out, const char *name, struct str value, enum err *err)
{
    if (*err == ERR_OK && value.len > 0)
        *err = reply_header(out, name, value);
}

static void add_money(struct buf *out, const char *name, struct money amount, enum err *err)
{
    char digits[24];
    size_t const len = decimal_text(amount.nano, MONEY_SCALE, digits);
    add_text(out, name, str_make(digits, len), err);
}

static void add_limits(const struct request *request, struct buf *out, enum err *err)
{
    const struct admission *seen = &request->admission;
    if (seen->requests_limited) {
        add_i64(out, "x-ratelimit-limit-requests", seen->requests_limit, err);
        add_i64(out, "x-ratelimit-remaining-requests", seen->requests_remaining, err);
        add_reset(out, "x-ratelimit-reset-requests", seen->requests_reset_us, err);
    }
    if (seen->tokens_limited) {
        add_i64(out, "x-ratelimit-limit-tokens", seen->tokens_limit, err);
        add_i64(out, "x-ratelimit-remaining-tokens", seen->tokens_remaining, err);
        add_reset(out, "x-ratelimit-reset-tokens", seen->tokens_reset_us, err);
    }
}

static struct str keep(struct request *request, struct buf *out, enum err err)
{
    struct str text = STR("");
    if (err == ERR_OK)
        text = arena_copy(request->arena, buf_view(out));
    buf_free(out);
    return text.ptr ? text : STR("");
}

struct str reply_success_headers(struct request *request, bool with_cost)
{
    struct buf out;
    enum err err = ERR_OK;
    buf_init(&out, HEADERS_BYTES_MAX);
    add_text(&out, "x-request-id", request->context.request_id, &err);
    add_text(&out, "x-cota-provider", request->context.provider, &err);
    if (with_cost)
        add_money(&out, "x-cota-cost", request->settled.cost, &err);
    if (request->key && !customer_unlimited(key_customer(request->key)))
        add_money(&out, "x-cota-balance",
                  with_cost ? request->settled.available : request->admission.available, &err);
    add_limits(request, &out, &err);
    return keep(request, &out, err);
}

static struct str fault_headers(struct request *request)
{
    struct buf out;
    enum err err = ERR_OK;
    const struct err_row *row = err_row(request->fault.code);
    const struct admission *seen = &request->admission;
    buf_init(&out, HEADERS_BYTES_MAX);
    add_text(&out, "x-request-id", request->context.request_id, &err);
    if (!row->retry)
        add_text(&out, "x-should-retry", STR("false"), &err);
    if (request->answer.retry_after.len > 0 && row->retry)
        add_text(&out, "retry-after", request->answer.retry_after, &err);
    else if (row->http == 429 && seen->retry_after_us > 0)
        add_i64(&out, "retry-after", (seen->retry_after_us + 999999) / 1000000, &err);
    else if (row->http == 503)
        add_i64(&out, "retry-after", 1, &err);
    if (request->answer.state == ANSWER_REFUSAL)
        add_i64(&out, "x-cota-upstream-status", request->answer.status, &err);
    add_limits(request, &out, &err);
    return keep(request, &out, err);
}

/* Clients are told what they did wrong; what went wrong behind us is for the log. */
static bool detail_is_public(const struct fault *fault)
{
    int const http = err_row(fault->code)->http;
    return fault->detail[0] &&
           (http == 400 || http == 404 || http == 405 || http == 415 || http == 422);
}

static void write_error(struct json_writer *writer, const struct fault *fault,
                        struct str request_id, const char *scope)
{
    char message[400];
    const struct err_row *row = err_row(fault->code);
    snprintf(message, sizeof message, "%.*s%s%s", STR_ARG(row->text),
             detail_is_public(fault) ? ": " : "", detail_is_public(fault) ? fault->detail : "");
    json_object_open(writer);
    json_key(writer, "error");
    json_object_open(writer);
    json_pair_text(writer, "message", str_of(message));
    json_pair_text(writer, "type", row->type);
    json_key(writer, "param");
    if (fault->param[0])
        json_put_text(writer, str_of(fault->param));
    else
        json_put_null(writer);
    json_pair_text(writer, "code", row->code);
    if (scope)
        json_pair_text(writer, "scope", str_of(scope));
    if (request_id.len > 0)
        json_pair_text(writer, "request_id", request_id);
    json_object_close(writer);
    json_object_close(writer);
}

struct str reply_error_body(struct arena *arena, const struct fault *fault, struct str request_id,
                            const char *scope)
{
    struct buf out;
    struct json_writer writer;
    struct str body = {0};
    buf_init(&out, ERROR_BYTES_MAX);
    json_write_start(&writer, &out);
    write_error(&writer, fault, request_id, scope);
    if (json_write_end(&writer) == ERR_OK)
        body = arena_copy(arena, buf_view(&out));
    buf_free(&out);
    if (!body.ptr)
        body =
            STR("{\"error\":{\"message\":\"too much work at the moment\",\"type\":\"server_error\","
                "\"param\":null,\"code\":\"overloaded\"}}");
    return body;
}

static struct str fault_body(struct request *request)
{
    enum refusal_scope const scope = request->admission.scope;
    return reply_error_body(request->arena, &request->fault, request->context.request_id,
                            scope == SCOPE_NONE ? NULL : refusal_scope_name(scope));
}

void reply_fault(struct request *request)
{
    struct http_reply reply = {
        .status = err_row(request->fault.code)->http,
        .content_type = STR("application/json"),
        .headers = fault_headers(request),
    };
    struct str body;
    if (refusal_is_passed_on(request)) {
        reply.status = request->answer.status;
        body = buf_view(&request->answer.body);
    } else {
        body = fault_body(request);
    }
    request->ending = (struct ending){END_REPLY, reply, body};
}

struct str reply_fault_event(struct request *request)
{
    struct str const event =
        arena_printf(request->arena, "data: %.*s\n\n", STR_ARG(fault_body(request)));
    return event.ptr ? event : STR("data: {\"error\":{\"message\":\"overloaded\"}}\n\n");
}
