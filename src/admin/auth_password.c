/* auth_password.c - libsodium does the work. */
#include "admin/auth_password.h"
#include "base/random.h"
#include "base/secret.h"
#include "codec/base64.h"
#include "codec/utf8.h"
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>

_Static_assert(PASSWORD_HASH_BYTES == crypto_pwhash_STRBYTES, "libsodium's texts fit");

enum err password_hash(struct str password, char hash[PASSWORD_HASH_BYTES])
{
    return crypto_pwhash_str(hash, password.ptr, password.len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                             crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0
               ? ERR_OK
               : ERR_OVERLOADED;
}

/* The hash of a password that nobody knows. */
static char nobody[PASSWORD_HASH_BYTES];
static void nobody_make(void)
{
    unsigned char bytes[32];
    random_secret(bytes, sizeof bytes);
    if (password_hash(str_make((const char *)bytes, sizeof bytes), nobody) != ERR_OK)
        nobody[0] = '\0';
}

bool password_verify(struct str hash, struct str password)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char text[PASSWORD_HASH_BYTES] = {0};
    pthread_once(&once, nobody_make);
    bool const somebody = hash.len > 0 && hash.len < sizeof text;
    if (somebody)
        memcpy(text, hash.ptr, hash.len);
    bool const good =
        crypto_pwhash_str_verify(somebody ? text : nobody, password.ptr, password.len) == 0;
    return good && somebody;
}

enum err password_check(struct str password, struct fault *fault)
{
    size_t letters = 0;
    for (size_t i = 0; i < password.len; i++)
        letters += ((unsigned char)password.ptr[i] & 0xc0) != 0x80;
    if (letters >= PASSWORD_TEXT_MIN && password.len <= PASSWORD_BYTES_MAX)
        return ERR_OK;
    return fault_param(fault, ERR_FIELD_INVALID, "password",
                       "a password has at least %d characters and at most %d bytes",
                       PASSWORD_TEXT_MIN, PASSWORD_BYTES_MAX);
}

void token_make(const char *prefix, char token[TOKEN_BYTES_MAX])
{
    unsigned char bytes[32];
    char text[44 + 1] = {0};
    random_secret(bytes, sizeof bytes);
    base64_encode(str_make((const char *)bytes, sizeof bytes), BASE64_URL, text);
    snprintf(token, TOKEN_BYTES_MAX, "%s%.43s", prefix, text);
    secret_zero(bytes, sizeof bytes);
    secret_zero(text, sizeof text);
}

void token_hash(const char *purpose, struct str token, char hash[TOKEN_HASH_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    crypto_hash_sha256_state state;
    unsigned char bytes[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)purpose, strlen(purpose) + 1);
    crypto_hash_sha256_update(&state, (const unsigned char *)token.ptr, token.len);
    crypto_hash_sha256_final(&state, bytes);
    for (size_t i = 0; i < TOKEN_HASH_BYTES; i++)
        hash[i] = digits[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
}

void recovery_code_make(char code[RECOVERY_CODE_BYTES])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char bytes[16];
    random_secret(bytes, sizeof bytes);
    for (size_t i = 0, at = 0; i < sizeof bytes; i++) {
        if (i > 0 && i % 4 == 0)
            code[at++] = '-';
        code[at++] = letters[bytes[i] & 31];
    }
}
