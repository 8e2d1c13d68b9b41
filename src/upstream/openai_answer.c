/* openai_answer.c - a whole answer: its usage, its text, and whether it is an error in disguise. */
#include "core/estimate.h"
#include "upstream/openai_int.h"

static int64_t choice_bytes(struct str choice)
{
    struct json_object object;
    struct fault fault = {0};
    if (json_members(choice, &object, &fault) != ERR_OK)
        return 0;
    return openai_message_bytes(json_get(&object, STR("message"))) +
           openai_content_bytes(json_get(&object, STR("text")));
}

enum err openai_answer_read(struct str body, struct openai_answer *answer, struct fault *fault)
{
    struct json_object object;
    struct fault inner = {0};
    *answer = (struct openai_answer){0};
    if (json_scan(body, &object, &inner) != ERR_OK)
        return fault_set(fault, ERR_UPSTREAM_INVALID, "the answer is not JSON: %s", inner.detail);
    if (object.text.len == 0)
        return fault_set(fault, ERR_UPSTREAM_INVALID, "the answer is not a JSON object");
    struct str const error = json_get(&object, STR("error"));
    answer->error_body = error.ptr && json_type(error) != JSON_NULL;

    struct str choice;
    struct str const list = json_get(&object, STR("choices"));
    enum usage_said const said =
        openai_usage_read(json_get(&object, STR("usage")), json_has_element(list), &answer->usage);
    answer->has_usage = said != USAGE_SAID_NOTHING;
    answer->absurd = said == USAGE_SAID_ABSURD;
    if (answer->has_usage && !answer->absurd)
        return ERR_OK;
    for (size_t at = 0; json_next(list, &at, &choice);)
        answer->text_bytes += choice_bytes(choice);
    return ERR_OK;
}

int64_t openai_text_tokens(int64_t text_bytes)
{
    return estimate_text_tokens(text_bytes);
}
