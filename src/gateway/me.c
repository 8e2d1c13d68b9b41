/* me.c - GET /v1/me/usage: what the holder of a key may know about that key.
 *
 * What:  usage of this key in a window, credit of its customer, limits. Database work runs on
 *        libuv's thread pool; the projection is flushed first, so a call that just ended shows.
 * Not:   anything of another key or customer: both ids come from the credential alone.
 */
#include "codec/json_write.h"
#include "core/window.h"
#include "gateway/query.h"

enum { FLUSH_MS = 2000, MODELS_MAX = 256, ANSWER_BYTES_MAX = 256 << 10 };

struct line { /* sums of one model */
    char model[NAME_BYTES_MAX], provider[NAME_BYTES_MAX];
    int64_t requests, failures, tokens[POOL_COUNT], cost_nano, charged_nano;
};

struct question {
    uv_work_t work;
    struct gateway_worker *worker;
    struct http_exchange *exchange;
    const struct key *key;
    struct str window;
    int64_t start_us, end_us;
    bool flushed;
    struct fault fault;
    struct line total, lines[MODELS_MAX];
    size_t line_count;
};

static void add(struct line *line, const struct bucket_row *row)
{
    line->requests += row->requests;
    line->failures += row->failures;
    line->cost_nano +=
        row->charge.nano; /* what the customer pays; what we pay is not its business */
    line->charged_nano += row->charged.nano;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        line->tokens[pool] += row->tokens[pool];
}

/* The line of a model; past MODELS_MAX models only the total grows. */
static struct line *line_of(struct question *question, const struct bucket_row *row)
{
    for (size_t i = 0; i < question->line_count; i++)
        if (str_eq(str_of(question->lines[i].model), row->model) &&
            str_eq(str_of(question->lines[i].provider), row->provider))
            return &question->lines[i];
    if (question->line_count == MODELS_MAX)
        return NULL;
    struct line *line = &question->lines[question->line_count++];
    snprintf(line->model, sizeof line->model, "%.*s", STR_ARG(row->model));
    snprintf(line->provider, sizeof line->provider, "%.*s", STR_ARG(row->provider));
    return line;
}

static bool on_bucket(void *owner, const struct bucket_row *row)
{
    struct question *question = owner;
    struct line *line = line_of(question, row);
    add(&question->total, row);
    if (line)
        add(line, row);
    return true;
}

static void ask_run(uv_work_t *work)
{
    struct question *question = work->data;
    const struct gateway_options *options = &question->worker->gateway->options;
    struct bucket_query const query = {
        .customer_id = customer_id(key_customer(question->key)),
        .key_id = key_id(question->key),
        .since_us = question->start_us,
        .until_us = question->end_us,
    };
    question->flushed = projector_flush(options->projector, FLUSH_MS);
    enum err const err =
        options->store->ops->buckets(options->store, &query, on_bucket, question, &question->fault);
    if (err != ERR_OK)
        fault_set(&question->fault, err, "usage could not be read");
}

static void write_line(struct json_writer *writer, const struct line *line)
{
    struct usage usage = {.source = USAGE_PROVIDER};
    memcpy(usage.tokens, line->tokens, sizeof usage.tokens);
    json_pair_i64(writer, "requests", line->requests);
    json_pair_i64(writer, "failures", line->failures);
    json_pair_i64(writer, "input_tokens", usage_input(&usage));
    json_pair_i64(writer, "output_tokens", usage_output(&usage));
    json_pair_i64(writer, "cached_tokens", line->tokens[POOL_CACHED_INPUT]);
    json_pair_i64(writer, "reasoning_tokens", line->tokens[POOL_REASONING]);
    json_pair_decimal(writer, "cost_usd", line->cost_nano, MONEY_SCALE);
    json_pair_decimal(writer, "charged_usd", line->charged_nano, MONEY_SCALE);
}

static void write_limit(struct json_writer *writer, const char *name, bool limited, int64_t limit,
                        int64_t remaining, int64_t reset_us)
{
    json_key(writer, name);
    if (!limited) {
        json_put_null(writer);
        return;
    }
    json_object_open(writer);
    json_pair_i64(writer, "limit", limit);
    json_pair_i64(writer, "remaining", remaining);
    json_pair_decimal(writer, "reset_seconds", reset_us / 1000, 3);
    json_object_close(writer);
}

static void write_credit(struct json_writer *writer, const struct question *question)
{
    const struct customer *customer = key_customer(question->key);
    struct balance balance;
    struct fault fault = {0};
    json_key(writer, "credit");
    if (customer_unlimited(customer) ||
        book_balance(question->worker->gateway->options.book, customer_id(customer), &balance,
                     &fault) != ERR_OK) {
        json_put_null(writer);
        return;
    }
    json_object_open(writer);
    json_pair_decimal(writer, "granted_usd", balance.granted.nano, MONEY_SCALE);
    json_pair_decimal(writer, "used_usd", balance.consumed.nano, MONEY_SCALE);
    json_pair_decimal(writer, "held_usd", balance.held.nano, MONEY_SCALE);
    json_pair_decimal(writer, "available_usd", balance.available.nano, MONEY_SCALE);
    json_pair_decimal(writer, "debt_usd", balance.debt.nano, MONEY_SCALE);
    json_object_close(writer);
}

static void write_answer(struct json_writer *writer, const struct question *question)
{
    struct admission seen = {0};
    book_limits(question->worker->gateway->options.book, question->key, &seen);
    json_object_open(writer);
    json_pair_text(writer, "object", STR("usage"));
    json_pair_text(writer, "customer", customer_id(key_customer(question->key)));
    json_pair_text(writer, "key", key_name(question->key));
    json_pair_text(writer, "unit", customer_currency(key_customer(question->key)));
    json_pair_text(writer, "window", question->window);
    json_pair_i64(writer, "start", question->start_us / 1000000);
    json_pair_i64(writer, "end", question->end_us / 1000000);
    json_pair_bool(writer, "complete", question->flushed);
    write_line(writer, &question->total);
    json_key(writer, "models");
    json_array_open(writer);
    for (size_t i = 0; i < question->line_count; i++) {
        json_object_open(writer);
        json_pair_text(writer, "model", str_of(question->lines[i].model));
        json_pair_text(writer, "provider", str_of(question->lines[i].provider));
        write_line(writer, &question->lines[i]);
        json_object_close(writer);
    }
    json_array_close(writer);
    write_credit(writer, question);
    json_pair_bool(writer, "unlimited", customer_unlimited(key_customer(question->key)));
    json_key(writer, "limits");
    json_object_open(writer);
    write_limit(writer, "requests_per_minute", seen.requests_limited, seen.requests_limit,
                seen.requests_remaining, seen.requests_reset_us);
    write_limit(writer, "tokens_per_minute", seen.tokens_limited, seen.tokens_limit,
                seen.tokens_remaining, seen.tokens_reset_us);
    json_object_close(writer);
    json_object_close(writer);
}

static void ask_done(uv_work_t *work, int status)
{
    struct question *question = work->data;
    struct buf out;
    struct json_writer writer;
    if (status != 0)
        fault_set(&question->fault, ERR_OVERLOADED, "the question was cancelled");
    buf_init(&out, ANSWER_BYTES_MAX);
    json_write_start(&writer, &out);
    write_answer(&writer, question);
    enum err const err = json_write_end(&writer);
    if (err != ERR_OK)
        fault_set(&question->fault, err, "the answer is too long");
    if (question->fault.code != ERR_OK)
        query_fault(question->exchange, &question->fault);
    else
        query_reply(question->exchange, buf_view(&out));
    buf_free(&out);
}

/* "window=day" of the query; month when absent. */
static bool window_of(const struct http_exchange *exchange, struct str *name,
                      enum window_kind *kind)
{
    struct str const query = http_head(exchange)->query;
    *name = STR("month");
    if (str_starts(query, STR("window=")))
        *name = str_skip(query, 7);
    else if (query.len > 0)
        return false;
    for (int i = WINDOW_HOUR; i <= WINDOW_MONTH; i++) {
        *kind = (enum window_kind)i;
        if (str_eq(*name, str_of(window_name(*kind))))
            return true;
    }
    return false;
}

void route_me_usage(struct gateway_worker *worker, struct http_exchange *exchange, struct str id)
{
    (void)id;
    struct caller caller;
    struct fault fault = {0};
    enum window_kind kind;
    struct str name;
    if (!query_authenticate(worker, exchange, &caller))
        return;
    if (caller.by_token) { /* sums are kept by key, and this key has all users of the customer */
        fault_set(&fault, ERR_SCOPE_FORBIDDEN, "usage by JWT");
        query_fault(exchange, &fault);
        return;
    }
    if (!window_of(exchange, &name, &kind)) {
        fault_param(&fault, ERR_FIELD_INVALID, "window", "use window=hour, day, week or month");
        query_fault(exchange, &fault);
        return;
    }
    struct question *question = arena_zalloc(http_arena(exchange), sizeof *question);
    if (question) {
        question->worker = worker;
        question->exchange = exchange;
        question->key = caller.key;
        question->window = name;
        question->start_us = window_start(kind, clock_wall_us(worker->gateway->options.clock));
        question->end_us = window_end(kind, question->start_us);
        question->work.data = question;
        if (uv_queue_work(loop_uv(worker->loop), &question->work, ask_run, ask_done) == 0)
            return;
    }
    fault_set(&fault, ERR_OVERLOADED, "no memory or no thread for a question");
    query_fault(exchange, &fault);
}
