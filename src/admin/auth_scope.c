/* auth_scope.c - may the caller do this, and to this customer? The tables say: roles.def,
 * x-customer.
 */
#include "admin/auth_int.h"
#include "base/must.h"

enum err auth_permission(struct admin_call *call)
{
    enum permission const permission = call->operation->permission;
    struct str const name = permission_text(permission);
    if (call->key_id.len > 0 || permission == PERMISSION_PUBLIC || permission == PERMISSION_OWN)
        return ERR_OK;
    if (!permission_in(call->permissions, permission))
        return fault_param(&call->fault, ERR_PERMISSION_DENIED, "permission",
                           "this needs the permission %.*s", STR_ARG(name));
    if (call->customer.len > 0 && call->operation->customer == API_CUSTOMER_NONE)
        return fault_param(&call->fault, ERR_PERMISSION_DENIED, "permission",
                           "%.*s of all customers; the caller belongs to one", STR_ARG(name));
    return ERR_OK;
}

static enum err foreign(struct admin_call *call)
{
    return fault_set(&call->fault, ERR_NOT_FOUND, "there is no such thing here");
}

static enum err in_path(struct admin_call *call)
{
    const struct api_parameter *it = call->operation->parameters;
    for (size_t i = 0; it->name != NULL && it->place == API_IN_PATH; it++, i++)
        if (strcmp(it->name, call->operation->customer_name) == 0)
            return str_eq(call->params[i], call->customer) ? ERR_OK : foreign(call);
    return ERR_INTERNAL; /* cannot be: tools/api.py has checked the name */
}

/* Said, it must be the caller's; not said, it is. */
static enum err in_query(struct admin_call *call)
{
    const char *name = call->operation->customer_name;
    struct str const said = admin_query(call, name);
    if (said.ptr != NULL)
        return str_eq(said, call->customer) ? ERR_OK : foreign(call);
    call->query = arena_printf(call->arena, "%s=%.*s%s%.*s", name, STR_ARG(call->customer),
                               call->query.len > 0 ? "&" : "", STR_ARG(call->query));
    return call->query.ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err in_body(struct admin_call *call, const char *name, bool required)
{
    struct str said = {0};
    enum err const err = admin_body_text(call, name, required, &said);
    if (err != ERR_OK || (said.ptr == NULL && !required))
        return err;
    return str_eq(said, call->customer) ? ERR_OK : foreign(call);
}

/* The document is the caller's, and stays it. One that is not there may be made (PUT). */
static enum err in_document(struct admin_call *call)
{
    struct object object;
    enum object_kind const kind = (enum object_kind)call->operation->kind;
    bool const replace = call->operation->method == HTTP_PUT;
    MUST(kind < OBJECT_KIND_COUNT && object_kind_row(kind)->owned);
    if (book_object_get(admin_options(call->admin)->book, kind, call->params[0], call->arena,
                        &object)) {
        if (!str_eq(object.customer_id, call->customer))
            return foreign(call);
    } else if (!replace) {
        return foreign(call);
    }
    return call->operation->body != NULL ? in_body(call, "customer", replace) : ERR_OK;
}

enum err auth_customer(struct admin_call *call)
{
    if (call->customer.len == 0 || call->key_id.len > 0)
        return ERR_OK;
    switch (call->operation->customer) {
    case API_CUSTOMER_PATH:
        return in_path(call);
    case API_CUSTOMER_QUERY:
        return in_query(call);
    case API_CUSTOMER_BODY:
        return in_body(call, call->operation->customer_name, true);
    case API_CUSTOMER_DOCUMENT:
        return in_document(call);
    case API_CUSTOMER_NONE: /* public and own: auth_permission lets nothing else come here */
    case API_CUSTOMER_SELF: /* the handler looks at call->customer */
        break;
    }
    return ERR_OK;
}
