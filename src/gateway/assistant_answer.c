/* assistant_answer.c - from a provider's answer to the assistant's, and what a refusal says. */
#include "gateway/assistant.h"
#include "gateway/assistant_text.h"

enum { TEXT_BYTES_MAX = 256 << 10, ANSWER_BYTES_MAX = 2 << 20 };

/* --- DISPATCH -------------------------------------------------------------------------------- */
/* The text of the first choice; false: the answer is no chat completion. */
static bool read_text(struct request *request, struct str *raw)
{
    struct json_object object;
    struct str choice = {0};
    struct fault ignored = {0};
    size_t at = 0;
    if (json_scan(buf_view(&request->answer.body), &object, &ignored) != ERR_OK)
        return false;
    struct str const error = json_get(&object, STR("error"));
    if (object.text.len == 0 || (error.ptr && json_type(error) != JSON_NULL))
        return false;
    *raw = (struct str){0};
    struct str const choices = json_get(&object, STR("choices"));
    if (json_type(choices) != JSON_ARRAY || !json_next_object(choices, &at, &choice, &object))
        return true;
    struct str const finish = json_get(&object, STR("finish_reason"));
    struct str const message = json_get(&object, STR("message"));
    request->assistant->cut = str_eq(finish, STR("\"length\""));
    if (json_type(message) == JSON_OBJECT && json_members(message, &object, &ignored) == ERR_OK)
        *raw = json_get(&object, STR("content"));
    return true;
}

static enum err unusable(struct request *request, const char *why)
{
    return fault_set(&request->fault, ERR_ASSISTANT_INVALID, "%s", why);
}

static enum err decode(struct request *request, struct str raw, struct str *text)
{
    size_t const len = json_text_len(raw);
    if (json_type(raw) != JSON_STRING)
        return unusable(request, "the answer has no text");
    if (len > TEXT_BYTES_MAX)
        return unusable(request, "the answer is far too long");
    char *decoded = arena_alloc(request->arena, len + 1);
    if (!decoded)
        return fault_set(&request->fault, ERR_NO_MEMORY, "no memory for an assistant's answer");
    if (!json_text(raw, decoded, len + 1, &text->len))
        return unusable(request, "the answer's text cannot be read");
    text->ptr = decoded;
    return ERR_OK;
}

static enum err take_text(struct request *request, struct str text)
{
    struct assistant_call *call = request->assistant;
    size_t const most = (size_t)call->characters_max;
    text = assistant_trim(text);
    if (text.len == 0)
        return unusable(request, "the answer is empty");
    call->text = text;
    if (most == 0 || assistant_characters(text) <= most)
        return ERR_OK;
    call->text = arena_printf(request->arena, "%.*s…", STR_ARG(assistant_cut(text, most - 1)));
    return call->text.ptr ? ERR_OK
                          : fault_set(&request->fault, ERR_NO_MEMORY, "no memory for a summary");
}

static enum err take_json(struct request *request, struct str text)
{
    struct assistant_call *call = request->assistant;
    struct json_object object;
    struct fault inner = {0};
    enum err err = json_scan(assistant_unfence(text), &object, &inner);
    if (err == ERR_OK && object.text.len == 0)
        return unusable(request, "the answer is not a JSON object");
    if (err == ERR_OK)
        err = schema_check(call->row->output, object.text, false, false, &inner);
    if (err != ERR_OK)
        return unusable(request, inner.detail);
    call->json = json_get(&object, str_of(call->row->result));
    return ERR_OK;
}

enum assistant_verdict assistant_judge(struct request *request)
{
    struct assistant_call *call = request->assistant;
    struct str raw, text = {0};
    if (request->client_gone || request->answer.state != ANSWER_PLAIN)
        return ASSISTANT_GOOD;
    call->tries++;
    if (!read_text(request, &raw))
        return ASSISTANT_GOOD;
    enum err err = decode(request, raw, &text);
    if (err == ERR_OK)
        err = call->row->output ? take_json(request, text) : take_text(request, text);
    if (err == ERR_OK)
        return ASSISTANT_GOOD;
    bool const once_more = err == ERR_ASSISTANT_INVALID && call->tries < assistant_tries(request) &&
                           !call->cut && !request->worker->aborting;
    return once_more ? ASSISTANT_AGAIN : ASSISTANT_BAD;
}

void assistant_again(struct request *request)
{
    struct str const model = request->ask.model_name;
    buf_free(&request->answer.body);
    request->answer = (struct answer){0};
    request->fault = (struct fault){0};
    request->ask = request->assistant->again;
    request->ask.model_name = model;
}

/* --- SETTLE ---------------------------------------------------------------------------------- */
static void put_money(struct json_writer *writer, const struct request *request)
{
    const struct customer *customer = key_customer(request->key);
    json_pair_decimal(writer, "creditsUsed", request->settled.charge.nano, MONEY_SCALE);
    json_pair_i64(writer, "tokensUsed", usage_total(&request->assistant->used));
    json_key(writer, "creditsRemaining");
    if (customer_unlimited(customer))
        json_put_null(writer);
    else
        json_put_decimal(writer, request->settled.available.nano, MONEY_SCALE);
    json_pair_text(writer, "unit", customer_currency(customer));
}

static void put_answer(struct json_writer *writer, const struct request *request)
{
    const struct assistant_call *call = request->assistant;
    json_object_open(writer);
    json_key(writer, call->row->result);
    if (call->row->output)
        json_put_raw(writer, call->json);
    else
        json_put_text(writer, call->text);
    if (!call->row->output)
        json_pair_bool(writer, "truncated", call->cut);
    put_money(writer, request);
    json_pair_text(writer, "provider", request->context.provider);
    json_pair_text(writer, "model", request->context.model);
    json_pair_text(writer, "requestId", request->context.request_id);
    json_object_close(writer);
}

struct str assistant_answer(struct request *request)
{
    struct buf text;
    struct json_writer writer;
    struct str answer = {0};
    buf_init(&text, ANSWER_BYTES_MAX);
    json_write_start(&writer, &text);
    put_answer(&writer, request);
    if (json_write_end(&writer) == ERR_OK)
        answer = arena_copy(request->arena, buf_view(&text));
    buf_free(&text);
    return answer;
}

/* --- refusals -------------------------------------------------------------------------------- */
static struct str unit_of(const struct request *request, enum language language)
{
    const struct assistant_call *call = request->assistant;
    struct str const named = language == LANGUAGE_PT ? call->unit_pt : call->unit_en;
    return named.len > 0 ? named : customer_currency(key_customer(request->key));
}

static bool below_minimum(const struct request *request)
{
    return request->admission.available.nano < request->assistant->minimum.nano;
}

/* "7 credits are available, at least 10 are needed" */
struct str assistant_refusal_words(struct request *request, enum language language)
{
    char have[24], need[24];
    bool const portuguese = language == LANGUAGE_PT;
    struct str const unit = unit_of(request, language);
    if (request->fault.code != ERR_CREDIT_SHORT)
        return STR("");
    size_t const had = decimal_text(request->admission.available.nano, MONEY_SCALE, have);
    size_t const needed = decimal_text(request->assistant->minimum.nano, MONEY_SCALE, need);
    struct str const words =
        below_minimum(request)
            ? arena_printf(request->arena,
                           portuguese ? "%.*s %.*s disponíveis, mínimo de %.*s"
                                      : "%.*s %.*s available, at least %.*s needed",
                           (int)had, have, STR_ARG(unit), (int)needed, need)
            : arena_printf(request->arena,
                           portuguese ? "%.*s %.*s disponíveis" : "%.*s %.*s available", (int)had,
                           have, STR_ARG(unit));
    return words.ptr ? words : STR("");
}

void assistant_refusal_put(struct json_writer *writer, const struct request *request)
{
    const struct assistant_call *call = request->assistant;
    if (request->charged) {
        put_money(writer, request);
        return;
    }
    if (request->fault.code != ERR_CREDIT_SHORT)
        return;
    json_pair_decimal(writer, "creditsAvailable", request->admission.available.nano, MONEY_SCALE);
    if (call->minimum.nano > 0)
        json_pair_decimal(writer, "creditsMinimum", call->minimum.nano, MONEY_SCALE);
    json_pair_text(writer, "unit", customer_currency(key_customer(request->key)));
}
