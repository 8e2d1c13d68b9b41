/* faults.c - what goes wrong after a good answer was made. */
#include "core/estimate.h"
#include "sim/plan_int.h"

enum { LENGTH_OFF_BYTES = 10, HALF_EVENT_BYTES = 40 };

const struct sim_fault_use *sim_draft_fault(const struct sim_draft *draft, enum sim_fault fault)
{
    return sim_knobs_fault(&draft->knobs, fault);
}

int64_t sim_draft_number(const struct sim_draft *draft, enum sim_fault fault, int64_t otherwise)
{
    const struct sim_fault_use *use = sim_draft_fault(draft, fault);
    return use && use->number >= 0 ? use->number : otherwise;
}

/* Keeps the first n events, or the first n bytes of a plain answer; -1: half of them. */
static void keep(struct sim_plan *plan, int64_t n)
{
    if (plan->stream) {
        size_t const count = n < 0 ? plan->piece_count / 2 : (size_t)n;
        if (count < plan->piece_count)
            plan->piece_count = count;
        return;
    }
    struct sim_piece *piece = &plan->pieces[0];
    size_t const len = n < 0 ? piece->text.len / 2 : (size_t)n;
    if (len < piece->text.len)
        piece->text.len = len;
}

static void apply_breaks(struct sim_draft *draft)
{
    static const struct {
        enum sim_fault fault;
        enum sim_end end;
        bool chunked; /* means nothing without chunks */
    } breaks[] = {
        {SIM_RESET_MID_STREAM, SIM_END_RESET, false},
        {SIM_CUT_MID_STREAM, SIM_END_CUT, false},
        {SIM_STALL_MID_STREAM, SIM_END_SILENT, false},
        {SIM_TRUNCATED_CHUNK, SIM_END_SHORT_CHUNK, true},
        {SIM_BAD_CHUNK, SIM_END_BAD_CHUNK, true},
    };
    struct sim_plan *plan = draft->plan;
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        if (!sim_draft_fault(draft, breaks[i].fault))
            continue;
        keep(plan, sim_draft_number(draft, breaks[i].fault, -1));
        plan->end = breaks[i].end;
        if (breaks[i].chunked)
            plan->framing = SIM_FRAMING_CHUNKED;
    }
    if (sim_draft_fault(draft, SIM_NOTHING_AFTER_HEAD)) {
        plan->piece_count = 0;
        plan->end = SIM_END_SILENT;
    }
}

/* Half of a JSON text where a whole one belongs; the framing is right. */
static void apply_invalid_json(struct sim_draft *draft)
{
    struct sim_plan *plan = draft->plan;
    if (!sim_draft_fault(draft, SIM_INVALID_JSON))
        return;
    if (!plan->stream) {
        keep(plan, sim_draft_number(draft, SIM_INVALID_JSON, -1));
        plan->body_bytes = (int64_t)plan->pieces[0].text.len;
        return;
    }
    size_t const at =
        (size_t)sim_draft_number(draft, SIM_INVALID_JSON, (int64_t)plan->piece_count / 2);
    if (at < plan->piece_count) {
        plan->pieces[at].kind = SIM_PIECE_EVENT;
        plan->pieces[at].text = str_make(plan->event_head.ptr, HALF_EVENT_BYTES);
    }
}

static void apply_error_in_stream(struct sim_draft *draft)
{
    struct sim_plan *plan = draft->plan;
    if (!plan->stream || !sim_draft_fault(draft, SIM_ERROR_IN_STREAM))
        return;
    size_t const at =
        (size_t)sim_draft_number(draft, SIM_ERROR_IN_STREAM, (int64_t)plan->piece_count / 2);
    if (at >= plan->piece_count)
        return;
    plan->pieces[at].kind = SIM_PIECE_EVENT;
    plan->pieces[at].text = STR("{\"error\":{\"message\":\"the simulated model broke down\","
                                "\"type\":\"server_error\",\"param\":null,\"code\":null}}");
    plan->pieces[at].tokens = at > 0 ? plan->pieces[at - 1].tokens : 0;
    plan->piece_count = at + 1;
}

/* The whole body, to know its length. */
static int64_t body_bytes(struct sim_draft *draft)
{
    struct buf body;
    buf_init(&body, SIM_ANSWER_BYTES_MAX);
    for (size_t i = 0; i < draft->plan->piece_count && draft->err == ERR_OK; i++)
        draft->err = sim_piece_render(draft->plan, i, &body);
    int64_t const bytes = (int64_t)body.len;
    buf_free(&body);
    return bytes;
}

static void apply_lengths(struct sim_draft *draft)
{
    struct sim_plan *plan = draft->plan;
    bool const more = sim_draft_fault(draft, SIM_LENGTH_TOO_LONG) != NULL;
    bool const less = sim_draft_fault(draft, SIM_LENGTH_TOO_SHORT) != NULL;
    bool const two = sim_draft_fault(draft, SIM_TWO_LENGTHS) != NULL;
    if (!more && !less && !two)
        return;
    if (plan->framing != SIM_FRAMING_LENGTH)
        plan->body_bytes = body_bytes(draft);
    plan->framing = SIM_FRAMING_LENGTH;
    plan->close_after = true;
    if (two) {
        plan->head = SIM_HEAD_TWO_LENGTHS;
    } else if (more) {
        plan->body_bytes += sim_draft_number(draft, SIM_LENGTH_TOO_LONG, LENGTH_OFF_BYTES);
        plan->end = SIM_END_CUT;
    } else {
        plan->body_bytes -= sim_draft_number(draft, SIM_LENGTH_TOO_SHORT, LENGTH_OFF_BYTES);
        plan->body_bytes = plan->body_bytes < 0 ? 0 : plan->body_bytes;
    }
}

static void apply_endless(struct sim_draft *draft)
{
    struct sim_plan *plan = draft->plan;
    bool const line = sim_draft_fault(draft, SIM_ENDLESS_LINE) != NULL;
    if (!line && !sim_draft_fault(draft, SIM_ENDLESS_STREAM))
        return;
    struct str const words = STR(" and so on and on and on and on and on and on and on and on");
    plan->end = SIM_END_ENDLESS;
    plan->framing = SIM_FRAMING_CHUNKED;
    plan->piece_count = 0;
    if (line || !plan->stream)
        (void)sim_piece_add(draft, SIM_PIECE_BYTES,
                            plan->stream ? STR("data: {\"text\":\"") : STR("{\"text\":\""));
    struct sim_piece *piece =
        sim_piece_add(draft, line || !plan->stream ? SIM_PIECE_BYTES : SIM_PIECE_CONTENT, words);
    if (piece)
        piece->tokens = estimate_text_tokens((int64_t)words.len);
}

static void apply_head(struct sim_draft *draft)
{
    static const struct {
        enum sim_fault fault;
        enum sim_end end;
    } silences[] = {
        {SIM_REFUSE, SIM_END_CUT},
        {SIM_RESET, SIM_END_RESET},
        {SIM_STALL, SIM_END_SILENT},
    };
    struct sim_plan *plan = draft->plan;
    if (sim_draft_fault(draft, SIM_SLOW_HEAD))
        plan->head = SIM_HEAD_SLOW;
    if (sim_draft_fault(draft, SIM_HUGE_HEAD))
        plan->head = SIM_HEAD_HUGE;
    for (size_t i = 0; i < sizeof silences / sizeof silences[0]; i++) {
        if (!sim_draft_fault(draft, silences[i].fault))
            continue;
        plan->head = SIM_HEAD_NONE;
        plan->end = silences[i].end;
        plan->piece_count = 0;
    }
}

void sim_faults_apply(struct sim_draft *draft)
{
    struct sim_plan *plan = draft->plan;
    plan->interim = sim_draft_fault(draft, SIM_INTERIM) != NULL;
    plan->twice = sim_draft_fault(draft, SIM_TWICE) != NULL;
    plan->one_byte = sim_draft_fault(draft, SIM_ONE_BYTE) != NULL;
    plan->bom = plan->stream && sim_draft_fault(draft, SIM_BOM);
    if (sim_draft_fault(draft, SIM_CRLF))
        plan->newline = STR("\r\n");
    if (sim_draft_fault(draft, SIM_CR))
        plan->newline = STR("\r");
    if (sim_draft_fault(draft, SIM_GZIP)) {
        plan->gzip = true;
        plan->framing = SIM_FRAMING_CHUNKED;
        sim_reply_header(draft, STR("content-encoding"), STR("gzip"));
    }
    if (sim_draft_fault(draft, SIM_HTTP10)) {
        plan->http10 = plan->close_after = true;
        plan->framing = SIM_FRAMING_CLOSE;
    }
    apply_error_in_stream(draft);
    apply_invalid_json(draft);
    apply_lengths(draft);
    apply_endless(draft);
    apply_breaks(draft);
    apply_head(draft);
    plan->head_at_us = draft->latency_us;
    plan->end_at_us =
        plan->piece_count > 0 ? plan->pieces[plan->piece_count - 1].at_us : draft->latency_us;
    if (plan->end == SIM_END_RESET && plan->head != SIM_HEAD_NONE)
        plan->end_at_us += SIM_RESET_DELAY_US; /* so that what was sent can be read before */
    if (plan->end != SIM_END_WHOLE)
        plan->close_after = true;
}
