/* team_int.h - operators as documents, shared by signing in and by the management of the team.
 *
 * What:  OPERATOR is what may be seen (and is in the audit trail); OPERATOR_SECRET, of the same id,
 *        is what nobody sees: the password's hash, the sealed TOTP secret, hashes of recovery
 *        codes. SESSION and LINK have ids that begin with the operator's: "OPERATOR.HASH".
 */
#pragma once
#include "admin/auth.h"
#include "admin/compat_int.h"
#include "admin/roles.h"

enum {
    MEMBERS_MAX = 1000,
    LINK_S = 72 * 3600,
    SESSIONS_PER_MEMBER_MAX = 16,
    MEMBER_CHANGES_MAX = 4 + 2 * SESSIONS_PER_MEMBER_MAX + 8,
};

struct member {
    struct str id, email, name, customer;
    enum role role;
    bool prompts, active, totp;
    uint32_t version; /* 0: new */
};
/* False: no memory, or damaged. */
NODISCARD bool member_read(struct admin_call *call, const struct object *object,
                           struct member *member);
NODISCARD bool member_find(struct admin_call *call, struct str id, struct member *member);
NODISCARD bool member_by_email(struct admin_call *call, struct str email, struct member *member);
permission_set member_permissions(const struct member *member);
size_t member_owners(struct admin_call *call); /* active ones */
/* In small letters; in the arena. */
struct str email_lower(struct admin_call *call, struct str email);

struct member_secret {
    struct str password, totp, totp_pending;
    int64_t totp_step;
    size_t recovery_count;
    struct str recovery[RECOVERY_CODES]; /* hashes */
    uint32_t version;                    /* 0: there is none */
};
void member_secret_find(struct admin_call *call, struct str id, struct member_secret *secret);

/* What is written together. */
struct member_changes {
    struct admin_call *call;
    size_t count;
    bool failed; /* no memory, or too many */
    struct object_change list[MEMBER_CHANGES_MAX];
};
void change_member(struct member_changes *changes, const struct member *member);
void change_secret(struct member_changes *changes, const struct member *member,
                   const struct member_secret *secret);
/* Documents of a kind whose ids begin with the operator's are deleted: all but the newest `keep`
 * that have not expired. */
void change_end(struct member_changes *changes, enum object_kind kind, struct str member_id,
                size_t keep);
void change_add(struct member_changes *changes, enum object_kind kind, struct str id,
                struct str text, int64_t expected);
NODISCARD enum err changes_write(struct member_changes *changes);

/* "…_at" as text in the arena. */
struct str instant_text(struct admin_call *call, int64_t wall_us);
/* Document members of an open object. */
void member_put(struct json_writer *writer, const struct member *member);
int64_t admin_now_us(struct admin_call *call);
/* ERR_SCOPE_FORBIDDEN unless an operator with a session calls. */
NODISCARD enum err member_self(struct admin_call *call, struct member *member);
/* Throttled: ERR_LOGIN_LIMITED, ERR_LOGIN_FAILED. A wrong password of the caller's own. */
NODISCARD enum err member_password_check(struct admin_call *call, const struct member *member,
                                         const struct member_secret *secret, struct str password);
/* The wait is told in Retry-After. ERR_LOGIN_LIMITED */
NODISCARD enum err login_take(struct admin_call *call, struct str account);
/* The code is right and was not used; *secret remembers it. */
NODISCARD bool totp_use(struct admin_call *call, struct member_secret *secret, struct str code);
NODISCARD bool recovery_use(struct member_secret *secret, struct str code);
/* Seals the secrets of an operator's second factor with the newest key of the ring; *changed false:
 * they were so already, or there are none. */
NODISCARD enum err auth_totp_reseal(struct admin_call *call, struct str id, bool *changed);
/* Role, customer and address are possible, and the caller may give them. Under the team's lock. */
NODISCARD enum err member_allowed(struct admin_call *call, const struct member *member);
/* Nobody gives or takes more than he has. ERR_PERMISSION_DENIED */
NODISCARD enum err member_may_change(struct admin_call *call, const struct member *member);
struct str member_new_id(struct admin_call *call);
