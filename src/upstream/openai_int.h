/* openai_int.h - what the openai files share: usage objects, text lengths, member names. */
#pragma once
#include "upstream/openai.h"

enum usage_said {
    USAGE_SAID_NOTHING, /* null, absent, or no counter that we know */
    USAGE_SAID_SOUND,
    USAGE_SAID_ABSURD,
};

/* A usage object into exclusive pools. `output_needed`: the call produced output, so a report
 * without its counter is half a report, thus absurd. `usage` is filled unless nothing was said. */
enum usage_said openai_usage_read(struct str value, bool output_needed, struct usage *usage);

/* Decoded bytes of all that a message or a delta says: content, reasoning, refusal, tool calls. */
int64_t openai_message_bytes(struct str message);
/* Decoded bytes of a text, of a list of texts, or of a list of content parts. */
int64_t openai_content_bytes(struct str content);

/* Compares the name as it stands: for providers' answers, whose names carry no escapes. */
static inline bool openai_name_is(const struct json_member *member, struct str name)
{
    return member->key.len == name.len && memcmp(member->key.ptr, name.ptr, name.len) == 0;
}
