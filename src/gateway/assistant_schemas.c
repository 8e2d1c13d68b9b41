/* assistant_schemas.c - tables; the JSON Schema that providers get is written from the same ones.
 */
#include "gateway/assistant_schemas.h"

enum {
    MESSAGE_CHARACTERS_MAX = 8000,
    TEXT_CHARACTERS_MAX = 100000,
    HISTORY_MESSAGES_MAX = 50,
    SUMMARY_CHARACTERS_MIN = 20,
    SUMMARY_CHARACTERS_MAX = 10000,
    WORDS_CHARACTERS_MAX = 200,
    SENTENCES_CHARACTERS_MAX = 2000,
    INSIGHTS_MAX = 20,
    EMOTIONS_MAX = 10,
};

#define NUMBERS .minimum = INT64_MIN, .maximum = INT64_MAX
#define TEXT(least, most)                                                                          \
    {                                                                                              \
        .types = SCHEMA_STRING, NUMBERS, .length_min = (least), .length_max = (most)               \
    }
#define CHOICE(list)                                                                               \
    {                                                                                              \
        .types = SCHEMA_STRING, NUMBERS, .length_max = SIZE_MAX, .values = (list)                  \
    }
#define INTEGER(least, most)                                                                       \
    {                                                                                              \
        .types = SCHEMA_INTEGER, .minimum = (least), .maximum = (most), .length_max = SIZE_MAX     \
    }
#define LIST(least, most, of)                                                                      \
    {                                                                                              \
        .types = SCHEMA_ARRAY, NUMBERS, .length_min = (least), .length_max = (most), .items = (of) \
    }
#define OBJECT(of)                                                                                 \
    {                                                                                              \
        .types = SCHEMA_OBJECT, NUMBERS, .length_max = SIZE_MAX, .members = (of)                   \
    }
#define MUST_HAVE(name, schema)                                                                    \
    {                                                                                              \
        (name), &(schema), .required = true                                                        \
    }
#define MAY_HAVE(name, schema)                                                                     \
    {                                                                                              \
        (name), &(schema), .required = false                                                       \
    }
#define END                                                                                        \
    {                                                                                              \
        0                                                                                          \
    }

/* --- what is sent ---------------------------------------------------------------------------- */
static const struct schema message = TEXT(1, MESSAGE_CHARACTERS_MAX);
static const struct schema long_text = TEXT(1, TEXT_CHARACTERS_MAX);
static const struct schema words = TEXT(1, WORDS_CHARACTERS_MAX);
static const struct schema provider = {
    .types = SCHEMA_STRING, NUMBERS, .length_max = SIZE_MAX, .format = SCHEMA_FORMAT_NAME};
static const struct schema any_object = OBJECT(NULL);

static const char *const roles[] = {"user", "assistant", NULL};
static const struct schema role = CHOICE(roles);
static const struct schema_member said_members[] = {MUST_HAVE("role", role),
                                                    MUST_HAVE("content", message), END};
static const struct schema said = OBJECT(said_members);
static const struct schema history = LIST(0, HISTORY_MESSAGES_MAX, &said);

static const struct schema_member chat_members[] = {
    MUST_HAVE("message", message), MAY_HAVE("systemData", any_object),
    MAY_HAVE("conversationHistory", history), MAY_HAVE("provider", provider), END};
const struct schema chat_input = OBJECT(chat_members);

static const struct schema analysis = {.types = SCHEMA_STRING | SCHEMA_OBJECT | SCHEMA_ARRAY,
                                       NUMBERS,
                                       .length_min = 1,
                                       .length_max = TEXT_CHARACTERS_MAX};
static const struct schema_member insights_members[] = {MUST_HAVE("analysis", analysis),
                                                        MAY_HAVE("systemData", any_object),
                                                        MAY_HAVE("provider", provider), END};
const struct schema insights_input = OBJECT(insights_members);

static const struct schema_member context_members[] = {
    MAY_HAVE("platform", words), MAY_HAVE("audience", words), MAY_HAVE("goal", words), END};
static const struct schema context = OBJECT(context_members);
static const struct schema_member copy_members[] = {MUST_HAVE("prompt", message),
                                                    MAY_HAVE("context", context),
                                                    MAY_HAVE("provider", provider), END};
const struct schema copy_input = OBJECT(copy_members);

static const struct schema_member text_members[] = {MUST_HAVE("text", long_text),
                                                    MAY_HAVE("provider", provider), END};
const struct schema text_input = OBJECT(text_members);

static const struct schema characters = INTEGER(SUMMARY_CHARACTERS_MIN, SUMMARY_CHARACTERS_MAX);
static const struct schema_member summary_members[] = {MUST_HAVE("text", long_text),
                                                       MUST_HAVE("maxCharacters", characters),
                                                       MAY_HAVE("provider", provider), END};
const struct schema summary_input = OBJECT(summary_members);

static const struct schema language = TEXT(2, 35);
static const struct schema_member translate_members[] = {MUST_HAVE("text", long_text),
                                                         MUST_HAVE("targetLanguage", language),
                                                         MAY_HAVE("provider", provider), END};
const struct schema translate_input = OBJECT(translate_members);

/* --- what is answered ------------------------------------------------------------------------ */
static const struct schema sentences = TEXT(1, SENTENCES_CHARACTERS_MAX);
static const char *const insight_types[] = {"opportunity", "risk", "trend", "anomaly", "tip", NULL};
static const struct schema insight_type = CHOICE(insight_types);
static const char *const priorities[] = {"high", "medium", "low", NULL};
static const struct schema priority = CHOICE(priorities);
static const struct schema_member insight_members[] = {
    MUST_HAVE("title", words),       MUST_HAVE("description", sentences),
    MUST_HAVE("type", insight_type), MUST_HAVE("priority", priority),
    MUST_HAVE("action", sentences),  END};
static const struct schema insight = OBJECT(insight_members);
static const struct schema insights = LIST(1, INSIGHTS_MAX, &insight);
static const struct schema_member insights_output_members[] = {MUST_HAVE("insights", insights),
                                                               END};
const struct schema insights_output = OBJECT(insights_output_members);

static const char *const sentiments[] = {"positive", "neutral", "negative", "mixed", NULL};
static const struct schema sentiment = CHOICE(sentiments);
static const struct schema score = INTEGER(-100, 100);
static const struct schema confidence = INTEGER(0, 100);
static const struct schema emotions = LIST(0, EMOTIONS_MAX, &words);
static const struct schema_member sentiment_members[] = {
    MUST_HAVE("sentiment", sentiment),   MUST_HAVE("score", score),
    MUST_HAVE("confidence", confidence), MUST_HAVE("emotions", emotions),
    MUST_HAVE("summary", sentences),     END};
static const struct schema sentiment_analysis = OBJECT(sentiment_members);
static const struct schema_member sentiment_output_members[] = {
    MUST_HAVE("analysis", sentiment_analysis), END};
const struct schema sentiment_output = OBJECT(sentiment_output_members);

/* --- as JSON Schema -------------------------------------------------------------------------- */
static void put_text_schema(struct json_writer *writer, const struct schema *schema)
{
    json_pair_text(writer, "type", STR("string"));
    if (schema->values == NULL)
        return;
    json_key(writer, "enum");
    json_array_open(writer);
    for (size_t i = 0; schema->values[i] != NULL; i++)
        json_put_text(writer, str_of(schema->values[i]));
    json_array_close(writer);
}

static void put_object_schema(struct json_writer *writer, const struct schema *schema)
{
    json_pair_text(writer, "type", STR("object"));
    json_key(writer, "properties");
    json_object_open(writer);
    for (const struct schema_member *row = schema->members; row->name != NULL; row++) {
        json_key(writer, row->name);
        assistant_schema_put(writer, row->schema);
    }
    json_object_close(writer);
    json_key(writer, "required");
    json_array_open(writer);
    for (const struct schema_member *row = schema->members; row->name != NULL; row++)
        json_put_text(writer, str_of(row->name));
    json_array_close(writer);
    json_pair_bool(writer, "additionalProperties", false);
}

void assistant_schema_put(struct json_writer *writer, const struct schema *schema)
{
    json_object_open(writer);
    switch (schema->types) {
    case SCHEMA_STRING:
        put_text_schema(writer, schema);
        break;
    case SCHEMA_INTEGER:
        json_pair_text(writer, "type", STR("integer"));
        json_pair_i64(writer, "minimum", schema->minimum);
        json_pair_i64(writer, "maximum", schema->maximum);
        break;
    case SCHEMA_ARRAY:
        json_pair_text(writer, "type", STR("array"));
        json_key(writer, "items");
        assistant_schema_put(writer, schema->items);
        json_pair_i64(writer, "minItems", (int64_t)schema->length_min);
        json_pair_i64(writer, "maxItems", (int64_t)schema->length_max);
        break;
    default:
        put_object_schema(writer, schema);
    }
    json_object_close(writer);
}
