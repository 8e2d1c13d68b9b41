/* schema_lists.c - a step of the schema: what pages of long lists are found by. Never changed once
 * released.
 *
 * Why:   without them a page of a million keys, or the search for one customer by its id in another
 *        system, walks the table. Each index of documents has the rows of one kind alone.
 */
#include "store/sqlite/sqlite_int.h"

#define X(kind, member)                                                                            \
    "CREATE INDEX " kind "_by_" member " ON object (json_extract(text, '$." member "'), id)"       \
    " WHERE kind = '" kind "';"

const char schema_lists_sql[] = "CREATE INDEX api_key_by_customer ON api_key (customer_id, id);"
                                "CREATE INDEX audit_by_kind ON audit (kind);"
                                "CREATE INDEX audit_by_actor ON audit (actor);"
                                "CREATE INDEX audit_by_document ON audit (object_id);"
#include "store/sqlite/list_members.def"
    ;
