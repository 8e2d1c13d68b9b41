/* reply.c - whole answers: chat, embeddings, models, errors. */
#include "base/must.h"
#include "codec/json.h"
#include "codec/json_write.h"
#include "sim/plan_int.h"
#include "sim/vector.h"

/* The same bytes for the same seed: time stands still here. 2025-01-01. */
enum { CREATED_S = 1735689600 };

void sim_reply_header(struct sim_draft *draft, struct str name, struct str value)
{
    MUST(draft->plan->header_count < SIM_HEADERS_MAX);
    draft->plan->headers[draft->plan->header_count++] = (struct sim_header){name, value};
}

void sim_reply_body(struct sim_draft *draft, const char *content_type, struct buf *body)
{
    struct sim_plan *plan = draft->plan;
    plan->framing = SIM_FRAMING_LENGTH;
    plan->body_bytes = (int64_t)body->len;
    plan->piece_count = 0;
    sim_reply_header(draft, STR("content-type"), str_of(content_type));
    struct str const text = arena_copy(draft->arena, buf_view(body));
    buf_free(body);
    if (!text.ptr) {
        draft->err = ERR_NO_MEMORY;
        return;
    }
    struct sim_piece *piece = sim_piece_add(draft, SIM_PIECE_BYTES, text);
    if (piece)
        piece->tokens = plan->usage.completion;
}

/* The counter that an absurd-usage fault puts in place of completion_tokens; .ptr NULL: sane. */
static struct str absurd_counter(const struct sim_draft *draft)
{
    static const struct {
        struct str name, counter;
    } kinds[] = {
        {STR_ROW("negative"), STR_ROW("-5")},   {STR_ROW("huge"), STR_ROW("9223372036854775808")},
        {STR_ROW("string"), STR_ROW("\"12\"")}, {STR_ROW("fraction"), STR_ROW("1.5")},
        {STR_ROW("null"), STR_ROW("null")},
    };
    const struct sim_fault_use *use = sim_draft_fault(draft, SIM_ABSURD_USAGE);
    if (!use)
        return (struct str){0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_eq(use->text, kinds[i].name))
            return kinds[i].counter;
    return kinds[0].counter;
}

enum err sim_usage_write(const struct sim_draft *draft, const struct sim_usage *usage,
                         struct buf *out)
{
    struct json_writer writer;
    struct str const absurd = absurd_counter(draft);
    json_write_start(&writer, out);
    json_object_open(&writer);
    json_pair_i64(&writer, "prompt_tokens", usage->prompt);
    if (draft->ask.operation == SIM_CHAT) {
        json_key(&writer, "completion_tokens");
        if (absurd.ptr)
            json_put_raw(&writer, absurd);
        else
            json_put_i64(&writer, usage->completion);
    }
    json_pair_i64(&writer, "total_tokens", usage->prompt + usage->completion);
    if (draft->ask.operation == SIM_CHAT) {
        json_key(&writer, "prompt_tokens_details");
        json_object_open(&writer);
        json_pair_i64(&writer, "cached_tokens", usage->cached);
        json_object_close(&writer);
        json_key(&writer, "completion_tokens_details");
        json_object_open(&writer);
        json_pair_i64(&writer, "reasoning_tokens", usage->reasoning);
        json_object_close(&writer);
    }
    json_object_close(&writer);
    return json_write_end(&writer);
}

static void put_usage(struct sim_draft *draft, struct json_writer *writer)
{
    if (sim_draft_fault(draft, SIM_NO_USAGE))
        return;
    struct buf usage;
    buf_init(&usage, 1024);
    enum err const err = sim_usage_write(draft, &draft->plan->usage, &usage);
    if (err == ERR_OK) {
        json_key(writer, "usage");
        json_put_raw(writer, buf_view(&usage));
    } else if (draft->err == ERR_OK) {
        draft->err = err;
    }
    buf_free(&usage);
}

static void put_message(const struct sim_draft *draft, const struct sim_output *output,
                        int64_t choice, struct json_writer *writer)
{
    json_key(writer, "message");
    json_object_open(writer);
    json_pair_text(writer, "role", STR("assistant"));
    json_key(writer, "content");
    if (output->is_call)
        json_put_null(writer);
    else
        json_put_text(writer, output->text);
    if (output->reasoning.len > 0)
        json_pair_text(writer, "reasoning_content", output->reasoning);
    if (output->is_call) {
        struct str const id =
            arena_printf(draft->arena, "call_sim_%012llx",
                         (unsigned long long)(draft->seed >> 16) + (unsigned long long)choice);
        json_key(writer, "tool_calls");
        json_array_open(writer);
        json_object_open(writer);
        json_pair_text(writer, "id", id);
        json_pair_text(writer, "type", STR("function"));
        json_key(writer, "function");
        json_object_open(writer);
        json_pair_text(writer, "name", draft->ask.tool_name);
        json_pair_text(writer, "arguments", output->text);
        json_object_close(writer);
        json_object_close(writer);
        json_array_close(writer);
    }
    json_object_close(writer);
}

void sim_reply_chat(struct sim_draft *draft)
{
    struct buf body;
    struct json_writer writer;
    buf_init(&body, SIM_ANSWER_BYTES_MAX);
    json_write_start(&writer, &body);
    json_object_open(&writer);
    json_pair_text(
        &writer, "id",
        arena_printf(draft->arena, "chatcmpl-sim-%016llx", (unsigned long long)draft->seed));
    json_pair_text(&writer, "object", STR("chat.completion"));
    json_pair_i64(&writer, "created", CREATED_S);
    json_pair_text(&writer, "model", draft->ask.model);
    json_key(&writer, "choices");
    json_array_open(&writer);
    for (int64_t i = 0; i < draft->ask.choices; i++) {
        json_object_open(&writer);
        json_pair_i64(&writer, "index", i);
        put_message(draft, &draft->outputs[i], i, &writer);
        json_key(&writer, "logprobs");
        json_put_null(&writer);
        json_pair_text(&writer, "finish_reason", str_of(draft->outputs[i].finish));
        json_object_close(&writer);
    }
    json_array_close(&writer);
    put_usage(draft, &writer);
    json_pair_text(&writer, "system_fingerprint", STR("fp_sim"));
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    draft->err = draft->err == ERR_OK ? err : draft->err;
    sim_reply_body(draft, "application/json", &body);
}

static void put_embedding(const struct sim_draft *draft, struct str input, int64_t index,
                          struct buf *scratch, struct json_writer *writer)
{
    uint64_t const seed = sim_hash(input, draft->seed); /* draft->seed leaves the body out here */
    buf_clear(scratch);
    enum err const err = draft->ask.base64
                             ? sim_vector_base64(seed, draft->ask.dimensions, scratch)
                             : sim_vector_numbers(seed, draft->ask.dimensions, scratch);
    if (err != ERR_OK && writer->err == ERR_OK)
        writer->err = err;
    json_object_open(writer);
    json_pair_text(writer, "object", STR("embedding"));
    json_pair_i64(writer, "index", index);
    json_key(writer, "embedding");
    json_put_raw(writer, buf_view(scratch));
    json_object_close(writer);
}

/* A list of texts, or of lists of tokens, is many inputs; a list of tokens is one. */
static int64_t input_count(struct str input)
{
    int64_t count = 0;
    struct str element;
    if (json_type(input) != JSON_ARRAY)
        return 1;
    for (size_t at = 0; json_next(input, &at, &element); count++)
        if (json_type(element) == JSON_NUMBER)
            return 1;
    return count;
}

void sim_reply_embeddings(struct sim_draft *draft)
{
    int64_t const count = input_count(draft->ask.input);
    if (count == 0 || count > SIM_INPUTS_MAX ||
        count * draft->ask.dimensions > SIM_VECTOR_NUMBERS_MAX) {
        sim_reply_error(draft, 400, "invalid_request_error", "invalid_input",
                        "input is empty or too large for the simulated provider");
        return;
    }
    struct buf body, scratch;
    struct json_writer writer;
    buf_init(&body, SIM_ANSWER_BYTES_MAX);
    buf_init(&scratch, SIM_DIMENSIONS_MAX * 16);
    json_write_start(&writer, &body);
    json_object_open(&writer);
    json_pair_text(&writer, "object", STR("list"));
    json_key(&writer, "data");
    json_array_open(&writer);
    struct str element = draft->ask.input;
    size_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        if (count > 1 || json_type(draft->ask.input) == JSON_ARRAY)
            (void)json_next(draft->ask.input, &at, &element);
        bool const tokens = json_type(element) == JSON_NUMBER;
        put_embedding(draft, tokens ? draft->ask.input : element, i, &scratch, &writer);
    }
    json_array_close(&writer);
    json_pair_text(&writer, "model", draft->ask.model);
    put_usage(draft, &writer);
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    draft->err = draft->err == ERR_OK ? err : draft->err;
    buf_free(&scratch);
    sim_reply_body(draft, "application/json", &body);
}

static void put_model(const struct sim_model *model, struct json_writer *writer)
{
    json_object_open(writer);
    json_pair_text(writer, "id", model->name);
    json_pair_text(writer, "object", STR("model"));
    json_pair_i64(writer, "created", CREATED_S);
    json_pair_text(writer, "owned_by", STR("simulado"));
    json_object_close(writer);
}

void sim_reply_models(struct sim_draft *draft, struct str id)
{
    struct buf body;
    struct json_writer writer;
    const struct sim_model *one = NULL;
    for (size_t i = 0; id.ptr && !one && sim_model_at(i); i++)
        one = str_eq(sim_model_at(i)->name, id) ? sim_model_at(i) : NULL;
    if (id.ptr && !one) {
        sim_reply_error(draft, 404, "invalid_request_error", "model_not_found",
                        "the simulated provider has no such model");
        return;
    }
    buf_init(&body, SIM_ANSWER_BYTES_MAX);
    json_write_start(&writer, &body);
    if (one) {
        put_model(one, &writer);
    } else {
        json_object_open(&writer);
        json_pair_text(&writer, "object", STR("list"));
        json_key(&writer, "data");
        json_array_open(&writer);
        for (size_t i = 0; sim_model_at(i); i++)
            put_model(sim_model_at(i), &writer);
        json_array_close(&writer);
        json_object_close(&writer);
    }
    draft->err = json_write_end(&writer);
    sim_reply_body(draft, "application/json", &body);
}

void sim_reply_error(struct sim_draft *draft, int status, const char *type, const char *code,
                     const char *message)
{
    struct buf body;
    struct json_writer writer;
    draft->plan->status = status;
    draft->plan->stream = false;
    draft->plan->usage = (struct sim_usage){0};
    buf_init(&body, 4096);
    json_write_start(&writer, &body);
    json_object_open(&writer);
    json_key(&writer, "error");
    json_object_open(&writer);
    json_pair_text(&writer, "message", str_of(message));
    json_pair_text(&writer, "type", str_of(type));
    json_key(&writer, "param");
    json_put_null(&writer);
    json_pair_text(&writer, "code", str_of(code));
    json_object_close(&writer);
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    draft->err = draft->err == ERR_OK ? err : draft->err;
    sim_reply_body(draft, "application/json", &body);
}
