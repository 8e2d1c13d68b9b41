/* plan_int.h - what the files that make a plan share.
 *
 * Not:   for other folders; they know plan.h.
 */
#pragma once
#include "base/buf.h"
#include "sim/plan.h"

enum sim_model_kind {
#define X(symbol, name, latency_ms, tokens_per_second, help) SIM_MODEL_##symbol,
#include "sim/models.def"
#undef X
    SIM_MODEL_COUNT,
};

/* What the model says for one choice. */
struct sim_output {
    struct str reasoning;
    struct str text; /* content, or the arguments of the call */
    bool is_call;
    const char *finish;
    int64_t tokens, reasoning_tokens; /* tokens includes reasoning */
};

/* A plan being made. */
struct sim_draft {
    struct sim_ask ask;
    struct sim_knobs knobs;
    enum sim_model_kind kind;
    uint64_t seed; /* of this request: facts, knobs and body together */
    int64_t latency_us, interval_us;
    struct arena *arena;
    struct sim_plan *plan;
    struct sim_output *outputs; /* one per choice */
    size_t piece_capacity;
    enum err err; /* the first that happened; sticky */
};

const struct sim_fault_use *sim_draft_fault(const struct sim_draft *draft, enum sim_fault fault);
/* The fault's argument, or `otherwise`. */
int64_t sim_draft_number(const struct sim_draft *draft, enum sim_fault fault, int64_t otherwise);

/* --- output.c */
void sim_output_make(struct sim_draft *draft, int64_t choice);

/* --- reply.c: whole answers */
void sim_reply_chat(struct sim_draft *draft);
void sim_reply_embeddings(struct sim_draft *draft);
void sim_reply_models(struct sim_draft *draft, struct str id);
void sim_reply_error(struct sim_draft *draft, int status, const char *type, const char *code,
                     const char *message);
/* One body, all at once; takes the text out of `body` and frees it. */
void sim_reply_body(struct sim_draft *draft, const char *content_type, struct buf *body);
void sim_reply_header(struct sim_draft *draft, struct str name, struct str value);
/* `"usage":{…}` with the faults that concern it; nothing with no-usage. */
NODISCARD enum err sim_usage_write(const struct sim_draft *draft, const struct sim_usage *usage,
                                   struct buf *out);

/* --- events.c: streams */
void sim_events_chat(struct sim_draft *draft);
struct sim_piece *sim_piece_add(struct sim_draft *draft, enum sim_piece_kind kind, struct str text);

/* --- faults.c: what goes wrong after the answer is made */
void sim_faults_apply(struct sim_draft *draft);
