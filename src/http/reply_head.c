/* reply_head.c - status lines and headers of replies, without printf. */
#include "http/reply_head.h"
#include "base/must.h"
#include <stdio.h>
#include <time.h>

enum { CONTENT_TYPE_BYTES_MAX = 200 };

static const struct {
    int status;
    struct str line;
} status_lines[] = {
#define X(status, text) {status, STR_ROW("HTTP/1.1 " #status " " text "\r\nServer: cota\r\n")},
    X(200, "OK") X(201, "Created") X(202, "Accepted") X(204, "No Content") X(
        301, "Moved Permanently") X(302, "Found") X(303, "See Other") X(304, "Not Modified")
        X(307, "Temporary Redirect") X(308, "Permanent Redirect") X(400, "Bad Request") X(
            401, "Unauthorized") X(402, "Payment Required") X(403, "Forbidden") X(404, "Not Found")
            X(405, "Method Not Allowed") X(406, "Not Acceptable") X(408, "Request Timeout")
                X(409, "Conflict") X(410, "Gone") X(411, "Length Required")
                    X(412, "Precondition Failed") X(413, "Content Too Large") X(414, "URI Too Long")
                        X(415, "Unsupported Media Type") X(416, "Range Not Satisfiable")
                            X(417, "Expectation Failed") X(422, "Unprocessable Content")
                                X(424, "Failed Dependency") X(426, "Upgrade Required")
                                    X(428, "Precondition Required") X(429, "Too Many Requests")
                                        X(431, "Request Header Fields Too Large")
                                            X(499, "Client Closed Request")
                                                X(500, "Internal Server Error")
                                                    X(501, "Not Implemented") X(502, "Bad Gateway")
                                                        X(503, "Service Unavailable")
                                                            X(504, "Gateway Timeout")
                                                                X(505, "HTTP Version Not Supported")
                                                                    X(529, "Overloaded")
#undef X
};

static size_t put(char *out, size_t at, struct str text)
{
    if (text.len > 0)
        memcpy(out + at, text.ptr, text.len);
    return at + text.len;
}

static size_t put_status(char *out, int status)
{
    MUST(status >= 200 && status <= 599);
    for (size_t i = 0; i < sizeof status_lines / sizeof status_lines[0]; i++)
        if (status_lines[i].status == status)
            return put(out, 0, status_lines[i].line);
    /* A provider's status that has no name of ours. */
    int const len =
        snprintf(out, REPLY_HEAD_BYTES, "HTTP/1.1 %d Unknown\r\nServer: cota\r\n", status);
    return (size_t)len;
}

static char safe_byte(char byte)
{
    unsigned char const value = (unsigned char)byte;
    return value < ' ' || value == 0x7f ? ' ' : byte;
}

static size_t put_safe(char *out, size_t at, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        out[at++] = safe_byte(text.ptr[i]);
    return at;
}

static size_t put_number(char *out, size_t at, int64_t value)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(out, at, str_make(digits + first, sizeof digits - first));
}

size_t reply_head_write(char out[static REPLY_HEAD_BYTES], const struct reply_head *head)
{
    size_t at = put_status(out, head->status);
    at = put(out, at, head->date);
    if (head->content_type.len > 0) {
        struct str type = head->content_type;
        if (type.len > CONTENT_TYPE_BYTES_MAX)
            type.len = CONTENT_TYPE_BYTES_MAX;
        at = put(out, at, STR("Content-Type: "));
        at = put_safe(out, at, type);
        at = put(out, at, STR("\r\n"));
    }
    if (head->body_bytes >= 0) {
        at = put(out, at, STR("Content-Length: "));
        at = put_number(out, at, head->body_bytes);
        at = put(out, at, STR("\r\n"));
    } else if (head->body_bytes == REPLY_CHUNKED) {
        at = put(out, at, STR("Transfer-Encoding: chunked\r\n"));
    }
    if (head->close)
        at = put(out, at, STR("Connection: close\r\n"));
    else if (head->keep_alive)
        at = put(out, at, STR("Connection: keep-alive\r\n"));
    MUST(at <= REPLY_HEAD_BYTES);
    return at;
}

void reply_date(char out[static REPLY_DATE_BYTES + 1], int64_t wall_us)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t const seconds = (time_t)(wall_us / 1000000);
    struct tm utc;
    MUST(gmtime_r(&seconds, &utc));
    int const len = snprintf(
        out, REPLY_DATE_BYTES + 1, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
        days + (size_t)utc.tm_wday % 7 * 3, utc.tm_mday % 100, months + (size_t)utc.tm_mon % 12 * 3,
        (utc.tm_year + 1900) % 10000, utc.tm_hour % 100, utc.tm_min % 100, utc.tm_sec % 100);
    MUST(len == REPLY_DATE_BYTES);
}

enum err reply_header(struct buf *out, const char *name, struct str value)
{
    struct str const label = str_of(name);
    enum err const err = buf_reserve(out, label.len + value.len + 4);
    if (err != ERR_OK)
        return err;
    size_t at = put(out->ptr, out->len, label);
    at = put(out->ptr, at, STR(": "));
    at = put_safe(out->ptr, at, value);
    out->len = put(out->ptr, at, STR("\r\n"));
    return ERR_OK;
}

enum err reply_header_i64(struct buf *out, const char *name, int64_t value)
{
    char digits[24];
    int const len = snprintf(digits, sizeof digits, "%lld", (long long)value);
    return reply_header(out, name, str_make(digits, (size_t)len));
}
