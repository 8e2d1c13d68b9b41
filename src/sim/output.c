/* output.c - what the model says: text, thoughts, JSON or the arguments of a call. */
#include "core/estimate.h"
#include "sim/plan_int.h"
#include "sim/schema.h"
#include "sim/text.h"

enum { NATURAL_TOKENS = 24, NATURAL_SPREAD = 16, NATURAL_TOKENS_MAX = 400, THOUGHT_TOKENS = 12 };

/* Longer questions get longer answers, up to a page. */
static int64_t natural_tokens(const struct sim_draft *draft, uint64_t seed)
{
    int64_t const tokens =
        NATURAL_TOKENS + draft->ask.prompt_tokens / 4 + (int64_t)(seed % NATURAL_SPREAD);
    return tokens < NATURAL_TOKENS_MAX ? tokens : NATURAL_TOKENS_MAX;
}

static bool wants_call(const struct sim_draft *draft)
{
    const struct sim_ask *ask = &draft->ask;
    if (!ask->tool_name.ptr || ask->tool_answered)
        return false; /* an agent's loop comes to an end */
    return ask->tool_required || draft->kind == SIM_MODEL_TOOLS;
}

static struct str make_text(struct sim_draft *draft, uint64_t seed, int64_t tokens, bool exact)
{
    struct str const text = sim_text(draft->arena, &(struct sim_text_wish){
                                                       .seed = seed,
                                                       .portuguese = draft->ask.portuguese,
                                                       .exact = exact,
                                                       .tokens = tokens,
                                                   });
    if (!text.ptr)
        draft->err = ERR_NO_MEMORY;
    return text;
}

static void make_words(struct sim_draft *draft, uint64_t seed, struct sim_output *output)
{
    int64_t const most = SIM_OUTPUT_TOKENS_MAX / draft->ask.choices;
    bool const exact = draft->knobs.output_tokens >= 0;
    int64_t tokens = exact ? draft->knobs.output_tokens : natural_tokens(draft, seed);
    if (tokens > most)
        tokens = most;
    if (draft->kind == SIM_MODEL_REASON) {
        int64_t const thoughts = exact ? tokens / 3 : THOUGHT_TOKENS;
        output->reasoning = make_text(draft, ~seed, thoughts, true);
        tokens -= exact ? thoughts : 0;
    }
    output->text = make_text(draft, seed, tokens, exact);
}

/* The cap counts thoughts first, as the real ones do. */
static void apply_cap(struct sim_output *output, int64_t cap)
{
    output->reasoning_tokens = estimate_text_tokens((int64_t)output->reasoning.len);
    output->tokens = output->reasoning_tokens + estimate_text_tokens((int64_t)output->text.len);
    if (cap < 0 || output->tokens <= cap)
        return;
    output->reasoning = sim_text_cut(output->reasoning, cap);
    output->reasoning_tokens = estimate_text_tokens((int64_t)output->reasoning.len);
    output->text = sim_text_cut(output->text, cap - output->reasoning_tokens);
    output->tokens = output->reasoning_tokens + estimate_text_tokens((int64_t)output->text.len);
    output->finish = "length";
}

void sim_output_make(struct sim_draft *draft, int64_t choice)
{
    struct sim_output *output = &draft->outputs[choice];
    uint64_t const seed = draft->seed + (uint64_t)choice * 0x9e3779b97f4a7c15u;
    *output = (struct sim_output){.finish = "stop", .reasoning = STR(""), .text = STR("")};
    if (draft->err != ERR_OK)
        return;
    if (wants_call(draft)) {
        output->is_call = true;
        output->finish = "tool_calls";
        struct str const schema =
            draft->ask.tool_schema.ptr ? draft->ask.tool_schema : STR("{\"type\":\"object\"}");
        draft->err = sim_schema_instance(schema, seed, draft->arena, &output->text);
    } else if (draft->ask.format == SIM_FORMAT_JSON || draft->kind == SIM_MODEL_JSON) {
        draft->err = sim_schema_instance(draft->ask.schema, seed, draft->arena, &output->text);
    } else {
        make_words(draft, seed, output);
    }
    if (draft->err == ERR_OK)
        apply_cap(output, draft->ask.output_cap);
}
