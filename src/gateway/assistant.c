/* assistant.c - from an assistant's input to the chat body that asks for it, and to its AI. */
#include "gateway/assistant.h"
#include "core/estimate.h"
#include "gateway/assistant_schemas.h"

enum { ASK_BYTES_MAX = 2 << 20 };

static const struct assistant rows[] = {
#define X(symbol, path, name, result, input, output, tokens, instructions)                         \
    {STR_ROW(path), STR_ROW(name), result, input, output, tokens, STR_ROW(instructions)},
#include "gateway/assistant.def"
#undef X
};

const struct assistant *assistant_find(struct str path)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (str_eq(rows[i].path, path))
            return &rows[i];
    return NULL;
}

/* --- the body -------------------------------------------------------------------------------- */
struct asking {
    const struct assistant *row;
    struct arena *arena;
    struct str language; /* that all texts are written in, as instructions say it; or empty */
    struct json_object input;
};

static void put_message(struct json_writer *writer, const char *role, struct str content)
{
    json_object_open(writer);
    json_pair_text(writer, "role", str_of(role));
    json_pair_text(writer, "content", content);
    json_object_close(writer);
}

static struct str member(const struct asking *asking, const char *name)
{
    return json_get(&asking->input, str_of(name));
}

/* A conversation: facts first, then what was said, then what is said now. */
static bool put_conversation(struct json_writer *writer, const struct asking *asking)
{
    struct str said, facts = member(asking, "systemData");
    if (facts.ptr) {
        facts =
            arena_printf(asking->arena, "Data of the application, as JSON:\n%.*s", STR_ARG(facts));
        if (!facts.ptr)
            return false;
        put_message(writer, "user", facts);
    }
    struct str const history = member(asking, "conversationHistory");
    for (size_t at = 0; history.ptr && json_next(history, &at, &said);)
        json_put_raw(writer, said); /* its schema lets a role and a text pass, and nothing else */
    json_object_open(writer);
    json_pair_text(writer, "role", STR("user"));
    json_key(writer, "content");
    json_put_raw(writer, member(asking, "message"));
    json_object_close(writer);
    return true;
}

/* All that was sent, as one JSON object in one message. */
static bool put_document(struct json_writer *writer, const struct asking *asking)
{
    struct buf text;
    struct json_writer inner;
    buf_init(&text, ASK_BYTES_MAX);
    json_write_start(&inner, &text);
    json_object_open(&inner);
    for (const struct schema_member *row = asking->row->input->members; row->name; row++) {
        struct str const value = member(asking, row->name);
        if (!value.ptr || strcmp(row->name, "provider") == 0)
            continue;
        json_key(&inner, row->name);
        json_put_raw(&inner, value);
    }
    json_object_close(&inner);
    bool const fine = json_write_end(&inner) == ERR_OK;
    if (fine)
        put_message(writer, "user", buf_view(&text));
    buf_free(&text);
    return fine;
}

static void put_format(struct json_writer *writer, const struct assistant *row)
{
    json_key(writer, "response_format");
    json_object_open(writer);
    json_pair_text(writer, "type", STR("json_schema"));
    json_key(writer, "json_schema");
    json_object_open(writer);
    json_pair_text(writer, "name", str_of(row->result));
    json_pair_bool(writer, "strict", true);
    json_key(writer, "schema");
    assistant_schema_put(writer, row->output);
    json_object_close(writer);
    json_object_close(writer);
}

static bool put_body(struct json_writer *writer, const struct asking *asking, bool again)
{
    const struct assistant *row = asking->row;
    struct str const parts[] = {row->instructions, asking->language};
    struct str const instructions = arena_concat(asking->arena, parts, 2);
    bool fine = instructions.ptr != NULL;
    json_object_open(writer);
    json_pair_text(writer, "model", row->name); /* DISPATCH writes the chosen one over it */
    json_key(writer, "messages");
    json_array_open(writer);
    put_message(writer, "system", fine ? instructions : STR(""));
    fine = (row->input == &chat_input ? put_conversation : put_document)(writer, asking) && fine;
    if (again)
        put_message(writer, "user",
                    STR("Answer with one JSON object that is valid by the schema, and nothing "
                        "else: no fence, no words around it."));
    json_array_close(writer);
    if (row->output)
        put_format(writer, row);
    json_object_close(writer);
    return fine;
}

static enum err make_ask(const struct asking *asking, bool again, struct openai_ask *ask,
                         struct fault *fault)
{
    struct buf text;
    struct json_writer writer;
    struct str body = {0};
    buf_init(&text, ASK_BYTES_MAX);
    json_write_start(&writer, &text);
    bool const fine = put_body(&writer, asking, again);
    if (json_write_end(&writer) == ERR_OK && fine)
        body = arena_copy(asking->arena, buf_view(&text));
    buf_free(&text);
    if (!body.ptr)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for an assistant's question");
    enum err const err = openai_ask_read(OPERATION_CHAT, body, asking->arena, ask, fault);
    ask->output_cap = asking->row->output_tokens; /* never shrunk: half an answer is of no use */
    return err;
}

/* --- ASK ------------------------------------------------------------------------------------- */
/* The feature is the assistant's: a plan says by it who may use which. */
static enum err take_feature(struct request *request)
{
    struct str const name = request->assistant->row->name;
    struct str const said = request->context.feature;
    if (said.ptr && !str_eq(said, name))
        return fault_param(&request->fault, ERR_HEADER_INVALID, "x-cota-feature",
                           "the feature of this address is `%.*s`", STR_ARG(name));
    request->context.feature = name;
    return ERR_OK;
}

static struct str language_words(const struct request *request)
{
    struct str const accepted = http_header(request->exchange, STR("accept-language"));
    if (!accepted.ptr || !request->assistant->row->output)
        return STR("");
    return language_of(accepted) == LANGUAGE_PT ? STR(" Write all texts in Brazilian Portuguese.")
                                                : STR(" Write all texts in English.");
}

enum err assistant_ask(struct request *request)
{
    struct assistant_call *call = request->assistant;
    struct fault *fault = &request->fault;
    struct asking asking = {
        .row = call->row, .arena = request->arena, .language = language_words(request)};
    enum err err = take_feature(request);
    if (err == ERR_OK)
        err = json_scan(http_body(request->exchange), &asking.input, fault);
    if (err == ERR_OK && asking.input.text.len == 0)
        err = fault_param(fault, ERR_FIELD_INVALID, "body", "a JSON object is expected");
    if (err == ERR_OK)
        err = schema_check(call->row->input, asking.input.text, true, false, fault);
    if (err != ERR_OK)
        return err;
    struct str const provider = member(&asking, "provider");
    if (provider.ptr && !json_plain_text(provider, &call->provider))
        return fault_param(fault, ERR_FIELD_INVALID, "provider", "the provider's id is expected");
    (void)json_i64(member(&asking, "maxCharacters"), &call->characters_max);
    err = make_ask(&asking, false, &request->ask, fault);
    if (err == ERR_OK && assistant_tries(request) > 1)
        err = make_ask(&asking, true, &call->again, fault);
    return err;
}

/* --- RESOLVE --------------------------------------------------------------------------------- */
struct choice {
    const struct request *request;
    const struct model *model; /* NULL: none yet */
};

static bool is_asked_for(const struct request *request, const struct model *model)
{
    struct str const provider = request->assistant->provider;
    return model && (str_empty(provider) || str_eq(provider, model->provider->name));
}

/* The first of the catalogue's models that can chat. */
static const struct model *model_of(const struct catalog *catalog, struct str provider)
{
    for (size_t i = 0; i < catalog_model_count(catalog); i++) {
        const struct model *model = catalog_model_at(catalog, i);
        if (str_eq(model->provider->name, provider) &&
            price_of(&model->price, POOL_OUTPUT) != PRICE_UNKNOWN)
            return model;
    }
    return NULL;
}

static bool consider(void *owner, const struct govern_candidate *candidate)
{
    struct choice *choice = owner;
    const struct catalog *catalog = choice->request->catalog;
    const struct model *model = str_empty(candidate->model)
                                    ? model_of(catalog, candidate->provider)
                                    : catalog_model(catalog, candidate->model);
    if (is_asked_for(choice->request, model) && str_eq(model->provider->name, candidate->provider))
        choice->model = model;
    return choice->model == NULL;
}

/* What the matrix and the roles say for this feature: the first of them that can be called. */
static enum err choose_governed(struct request *request, struct choice *choice)
{
    const struct call_context *context = &request->context;
    const struct gateway_options *options = &request->worker->gateway->options;
    struct govern_context const about = {
        .customer_id = customer_id(key_customer(request->key)),
        .feature = context->feature,
        .profile = context->profile,
        .group = context->group,
        .user = context->user,
        .now_us = clock_wall_us(options->clock),
    };
    if (!options->govern)
        return ERR_OK;
    return govern_candidates(options->govern, &about, consider, choice, &request->fault);
}

enum err assistant_choose(struct request *request)
{
    struct choice choice = {.request = request};
    struct str const provider = request->assistant->provider;
    enum err const err = choose_governed(request, &choice);
    if (err != ERR_OK)
        return err;
    if (!choice.model) {
        const struct model *usual =
            catalog_model(request->catalog, catalog_assistant_model(request->catalog));
        choice.model = is_asked_for(request, usual) ? usual : NULL;
    }
    if (!choice.model && !str_empty(provider))
        choice.model = model_of(request->catalog, provider);
    if (!choice.model)
        return fault_param(&request->fault, ERR_ASSISTANT_UNSET,
                           str_empty(provider) ? "" : "provider",
                           "name one in assistant_model, or give the feature `%.*s` a provider",
                           STR_ARG(request->context.feature));
    request->ask.model_name = choice.model->name;
    return ERR_OK;
}
