/* openai.h - the OpenAI dialect: pure translation, no I/O.
 *
 * What:  what a client's body asks (chat, embeddings), the same body rewritten in place for the
 *        provider (model, output cap, stream_options: everything else byte for byte), and what an
 *        answer or a stream event says about usage.
 * Not:   sockets (client.h), prices, holds.
 */
#pragma once
#include "base/arena.h"
#include "codec/json.h"
#include "core/usage.h"
#include "upstream/client.h"

enum operation { OPERATION_CHAT, OPERATION_EMBEDDINGS };

/* The members of a request that we interpret; all others pass untouched. */
enum openai_field {
    OPENAI_FIELD_MODEL,
    OPENAI_FIELD_STREAM,
    OPENAI_FIELD_STREAM_OPTIONS,
    OPENAI_FIELD_MAX_COMPLETION_TOKENS,
    OPENAI_FIELD_MAX_TOKENS,
    OPENAI_FIELD_N,
    OPENAI_FIELD_MESSAGES,
    OPENAI_FIELD_INPUT,
    OPENAI_FIELD_USER,
    OPENAI_FIELD_COUNT
};

/* What a client's body asks; spans point into the body. */
struct openai_ask {
    enum operation operation;
    struct str body;
    struct str text;                       /* of the body: from { to } */
    struct str values[OPENAI_FIELD_COUNT]; /* raw, those that we interpret; ptr NULL: absent */
    struct str include_usage;              /* raw value inside stream_options; ptr NULL: absent */
    struct str model_name;                 /* decoded */
    bool stream;
    bool wants_usage;    /* stream_options.include_usage: true */
    int64_t output_cap;  /* the larger of both caps, the provider may obey either; -1: none asked */
    int64_t choices;     /* n, at least 1 */
    int64_t image_parts; /* images and files: what they cost is not bounded by bytes */
    struct str end_user; /* "user", when plain text */
};

/* Validates all of the body. ERR_JSON_INVALID, ERR_FIELD_INVALID (fault->param names it). */
NODISCARD enum err openai_ask_read(enum operation operation, struct str body, struct arena *arena,
                                   struct openai_ask *ask, struct fault *fault);

/* An upper bound of the input tokens: every token is at least one byte of the body; images are
 * counted at `image_tokens_max` each. */
int64_t openai_input_bound(const struct openai_ask *ask, int64_t image_tokens_max);
/* Our estimate of the input when the provider said nothing: the decoded text of all messages or
 * inputs by the rule of core/estimate.h; at least 1. */
int64_t openai_input_estimate(const struct openai_ask *ask);

struct openai_rewrite {
    struct str model;     /* the provider's name of the model */
    int64_t output_cap;   /* -1: leave as it is (embeddings) */
    struct str cap_field; /* "max_completion_tokens" or "max_tokens": used when none was sent */
    bool ask_usage;       /* stream: add stream_options.include_usage */
};
/* Fills request->parts with spans of the body and pieces from the arena. */
NODISCARD enum err openai_rewrite(const struct openai_ask *ask, const struct openai_rewrite *how,
                                  struct arena *arena, struct upstream_request *request,
                                  struct fault *fault);

/* --- answers --------------------------------------------------------------------------------- */
struct openai_answer {
    bool has_usage, absurd; /* absurd: negative, fractional, huge, a string, only half of it … */
    bool error_body;        /* {"error": …} although the status was 200 */
    struct usage usage;     /* exclusive pools */
    int64_t text_bytes;     /* delivered text, when there is no usage to trust */
};
/* A whole JSON answer. ERR_UPSTREAM_INVALID: not valid JSON or not an object. */
NODISCARD enum err openai_answer_read(struct str body, struct openai_answer *answer,
                                      struct fault *fault);

/* One stream, event by event; the last usage wins, never a sum. Feed it on after [DONE]: some
 * providers report only then. Start with all zero. */
struct openai_stream {
    bool has_usage, done, failed, finished; /* finished: a finish_reason was seen */
    bool absurd;                   /* the last usage: as above, or smaller than one before it */
    int64_t input_max, output_max; /* of all reports, the absurd ones aside */
    struct usage usage;
    int64_t text_bytes, chunks;
};
enum openai_verdict {
    OPENAI_PASS,  /* forward the event as it is */
    OPENAI_HIDE,  /* the extra usage chunk that only we asked for; all that follows [DONE] */
    OPENAI_DONE,  /* data: [DONE], the first one */
    OPENAI_ERROR, /* the provider's error object: forward, then end without [DONE] */
    OPENAI_BAD,   /* not JSON: the stream is broken */
};
enum openai_verdict openai_stream_event(struct openai_stream *stream, struct str data,
                                        bool client_wants_usage);
/* Tokens of `text_bytes` by our own rule: bytes / 4, rounded up. */
int64_t openai_text_tokens(int64_t text_bytes);
