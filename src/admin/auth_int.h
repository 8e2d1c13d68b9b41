/* auth_int.h - what admin.c asks before a handler runs: who calls, and may they. On the loop. */
#pragma once
#include "admin/team_int.h"

#define SESSION_COOKIE "cota_session"

/* Fills in who calls: customer, permissions, actor. ERR_KEY_MISSING, ERR_KEY_INVALID,
 * ERR_SESSION_INVALID, ERR_CSRF_INVALID … */
NODISCARD enum err auth_caller(struct admin_call *call);
/* ERR_PERMISSION_DENIED with the name of the permission. */
NODISCARD enum err auth_permission(struct admin_call *call);
/* A caller of one customer sees and changes nothing of another: ERR_NOT_FOUND, as if there were no
 * such thing. Comes after parameters and body were checked. */
NODISCARD enum err auth_customer(struct admin_call *call);

/* The value of the session's cookie; ptr NULL: there is none, or there are two. */
struct str session_cookie(const struct admin_call *call);
/* "OPERATOR.TOKEN" of a cookie as the id of its document; ptr NULL: it is none. */
struct str session_id(struct admin_call *call, struct str cookie);
/* What x-cota-csrf must be for this cookie. */
void session_csrf(struct str cookie, char csrf[TOKEN_HASH_BYTES]);
