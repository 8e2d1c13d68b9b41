/* config_value.c - the YAML core schema, kept strictly: what looks like a number is no text. */
#include "app/config_value.h"
#include "base/must.h"
#include "codec/utf8.h"
#include "codec/when.h"
#include "core/price.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN_BYTES_MAX = 60, NAME_BYTES = 256 };

/* Sets *why, and is false, so that a check can return it. */
#define REFUSE(...) (*why = arena_printf(arena, __VA_ARGS__), false)

static const char *system_variable(void *owner, const char *name)
{
    (void)owner;
    return getenv(name);
}

static bool read_all(int file, char *bytes, size_t size, size_t *len)
{
    *len = 0;
    while (*len < size) {
        ssize_t const got = read(file, bytes + *len, size - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            return true;
        *len += (size_t)got;
    }
    errno = EFBIG;
    return false;
}

static bool system_file(void *owner, const char *path, struct arena *arena, struct str *text,
                        const char **why)
{
    (void)owner;
    char *bytes = arena_alloc(arena, CONFIG_EXPANSION_BYTES_MAX);
    int const file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool const good =
        file >= 0 && bytes != NULL && read_all(file, bytes, CONFIG_EXPANSION_BYTES_MAX, &text->len);
    if (!good)
        *why = strerror(bytes == NULL ? ENOMEM : errno);
    text->ptr = bytes;
    if (file >= 0)
        close(file);
    return good;
}

const struct config_door *config_door_system(void)
{
    static const struct config_door door = {.variable = system_variable, .file = system_file};
    return &door;
}

/* The text that stands for one "${…}", whose inside is `what`. */
static bool expansion(struct str what, const struct config_door *door, struct arena *arena,
                      struct str *text, struct str *why)
{
    size_t const colon = str_find(what, STR(":"));
    struct str const kind = str_make(what.ptr, colon), name = str_skip(what, colon + 1);
    if (memchr(name.ptr, '\0', name.len) != NULL || name.len == 0 || name.len >= NAME_BYTES)
        return REFUSE("${%.*s…} does not name anything", STR_ARG(kind));
    struct str const named = arena_copy(arena, name);
    if (named.ptr == NULL)
        return REFUSE("there is not enough memory");
    if (str_eq(kind, STR("env"))) {
        const char *value = door->variable(door->owner, named.ptr);
        if (value == NULL)
            return REFUSE("the environment variable %s is not set", named.ptr);
        *text = str_of(value);
        return true;
    }
    if (str_eq(kind, STR("file"))) {
        const char *reason = "";
        if (!door->file(door->owner, named.ptr, arena, text, &reason))
            return REFUSE("the file %s cannot be read: %s", named.ptr, reason);
        if (text->len > 0 && text->ptr[text->len - 1] == '\n')
            text->len--;
        return true;
    }
    return REFUSE("${%.*s:…} is not known here; there are ${env:NAME} and ${file:PATH}",
                  STR_ARG(kind));
}

/* Takes literal text or one expansion off the front of *rest. */
static bool expand_step(struct str *rest, const struct config_door *door, struct arena *arena,
                        struct buf *out, struct str *why)
{
    size_t const at = str_find(*rest, STR("${"));
    struct str piece = {rest->ptr, at}, inside;
    if (at > 0 && at < rest->len && rest->ptr[at - 1] == '$') {
        piece.len = at - 1; /* "$${": one dollar less, and the brace as it is */
        if (buf_add(out, piece) != ERR_OK || buf_add(out, STR("${")) != ERR_OK)
            return REFUSE("is larger than %d bytes", CONFIG_EXPANSION_BYTES_MAX);
        *rest = str_skip(*rest, at + 2);
        return true;
    }
    if (buf_add(out, piece) != ERR_OK)
        return REFUSE("is larger than %d bytes", CONFIG_EXPANSION_BYTES_MAX);
    *rest = str_skip(*rest, at);
    if (rest->len == 0)
        return true;
    size_t const end = str_find(*rest, STR("}"));
    if (end == rest->len)
        return REFUSE("\"${\" has no \"}\" (write \"$${\" for the text itself)");
    inside = str_make(rest->ptr + 2, end - 2);
    *rest = str_skip(*rest, end + 1);
    if (!expansion(inside, door, arena, &piece, why))
        return false;
    if (buf_add(out, piece) != ERR_OK)
        return REFUSE("is larger than %d bytes", CONFIG_EXPANSION_BYTES_MAX);
    return true;
}

bool scalar_expand(struct scalar *scalar, const struct config_door *door, struct arena *arena,
                   struct str *why)
{
    if (str_find(scalar->text, STR("${")) == scalar->text.len)
        return true;
    struct buf out;
    buf_init(&out, CONFIG_EXPANSION_BYTES_MAX);
    struct str rest = scalar->text;
    bool good = true;
    while (good && rest.len > 0)
        good = expand_step(&rest, door, arena, &out, why);
    if (good) {
        scalar->text = arena_copy(arena, buf_view(&out));
        scalar->expanded = true;
        good = scalar->text.ptr != NULL || REFUSE("there is not enough memory");
    }
    if (out.ptr != NULL)
        explicit_bzero(out.ptr, out.len);
    buf_free(&out);
    return good;
}

static bool is_word(struct str text, const char *lower, const char *title, const char *upper)
{
    return str_eq(text, str_of(lower)) || str_eq(text, str_of(title)) ||
           str_eq(text, str_of(upper));
}

bool scalar_is_null(const struct scalar *scalar)
{
    if (!scalar->plain || scalar->expanded)
        return false;
    return scalar->text.len == 0 || str_eq(scalar->text, STR("~")) ||
           is_word(scalar->text, "null", "Null", "NULL");
}

static bool is_true(struct str text)
{
    return is_word(text, "true", "True", "TRUE");
}

static bool is_boolean(struct str text)
{
    return is_true(text) || is_word(text, "false", "False", "FALSE");
}

/* Would a YAML reader take it for a number? Good enough for a warning: digits decide. */
static bool is_number(struct str text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= '0' && text.ptr[i] <= '9')
            digits++;
        else if (memchr("+-.eE_", text.ptr[i], 6) == NULL || (digits == 0 && text.ptr[i] >= 'A'))
            return false;
    }
    return digits > 0;
}

/* The value for a message; what came from outside the file or is secret is not shown. */
static struct str shown(const struct option *option, const struct scalar *scalar,
                        struct arena *arena)
{
    if (option->kind == OPTION_SECRET || option->kind == OPTION_SECRETS || scalar->expanded)
        return STR("this value");
    struct str text = scalar->text;
    bool const cut = text.len > SHOWN_BYTES_MAX;
    text.len = utf8_valid_prefix(str_make(text.ptr, cut ? SHOWN_BYTES_MAX : text.len));
    return arena_printf(arena, "\"%.*s%s\"", STR_ARG(text), cut ? "…" : "");
}

static bool text_store(const struct option *option, const struct scalar *scalar, struct str *field,
                       struct arena *arena, struct str *why)
{
    struct str const text = scalar->text;
    if (scalar->plain && !scalar->expanded && (is_number(text) || is_boolean(text)))
        return REFUSE("%s must be text: put it in quotes", option->key);
    if ((int64_t)text.len < option->least || (int64_t)text.len > option->most)
        return REFUSE("%s must have %lld to %lld bytes, not %zu", option->key,
                      (long long)option->least, (long long)option->most, text.len);
    if (!utf8_valid(text))
        return REFUSE("%s is not valid UTF-8", option->key);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return REFUSE("%s contains a control character", option->key);
    *field = arena_copy(arena, text);
    return field->ptr != NULL || REFUSE("there is not enough memory");
}

static bool integer_store(const struct option *option, const struct scalar *scalar, int64_t *field,
                          struct arena *arena, struct str *why)
{
    if (option->choices != NULL && str_eq(scalar->text, str_of(option->choices))) {
        *field = 0;
        return true;
    }
    if ((!scalar->plain && !scalar->expanded) || !str_to_i64(scalar->text, field))
        return REFUSE("%s must be a whole number, not %.*s", option->key,
                      STR_ARG(shown(option, scalar, arena)));
    if (*field < option->least || *field > option->most)
        return REFUSE("%s must be from %lld to %lld, not %lld", option->key,
                      (long long)option->least, (long long)option->most, (long long)*field);
    return true;
}

static bool boolean_store(const struct option *option, const struct scalar *scalar, bool *field,
                          struct arena *arena, struct str *why)
{
    if ((!scalar->plain && !scalar->expanded) || !is_boolean(scalar->text))
        return REFUSE("%s must be true or false, not %.*s", option->key,
                      STR_ARG(shown(option, scalar, arena)));
    *field = is_true(scalar->text);
    return true;
}

static bool choice_store(const struct option *option, const struct scalar *scalar, int *field,
                         struct arena *arena, struct str *why)
{
    int index = 0;
    for (struct str word; (word = choice_at(option->choices, (size_t)index)).len > 0; index++)
        if (str_eq(word, scalar->text)) {
            *field = index;
            return true;
        }
    return REFUSE("%s must be one of %s, not %.*s", option->key, option->choices,
                  STR_ARG(shown(option, scalar, arena)));
}

static bool decimal_store(const struct option *option, const struct scalar *scalar, unsigned scale,
                          int64_t *field, struct arena *arena, struct str *why)
{
    struct str const value = shown(option, scalar, arena);
    if (!decimal_parse(scalar->text, scale, field))
        return REFUSE("%s must be a plain decimal number with at most %u digits after the point, "
                      "not %.*s",
                      option->key, scale, STR_ARG(value));
    if (*field < option->least)
        return REFUSE("%s must not be negative", option->key);
    if (*field > option->most)
        return REFUSE("%s is far too large: %.*s", option->key, STR_ARG(value));
    return true;
}

bool scalar_store(const struct option *option, const struct scalar *scalar, void *field,
                  struct arena *arena, struct str *why)
{
    switch (option->kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_SECRETS:
        return text_store(option, scalar, field, arena, why);
    case OPTION_INTEGER:
        return integer_store(option, scalar, field, arena, why);
    case OPTION_BOOLEAN:
        return boolean_store(option, scalar, field, arena, why);
    case OPTION_CHOICE:
        return choice_store(option, scalar, field, arena, why);
    case OPTION_MONEY:
        return decimal_store(option, scalar, MONEY_SCALE, &((struct money *)field)->nano, arena,
                             why);
    case OPTION_PRICE:
        return decimal_store(option, scalar, PRICE_SCALE, field, arena, why);
    case OPTION_INSTANT:
        return when_parse(scalar->text, field) ||
               REFUSE("%s must be an instant such as 2027-01-31T12:00:00Z, not %.*s", option->key,
                      STR_ARG(shown(option, scalar, arena)));
    case OPTION_GROUP:
    case OPTION_LIST:
        break;
    }
    MUST(option->kind < OPTION_GROUP);
    return false;
}
