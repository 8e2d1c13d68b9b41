/* schema_format.c - the formats of texts, by hand: no regular expressions at run time.
 *
 * Why:   codec/ does not see core/: the addresses and decimals that core/ parses for work are only
 *        recognised here, never more generously.
 */
#include "base/must.h"
#include "codec/schema_int.h"
#include "codec/when.h"
#include <arpa/inet.h>

enum {
    NAME_BYTES = 64,
    ULID_BYTES = 26,
    DATE_BYTES = 10,
    DECIMAL_DIGITS = 9,
    EMAIL_LOCAL_BYTES = 64,
    EMAIL_BYTES = 254,
    LABEL_BYTES = 63,
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_lower(char byte)
{
    return byte >= 'a' && byte <= 'z';
}

static bool is_word(char byte)
{
    return is_digit(byte) || is_lower((char)(byte | 0x20));
}

static size_t digits(struct str text)
{
    size_t count = 0;
    while (count < text.len && is_digit(text.ptr[count]))
        count++;
    return count;
}

/* --- one function per format ----------------------------------------------------------------- */
static bool is_any(struct str text)
{
    (void)text;
    return true;
}

static bool is_date(struct str text)
{
    int64_t wall_us;
    return text.len == DATE_BYTES && when_parse(text, &wall_us);
}

static bool is_instant(struct str text)
{
    int64_t wall_us; /* when_parse also takes a date alone, and a space for the T */
    return text.len > DATE_BYTES && (text.ptr[DATE_BYTES] | 0x20) == 't' &&
           when_parse(text, &wall_us);
}

static bool is_decimal(struct str text)
{
    size_t const whole = digits(text);
    if (whole == 0 || whole > DECIMAL_DIGITS || (whole > 1 && text.ptr[0] == '0'))
        return false;
    text = str_skip(text, whole);
    if (text.len == 0)
        return true;
    size_t const part = digits(str_skip(text, 1));
    return text.ptr[0] == '.' && part > 0 && part <= DECIMAL_DIGITS && part == text.len - 1;
}

static bool is_name(struct str text)
{
    if (text.len == 0 || text.len > NAME_BYTES || !(is_digit(text.ptr[0]) || is_lower(text.ptr[0])))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char const byte = text.ptr[i];
        if (!is_digit(byte) && !is_lower(byte) && byte != '.' && byte != '_' && byte != '-')
            return false;
    }
    return true;
}

static bool is_ulid(struct str text)
{
    if (text.len != ULID_BYTES || text.ptr[0] > '7')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0' || strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", text.ptr[i]) == NULL)
            return false;
    return true;
}

static bool is_id(struct str text)
{
    return is_name(text) || is_ulid(text);
}

/* Are all bits behind the first `bits` zero? */
static bool ends_in_zeros(const unsigned char *bytes, size_t size, int64_t bits)
{
    for (size_t i = 0; i < size; i++) {
        int64_t const kept = bits - (int64_t)i * 8;
        unsigned const behind = kept >= 8 ? 0 : kept <= 0 ? 0xff : 0xffu >> kept;
        if (bytes[i] & behind)
            return false;
    }
    return true;
}

static bool is_cidr(struct str text)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    size_t const slash = str_find(text, STR("/"));
    if (slash == 0 || slash >= sizeof address || memchr(text.ptr, '\0', slash) != NULL)
        return false;
    memcpy(address, text.ptr, slash);
    address[slash] = '\0';
    bool const four = memchr(address, ':', slash) == NULL;
    size_t const size = four ? 4 : 16;
    if (inet_pton(four ? AF_INET : AF_INET6, address, bytes) != 1)
        return false;
    if (slash == text.len)
        return true;
    int64_t bits;
    struct str const length = str_skip(text, slash + 1);
    if (length.len > 3 || (length.len > 1 && length.ptr[0] == '0') || !str_to_i64(length, &bits))
        return false;
    return bits <= (int64_t)size * 8 && ends_in_zeros(bytes, size, bits);
}

/* Labels of letters, digits and inner hyphens with points between them. */
static bool is_host(struct str text, size_t labels_min)
{
    size_t labels = 0;
    for (;;) {
        size_t const len = str_find(text, STR("."));
        if (len == 0 || len > LABEL_BYTES || text.ptr[0] == '-' || text.ptr[len - 1] == '-')
            return false;
        for (size_t i = 0; i < len; i++)
            if (!is_word(text.ptr[i]) && text.ptr[i] != '-' && text.ptr[i] != '_')
                return false;
        labels++;
        if (len == text.len)
            return labels >= labels_min;
        text = str_skip(text, len + 1);
    }
}

static bool is_email(struct str text)
{
    size_t const at = str_find(text, STR("@"));
    if (text.len > EMAIL_BYTES || at == 0 || at > EMAIL_LOCAL_BYTES || at + 1 >= text.len ||
        text.ptr[0] == '.' || text.ptr[at - 1] == '.' || str_find(text, STR("..")) < at)
        return false;
    for (size_t i = 0; i < at; i++)
        if (!is_word(text.ptr[i]) &&
            (text.ptr[i] == '\0' || strchr(".!#$%&'*+/=?^_`{|}~-", text.ptr[i]) == NULL))
            return false;
    return is_host(str_skip(text, at + 1), 2);
}

/* What stands before the path: a host or [IPv6], and a port. */
static bool is_authority(struct str text)
{
    size_t host = str_find(text, STR(":"));
    if (str_starts(text, STR("["))) {
        host = str_find(text, STR("]")) + 1;
        struct str const inside = str_make(text.ptr + 1, host < 2 ? 0 : host - 2);
        if (host > text.len || str_find(inside, STR(":")) == inside.len ||
            str_find(inside, STR("/")) != inside.len || !is_cidr(inside))
            return false;
    } else if (!is_host(str_make(text.ptr, host), 1)) {
        return false;
    }
    struct str const port = str_skip(text, host);
    int64_t number;
    return port.len == 0 ||
           (port.ptr[0] == ':' && port.len <= 6 && str_to_i64(str_skip(port, 1), &number) &&
            number > 0 && number < 65536);
}

static bool is_url(struct str text)
{
    struct str const http = STR("http://"), https = STR("https://");
    if (!str_starts(text, http) && !str_starts(text, https))
        return false;
    text = str_skip(text, str_starts(text, http) ? http.len : https.len);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char const byte = (unsigned char)text.ptr[i];
        if (byte <= ' ' || byte >= 0x7f || strchr("\"<>\\^`{|}", byte) != NULL)
            return false;
    }
    size_t end = 0;
    while (end < text.len && text.ptr[end] != '/' && text.ptr[end] != '?' && text.ptr[end] != '#')
        end++;
    return end > 0 && is_authority(str_make(text.ptr, end));
}

static const struct {
    const char *name, *help;
    bool (*holds)(struct str text);
} formats[] = {
    [SCHEMA_FORMAT_NONE] = {"", "text", is_any},
    [SCHEMA_FORMAT_INSTANT] = {"date-time", "an instant such as 2027-01-31T12:00:00Z", is_instant},
    [SCHEMA_FORMAT_DATE] = {"date", "a date such as 2027-01-31", is_date},
    [SCHEMA_FORMAT_DECIMAL] = {"decimal",
                               "a decimal number as text, such as \"12.50\", with at most 9 digits "
                               "before and after the point",
                               is_decimal},
    [SCHEMA_FORMAT_NAME] = {"name",
                            "a name: a to z, 0 to 9, and inside it . _ -, at most 64 characters",
                            is_name},
    [SCHEMA_FORMAT_ID] = {"id", "an id: a ULID, or a name of a to z, 0 to 9, . _ -", is_id},
    [SCHEMA_FORMAT_CIDR] = {"cidr",
                            "an address or a network such as 10.0.0.0/8, without bits behind its "
                            "prefix",
                            is_cidr},
    [SCHEMA_FORMAT_EMAIL] = {"email", "an e-mail address", is_email},
    [SCHEMA_FORMAT_URL] = {"uri", "an address that begins with http:// or https://", is_url},
};
_Static_assert(sizeof formats / sizeof formats[0] == SCHEMA_FORMAT_COUNT, "a row per format");

bool schema_format_holds(enum schema_format format, struct str text)
{
    MUST(format < SCHEMA_FORMAT_COUNT);
    return formats[format].holds(text);
}

const char *schema_format_help(enum schema_format format)
{
    MUST(format < SCHEMA_FORMAT_COUNT);
    return formats[format].help;
}

const char *schema_format_name(enum schema_format format)
{
    MUST(format < SCHEMA_FORMAT_COUNT);
    return formats[format].name;
}
