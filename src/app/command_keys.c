/* command_keys.c - cota key create | list | rotate | revoke, cota credit grant | show. */
#include "app/command.h"
#include "app/control_client.h"
#include "base/clock.h"
#include "codec/when.h"
#include "core/money.h"
#include <stdio.h>

enum { REQUEST_BYTES_MAX = 16 << 10 };
static const char keys_head[] = "{\"keys\":[";

/* A limit's member, when the flag is there. */
static bool put_number(const struct invocation *invocation, struct json_writer *writer,
                       enum flag_id id)
{
    int64_t number = 0;
    if (!cli_has(invocation, id))
        return true;
    if (!cli_i64(invocation, id, 0, &number))
        return false;
    json_pair_i64(writer, flag_at(id)->name, number);
    return true;
}

static void put_text(const struct invocation *invocation, struct json_writer *writer,
                     enum flag_id id)
{
    if (cli_has(invocation, id))
        json_pair_text(writer, flag_at(id)->name, str_of(invocation->values[id]));
}

/* --expires-at: an instant, or a span from now. */
static bool put_expiry(const struct invocation *invocation, struct json_writer *writer)
{
    struct str const text = str_of(invocation->values[FLAG_expires_at]);
    int64_t wall_us = 0, span_us = 0;
    char out[WHEN_TEXT_BYTES];
    if (text.ptr == NULL)
        return true;
    if (when_span_parse(text, &span_us))
        wall_us = clock_wall_us(clock_system()) + span_us;
    else if (!when_parse(text, &wall_us)) {
        cli_complain("%s: --expires-at must be 2027-01-31T12:00:00Z or a span such as 30d",
                     invocation->command->words);
        return false;
    }
    json_pair_text(writer, "expires_at", when_text(wall_us, out));
    return true;
}

static enum err customer_path(struct buf *path, const char *before, const struct invocation *from,
                              const char *after)
{
    enum err err = buf_add(path, str_of(before));
    if (err == ERR_OK)
        err = control_encode(path, str_of(from->values[FLAG_customer]));
    return err == ERR_OK ? buf_add(path, str_of(after)) : err;
}

static int print_fields(struct buf *answer, const char *const *names)
{
    struct json_object object;
    struct fault fault = {0};
    struct buf scratch;
    buf_init(&scratch, ANSWER_BYTES_MAX);
    int code = EXIT_CODE_FAILURE;
    if (buf_reserve(&scratch, answer->len + 1) == ERR_OK &&
        json_scan(buf_view(answer), &object, &fault) == ERR_OK) {
        for (; *names != NULL; names++) {
            struct str value = command_member(&object, *names, &scratch);
            struct str label = str_of(*names);
            char usd[32];
            size_t const nano = str_find(label, STR("_nano"));
            if (nano < label.len) {
                value = command_usd(value, usd);
                label.len = nano;
            }
            printf("%-10.*s %.*s%s\n", STR_ARG(label), STR_ARG(value),
                   nano < strlen(*names) ? " USD" : "");
        }
        code = fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
    }
    buf_free(&scratch);
    return code;
}

static int finish(const struct invocation *invocation, int code, struct buf *answer,
                  const char *const *names)
{
    if (code == EXIT_CODE_OK && cli_json(invocation))
        return command_print(answer);
    if (code == EXIT_CODE_OK)
        code = print_fields(answer, names);
    buf_free(answer);
    return code;
}

int command_key_create(const struct invocation *invocation)
{
    static const char *const shown[] = {"customer", "name", "id", "expires_at", "secret", NULL};
    if (!cli_needs(invocation, FLAG_customer) || !cli_needs(invocation, FLAG_name))
        return EXIT_CODE_USAGE;
    struct buf body, answer;
    struct json_writer writer;
    buf_init(&body, REQUEST_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    json_write_start(&writer, &body);
    json_object_open(&writer);
    put_text(invocation, &writer, FLAG_customer);
    put_text(invocation, &writer, FLAG_name);
    bool const good = put_number(invocation, &writer, FLAG_requests_per_minute) &&
                      put_number(invocation, &writer, FLAG_tokens_per_minute) &&
                      put_number(invocation, &writer, FLAG_concurrent) &&
                      put_expiry(invocation, &writer);
    json_pair_bool(&writer, "new_customer", cli_has(invocation, FLAG_new_customer));
    json_object_close(&writer);
    int code = EXIT_CODE_USAGE;
    if (json_write_end(&writer) == ERR_OK && good)
        code = command_ask(invocation, "POST", STR("/api/v1/keys"), buf_view(&body), &answer);
    if (code == EXIT_CODE_OK && !cli_json(invocation))
        fputs("the secret is shown this once; only a hash of it is kept\n", stderr);
    buf_free(&body);
    return finish(invocation, code, &answer, shown);
}

/* One table row per element of the array member `name`. */
static int print_array(const struct invocation *invocation, struct str json, const char *name,
                       const char *const *heads, const char *const *names)
{
    struct json_object object;
    struct fault fault = {0};
    struct table table;
    struct buf scratch;
    buf_init(&scratch, ANSWER_BYTES_MAX);
    table_start(&table, heads);
    if (buf_reserve(&scratch, json.len + 1) != ERR_OK || json_scan(json, &object, &fault) != ERR_OK)
        table.err = ERR_JSON_INVALID;
    size_t at = 0;
    struct str const array = json_get(&object, str_of(name));
    for (struct str element; table.err == ERR_OK && json_next(array, &at, &element);) {
        struct json_object row;
        table.err = json_members(element, &row, &fault);
        buf_clear(&scratch);
        for (size_t i = 0; table.err == ERR_OK && names[i] != NULL; i++) {
            struct str const value = command_member(&row, names[i], &scratch);
            char usd[32];
            table_cell(&table, strstr(names[i], "_nano") ? command_usd(value, usd) : value);
        }
    }
    buf_free(&scratch);
    return table_end(&table, invocation);
}

/* The page's keys behind those before it; *cursor: what to ask for the next one, empty at the end.
 */
static enum err take_page(struct buf *all, struct str page, struct buf *cursor)
{
    struct json_object object;
    struct fault fault = {0};
    struct buf scratch;
    enum err err = json_scan(page, &object, &fault);
    if (err != ERR_OK)
        return err;
    struct str keys = json_get(&object, STR("keys"));
    if (keys.len < 2)
        return ERR_JSON_INVALID;
    keys = str_make(keys.ptr + 1, keys.len - 2); /* without its brackets */
    if (keys.len > 0 && all->len > strlen(keys_head))
        err = buf_add_byte(all, ',');
    if (err == ERR_OK)
        err = buf_add(all, keys);
    buf_init(&scratch, ANSWER_BYTES_MAX);
    buf_clear(cursor);
    if (err == ERR_OK)
        err = buf_reserve(&scratch, page.len + 1);
    if (err == ERR_OK)
        err = control_encode(cursor, command_member(&object, "next_cursor", &scratch));
    buf_free(&scratch);
    return err;
}

/* All pages as the answer of one. */
static int gather_keys(const struct invocation *invocation, struct buf *all)
{
    struct buf path, cursor, answer;
    int code = EXIT_CODE_OK;
    buf_init(&path, REQUEST_BYTES_MAX);
    buf_init(&cursor, REQUEST_BYTES_MAX);
    enum err err = buf_add(all, str_of(keys_head));
    do {
        buf_clear(&path);
        if (err == ERR_OK)
            err = buf_add(&path, STR("/api/v1/keys?limit=500"));
        if (err == ERR_OK && cli_has(invocation, FLAG_customer))
            err = customer_path(&path, "&customer=", invocation, "");
        if (err == ERR_OK && cursor.len > 0)
            err = buf_printf(&path, "&cursor=%.*s", STR_ARG(buf_view(&cursor)));
        if (err != ERR_OK)
            break;
        code = command_ask(invocation, "GET", buf_view(&path), STR(""), &answer);
        if (code == EXIT_CODE_OK)
            err = take_page(all, buf_view(&answer), &cursor);
        buf_free(&answer);
    } while (code == EXIT_CODE_OK && err == ERR_OK && cursor.len > 0);
    if (err == ERR_OK && code == EXIT_CODE_OK)
        err = buf_add(all, STR("]}"));
    buf_free(&path);
    buf_free(&cursor);
    if (err != ERR_OK) {
        cli_complain("key list: more keys than fit; ask with --customer");
        code = EXIT_CODE_FAILURE;
    }
    if (code != EXIT_CODE_OK)
        buf_free(all);
    return code;
}

int command_key_list(const struct invocation *invocation)
{
    static const char *const heads[] = {"CUSTOMER", "NAME",        "ID",      "PREFIX", "STATUS",
                                        "ORIGIN",   ">PER MINUTE", "EXPIRES", NULL};
    static const char *const names[] = {
        "customer",   "name", "id", "prefix", "status", "origin", "requests_per_minute",
        "expires_at", NULL};
    struct buf all;
    buf_init(&all, ANSWER_BYTES_MAX);
    int code = gather_keys(invocation, &all);
    if (code == EXIT_CODE_OK && cli_json(invocation))
        return command_print(&all);
    if (code == EXIT_CODE_OK)
        code = print_array(invocation, buf_view(&all), "keys", heads, names);
    buf_free(&all);
    return code;
}

int command_key_revoke(const struct invocation *invocation)
{
    static const char *const shown[] = {"customer", "key", "status", NULL};
    if (!cli_needs(invocation, FLAG_customer))
        return EXIT_CODE_USAGE;
    struct buf path, answer;
    buf_init(&path, REQUEST_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    enum err err = customer_path(&path, "/api/v1/keys/", invocation, "/");
    if (err == ERR_OK)
        err = control_encode(&path, str_of(invocation->operand));
    int code = EXIT_CODE_USAGE;
    if (err == ERR_OK)
        code = command_ask(invocation, "DELETE", buf_view(&path), STR(""), &answer);
    buf_free(&path);
    return finish(invocation, code, &answer, shown);
}

/* --overlap: a span, as seconds. */
static bool put_overlap(const struct invocation *invocation, struct json_writer *writer)
{
    int64_t span_us = 0;
    if (!cli_has(invocation, FLAG_overlap))
        return true;
    if (!when_span_parse(str_of(invocation->values[FLAG_overlap]), &span_us)) {
        cli_complain("key rotate: --overlap must be a span such as 7d, 1h or 0s");
        return false;
    }
    json_pair_i64(writer, "overlap_seconds", span_us / 1000000);
    return true;
}

int command_key_rotate(const struct invocation *invocation)
{
    static const char *const shown[] = {"customer",         "name",   "id", "expires_at",
                                        "old_secret_until", "secret", NULL};
    if (!cli_needs(invocation, FLAG_customer))
        return EXIT_CODE_USAGE;
    struct buf path, body, answer;
    struct json_writer writer;
    buf_init(&path, REQUEST_BYTES_MAX);
    buf_init(&body, REQUEST_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    json_write_start(&writer, &body);
    json_object_open(&writer);
    bool const good = put_overlap(invocation, &writer);
    json_object_close(&writer);
    enum err err = json_write_end(&writer);
    if (err == ERR_OK)
        err = customer_path(&path, "/api/v1/keys/", invocation, "/");
    if (err == ERR_OK)
        err = control_encode(&path, str_of(invocation->operand));
    if (err == ERR_OK)
        err = buf_add(&path, STR("/rotate"));
    int code = EXIT_CODE_USAGE;
    if (err == ERR_OK && good)
        code = command_ask(invocation, "POST", buf_view(&path), buf_view(&body), &answer);
    if (code == EXIT_CODE_OK && !cli_json(invocation))
        fputs("the new secret is shown this once; only a hash of it is kept\n", stderr);
    buf_free(&path);
    buf_free(&body);
    return finish(invocation, code, &answer, shown);
}

int command_credit_grant(const struct invocation *invocation)
{
    static const char *const shown[] = {"customer", "amount_nano",    "reference",
                                        "existed",  "available_nano", NULL};
    struct money amount;
    if (!cli_needs(invocation, FLAG_customer) || !cli_needs(invocation, FLAG_amount))
        return EXIT_CODE_USAGE;
    if (!decimal_parse(str_of(invocation->values[FLAG_amount]), MONEY_SCALE, &amount.nano) ||
        amount.nano <= 0) {
        cli_complain("credit grant: --amount must be a decimal number above zero with at most 9 "
                     "digits after the point, not \"%s\"",
                     invocation->values[FLAG_amount]);
        return EXIT_CODE_USAGE;
    }
    struct buf path, body, answer;
    struct json_writer writer;
    buf_init(&path, REQUEST_BYTES_MAX);
    buf_init(&body, REQUEST_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    json_write_start(&writer, &body);
    json_object_open(&writer);
    json_pair_text(&writer, "amount_usd", str_of(invocation->values[FLAG_amount]));
    put_text(invocation, &writer, FLAG_category);
    put_text(invocation, &writer, FLAG_reference);
    bool const good =
        put_number(invocation, &writer, FLAG_priority) && put_expiry(invocation, &writer);
    json_pair_bool(&writer, "new_customer", cli_has(invocation, FLAG_new_customer));
    json_object_close(&writer);
    enum err err = json_write_end(&writer);
    if (err == ERR_OK)
        err = customer_path(&path, "/api/v1/customers/", invocation, "/grants");
    int code = EXIT_CODE_USAGE;
    if (err == ERR_OK && good)
        code = command_ask(invocation, "POST", buf_view(&path), buf_view(&body), &answer);
    buf_free(&path);
    buf_free(&body);
    return finish(invocation, code, &answer, shown);
}

int command_credit_show(const struct invocation *invocation)
{
    static const char *const shown[] = {
        "customer",  "granted_nano",   "consumed_nano", "breakage_nano", "remaining_nano",
        "held_nano", "available_nano", "debt_nano",     "holds",         NULL};
    static const char *const heads[] = {"GRANT",     "CATEGORY", ">AMOUNT", ">REMAINING",
                                        ">PRIORITY", "EXPIRES",  "SOURCE",  NULL};
    static const char *const names[] = {"id",       "category",   "amount_nano", "remaining_nano",
                                        "priority", "expires_at", "source_id",   NULL};
    if (!cli_needs(invocation, FLAG_customer))
        return EXIT_CODE_USAGE;
    struct buf path, answer;
    buf_init(&path, REQUEST_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    int code = EXIT_CODE_USAGE;
    if (customer_path(&path, "/api/v1/customers/", invocation, "/credit") == ERR_OK)
        code = command_ask(invocation, "GET", buf_view(&path), STR(""), &answer);
    buf_free(&path);
    if (code == EXIT_CODE_OK && cli_json(invocation))
        return command_print(&answer);
    if (code == EXIT_CODE_OK)
        code = print_fields(&answer, shown);
    if (code == EXIT_CODE_OK && putchar('\n') != EOF)
        code = print_array(invocation, buf_view(&answer), "grants", heads, names);
    buf_free(&answer);
    return code;
}
