/* rotate.c - another secret for an API key, the old one good until the overlap ends. */
#include "book/rotate.h"
#include "admin/idempotent.h"

enum { OVERLAP_DEFAULT_S = 24 * 3600 };

enum err key_rotate(struct admin_call *call, struct json_writer *writer)
{
    struct key_rotation want = {.customer_id = call->params[0],
                                .id_or_name = call->params[1],
                                .overlap_s = OVERLAP_DEFAULT_S};
    struct key_rotated rotated = {0};
    enum err err = admin_body_i64(call, "overlap_seconds", &want.overlap_s);
    if (err == ERR_OK && !idempotent_secret(call, &want.secret))
        err = ERR_NO_MEMORY;
    if (err == ERR_OK)
        err = book_key_rotate(admin_options(call->admin)->book, &want, call->arena, &rotated,
                              &call->fault);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_pair_text(writer, "id", str_make(rotated.made.id, sizeof rotated.made.id));
    json_pair_text(writer, "customer", want.customer_id);
    json_pair_text(writer, "name", rotated.name);
    json_pair_text(writer, "secret", rotated.made.secret);
    admin_put_instant(writer, "old_secret_until", rotated.old_until_us);
    admin_put_instant(writer, "expires_at", rotated.expires_us);
    json_object_close(writer);
    return json_write_end(writer);
}
