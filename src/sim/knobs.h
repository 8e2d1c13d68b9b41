/* knobs.h - how a caller turns the simulated provider: headers and the part after the model's ':'.
 *
 * What:  `x-sim-fault: name[=arg][,...]`, `x-sim-latency-ms`, `x-sim-tokens-per-second`,
 *        `x-sim-output-tokens`, `x-sim-usage: prompt,completion[,cached[,reasoning]]`,
 * `x-sim-seed`; or "sim-fast:fault=reset-mid-stream=3,output=20", because a gateway in between may
 * not forward headers. A header wins over the model's name. Not:   what the faults do; see plan.h.
 */
#pragma once
#include "base/err.h"
#include "base/limits.h"

enum sim_fault {
#define X(symbol, name, plain, stream, help) SIM_##symbol,
#include "sim/faults.def"
#undef X
    SIM_FAULT_COUNT,
};

struct sim_fault_row {
    struct str name;
    bool plain, stream; /* has an effect in plain answers, in streams */
    const char *help;
};
/* The table's row; static. */
const struct sim_fault_row *sim_fault_row(enum sim_fault fault);

struct sim_fault_use {
    enum sim_fault fault;
    int64_t number; /* -1: none given */
    struct str text;
};

struct sim_usage {
    int64_t prompt, completion, cached,
        reasoning; /* totals that include their parts, as OpenAI's */
};

struct sim_knobs {
    int64_t latency_us, tokens_per_second, output_tokens; /* -1: the model's own */
    bool has_usage, has_seed;
    struct sim_usage usage;
    uint64_t seed;
    struct str retry_after;
    size_t fault_count;
    struct sim_fault_use faults[SIM_FAULTS_MAX];
    struct str bad; /* a knob that does not exist or cannot be read: the answer is a 400 */
};

/* The values of a request's x-sim-* headers; .ptr NULL when absent. */
struct sim_headers {
    struct str fault, latency_ms, tokens_per_second, output_tokens, usage, seed;
};
/* Keeps `value` when `name` is one of ours. */
void sim_headers_take(struct sim_headers *headers, struct str name, struct str value);

/* Reads the suffix of a model's name (after ':', may be empty), then the headers. The texts live as
 * long as the knobs. */
void sim_knobs_read(struct str suffix, const struct sim_headers *headers, struct sim_knobs *knobs);
/* NULL when that fault was not asked for. */
const struct sim_fault_use *sim_knobs_fault(const struct sim_knobs *knobs, enum sim_fault fault);
/* Asks for one more fault; full: knobs->bad. */
void sim_knobs_add(struct sim_knobs *knobs, enum sim_fault fault, int64_t number);
