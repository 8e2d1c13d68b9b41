/* render.c - a piece of a plan as the bytes of the body. */
#include "codec/json_write.h"
#include "sim/plan_int.h"

static enum err add_all(struct buf *out, const struct str *parts, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].len;
    enum err err = buf_reserve(out, bytes);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = buf_add(out, parts[i]);
    return err;
}

/* The usage so far, in every chunk. */
static enum err add_usage_so_far(const struct sim_plan *plan, int64_t tokens, struct buf *out)
{
    return buf_printf(out,
                      ",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,"
                      "\"total_tokens\":%lld}",
                      (long long)plan->usage.prompt, (long long)tokens,
                      (long long)(plan->usage.prompt + tokens));
}

static enum err render_delta(const struct sim_plan *plan, const struct sim_piece *piece,
                             struct buf *out)
{
    static const struct str before[] = {
        [SIM_PIECE_CONTENT] = STR_ROW(",\"delta\":{\"content\":"),
        [SIM_PIECE_REASONING] = STR_ROW(",\"delta\":{\"reasoning_content\":"),
        [SIM_PIECE_ARGUMENTS] =
            STR_ROW(",\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"),
    };
    bool const call = piece->kind == SIM_PIECE_ARGUMENTS;
    struct json_writer writer;
    struct str const opening[] = {STR("data: "), plan->event_head, STR("{\"index\":")};
    enum err err = add_all(out, opening, 3);
    if (err == ERR_OK)
        err = buf_add_i64(out, piece->choice);
    if (err == ERR_OK)
        err = buf_add(out, before[piece->kind]);
    if (err != ERR_OK)
        return err;
    json_write_start(&writer, out);
    json_put_text(&writer, piece->text);
    err = json_write_end(&writer);
    struct str const closing[] = {call ? STR("}}]}") : STR("}"),
                                  STR(",\"logprobs\":null,\"finish_reason\":null}]"),
                                  plan->usage_null ? STR(",\"usage\":null") : STR("")};
    if (err == ERR_OK)
        err = add_all(out, closing, 3);
    if (err == ERR_OK && plan->usage_cumulative)
        err = add_usage_so_far(plan, piece->tokens, out);
    return err == ERR_OK ? buf_add(out, STR("}")) : err;
}

enum err sim_piece_render(const struct sim_plan *plan, size_t index, struct buf *out)
{
    const struct sim_piece *piece = &plan->pieces[index];
    enum err err = ERR_OK;
    if (index == 0 && plan->bom)
        err = buf_add(out, STR("\xef\xbb\xbf"));
    if (err != ERR_OK)
        return err;
    if (piece->kind == SIM_PIECE_BYTES)
        return buf_add(out, piece->text);
    if (piece->kind == SIM_PIECE_EVENT) {
        struct str const parts[] = {STR("data: "), piece->text};
        err = add_all(out, parts, 2);
    } else {
        err = render_delta(plan, piece, out);
    }
    struct str const blank[] = {plan->newline, plan->newline};
    return err == ERR_OK ? add_all(out, blank, 2) : err;
}
