/* fernet.c - fuzz: what is encrypted comes back, a changed token does not, text is canonical.
 *
 * What:  the input is a token for a fixed key, a key and a base64 text as it stands; and a key, an
 *        IV, a change and a plain text by its bytes.
 */
#include "codec/fernet.h"
#include "base/must.h"
#include "codec/base64.h"

enum { KEY_AT = 0, IV_AT = 32, CHANGE_AT = 48, PLAIN_AT = 52, OUT_BYTES_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t stamp_of(const char *raw)
{
    uint64_t stamp = 0;
    for (int i = 1; i <= 8; i++)
        stamp = stamp << 8 | (unsigned char)raw[i];
    return (int64_t)stamp;
}

/* A token that is accepted is the one that its key, time, IV and text make. */
static void check_token(struct str token)
{
    struct fernet_ring ring = {.count = 1}; /* sixteen and sixteen zeros */
    struct buf plain, raw, again;
    buf_init(&plain, OUT_BYTES_MAX);
    buf_init(&raw, OUT_BYTES_MAX);
    buf_init(&again, OUT_BYTES_MAX);
    enum err const err = fernet_decrypt(&ring, token, -1, 0, &plain, NULL);
    MUST(err == ERR_OK || err == ERR_FIELD_INVALID);
    MUST(err == ERR_OK || plain.len == 0);
    if (err == ERR_OK) {
        MUST(buf_reserve(&raw, token.len) == ERR_OK);
        MUST(base64_decode(token, BASE64_URL, true, raw.ptr, raw.cap, &raw.len));
        MUST(fernet_encrypt_at(&ring.keys[0], buf_view(&plain), stamp_of(raw.ptr),
                               (const unsigned char *)raw.ptr + 9, &again) == ERR_OK);
        MUST(str_eq(buf_view(&again), token));
    }
    buf_free(&plain);
    buf_free(&raw);
    buf_free(&again);
}

/* A text that decodes is the only one for its bytes. */
static void check_base64(struct str text, enum base64_alphabet alphabet)
{
    struct buf bytes, again;
    buf_init(&bytes, OUT_BYTES_MAX);
    buf_init(&again, OUT_BYTES_MAX);
    MUST(buf_reserve(&bytes, text.len + 1) == ERR_OK);
    if (base64_decode(text, alphabet, true, bytes.ptr, bytes.cap, &bytes.len)) {
        MUST(base64_encoded_len(bytes.len) == text.len);
        MUST(buf_reserve(&again, text.len + 1) == ERR_OK);
        base64_encode(buf_view(&bytes), alphabet, again.ptr);
        again.len = text.len;
        MUST(str_eq(buf_view(&again), text));
        MUST(bytes.len == 0 ||
             !base64_decode(text, alphabet, true, bytes.ptr, bytes.len - 1, &bytes.len));
    }
    buf_free(&bytes);
    buf_free(&again);
}

static void check_key(struct str text)
{
    struct fernet_key key;
    char again[FERNET_KEY_TEXT_BYTES];
    if (fernet_key_parse(text, &key) != ERR_OK)
        return;
    base64_encode(str_make((const char *)&key, sizeof key), BASE64_URL, again);
    MUST(str_eq(str_make(again, sizeof again), text));
}

/* One byte of the token becomes another: refused. */
static void check_change(const struct fernet_ring *ring, struct buf *token, const uint8_t *change)
{
    static const char letters[] = "AZaz09-_=+/ ";
    size_t const at = ((size_t)change[0] << 8 | change[1]) % token->len;
    char const letter = change[2] & 1 ? letters[change[3] % (sizeof letters - 1)] : (char)change[3];
    struct buf plain;
    if (token->ptr[at] == letter)
        return;
    buf_init(&plain, OUT_BYTES_MAX);
    token->ptr[at] = letter;
    MUST(fernet_decrypt(ring, buf_view(token), -1, 0, &plain, NULL) == ERR_FIELD_INVALID);
    MUST(plain.len == 0);
    buf_free(&plain);
}

static void check_round_trip(const uint8_t *data, struct str text)
{
    struct fernet_ring ring = {.count = 2};
    struct buf token, plain;
    size_t used = 9;
    memcpy(&ring.keys[1], data + KEY_AT, sizeof ring.keys[1]);
    memcpy(&ring.keys[0], data + KEY_AT, sizeof ring.keys[0]);
    ring.keys[0].signing[0] ^= 1; /* a newer key, so that the ring is walked */
    buf_init(&token, OUT_BYTES_MAX);
    buf_init(&plain, OUT_BYTES_MAX);
    MUST(fernet_encrypt_at(&ring.keys[1], text, data[CHANGE_AT], data + IV_AT, &token) == ERR_OK);
    MUST(fernet_decrypt(&ring, buf_view(&token), 60, data[CHANGE_AT] + 60, &plain, &used) ==
         ERR_OK);
    MUST(used == 1 && str_eq(buf_view(&plain), text));
    check_change(&ring, &token, data + CHANGE_AT);
    buf_free(&token);
    buf_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str const text = str_make((const char *)data, size);
    check_token(text);
    check_key(text);
    check_base64(text, BASE64_URL);
    check_base64(text, BASE64_STANDARD);
    if (size >= PLAIN_AT)
        check_round_trip(data, str_skip(text, PLAIN_AT));
    return 0;
}
