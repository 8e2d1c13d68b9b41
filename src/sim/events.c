/* events.c - a chat answer as a stream: one event per token. */
#include "base/must.h"
#include "codec/json_write.h"
#include "core/estimate.h"
#include "sim/plan_int.h"
#include "sim/text.h"

struct sim_piece *sim_piece_add(struct sim_draft *draft, enum sim_piece_kind kind, struct str text)
{
    struct sim_plan *plan = draft->plan;
    if (draft->err == ERR_OK && !text.ptr)
        draft->err = ERR_NO_MEMORY;
    if (draft->err == ERR_OK && plan->piece_count == draft->piece_capacity) {
        size_t const capacity = draft->piece_capacity ? draft->piece_capacity * 2 : 8;
        struct sim_piece *grown = arena_alloc(draft->arena, capacity * sizeof *grown);
        if (!grown)
            draft->err = ERR_NO_MEMORY;
        else if (plan->piece_count > 0)
            memcpy(grown, plan->pieces, plan->piece_count * sizeof *grown);
        plan->pieces = grown;
        draft->piece_capacity = capacity;
    }
    if (draft->err != ERR_OK)
        return NULL;
    struct sim_piece *piece = &plan->pieces[plan->piece_count++];
    *piece = (struct sim_piece){.at_us = draft->latency_us, .text = text, .kind = kind};
    if (plan->piece_count > 1) {
        piece->at_us = piece[-1].at_us;
        piece->tokens = piece[-1].tokens;
    }
    return piece;
}

/* What all chunks begin with, up to the list of choices. */
static void make_head(struct sim_draft *draft)
{
    struct buf head;
    struct json_writer writer;
    buf_init(&head, 4096 + 6 * draft->ask.model.len);
    json_write_start(&writer, &head);
    json_put_text(&writer, draft->ask.model);
    if (json_write_end(&writer) != ERR_OK)
        draft->err = ERR_NO_MEMORY;
    draft->plan->event_head = arena_printf(
        draft->arena,
        "{\"id\":\"chatcmpl-sim-%016llx\",\"object\":\"chat.completion.chunk\","
        "\"created\":1735689600,\"model\":%.*s,\"system_fingerprint\":\"fp_sim\",\"choices\":[",
        (unsigned long long)draft->seed, STR_ARG(buf_view(&head)));
    if (!draft->plan->event_head.ptr)
        draft->err = ERR_NO_MEMORY;
    buf_free(&head);
}

/* {head}{choices}],"usage":{usage}} ; usage .ptr NULL: null or none, as the other chunks. */
static void add_chunk(struct sim_draft *draft, struct str choices, struct str usage)
{
    struct str const null = draft->plan->usage_null ? STR(",\"usage\":null") : STR("");
    struct str const head = draft->plan->event_head;
    struct str const text = usage.ptr
                                ? arena_printf(draft->arena, "%.*s%.*s],\"usage\":%.*s}",
                                               STR_ARG(head), STR_ARG(choices), STR_ARG(usage))
                                : arena_printf(draft->arena, "%.*s%.*s]%.*s}", STR_ARG(head),
                                               STR_ARG(choices), STR_ARG(null));
    (void)sim_piece_add(draft, SIM_PIECE_EVENT, text);
}

static void add_opening(struct sim_draft *draft, int64_t choice)
{
    struct buf name;
    struct json_writer writer;
    struct str text;
    if (!draft->outputs[choice].is_call) {
        text = arena_printf(draft->arena,
                            "{\"index\":%lld,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                            "\"logprobs\":null,\"finish_reason\":null}",
                            (long long)choice);
        add_chunk(draft, text, (struct str){0});
        return;
    }
    buf_init(&name, 64 + 6 * draft->ask.tool_name.len);
    json_write_start(&writer, &name);
    json_put_text(&writer, draft->ask.tool_name);
    if (json_write_end(&writer) != ERR_OK)
        draft->err = ERR_NO_MEMORY;
    text = arena_printf(draft->arena,
                        "{\"index\":%lld,\"delta\":{\"role\":\"assistant\",\"content\":null,"
                        "\"tool_calls\":[{\"index\":0,\"id\":\"call_sim_%012llx\","
                        "\"type\":\"function\",\"function\":{\"name\":%.*s,\"arguments\":\"\"}}]},"
                        "\"logprobs\":null,\"finish_reason\":null}",
                        (long long)choice,
                        (unsigned long long)(draft->seed >> 16) + (unsigned long long)choice,
                        STR_ARG(buf_view(&name)));
    buf_free(&name);
    add_chunk(draft, text, (struct str){0});
}

/* One event per token; the first comes with the opening, the others at the model's pace. */
static void add_tokens(struct sim_draft *draft, struct str text, enum sim_piece_kind kind,
                       int64_t choice)
{
    size_t start = 0;
    for (int64_t count = 1; start < text.len; count++) {
        size_t const end = sim_text_cut(text, count).len; /* counted from the beginning: no drift */
        MUST(end > start);
        struct str const token = str_make(text.ptr + start, end - start);
        start = end;
        struct sim_piece *piece = sim_piece_add(draft, kind, token);
        if (!piece)
            return;
        piece->choice = (int)choice;
        piece->at_us += piece->tokens > 0 ? draft->interval_us : 0;
        piece->tokens++;
    }
}

static struct str usage_text(struct sim_draft *draft, const struct sim_usage *usage)
{
    struct buf out;
    buf_init(&out, 1024);
    enum err const err = sim_usage_write(draft, usage, &out);
    struct str const text =
        err == ERR_OK ? arena_copy(draft->arena, buf_view(&out)) : (struct str){0};
    buf_free(&out);
    if (!text.ptr)
        draft->err = ERR_NO_MEMORY;
    return text;
}

static void add_finish(struct sim_draft *draft, int64_t choice, struct str usage)
{
    struct str const text = arena_printf(
        draft->arena, "{\"index\":%lld,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"%s\"}",
        (long long)choice, draft->outputs[choice].finish);
    add_chunk(draft, text, usage);
}

/* A chunk of usage after the choices: asked for, or forced by a fault that is about it. */
static bool reports_usage(const struct sim_draft *draft)
{
    if (sim_draft_fault(draft, SIM_NO_USAGE) || sim_draft_fault(draft, SIM_USAGE_WITH_CHOICES) ||
        draft->plan->usage_cumulative)
        return false;
    return draft->ask.include_usage || sim_draft_fault(draft, SIM_USAGE_AFTER_DONE) ||
           sim_draft_fault(draft, SIM_USAGE_TWICE);
}

static void add_ending(struct sim_draft *draft)
{
    const struct sim_usage *usage = &draft->plan->usage;
    bool const with_choices = sim_draft_fault(draft, SIM_USAGE_WITH_CHOICES) != NULL;
    bool const after_done = sim_draft_fault(draft, SIM_USAGE_AFTER_DONE) != NULL;
    bool const report = reports_usage(draft);
    struct str const text = usage_text(draft, usage);
    for (int64_t i = 0; i < draft->ask.choices; i++)
        add_finish(draft, i, with_choices && i == draft->ask.choices - 1 ? text : (struct str){0});
    if (report && sim_draft_fault(draft, SIM_USAGE_TWICE)) {
        struct sim_usage const half = {usage->prompt, usage->completion / 2, 0, 0};
        add_chunk(draft, STR(""), usage_text(draft, &half));
    }
    if (report && !after_done)
        add_chunk(draft, STR(""), text);
    if (!sim_draft_fault(draft, SIM_NO_DONE))
        (void)sim_piece_add(draft, SIM_PIECE_EVENT, STR("[DONE]"));
    if (report && after_done)
        add_chunk(draft, STR(""), text);
}

void sim_events_chat(struct sim_draft *draft)
{
    struct sim_plan *plan = draft->plan;
    plan->framing = SIM_FRAMING_CHUNKED;
    plan->newline = STR("\n");
    plan->usage_cumulative = sim_draft_fault(draft, SIM_USAGE_CUMULATIVE) != NULL;
    plan->usage_null = draft->ask.include_usage && !plan->usage_cumulative &&
                       !sim_draft_fault(draft, SIM_NO_USAGE);
    sim_reply_header(draft, STR("content-type"), STR("text/event-stream; charset=utf-8"));
    sim_reply_header(draft, STR("cache-control"), STR("no-cache"));
    make_head(draft);
    for (int64_t i = 0; i < draft->ask.choices; i++)
        add_opening(draft, i);
    for (int64_t i = 0; i < draft->ask.choices; i++) {
        const struct sim_output *output = &draft->outputs[i];
        add_tokens(draft, output->reasoning, SIM_PIECE_REASONING, i);
        add_tokens(draft, output->text, output->is_call ? SIM_PIECE_ARGUMENTS : SIM_PIECE_CONTENT,
                   i);
    }
    add_ending(draft);
}
