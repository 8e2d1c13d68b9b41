/* openai_stream.c - one event of a stream: usage, text, the end, an error; forward it or not?
 *
 * Why:   runs once per chunk: one validation of the event, then a walk over spans.
 */
#include "upstream/openai_int.h"

/* The members of a chunk that matter. */
struct chunk {
    struct str choices, usage, x_groq, error;
};

static void chunk_read(const struct json_object *object, struct chunk *chunk)
{
    *chunk = (struct chunk){0};
    for (size_t i = 0; i < object->count; i++) {
        const struct json_member *member = &object->members[i];
        if (openai_name_is(member, STR("choices")))
            chunk->choices = member->value;
        else if (openai_name_is(member, STR("usage")))
            chunk->usage = member->value;
        else if (openai_name_is(member, STR("x_groq")))
            chunk->x_groq = member->value;
        else if (openai_name_is(member, STR("error")))
            chunk->error = member->value;
    }
}

static void choice_read(struct openai_stream *stream, struct str choice)
{
    struct json_object object;
    struct fault fault = {0};
    if (json_members(choice, &object, &fault) != ERR_OK)
        return;
    for (size_t i = 0; i < object.count; i++) {
        const struct json_member *member = &object.members[i];
        if (openai_name_is(member, STR("delta")))
            stream->text_bytes += openai_message_bytes(member->value);
        else if (openai_name_is(member, STR("text")))
            stream->text_bytes += openai_content_bytes(member->value);
        else if (openai_name_is(member, STR("finish_reason")))
            stream->finished = stream->finished || json_type(member->value) == JSON_STRING;
    }
}

/* The last report wins; a null or an empty object after it changes nothing. */
static bool usage_take(struct openai_stream *stream, struct str value)
{
    struct usage usage;
    enum usage_said const said = openai_usage_read(value, true, &usage);
    if (said == USAGE_SAID_NOTHING)
        return false;
    int64_t const input = usage_input(&usage), output = usage_output(&usage);
    stream->usage = usage;
    stream->has_usage = true;
    stream->absurd =
        said == USAGE_SAID_ABSURD || input < stream->input_max || output < stream->output_max;
    if (said == USAGE_SAID_SOUND) {
        stream->input_max = input > stream->input_max ? input : stream->input_max;
        stream->output_max = output > stream->output_max ? output : stream->output_max;
    }
    return true;
}

static void groq_usage_take(struct openai_stream *stream, struct str x_groq)
{
    struct json_object object;
    struct fault fault = {0};
    if (json_members(x_groq, &object, &fault) == ERR_OK)
        (void)usage_take(stream, json_get(&object, STR("usage")));
}

static enum openai_verdict broken(struct openai_stream *stream)
{
    if (stream->done)
        return OPENAI_HIDE;
    stream->failed = true;
    return OPENAI_BAD;
}

static enum openai_verdict judge(struct openai_stream *stream, const struct chunk *chunk,
                                 bool has_choices, bool client_wants_usage)
{
    if (stream->done)
        return OPENAI_HIDE;
    if (chunk->error.ptr && json_type(chunk->error) != JSON_NULL) {
        stream->failed = true;
        return OPENAI_ERROR;
    }
    bool const only_usage = !has_choices && json_type(chunk->usage) == JSON_OBJECT;
    return only_usage && !client_wants_usage ? OPENAI_HIDE : OPENAI_PASS;
}

enum openai_verdict openai_stream_event(struct openai_stream *stream, struct str data,
                                        bool client_wants_usage)
{
    struct json_object object;
    struct fault fault = {0};
    struct chunk chunk;
    struct str choice;
    struct str const text = str_trim(data);
    if (text.len == 0) /* a comment, or a blank data line: no event by the standard */
        return stream->done ? OPENAI_HIDE : OPENAI_PASS;
    if (str_eq(text, STR("[DONE]"))) {
        bool const again = stream->done;
        stream->done = true;
        return again ? OPENAI_HIDE : OPENAI_DONE;
    }
    if (json_scan(text, &object, &fault) != ERR_OK || object.text.len == 0)
        return broken(stream);
    chunk_read(&object, &chunk);
    bool has_choices = false;
    for (size_t at = 0; json_next(chunk.choices, &at, &choice); has_choices = true)
        choice_read(stream, choice);
    stream->chunks += has_choices;
    if (!usage_take(stream, chunk.usage) && json_type(chunk.x_groq) == JSON_OBJECT)
        groq_usage_take(stream, chunk.x_groq);
    return judge(stream, &chunk, has_choices, client_wants_usage);
}
