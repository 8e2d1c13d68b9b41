/* ask.h - what a request asks of the simulated provider.
 *
 * What:  reads the fields that change the answer; everything else is let be.
 * Not:   the knobs (knobs.h), the answer (plan.h).
 */
#pragma once
#include "base/arena.h"

enum sim_operation { SIM_CHAT, SIM_EMBEDDINGS, SIM_MODELS, SIM_MODEL, SIM_NOWHERE };
enum sim_format { SIM_FORMAT_TEXT, SIM_FORMAT_JSON };

struct sim_ask {
    enum sim_operation operation;
    struct str model;        /* as it was sent, decoded */
    struct str model_base;   /* before ':' */
    struct str model_suffix; /* after ':', may be empty */
    int64_t prompt_tokens;
    uint64_t hash; /* of the question: messages, tools, format */
    bool portuguese;

    /* chat */
    bool stream, include_usage;
    int64_t output_cap; /* -1: none */
    int64_t choices;
    enum sim_format format;
    struct str schema;                 /* of response_format; .ptr NULL: none */
    struct str tool_name, tool_schema; /* .ptr NULL: no tool to call */
    bool tool_required;                /* tool_choice demands a call, whatever the model */
    bool tool_answered;                /* the last message is a tool's result */

    /* embeddings */
    struct str input; /* raw JSON */
    int64_t dimensions;
    bool base64;
};

/* By method and path; a path may have a prefix ("/openai/v1/chat/completions"). For SIM_MODEL the
 * id goes to *id. */
enum sim_operation sim_operation_of(struct str method, struct str path, struct str *id);
/* ERR_JSON_INVALID, ERR_FIELD_INVALID (fault->param), ERR_NO_MEMORY. `body` lives on. */
NODISCARD enum err sim_ask_read(enum sim_operation operation, struct str body, struct arena *arena,
                                struct sim_ask *ask, struct fault *fault);
/* A fast hash without secrets: the same in every process. */
uint64_t sim_hash(struct str text, uint64_t seed);
