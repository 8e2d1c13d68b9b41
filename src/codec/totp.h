/* totp.h - time-based one-time passwords (RFC 6238: SHA-1, 30 s, 6 digits) and base32 (RFC 4648).
 *
 * Not:   throttling, remembering used steps (the caller keeps `step` of the last good one).
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdint.h>

enum { TOTP_SECRET_BYTES = 20, TOTP_SECRET_TEXT_BYTES = 32, TOTP_DIGITS = 6 };

/* True when `code` is the one of now_s, or of a step before or after it, and newer than
 * *last_step, which then becomes its step. Constant time in the code. */
NODISCARD bool totp_check(const unsigned char secret[TOTP_SECRET_BYTES], struct str code,
                          int64_t now_s, int64_t *last_step);
void totp_code(const unsigned char secret[TOTP_SECRET_BYTES], int64_t step, char code[TOTP_DIGITS]);
void totp_secret_text(const unsigned char secret[TOTP_SECRET_BYTES],
                      char text[TOTP_SECRET_TEXT_BYTES]);
NODISCARD bool totp_secret_parse(struct str text, unsigned char secret[TOTP_SECRET_BYTES]);
/* otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=… percent-encoded; 0: it does not fit. */
size_t totp_uri(struct str issuer, struct str account,
                const unsigned char secret[TOTP_SECRET_BYTES], char *out, size_t out_size);
