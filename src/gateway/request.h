/* request.h - one metered call: everything the stages know about it.
 *
 * What:  the struct that walks through stages.def. It lives in the exchange's arena and ends with
 *        its exchange.
 * Not:   for other folders.
 */
#pragma once
#include "codec/sse.h"
#include "core/charge.h"
#include "gateway/caller.h"
#include "gateway/limit_text.h"
#include "govern/own_key.h"
#include "net/timer.h"
#include "upstream/openai.h"

enum stage {
#define X(name, file, adds) STAGE_##name,
#include "gateway/stages.def"
#undef X
    STAGE_END,
};

/* What a stage may answer. There is no fifth word. */
enum step {
    STEP_NEXT, /* go on with the following stage                        */
    STEP_SKIP, /* go straight to settle (a stored answer)               */
    STEP_WAIT, /* something will call request_wake(); a deadline is set */
    STEP_FAIL, /* request->fault says why; settle still runs            */
};

/* How far the provider's answer is. */
enum answer_state {
    ANSWER_NONE,    /* no head yet */
    ANSWER_PLAIN,   /* collected whole before a byte goes to the client */
    ANSWER_STREAM,  /* relayed event by event */
    ANSWER_REFUSAL, /* a status >= 300: collected, mapped or passed on */
};

/* What came back from the provider, so far or in the end. */
struct answer {
    enum answer_state state;
    bool ended;   /* on_done or on_fail has come */
    bool failed;  /* … and it was not whole; request->fault says why */
    bool started; /* bytes of a streamed reply went to the client: the status is out */
    bool absurd;
    int status;
    int64_t first_byte_us; /* wall */
    struct str content_type, retry_after;
    struct buf body;          /* plain answers and refusals */
    struct sse_parser parser; /* streams */
    struct openai_stream stream;
    struct str end_event; /* the held back [DONE] */
    struct usage usage;
    int64_t text_bytes;
    int64_t progress_us, progress_tokens; /* when and what PROGRESS was last written */
};

/* The last thing that happens to an exchange; request_end does it, because the request's memory
 * goes with the exchange. */
struct exchange_end {
    enum { END_ABORT, END_REPLY, END_STREAM } kind;
    struct http_reply reply;
    struct str body;
};

struct request {
    uint32_t magic;
    enum stage stage;
    bool waiting, waited_out; /* waited_out: the deadline woke us */
    bool running;             /* inside request_run: a wake is only noted */
    bool woken;
    bool sampled;     /* its stages are timed */
    unsigned visited; /* bit per stage, for tests and the log */
    struct fault fault;
    struct timer timer;
    struct list link; /* in the worker's list of running calls */
    struct gateway_worker *worker;
    struct arena *arena;
    struct http_exchange *exchange;
    struct catalog *catalog;

    /* AUTH, ASK */
    enum operation operation;
    struct ulid id;
    char id_text[ULID_TEXT_BYTES];
    const struct key *key;
    struct bearer *bearer;     /* who calls by JWT; NULL: an API key does */
    struct key_making *making; /* the key for tokens, on its way */
    struct call_context context;
    struct str idempotency_key;
    unsigned char idempotency_hash[32], idempotency_print[32];
    bool idempotent; /* we own the key: finish or abandon it */
    bool loading;    /* the database reads a stored answer for us */

    /* RESOLVE, ADMIT */
    const struct model *model;
    struct own_key *own_key; /* the customer's, at the provider; NULL: the house's is used */
    struct hold *hold;
    struct admission admission;
    struct usage estimate; /* what is held: an upper bound */
    int64_t input_tokens;  /* of the prompt, by our own count: from ADMIT on */
    bool rate_taken;
    enum refusal_scope refused_by;
    bool limited; /* by `limit` */
    struct limit_facts limit;
    int64_t admit_deadline_ms;

    /* DISPATCH, SETTLE */
    struct upstream_request upstream_request;
    struct upstream_call *call;
    bool dispatched, client_gone, paused;
    bool draining; /* the client left; the stream is read on for its usage */
    struct answer answer;
    struct settled settled;
    bool money_closed, charged; /* settled or released; what is left is the reply */
    struct list strict_link;    /* durability: strict, waiting for the disk */
    struct exchange_end ending;
    struct idempotency_answer stored; /* a replayed answer */
    struct buf recorded;              /* a stream's bytes, for the Idempotency-Key */
    bool unrecorded;                  /* … which became too many to keep */

    struct assistant_call *assistant; /* NULL: the body is the client's own */
    struct openai_ask ask;
};

typedef enum step stage_fn(struct request *request);
#define X(name, file, adds) stage_fn stage_##file;
#include "gateway/stages.def"
#undef X

/* Runs stages until the request waits or ends. */
void request_run(struct request *request);
/* A stage that answers STEP_WAIT calls this first. */
void request_wait_ms(struct request *request, int64_t delay_ms);
/* What the request waited for has come (or its deadline has). */
void request_wake(struct request *request);
/* Fails the request with the given error; for use as `return request_fail(…)`. */
enum step request_fail(struct request *request, enum err code, const char *detail);
