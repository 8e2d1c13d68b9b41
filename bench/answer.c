/* answer.c - reads one HTTP/1.1 answer, and finds the marks in its stream. */
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_begin(struct answer *answer)
{
    memset(answer, 0, offsetof(struct answer, head));
}

static void scan_marks(struct answer *answer, const char *bytes, size_t count,
                       answer_mark_fn *mark_seen, void *context)
{
    static const char done[] = "[DONE]";
    for (size_t i = 0; i < count; i++) {
        char const byte = bytes[i];
        if (answer->in_mark && byte >= '0' && byte <= '9') {
            answer->mark = answer->mark * 10 + (byte - '0');
        } else if (byte == '@') {
            if (answer->in_mark && answer->mark > 0)
                mark_seen(context, answer->mark);
            answer->in_mark = !answer->in_mark;
            answer->mark = 0;
        } else {
            answer->in_mark = false;
        }
        answer->done_matched =
            byte == done[answer->done_matched] ? answer->done_matched + 1 : (size_t)(byte == '[');
        if (answer->done_matched == sizeof done - 1) {
            answer->done_seen = true;
            answer->done_matched = 0;
        }
    }
}

static bool size_digit(struct answer *answer, char byte)
{
    char const digit[2] = {byte, '\0'};
    char *end = NULL;
    answer->left = answer->left * 16 + strtoul(digit, &end, 16);
    return *end == '\0' && answer->left <= 1 << 30;
}

/* One byte of the framing between chunks. */
static enum answer_state chunk_byte(struct answer *answer, char byte)
{
    switch (answer->chunk_state) {
    case CHUNK_SIZE:
    case CHUNK_EXTENSION:
        if (byte == '\n') {
            answer->chunk_state = answer->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
            answer->trailer_line = 0;
        } else if (byte == ';' || byte == '\r' || answer->chunk_state == CHUNK_EXTENSION) {
            answer->chunk_state = CHUNK_EXTENSION;
        } else if (!size_digit(answer, byte)) {
            return ANSWER_BAD;
        }
        return ANSWER_MORE;
    case CHUNK_DATA_END:
        if (byte == '\n')
            answer->chunk_state = CHUNK_SIZE;
        return byte == '\n' || byte == '\r' ? ANSWER_MORE : ANSWER_BAD;
    case CHUNK_TRAILER:
        if (byte == '\n' && answer->trailer_line == 0)
            return ANSWER_DONE;
        if (byte == '\n')
            answer->trailer_line = 0;
        else if (byte != '\r')
            answer->trailer_line += 1;
        return ANSWER_MORE;
    case CHUNK_DATA:
        break;
    }
    return ANSWER_BAD;
}

static enum answer_state feed_chunks(struct answer *answer, const char *bytes, size_t count,
                                     answer_mark_fn *mark_seen, void *context)
{
    size_t at = 0;
    while (at < count) {
        if (answer->chunk_state == CHUNK_DATA) {
            size_t const take = count - at < answer->left ? count - at : answer->left;
            scan_marks(answer, bytes + at, take, mark_seen, context);
            answer->left -= take;
            at += take;
            if (answer->left == 0)
                answer->chunk_state = CHUNK_DATA_END;
            continue;
        }
        enum answer_state const state = chunk_byte(answer, bytes[at++]);
        if (state == ANSWER_DONE && at < count)
            return ANSWER_BAD; /* bytes behind the end */
        if (state != ANSWER_MORE)
            return state;
    }
    return ANSWER_MORE;
}

static enum answer_state feed_length(struct answer *answer, size_t count)
{
    if (count > answer->left)
        return ANSWER_BAD;
    answer->left -= count;
    return answer->left == 0 ? ANSWER_DONE : ANSWER_MORE;
}

/* The head is whole, `end` behind its last byte. */
static bool head_read(struct answer *answer)
{
    if (strncmp(answer->head, "HTTP/1.1 ", 9) != 0)
        return false;
    answer->status = (int)strtol(answer->head + 9, NULL, 10);
    const char *length = strcasestr(answer->head, "\r\ncontent-length:");
    answer->chunked = strcasestr(answer->head, "\r\ntransfer-encoding: chunked") != NULL;
    answer->chunked_stream =
        answer->chunked && strcasestr(answer->head, "text/event-stream") != NULL;
    if ((length == NULL) != answer->chunked)
        return false;
    if (length != NULL)
        answer->left = (size_t)strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    answer->in_body = true;
    return true;
}

enum answer_state answer_feed(struct answer *answer, const char *bytes, size_t count,
                              answer_mark_fn *mark_seen, void *context)
{
    if (!answer->in_body) {
        size_t const before = answer->head_bytes;
        size_t const room = ANSWER_HEAD_BYTES_MAX - before;
        size_t const kept = count < room ? count : room;
        memcpy(answer->head + before, bytes, kept);
        answer->head_bytes += kept;
        answer->head[answer->head_bytes] = '\0';
        char *end = strstr(answer->head, "\r\n\r\n");
        if (end == NULL)
            return kept == room ? ANSWER_BAD : ANSWER_MORE;
        end[2] = '\0';
        if (!head_read(answer))
            return ANSWER_BAD;
        size_t const used = (size_t)(end - answer->head) + 4 - before;
        bytes += used;
        count -= used;
        if (count == 0 && (answer->chunked || answer->left > 0))
            return ANSWER_MORE;
    }
    if (answer->chunked)
        return feed_chunks(answer, bytes, count, mark_seen, context);
    return feed_length(answer, count);
}
