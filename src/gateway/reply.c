/* reply.c - headers and error bodies, rendered. */
#include "gateway/reply.h"
#include "codec/json_write.h"
#include "codec/when.h"
#include "gateway/assistant.h"
#include "gateway/refusal.h"

enum { HEADERS_BYTES_MAX = 2048, ERROR_BYTES_MAX = 2048 };

/* Header lines on the stack: one per answer is the hot path's share of text. Values are ours, or
 * were checked when they came in (request ids, names of the catalogue). What does not fit is left
 * out as a whole line. */
struct lines {
    size_t len;
    char bytes[HEADERS_BYTES_MAX];
};

static void add_text(struct lines *lines, struct str name, struct str value)
{
    if (value.len == 0 || name.len + value.len + 4 > HEADERS_BYTES_MAX - lines->len)
        return;
    char *at = lines->bytes + lines->len;
    memcpy(at, name.ptr, name.len);
    memcpy(at + name.len, ": ", 2);
    memcpy(at + name.len + 2, value.ptr, value.len);
    memcpy(at + name.len + 2 + value.len, "\r\n", 2);
    lines->len += name.len + value.len + 4;
}

static void add_decimal(struct lines *lines, struct str name, int64_t value, unsigned scale)
{
    char digits[24];
    size_t const len = decimal_text(value, scale, digits);
    add_text(lines, name, str_make(digits, len));
}

static void add_i64(struct lines *lines, struct str name, int64_t value)
{
    add_decimal(lines, name, value, 0);
}

static void add_money(struct lines *lines, struct str name, struct money amount)
{
    add_decimal(lines, name, amount.nano, MONEY_SCALE);
}

/* "1.5s" style durations, as OpenAI writes x-ratelimit-reset-*. */
static void add_reset(struct lines *lines, struct str name, int64_t reset_us)
{
    char text[32];
    size_t const len = decimal_text(reset_us / 1000, 3, text);
    text[len] = 's';
    add_text(lines, name, str_make(text, len + 1));
}

static void add_limits(const struct request *request, struct lines *lines)
{
    const struct admission *seen = &request->admission;
    if (seen->requests_limited) {
        add_i64(lines, STR("x-ratelimit-limit-requests"), seen->requests_limit);
        add_i64(lines, STR("x-ratelimit-remaining-requests"), seen->requests_remaining);
        add_reset(lines, STR("x-ratelimit-reset-requests"), seen->requests_reset_us);
    }
    if (seen->tokens_limited) {
        add_i64(lines, STR("x-ratelimit-limit-tokens"), seen->tokens_limit);
        add_i64(lines, STR("x-ratelimit-remaining-tokens"), seen->tokens_remaining);
        add_reset(lines, STR("x-ratelimit-reset-tokens"), seen->tokens_reset_us);
    }
}

static struct str keep(struct request *request, const struct lines *lines)
{
    struct str const text = arena_copy(request->arena, str_make(lines->bytes, lines->len));
    return text.ptr ? text : STR("");
}

struct str reply_success_headers(struct request *request, bool with_cost)
{
    struct lines lines;
    lines.len = 0;
    add_text(&lines, STR("x-request-id"), request->context.request_id);
    add_text(&lines, STR("x-cota-provider"), request->context.provider);
    if (with_cost)
        add_money(&lines, STR("x-cota-cost"), request->settled.charge);
    if (customer_in_credits(key_customer(request->key)))
        add_text(&lines, STR("x-cota-unit"), STR(WALLET_CREDITS)); /* of both amounts */
    if (!customer_unlimited(key_customer(request->key)))
        add_money(&lines, STR("x-cota-balance"),
                  with_cost ? request->settled.available : request->admission.available);
    add_limits(request, &lines);
    return keep(request, &lines);
}

static struct str fault_headers(struct request *request)
{
    struct lines lines;
    const struct err_row *row = err_row(request->fault.code);
    const struct admission *seen = &request->admission;
    lines.len = 0;
    add_text(&lines, STR("x-request-id"), request->context.request_id);
    if (!row->retry)
        add_text(&lines, STR("x-should-retry"), STR("false"));
    if (request->answer.retry_after.len > 0 && row->retry)
        add_text(&lines, STR("retry-after"), request->answer.retry_after);
    else if (row->http == 429 && seen->retry_after_us > 0) /* counted up: never too early */
        add_i64(&lines, STR("retry-after"), (seen->retry_after_us + 999999) / 1000000);
    else if (row->http == 503)
        add_i64(&lines, STR("retry-after"), 1);
    if (request->answer.state == ANSWER_REFUSAL)
        add_i64(&lines, STR("x-cota-upstream-status"), request->answer.status);
    add_limits(request, &lines);
    return keep(request, &lines);
}

/* Clients are told what they did wrong; what went wrong behind us is for the log. */
static bool detail_is_public(const struct fault *fault)
{
    int const http = err_row(fault->code)->http;
    return fault->detail[0] &&
           (http == 400 || http == 404 || http == 405 || http == 415 || http == 422);
}

/* "too many requests: the plan's limit of requests per day; it begins anew on …" */
static void write_message(struct json_writer *writer, const struct fault *fault,
                          const struct error_facts *facts)
{
    char message[640], words[LIMIT_TEXT_BYTES];
    const struct err_row *row = err_row(fault->code);
    struct str const text = facts->language == LANGUAGE_PT ? row->text_pt : row->text;
    struct str more = STR("");
    if (facts->limit != NULL)
        more = limit_text(facts->limit, facts->language, words);
    else if (facts->assistant != NULL && fault->code == ERR_CREDIT_SHORT)
        more = assistant_refusal_words(facts->assistant, facts->language);
    else if (detail_is_public(fault))
        more = str_of(fault->detail);
    snprintf(message, sizeof message, "%.*s%s%.*s", STR_ARG(text), more.len > 0 ? ": " : "",
             STR_ARG(more));
    json_pair_text(writer, "message", str_of(message));
}

static void write_error(struct json_writer *writer, const struct fault *fault,
                        const struct error_facts *facts)
{
    const struct err_row *row = err_row(fault->code);
    json_object_open(writer);
    json_key(writer, "error");
    json_object_open(writer);
    write_message(writer, fault, facts);
    json_pair_text(writer, "type", row->type);
    json_key(writer, "param");
    if (fault->param[0])
        json_put_text(writer, str_of(fault->param));
    else
        json_put_null(writer);
    json_pair_text(writer, "code", row->code);
    if (facts->scope != SCOPE_NONE)
        json_pair_text(writer, "scope", str_of(refusal_scope_name(facts->scope)));
    if (facts->limit != NULL && facts->limit->end_us > 0) {
        char when[WHEN_TEXT_BYTES];
        json_pair_text(writer, "resets_at", when_text(facts->limit->end_us, when));
    }
    if (facts->request_id.len > 0)
        json_pair_text(writer, "request_id", facts->request_id);
    json_object_close(writer);
    if (facts->assistant != NULL)
        assistant_refusal_put(writer, facts->assistant);
    json_object_close(writer);
}

struct str reply_error_body(struct arena *arena, const struct fault *fault,
                            const struct error_facts *facts)
{
    struct buf out;
    struct json_writer writer;
    struct str body = {0};
    buf_init(&out, ERROR_BYTES_MAX);
    json_write_start(&writer, &out);
    write_error(&writer, fault, facts);
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
    struct error_facts const facts = {
        .request_id = request->context.request_id,
        .scope = request->refused_by,
        .limit = request->limited ? &request->limit : NULL,
        .language = language_of(http_header(request->exchange, STR("accept-language"))),
        .assistant = request->assistant ? request : NULL,
    };
    return reply_error_body(request->arena, &request->fault, &facts);
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
    request->ending = (struct exchange_end){END_REPLY, reply, body};
}

struct str reply_fault_event(struct request *request)
{
    struct str const event =
        arena_printf(request->arena, "data: %.*s\n\n", STR_ARG(fault_body(request)));
    return event.ptr ? event : STR("data: {\"error\":{\"message\":\"overloaded\"}}\n\n");
}
