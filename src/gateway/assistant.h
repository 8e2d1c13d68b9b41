/* assistant.h - assistants: a call whose question and answer we make, metered as any other.
 *
 * What:  a row of assistant.def is an address: ASK checks its input and makes the chat body from
 * it, RESOLVE chooses the AI, DISPATCH judges the answer (one more try when it is not what the
 *        schema says), SETTLE turns it into the surface's JSON.
 * Not:   money of its own: one call is one hold and one usage row, both tries together.
 * Why:   what a client sends is data in user messages; the instructions are always ours.
 */
#pragma once
#include "codec/json_write.h"
#include "codec/language.h"
#include "codec/schema.h"
#include "gateway/request.h"

enum { ASSISTANT_TRIES_MAX = 2 };

struct assistant {
    struct str path, name;               /* name: feature and endpoint of the call */
    const char *result;                  /* member of the answer */
    const struct schema *input, *output; /* output: an object of `result` alone; NULL: text */
    int64_t output_tokens;
    struct str instructions;
};

/* NULL: this path has none. */
const struct assistant *assistant_find(struct str path);

struct assistant_call {
    const struct assistant *row;
    struct str provider;                    /* that the body asks for; empty: any */
    int64_t characters_max;                 /* of a summary; 0: no bound */
    int tries;                              /* sent to the provider */
    struct openai_ask again;                /* the second try */
    struct usage held[ASSISTANT_TRIES_MAX]; /* upper bounds of the tries */
    struct usage spent;                     /* by tries before the last */
    bool spent_any;
    bool cut;                    /* the answer ended at its output cap */
    struct str text;             /* the answer as text … */
    struct str json;             /* … or as JSON */
    struct usage used;           /* in the end */
    struct money minimum;        /* of the plan's credits; 0: none */
    struct str unit_pt, unit_en; /* of the credits */
};

/* Does an assistant's second try exist? Then what it may cost is held, too. */
static inline int assistant_tries(const struct request *request)
{
    return request->assistant && request->assistant->row->output ? ASSISTANT_TRIES_MAX : 1;
}

/* ASK: input into request->ask. ERR_JSON_INVALID, ERR_FIELD_INVALID, ERR_HEADER_INVALID,
 * ERR_NO_MEMORY. */
NODISCARD enum err assistant_ask(struct request *request);
/* RESOLVE: names the model. ERR_ASSISTANT_UNSET, or why the customer has no AI for it. */
NODISCARD enum err assistant_choose(struct request *request);

enum assistant_verdict { ASSISTANT_GOOD, ASSISTANT_AGAIN, ASSISTANT_BAD };
/* DISPATCH: is the answer what it must be? BAD: request->fault says why; what is nobody's answer
 * (a refusal, an error) is GOOD here: SETTLE names it. */
enum assistant_verdict assistant_judge(struct request *request);
/* The request is as before its first try, with the second body. */
void assistant_again(struct request *request);

/* stage_settle.c: a try that another one follows; what it used is kept for the end. */
void settle_try(struct request *request);
/* SETTLE: the answer; ptr NULL: memory is short. */
struct str assistant_answer(struct request *request);
/* What a refusal says beside the error: for its message, and as members of the open object. */
struct str assistant_refusal_words(struct request *request, enum language language);
void assistant_refusal_put(struct json_writer *writer, const struct request *request);
