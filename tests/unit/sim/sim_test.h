/* sim_test.h - what the tests of the simulated provider share: a request, its plan, its bytes.
 *
 * Not:   a test; each function fails the running one when something is impossible.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "base/buf.h"
#include "codec/json.h"
#include "codec/sse.h"
#include "sim/wire.h"

struct answer {
    struct arena *arena;
    struct sim_plan plan;
};

static inline struct answer answer_make(const char *path, const char *body,
                                        const struct sim_headers *headers, uint64_t seed,
                                        uint64_t sequence)
{
    struct answer answer = {.arena = arena_new(SIM_ARENA_BYTES)};
    assert_non_null(answer.arena);
    struct sim_request request = {
        .method = body ? STR("POST") : STR("GET"), .path = str_of(path), .body = str_of(body)};
    if (headers)
        request.headers = *headers;
    struct sim_facts const facts = {seed, sequence, -1, -1};
    assert_int_equal(sim_plan_make(&request, &facts, answer.arena, &answer.plan), ERR_OK);
    return answer;
}

static inline struct answer answer_chat(const char *body, const char *fault)
{
    struct sim_headers const headers = {.fault = str_of(fault)};
    return answer_make("/v1/chat/completions", body, &headers, 1, 1);
}

static inline void answer_free(struct answer *answer)
{
    arena_free(answer->arena);
}

/* The whole body, neither compressed nor framed. */
static inline void answer_body(const struct sim_plan *plan, struct buf *out)
{
    buf_init(out, SIM_ANSWER_BYTES_MAX);
    for (size_t i = 0; i < plan->piece_count; i++)
        assert_int_equal(sim_piece_render(plan, i, out), ERR_OK);
}

/* The same as it goes over the wire. */
static inline void answer_wire(const struct sim_plan *plan, struct buf *out)
{
    struct sim_wire wire;
    buf_init(out, SIM_ANSWER_BYTES_MAX);
    assert_int_equal(sim_wire_start(&wire, plan), ERR_OK);
    assert_int_equal(sim_wire_head(&wire, true, out), ERR_OK);
    for (size_t i = 0; i < plan->piece_count; i++)
        assert_int_equal(sim_wire_piece(&wire, i, out), ERR_OK);
    assert_int_equal(sim_wire_tail(&wire, true, out), ERR_OK);
    sim_wire_free(&wire);
}

/* A member of a valid object, by name; .ptr NULL: absent. */
static inline struct str get(struct str object, const char *name)
{
    struct json_object members;
    struct fault fault = {0};
    if (json_type(object) != JSON_OBJECT || json_members(object, &members, &fault) != ERR_OK)
        return (struct str){0};
    return json_get(&members, str_of(name));
}

static inline struct str at(struct str array, size_t index)
{
    struct str element = {0};
    size_t position = 0;
    for (size_t i = 0; json_type(array) == JSON_ARRAY && i <= index; i++)
        if (!json_next(array, &position, &element))
            return (struct str){0};
    return element;
}

static inline int64_t number(struct str value)
{
    int64_t found = -1;
    assert_true(json_i64(value, &found));
    return found;
}

/* Appends the decoded text of a JSON string; anything else appends nothing. */
static inline void add_decoded(struct str value, struct buf *out)
{
    size_t len = 0;
    if (json_type(value) != JSON_STRING)
        return;
    assert_int_equal(buf_reserve(out, value.len), ERR_OK);
    assert_true(json_text(value, out->ptr + out->len, value.len, &len));
    out->len += len;
}

#define assert_str(text, expected) assert_str_at(text, expected, __FILE__, __LINE__)
static inline void assert_str_at(struct str text, const char *expected, const char *file, int line)
{
    if (str_eq(text, str_of(expected)))
        return;
    print_error("\"%.*s\" is not \"%s\"\n", STR_ARG(text), expected);
    _fail(file, line);
}
