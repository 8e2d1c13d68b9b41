/* assistant_schemas.h - what assistants take and what they answer, for assistant.def. */
#pragma once
#include "codec/json_write.h"
#include "codec/schema.h"

extern const struct schema chat_input, insights_input, copy_input, text_input, summary_input,
    translate_input, insights_output, sentiment_output;

/* The same as JSON Schema, as providers take it for structured output: all members required, no
 * others. Lengths of texts stay ours to check: not every provider knows them. */
void assistant_schema_put(struct json_writer *writer, const struct schema *schema);
