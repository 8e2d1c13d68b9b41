/* plan.c - from a request to the plan of its answer. */
#include "base/must.h"
#include "core/estimate.h"
#include "sim/plan_int.h"

static const struct sim_model models[SIM_MODEL_COUNT] = {
#define X(symbol, name, latency_ms, tokens_per_second, help)                                       \
    [SIM_MODEL_##symbol] = {STR_ROW(name), latency_ms, tokens_per_second, help},
#include "sim/models.def"
#undef X
};

static struct str const metadata_address = STR_ROW("http://169.254.169.254/latest/meta-data/");
static struct str const far_date = STR_ROW("Fri, 31 Dec 2032 23:59:59 GMT");

const struct sim_model *sim_model_at(size_t index)
{
    return index < SIM_MODEL_COUNT ? &models[index] : NULL;
}

/* False: a "sim-" name that does not exist. Any other name is a fast model: the gateway's own names
 * may be sent as they are. */
static bool find_model(struct sim_draft *draft)
{
    struct str const name = draft->ask.model_base;
    draft->kind = draft->ask.operation == SIM_EMBEDDINGS ? SIM_MODEL_EMBED : SIM_MODEL_FAST;
    for (size_t i = 0; i < SIM_MODEL_COUNT; i++) {
        if (str_eq(name, models[i].name)) {
            draft->kind = (enum sim_model_kind)i;
            return true;
        }
    }
    return !str_starts(name, STR("sim-"));
}

static void set_pace(struct sim_draft *draft, const struct sim_facts *facts)
{
    const struct sim_model *model = &models[draft->kind];
    int64_t rate = model->tokens_per_second;
    draft->latency_us = model->latency_ms * 1000;
    if (facts->latency_us >= 0)
        draft->latency_us = facts->latency_us;
    if (facts->tokens_per_second >= 0)
        rate = facts->tokens_per_second;
    if (draft->knobs.latency_us >= 0)
        draft->latency_us = draft->knobs.latency_us;
    if (draft->knobs.tokens_per_second >= 0)
        rate = draft->knobs.tokens_per_second;
    draft->interval_us = rate > 0 ? 1000000 / rate : 0;
}

/* One of three, in turn 500, cut and reset; which of the three depends on the seed. */
static void play_flaky(struct sim_draft *draft, const struct sim_facts *facts)
{
    static enum sim_fault const turns[] = {SIM_S500, SIM_CUT_MID_STREAM, SIM_RESET_MID_STREAM};
    if (draft->kind == SIM_MODEL_FLAKY && facts->sequence % 3 == facts->seed % 3)
        sim_knobs_add(&draft->knobs, turns[facts->sequence / 3 % 3], -1);
}

/* The status that faults or the model ask for; 0: the ordinary answer. */
static int asked_status(const struct sim_draft *draft)
{
    static const struct {
        enum sim_fault fault;
        int status;
    } fixed[] = {
        {SIM_S500, 500}, {SIM_S503, 503}, {SIM_S529, 529}, {SIM_S401, 401}, {SIM_S404, 404}};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (sim_draft_fault(draft, fixed[i].fault))
            return fixed[i].status;
    int64_t const status = sim_draft_number(draft, SIM_STATUS, 0);
    if (status >= 200 && status <= 599 && status != 204 && status != 304)
        return (int)status; /* those two have no body to send */
    return draft->kind == SIM_MODEL_LIMIT ? 429 : 0;
}

static void reply_status(struct sim_draft *draft, int status)
{
    static const struct {
        int status;
        const char *type, *code, *message;
    } rows[] = {
        {400, "invalid_request_error", "invalid_request", "simulated: the request is not valid"},
        {401, "authentication_error", "invalid_api_key", "simulated: the API key is not valid"},
        {404, "invalid_request_error", "model_not_found", "simulated: the model does not exist"},
        {429, "rate_limit_error", "rate_limit_exceeded", "simulated: too many requests"},
        {503, "server_error", "overloaded", "simulated: too much work at the moment"},
        {529, "overloaded_error", "overloaded", "simulated: overloaded"},
        {0, "server_error", "server_error", "simulated: something went wrong"},
    };
    size_t row = 0;
    while (rows[row].status != 0 && rows[row].status != status)
        row++;
    sim_reply_error(draft, status, rows[row].type, rows[row].code, rows[row].message);
    struct str retry = draft->knobs.retry_after;
    if (str_eq(retry, STR("date")))
        retry = far_date;
    if (!retry.ptr && status == 429)
        retry = STR("2");
    if (retry.len > 0)
        sim_reply_header(draft, STR("retry-after"), retry);
}

static void reply_text(struct sim_draft *draft, int status, const char *content_type,
                       struct str text)
{
    struct buf body;
    draft->plan->status = status;
    draft->plan->stream = false;
    draft->plan->usage = (struct sim_usage){0};
    buf_init(&body, SIM_ANSWER_BYTES_MAX);
    enum err const err = buf_add(&body, text);
    draft->err = draft->err == ERR_OK ? err : draft->err;
    sim_reply_body(draft, content_type, &body);
}

/* Answers that take the place of the ordinary one. False: none was asked for. */
static bool replace_answer(struct sim_draft *draft)
{
    int const status = asked_status(draft);
    if (status != 0) {
        reply_status(draft, status);
    } else if (sim_draft_fault(draft, SIM_ERROR_BODY)) {
        reply_status(draft, 500);
        draft->plan->status = 200;
    } else if (sim_draft_fault(draft, SIM_HTML)) {
        reply_text(draft, 200, "text/html",
                   STR("<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>\n"));
    } else if (sim_draft_fault(draft, SIM_REDIRECT)) {
        reply_text(draft, 302, "text/plain", STR("elsewhere\n"));
        sim_reply_header(draft, STR("location"), metadata_address);
    } else {
        return false;
    }
    return true;
}

static void count_usage(struct sim_draft *draft)
{
    struct sim_usage *usage = &draft->plan->usage;
    *usage = (struct sim_usage){.prompt = draft->ask.prompt_tokens};
    for (int64_t i = 0; draft->outputs && i < draft->ask.choices; i++) {
        usage->completion += draft->outputs[i].tokens;
        usage->reasoning += draft->outputs[i].reasoning_tokens;
    }
    if (draft->kind == SIM_MODEL_CACHE)
        usage->cached = usage->prompt / 2;
    if (draft->knobs.has_usage)
        *usage = draft->knobs.usage;
    if (sim_draft_fault(draft, SIM_ZERO_USAGE))
        *usage = (struct sim_usage){0};
}

static void answer_chat(struct sim_draft *draft)
{
    draft->outputs =
        arena_zalloc(draft->arena, (size_t)draft->ask.choices * sizeof *draft->outputs);
    if (!draft->outputs) {
        draft->err = ERR_NO_MEMORY;
        return;
    }
    for (int64_t i = 0; i < draft->ask.choices; i++)
        sim_output_make(draft, i);
    if (draft->err == ERR_TOO_LARGE) {
        draft->err = ERR_OK;
        sim_reply_error(draft, 400, "invalid_request_error", "schema_too_large",
                        "the simulated provider cannot follow this schema");
        return;
    }
    if (draft->err != ERR_OK)
        return;
    count_usage(draft);
    draft->plan->stream = draft->ask.stream;
    if (draft->ask.stream)
        sim_events_chat(draft);
    else
        sim_reply_chat(draft);
}

static void answer(struct sim_draft *draft)
{
    if (replace_answer(draft))
        return;
    if (draft->ask.operation == SIM_CHAT) {
        answer_chat(draft);
        return;
    }
    count_usage(draft);
    sim_reply_embeddings(draft);
}

/* A request with a body. False: the plan is an answer already (400, 404). */
static bool read_request(struct sim_draft *draft, const struct sim_request *request,
                         const struct sim_facts *facts)
{
    struct fault fault = {0};
    enum err const err =
        sim_ask_read(draft->ask.operation, request->body, draft->arena, &draft->ask, &fault);
    draft->plan->model = draft->ask.model;
    if (err != ERR_OK) {
        draft->err = err == ERR_NO_MEMORY ? err : ERR_OK;
        sim_reply_error(draft, 400, "invalid_request_error", err_row(err)->code.ptr,
                        fault.param[0] ? fault.param : "the body is not valid");
        return false;
    }
    sim_knobs_read(draft->ask.model_suffix, &request->headers, &draft->knobs);
    if (!find_model(draft)) {
        reply_status(draft, 404);
        return false;
    }
    play_flaky(draft, facts);
    if (draft->knobs.bad.ptr) {
        struct str knob = draft->knobs.bad;
        knob.len = knob.len > NAME_BYTES_MAX ? NAME_BYTES_MAX : knob.len;
        struct str const message =
            arena_printf(draft->arena, "unknown or unreadable knob: %.*s", STR_ARG(knob));
        sim_reply_error(draft, 400, "invalid_request_error", "unknown_knob",
                        message.ptr ? message.ptr : "unknown knob");
        return false;
    }
    uint64_t const base = draft->knobs.has_seed ? draft->knobs.seed : facts->seed;
    uint64_t const mixed = sim_hash(draft->ask.model_base, base);
    draft->seed = draft->ask.operation == SIM_CHAT ? mixed ^ draft->ask.hash : mixed;
    set_pace(draft, facts);
    return true;
}

enum err sim_plan_make(const struct sim_request *request, const struct sim_facts *facts,
                       struct arena *arena, struct sim_plan *plan)
{
    struct str id = {0};
    struct sim_draft draft = {.arena = arena, .plan = plan};
    draft.ask.operation = sim_operation_of(request->method, request->path, &id);
    *plan = (struct sim_plan){.status = 200, .operation = draft.ask.operation};
    if (draft.ask.operation == SIM_NOWHERE) {
        sim_reply_error(&draft, 404, "invalid_request_error", "not_found",
                        "there is nothing at this address");
    } else if (draft.ask.operation == SIM_MODELS || draft.ask.operation == SIM_MODEL) {
        sim_reply_models(&draft, id);
    } else if (read_request(&draft, request, facts)) {
        answer(&draft);
        if (draft.err == ERR_OK)
            sim_faults_apply(&draft);
    }
    return draft.err;
}
