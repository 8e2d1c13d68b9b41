/* openai_text.c - how many bytes of text a message, a delta or an input carries. */
#include "upstream/openai_int.h"

enum { CONTENT_DEPTH_MAX = 4 }; /* part inside part: Mistral's thinking, a tool's result */

static int64_t text_len(struct str value)
{
    return (int64_t)json_text_len(value);
}

static bool is_text_name(const struct json_member *member)
{
    return openai_name_is(member, STR("text")) || openai_name_is(member, STR("content")) ||
           openai_name_is(member, STR("thinking")) || openai_name_is(member, STR("refusal"));
}

static int64_t content_bytes(struct str content, unsigned depth);

static int64_t part_bytes(struct str part, unsigned depth)
{
    struct json_object object;
    struct fault fault = {0};
    int64_t bytes = 0;
    if (json_members(part, &object, &fault) != ERR_OK)
        return 0;
    for (size_t i = 0; i < object.count; i++)
        if (is_text_name(&object.members[i]))
            bytes += content_bytes(object.members[i].value, depth + 1);
    return bytes;
}

static int64_t content_bytes(struct str content, unsigned depth)
{
    struct str element;
    int64_t bytes = 0;
    if (json_type(content) == JSON_STRING)
        return text_len(content);
    if (depth == CONTENT_DEPTH_MAX)
        return 0;
    if (json_type(content) == JSON_OBJECT)
        return part_bytes(content, depth);
    for (size_t at = 0; json_next(content, &at, &element);)
        bytes += content_bytes(element, depth + 1);
    return bytes;
}

int64_t openai_content_bytes(struct str content)
{
    return content_bytes(content, 0);
}

/* {"name": …, "arguments": …} of a function that the model calls. */
static int64_t function_bytes(struct str function)
{
    struct json_object object;
    struct fault fault = {0};
    if (json_members(function, &object, &fault) != ERR_OK)
        return 0;
    return text_len(json_get(&object, STR("name"))) + text_len(json_get(&object, STR("arguments")));
}

static int64_t tool_calls_bytes(struct str calls)
{
    struct json_object object;
    struct str call;
    int64_t bytes = 0;
    for (size_t at = 0; json_next_object(calls, &at, &call, &object);)
        bytes += function_bytes(json_get(&object, STR("function")));
    return bytes;
}

static int64_t audio_bytes(struct str audio)
{
    struct json_object object;
    struct fault fault = {0};
    if (json_members(audio, &object, &fault) != ERR_OK)
        return 0;
    return text_len(json_get(&object, STR("transcript")));
}

int64_t openai_message_bytes(struct str message)
{
    struct json_object object;
    struct fault fault = {0};
    int64_t bytes = 0, reasoning = 0;
    if (json_members(message, &object, &fault) != ERR_OK)
        return 0;
    for (size_t i = 0; i < object.count; i++) {
        const struct json_member *member = &object.members[i];
        if (json_type(member->value) == JSON_NULL)
            continue;
        if (openai_name_is(member, STR("content")))
            bytes += openai_content_bytes(member->value);
        else if (openai_name_is(member, STR("refusal")))
            bytes += text_len(member->value);
        else if (openai_name_is(member, STR("tool_calls")))
            bytes += tool_calls_bytes(member->value);
        else if (openai_name_is(member, STR("function_call")))
            bytes += function_bytes(member->value);
        else if (openai_name_is(member, STR("audio")))
            bytes += audio_bytes(member->value);
        else if (openai_name_is(member, STR("reasoning_content")) ||
                 openai_name_is(member, STR("reasoning"))) {
            /* some providers send the same text under both names */
            int64_t const len = text_len(member->value);
            reasoning = len > reasoning ? len : reasoning;
        }
    }
    return bytes + reasoning;
}
