/* answer_head.c - the strict reading of an answer's head.
 *
 * Why:   llhttp forgives what others may read differently (folded lines, two lengths under some
 *        conditions, a transfer coding beside a length). Here all of that is refused first.
 */
#include "upstream/answer_head.h"
#include "base/must.h"

/* RFC 9110 token */
static const bool token_bytes[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true,  ['#'] = true,
    ['$'] = true,         ['%'] = true,         ['&'] = true,         ['\''] = true, ['*'] = true,
    ['+'] = true,         ['-'] = true,         ['.'] = true,         ['^'] = true,  ['_'] = true,
    ['`'] = true,         ['|'] = true,         ['~'] = true,
};

/* No control characters but the tab; bytes above ASCII are allowed. */
static bool is_clean(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char const byte = (unsigned char)text.ptr[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* HTTP/1.x SP 3DIGIT [ SP reason ] */
static const char *status_read(struct str line, struct answer_head *head)
{
    const char *at = line.ptr;
    if (line.len < 12 || !str_starts(line, STR("HTTP/1.")) || (at[7] != '0' && at[7] != '1') ||
        at[8] != ' ')
        return "not an HTTP/1 status line";
    if (!is_digit(at[9]) || !is_digit(at[10]) || !is_digit(at[11]) ||
        (line.len > 12 && at[12] != ' '))
        return "the status is not three digits";
    if (!is_clean(line))
        return "a control character in the status line";
    head->minor_version = at[7] - '0';
    head->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    if (head->status < 100 || head->status > 599)
        return "a status outside 100 to 599";
    return NULL;
}

static const char *header_read(struct str line, struct answer_head *head)
{
    size_t name_len = 0;
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return "a folded header line";
    while (name_len < line.len && token_bytes[(unsigned char)line.ptr[name_len]])
        name_len++;
    if (name_len == 0 || name_len == line.len || line.ptr[name_len] != ':')
        return "a header line without a proper name and colon";
    struct str const value = str_trim(str_skip(line, name_len + 1));
    if (!is_clean(value))
        return "a control character in a header";
    MUST(head->header_count < UPSTREAM_HEADER_COUNT_MAX);
    head->headers[head->header_count++] =
        (struct upstream_header){str_make(line.ptr, name_len), value};
    return NULL;
}

/* Is `word` in the comma-separated list? */
static bool list_has(struct str list, struct str word)
{
    while (list.len > 0) {
        size_t const comma = str_find(list, STR(","));
        if (str_eq_nocase(str_trim(str_make(list.ptr, comma)), word))
            return true;
        list = str_skip(list, comma + 1);
    }
    return false;
}

static bool encoding_known(struct str value, bool *compressed)
{
    *compressed = str_eq_nocase(value, STR("gzip")) || str_eq_nocase(value, STR("x-gzip")) ||
                  str_eq_nocase(value, STR("deflate"));
    return *compressed || value.len == 0 || str_eq_nocase(value, STR("identity"));
}

/* What the framing headers of one head say, before it is judged. */
struct said {
    struct str length, coding, encoding;
    int lengths, codings, encodings;
};

static void said_add(struct said *said, struct answer_head *head,
                     const struct upstream_header *line)
{
    if (str_eq_nocase(line->name, STR("content-length"))) {
        said->length = line->value;
        said->lengths++;
    } else if (str_eq_nocase(line->name, STR("transfer-encoding"))) {
        said->coding = line->value;
        said->codings++;
    } else if (str_eq_nocase(line->name, STR("content-encoding"))) {
        said->encoding = line->value;
        said->encodings++;
    } else if (str_eq_nocase(line->name, STR("connection"))) {
        head->close = head->close || list_has(line->value, STR("close"));
    }
}

static const char *framing_judge(const struct said *said, struct answer_head *head)
{
    if (said->lengths > 1)
        return "two Content-Length headers";
    if (said->lengths + said->codings > 1)
        return "Transfer-Encoding beside another framing header";
    if (said->codings > 0 &&
        (head->minor_version == 0 || !str_eq_nocase(said->coding, STR("chunked"))))
        return "a Transfer-Encoding other than chunked";
    if (said->lengths > 0 && !str_to_i64(said->length, &head->content_length))
        return "a Content-Length that is no number";
    if (head->status < 200 || head->status == 204 || head->status == 304)
        head->framing = FRAMING_NONE;
    else if (said->codings > 0)
        head->framing = FRAMING_CHUNKED;
    else if (said->lengths > 0)
        head->framing = head->content_length > 0 ? FRAMING_LENGTH : FRAMING_NONE;
    else if (head->close)
        head->framing = FRAMING_UNTIL_END;
    else
        return "neither a length nor Connection: close";
    return NULL;
}

/* Up to CR LF; text.len when there is none. */
static size_t line_len(struct str text)
{
    size_t at = 0;
    while (at < text.len) {
        const char *feed = memchr(text.ptr + at, '\n', text.len - at);
        if (feed == NULL)
            break;
        at = (size_t)(feed - text.ptr) + 1;
        if (feed > text.ptr && feed[-1] == '\r')
            return at - 2;
    }
    return text.len;
}

const char *answer_head_read(struct str text, struct answer_head *head)
{
    struct said said = {0};
    head->header_count = 0;
    head->content_length = 0;
    struct str rest = text;
    const char *problem = NULL;
    bool first = true;
    while (!problem) {
        size_t const len = line_len(rest);
        MUST(len < rest.len); /* the empty line ends the loop before */
        struct str const line = str_make(rest.ptr, len);
        rest = str_skip(rest, len + 2);
        if (line.len == 0)
            break;
        if (first) {
            problem = status_read(line, head);
            head->close = !problem && head->minor_version == 0;
        } else {
            problem = header_read(line, head);
            if (!problem)
                said_add(&said, head, &head->headers[head->header_count - 1]);
        }
        first = false;
    }
    if (problem)
        return problem;
    if (said.encodings > 1 || !encoding_known(said.encoding, &head->compressed))
        return "an unknown Content-Encoding";
    return framing_judge(&said, head);
}
