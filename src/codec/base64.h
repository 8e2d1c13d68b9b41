/* base64.h - base64 and base64url (RFC 4648), strict: no white space, canonical trailing bits. */
#pragma once
#include "base/str.h"

enum base64_alphabet { BASE64_STANDARD, BASE64_URL };

/* Bytes that `count` bytes become, padded. */
static inline size_t base64_encoded_len(size_t count)
{
    return (count + 2) / 3 * 4;
}
/* Writes base64_encoded_len(bytes.len) characters, padded, no NUL. */
void base64_encode(struct str bytes, enum base64_alphabet alphabet, char *out);
/* Padding is required when `padded`, refused otherwise. False: not valid or out_size too small. */
bool base64_decode(struct str text, enum base64_alphabet alphabet, bool padded, void *out,
                   size_t out_size, size_t *len);
