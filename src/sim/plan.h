/* plan.h - what the simulated provider will answer, and when.
 *
 * What:  request and facts in, plan out: status, headers, pieces of the body with their times, and
 *        how it ends. The same facts give the same bytes.
 *        A stream's tokens come at the model's pace; a plain answer comes whole after its latency.
 * Not:   framing on the wire (wire.h), sockets, clocks (the caller runs the times).
 */
#pragma once
#include "sim/ask.h"
#include "sim/knobs.h"

enum sim_framing { SIM_FRAMING_LENGTH, SIM_FRAMING_CHUNKED, SIM_FRAMING_CLOSE };

enum sim_head {
    SIM_HEAD_WHOLE,
    SIM_HEAD_NONE, /* `end` says what comes instead */
    SIM_HEAD_SLOW, /* one byte every SIM_SLOW_BYTE_US */
    SIM_HEAD_HUGE,
    SIM_HEAD_TWO_LENGTHS,
};

enum sim_end {
    SIM_END_WHOLE,
    SIM_END_CUT, /* FIN where more was promised; without a head: right away */
    SIM_END_RESET,
    SIM_END_SILENT, /* nothing more, the connection stays open */
    SIM_END_BAD_CHUNK,
    SIM_END_SHORT_CHUNK,
    SIM_END_ENDLESS, /* the last piece again and again, up to SIM_ENDLESS_BYTES_MAX */
};

enum { SIM_SLOW_BYTE_US = 50000, SIM_RESET_DELAY_US = 20000 };

struct sim_header {
    struct str name, value;
};

enum sim_piece_kind {
    SIM_PIECE_BYTES,     /* text as it is */
    SIM_PIECE_EVENT,     /* data of an event */
    SIM_PIECE_CONTENT,   /* an event with this delta */
    SIM_PIECE_REASONING, /* an event with this delta */
    SIM_PIECE_ARGUMENTS, /* an event with this delta */
};

struct sim_piece {
    int64_t at_us;  /* after the request was whole */
    int64_t tokens; /* produced up to and with this piece, all choices */
    struct str text;
    enum sim_piece_kind kind;
    int choice;
};

struct sim_plan {
    int status;
    enum sim_operation operation;
    bool stream;
    struct str model;
    struct sim_usage usage; /* as reported; as produced when nothing (sane) is reported */
    size_t header_count;
    struct sim_header headers[SIM_HEADERS_MAX];
    int64_t head_at_us;
    enum sim_head head;
    enum sim_framing framing;
    int64_t body_bytes; /* what Content-Length says */
    enum sim_end end;
    int64_t end_at_us;
    bool close_after, interim, twice, one_byte, gzip, http10, bom;
    struct str newline; /* of events */
    size_t piece_count;
    struct sim_piece *pieces;
    /* what all events of a stream share */
    struct str event_head;
    bool usage_null, usage_cumulative;
};

struct sim_facts {
    uint64_t seed;
    uint64_t sequence;         /* of the request, for sim-flaky */
    int64_t latency_us;        /* -1: the model's own */
    int64_t tokens_per_second; /* -1: the model's own; 0: no pause between tokens */
};

struct sim_request {
    struct str method, path, body;
    struct sim_headers headers;
};

/* A request that is not valid gets a plan too (400, 404). The plan lives in the arena and borrows
 * the request's texts. ERR_NO_MEMORY (also past the arena's bound). */
NODISCARD enum err sim_plan_make(const struct sim_request *request, const struct sim_facts *facts,
                                 struct arena *arena, struct sim_plan *plan);

/* Appends the body bytes of one piece, neither compressed nor framed. */
NODISCARD enum err sim_piece_render(const struct sim_plan *plan, size_t index, struct buf *out);

struct sim_model {
    struct str name;
    int64_t latency_ms, tokens_per_second;
    const char *help;
};
/* The models in the order of models.def; NULL past the end. */
const struct sim_model *sim_model_at(size_t index);
