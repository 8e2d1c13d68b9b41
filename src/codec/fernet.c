/* fernet.c - version | time | IV | AES-128-CBC | HMAC-SHA256, in base64url.
 *
 * Why:   the HMAC is checked over the whole token before anything is decrypted.
 */
#include "codec/fernet.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/random.h"
#include "base/secret.h"
#include "codec/base64.h"
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
    VERSION = 0x80,
    TIME_AT = 1,
    IV_AT = 9,
    HEAD_BYTES = 25,
    BLOCK_BYTES = 16,
    MAC_BYTES = 32,
    SKEW_S_MAX = 60,
    PLAIN_BYTES_MAX = INT_MAX / 2, /* lengths are int in OpenSSL */
};

enum err fernet_key_parse(struct str text, struct fernet_key *key)
{
    unsigned char bytes[FERNET_KEY_BYTES];
    size_t len = 0;
    bool const valid = text.len == FERNET_KEY_TEXT_BYTES &&
                       base64_decode(text, BASE64_URL, true, bytes, sizeof bytes, &len) &&
                       len == sizeof bytes;
    if (valid) {
        memcpy(key->signing, bytes, sizeof key->signing);
        memcpy(key->encryption, bytes + sizeof key->signing, sizeof key->encryption);
    }
    secret_zero(bytes, sizeof bytes);
    return valid ? ERR_OK : ERR_FIELD_INVALID;
}

void fernet_key_make(char text[FERNET_KEY_TEXT_BYTES])
{
    char bytes[FERNET_KEY_BYTES];
    random_secret(bytes, sizeof bytes);
    base64_encode(str_make(bytes, sizeof bytes), BASE64_URL, text);
    secret_zero(bytes, sizeof bytes);
}

/* Encrypts or decrypts; `out` has room for plain.len + a block. False: OpenSSL refused, which for
 * decryption means bad padding. */
static bool crypt_cbc(const struct fernet_key *key, const unsigned char *iv, struct str in,
                      bool encrypt, unsigned char *out, size_t *len)
{
    int first = 0, last = 0;
    EVP_CIPHER_CTX *const context = EVP_CIPHER_CTX_new();
    bool const done =
        context &&
        EVP_CipherInit_ex(context, EVP_aes_128_cbc(), NULL, key->encryption, iv, encrypt) &&
        EVP_CipherUpdate(context, out, &first, (const unsigned char *)in.ptr, (int)in.len) &&
        EVP_CipherFinal_ex(context, out + first, &last);
    EVP_CIPHER_CTX_free(context);
    *len = (size_t)first + (size_t)last;
    return done;
}

static bool sign(const struct fernet_key *key, struct str bytes, unsigned char mac[MAC_BYTES])
{
    return HMAC(EVP_sha256(), key->signing, sizeof key->signing, (const unsigned char *)bytes.ptr,
                bytes.len, mac, NULL) != NULL;
}

/* The token before base64, written to `raw`, which has room for it. */
static enum err seal(const struct fernet_key *key, struct str plain, int64_t now_s,
                     const unsigned char iv[16], struct buf *raw)
{
    unsigned char *const bytes = (unsigned char *)raw->ptr;
    size_t cipher_len = 0;
    bytes[0] = VERSION;
    for (int i = 0; i < 8; i++)
        bytes[TIME_AT + i] = (unsigned char)((uint64_t)now_s >> (56 - 8 * i));
    memcpy(bytes + IV_AT, iv, BLOCK_BYTES);
    if (!crypt_cbc(key, iv, plain, true, bytes + HEAD_BYTES, &cipher_len))
        return ERR_NO_MEMORY;
    raw->len = HEAD_BYTES + cipher_len;
    if (!sign(key, buf_view(raw), bytes + raw->len))
        return ERR_NO_MEMORY;
    raw->len += MAC_BYTES;
    return ERR_OK;
}

enum err fernet_encrypt_at(const struct fernet_key *key, struct str plain, int64_t now_s,
                           const unsigned char iv[16], struct buf *token)
{
    if (plain.len > PLAIN_BYTES_MAX)
        return ERR_TOO_LARGE;
    size_t const size = HEAD_BYTES + (plain.len / BLOCK_BYTES + 1) * BLOCK_BYTES + MAC_BYTES;
    struct buf raw;
    buf_init(&raw, size);
    enum err err = buf_reserve(&raw, size);
    if (err == ERR_OK)
        err = seal(key, plain, now_s, iv, &raw);
    if (err == ERR_OK)
        err = buf_reserve(token, base64_encoded_len(size));
    if (err == ERR_OK) {
        MUST(raw.len == size);
        base64_encode(buf_view(&raw), BASE64_URL, token->ptr + token->len);
        token->len += base64_encoded_len(size);
    }
    buf_free(&raw);
    return err;
}

enum err fernet_encrypt(const struct fernet_ring *ring, struct str plain, struct buf *token)
{
    MUST(ring->count > 0 && ring->count <= FERNET_RING_KEYS_MAX);
    unsigned char iv[BLOCK_BYTES];
    random_secret(iv, sizeof iv);
    int64_t const now_s = clock_wall_us(clock_system()) / 1000000;
    return fernet_encrypt_at(&ring->keys[0], plain, now_s, iv, token);
}

static bool time_fits(const unsigned char *bytes, int64_t ttl_s, int64_t now_s)
{
    uint64_t stamp = 0;
    for (int i = 0; i < 8; i++)
        stamp = stamp << 8 | bytes[TIME_AT + i];
    if (ttl_s < 0)
        return true;
    uint64_t const now = now_s < 0 ? 0 : (uint64_t)now_s;
    return stamp > now ? stamp - now <= SKEW_S_MAX : now - stamp <= (uint64_t)ttl_s;
}

/* The index of the key that signed `raw`, or ring->count. */
static size_t signer(const struct fernet_ring *ring, struct str raw)
{
    struct str const signed_part = str_make(raw.ptr, raw.len - MAC_BYTES);
    struct str const mac = str_skip(raw, signed_part.len);
    for (size_t i = 0; i < ring->count; i++) {
        unsigned char expected[MAC_BYTES];
        if (sign(&ring->keys[i], signed_part, expected) &&
            secret_equal(mac, str_make((const char *)expected, sizeof expected)))
            return i;
    }
    return ring->count;
}

/* `raw` is the token behind base64. */
static enum err unseal(const struct fernet_ring *ring, struct str raw, int64_t ttl_s, int64_t now_s,
                       struct buf *plain, size_t *key_used)
{
    const unsigned char *const bytes = (const unsigned char *)raw.ptr;
    if (raw.len < HEAD_BYTES + BLOCK_BYTES + MAC_BYTES || raw.len > PLAIN_BYTES_MAX ||
        bytes[0] != VERSION || (raw.len - HEAD_BYTES - MAC_BYTES) % BLOCK_BYTES != 0)
        return ERR_FIELD_INVALID;
    size_t const key = signer(ring, raw);
    if (key == ring->count || !time_fits(bytes, ttl_s, now_s))
        return ERR_FIELD_INVALID;
    struct str const cipher = str_make(raw.ptr + HEAD_BYTES, raw.len - HEAD_BYTES - MAC_BYTES);
    enum err const err = buf_reserve(plain, cipher.len + BLOCK_BYTES);
    if (err != ERR_OK)
        return err;
    unsigned char *const out = (unsigned char *)plain->ptr + plain->len;
    size_t len = 0;
    if (!crypt_cbc(&ring->keys[key], bytes + IV_AT, cipher, false, out, &len)) {
        secret_zero(out, cipher.len + BLOCK_BYTES);
        return ERR_FIELD_INVALID;
    }
    plain->len += len;
    if (key_used)
        *key_used = key;
    return ERR_OK;
}

enum err fernet_decrypt(const struct fernet_ring *ring, struct str token, int64_t ttl_s,
                        int64_t now_s, struct buf *plain, size_t *key_used)
{
    MUST(ring->count <= FERNET_RING_KEYS_MAX);
    if (token.len == 0 || token.len % 4 != 0)
        return ERR_FIELD_INVALID;
    struct buf raw;
    buf_init(&raw, token.len);
    enum err err = buf_reserve(&raw, token.len / 4 * 3);
    if (err == ERR_OK && !base64_decode(token, BASE64_URL, true, raw.ptr, raw.cap, &raw.len))
        err = ERR_FIELD_INVALID;
    if (err == ERR_OK)
        err = unseal(ring, buf_view(&raw), ttl_s, now_s, plain, key_used);
    buf_free(&raw);
    return err;
}

void fernet_ring_wipe(struct fernet_ring *ring)
{
    secret_zero(ring, sizeof *ring);
}
