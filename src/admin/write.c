/* write.c - one operation on a document as if it had come over HTTP; for jobs. */
#include "admin/admin_int.h"
#include "base/secret.h"

enum { WRITE_ARENA_BYTES = 64 << 20 };

static const struct writer_row {
    const char *handler;
    enum err (*run)(struct admin_call *call, struct json_writer *writer);
} writers[] = {
    {"object_create", object_create},
    {"object_change", object_change},
    {"object_delete", object_delete},
};
enum { WRITER_COUNT = sizeof writers / sizeof writers[0] };

static const struct api_operation *operation_on(const char *handler, enum object_kind kind)
{
    for (size_t i = 0; i < API_OPERATION_COUNT; i++)
        if (api_operations[i].kind == (int)kind && strcmp(api_operations[i].handler, handler) == 0)
            return &api_operations[i];
    return NULL;
}

/* What admin.c checks of a request: the id and the body. */
static enum err check(struct admin_call *call)
{
    const struct api_parameter *it = call->operation->parameters;
    enum err err = ERR_OK;
    if (it->name != NULL && it->place == API_IN_PATH)
        err = schema_check_text(it->schema, call->params[0], it->name, &call->fault);
    if (err != ERR_OK || call->operation->body == NULL)
        return err;
    err = json_scan(call->body, &call->object, &call->fault);
    if (err == ERR_OK)
        err = schema_check(call->operation->body, call->body, true, call->operation->partial,
                           &call->fault);
    return err;
}

static enum err run(struct admin_call *call, const char *handler)
{
    struct json_writer writer;
    enum err const err = check(call);
    if (err != ERR_OK)
        return err;
    json_write_start(&writer, &call->out);
    for (size_t i = 0; i < WRITER_COUNT; i++)
        if (strcmp(writers[i].handler, handler) == 0)
            return writers[i].run(call, &writer);
    return ERR_INTERNAL;
}

enum err admin_write(struct admin *admin, const struct admin_write *write, struct fault *fault)
{
    const struct api_operation *operation = operation_on(write->handler, write->kind);
    if (operation == NULL)
        return fault_param(fault, ERR_FIELD_INVALID, "kind", "this kind is not written like this");
    struct arena *arena = arena_new(WRITE_ARENA_BYTES);
    struct admin_call *call = arena != NULL ? arena_zalloc(arena, sizeof *call) : NULL;
    if (call == NULL) {
        arena_free(arena);
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a write");
    }
    call->admin = admin;
    call->arena = arena;
    call->operation = operation;
    call->params[0] = write->id;
    call->body = write->body;
    call->actor = write->actor;
    call->local = write->local;
    buf_init(&call->out, OBJECT_TEXT_BYTES_MAX * 2);
    enum err const err = run(call, write->handler);
    *fault = call->fault;
    fault->code = err;
    buf_free(&call->out);
    arena_free(arena);
    return err;
}
