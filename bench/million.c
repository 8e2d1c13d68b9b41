/* million.c - fills a new data directory with a large catalogue, through the product's own book.
 *
 * usage: bench_million DATA_DIR CUSTOMERS KEYS_PER_CUSTOMER
 * What:  customers, their keys and credit are records of the journal, written with the book's own
 *        encoders and read back by its own recovery, which checks each of them; documents are put
 *        by book_objects_put, in batches, each chained, journalled and told to govern/. The
 *        projector carries it all into the database. 5 plans with a matrix, 50 groups; a profile
 *        and a subscription per customer, a licence for half of them, a membership for 3 in 10,
 *        overrides and a user for 1 in 10; rules for 1 key in 10.
 * Why:   one key over the API waits for the disk: a million of them for hours.
 * Key n (from 0) is ck_live_million_00000000, with n in its last eight digits; it belongs to the
 * customer customer-000000 with the number n / KEYS_PER_CUSTOMER. Prints one line of JSON.
 */
#include "app/datadir.h"
#include "book/customer_int.h"
#include "book/object.h"
#include "book/project.h"
#include "govern/govern.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    CUSTOMERS_MAX = 1000000,
    KEYS_EACH_MAX = 1000,
    PLANS = 5,
    GROUPS = 50,
    BATCH_CHANGES = 500,
    TEXT_BYTES = 1536,
    FLUSH_MS = 600000,
};

struct catalogue {
    struct datadir dir;
    struct clock *clock;
    struct journal *journal;
    struct store *store;
    struct book *book;
    struct govern *govern;
    struct projector *projector;
    struct random random;
    long customers, keys_each;
    size_t documents, refused;
    bool loaded;
    char (*key_ids)[ULID_TEXT_BYTES]; /* of the keys that get rules: the first of 10 */
    struct object_change changes[BATCH_CHANGES];
    char texts[BATCH_CHANGES][TEXT_BYTES], ids[BATCH_CHANGES][64], owners[BATCH_CHANGES][32];
    size_t count;
    struct fault fault;
};

static void stop(const struct catalogue *catalogue, const char *what)
{
    fprintf(stderr, "bench_million: %s: %s\n", what, catalogue->fault.detail);
    exit(1);
}

static void need(const struct catalogue *catalogue, enum err err, const char *what)
{
    if (err != ERR_OK)
        stop(catalogue, what);
}

/* The daemon's on_document in short: the documents must mean something to govern/. */
static void hear(void *owner, const struct object *object, bool more)
{
    struct catalogue *catalogue = owner;
    struct fault fault = {0};
    if (object == NULL) {
        catalogue->loaded = true;
        return;
    }
    if (govern_hear(catalogue->govern, object_kind_row(object->kind)->name, object->id,
                    object->text, more, &fault) != ERR_OK) {
        if (catalogue->refused++ == 0)
            fprintf(stderr, "%.*s: %s\n", STR_ARG(object->id), fault.detail);
    }
}

static void open_journal(struct catalogue *catalogue)
{
    struct journal_options const options = {.directory = str_of(catalogue->dir.journal),
                                            .clock = catalogue->clock};
    struct journal_opened opened;
    need(catalogue, journal_open(&options, &catalogue->journal, &opened, &catalogue->fault),
         "journal");
    struct book_options book = {.journal = catalogue->journal, .clock = catalogue->clock};
    memcpy(book.pepper, catalogue->dir.pepper, sizeof book.pepper);
    need(catalogue, book_new(&book, &catalogue->book, &catalogue->fault), "book");
}

/* --- accounts: records of the journal -------------------------------------------------------- */
static void append(struct catalogue *catalogue, enum record_type type, const void *bytes,
                   size_t len)
{
    uint64_t lsn;
    MUST(len > 0);
    need(catalogue,
         journal_append(catalogue->journal, type, clock_wall_us(catalogue->clock),
                        str_make(bytes, len), &lsn),
         "append");
}

static struct str print(char *out, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static struct str print(char *out, size_t room, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int const len = vsnprintf(out, room, format, arguments);
    va_end(arguments);
    MUST(len >= 0 && (size_t)len < room);
    return str_make(out, (size_t)len);
}

static void fresh_id(struct catalogue *catalogue, char id[ULID_TEXT_BYTES])
{
    ulid_text(ulid_make(&catalogue->random, clock_wall_us(catalogue->clock)), id);
}

static void add_key(struct catalogue *catalogue, struct str customer, long number, long at)
{
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    char id[ULID_TEXT_BYTES], name[32], secret[32];
    fresh_id(catalogue, id);
    struct key_row row = {
        .id = str_make(id, sizeof id),
        .customer_id = customer,
        .name = print(name, sizeof name, "key-%ld", at),
        .prefix = STR("ck_liv"),
        .origin = ORIGIN_RUNTIME,
        .status = KEY_ACTIVE,
        .created_us = clock_wall_us(catalogue->clock),
    };
    book_hash_secret(catalogue->book, print(secret, sizeof secret, "ck_live_million_%08ld", number),
                     row.hash);
    append(catalogue, RECORD_KEY, bytes, record_key_encode(&row, bytes, sizeof bytes));
    if (number % 10 == 0)
        memcpy(catalogue->key_ids[number / 10], id, sizeof id);
}

static void add_account(struct catalogue *catalogue, long number)
{
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    char id[32], grant_id[ULID_TEXT_BYTES];
    struct str const customer = print(id, sizeof id, "customer-%06ld", number);
    int64_t const now_us = clock_wall_us(catalogue->clock);
    struct record_customer const record = {.row = {.id = customer,
                                                   .currency = STR("USD"),
                                                   .origin = ORIGIN_RUNTIME,
                                                   .status = CUSTOMER_ACTIVE,
                                                   .created_us = now_us}};
    append(catalogue, RECORD_CUSTOMER, bytes, record_customer_encode(&record, bytes, sizeof bytes));
    fresh_id(catalogue, grant_id);
    struct money const amount = {INT64_C(1000000) * 1000000000};
    struct record_grant const grant = {.row = {.id = str_make(grant_id, sizeof grant_id),
                                               .customer_id = customer,
                                               .category = STR("paid"),
                                               .source_type = STR("million"),
                                               .source_id = customer,
                                               .amount = amount,
                                               .remaining = amount,
                                               .priority = 100,
                                               .effective_us = now_us,
                                               .created_us = now_us,
                                               .status = GRANT_ACTIVE},
                                       .totals = {.nano = {[TOTAL_GRANTED] = amount.nano}}};
    append(catalogue, RECORD_GRANT, bytes, record_grant_encode(&grant, bytes, sizeof bytes));
    for (long at = 0; at < catalogue->keys_each; at++)
        add_key(catalogue, customer, number * catalogue->keys_each + at, at);
}

/* --- documents ---------------------------------------------------------------------------------
 */
static void put_batch(struct catalogue *catalogue)
{
    struct object_actor const actor = {.actor = STR("bench_million"), .reason = STR("catalogue")};
    uint32_t version;
    if (catalogue->count > 0)
        need(catalogue,
             book_objects_put(catalogue->book, catalogue->changes, catalogue->count, &actor,
                              &version, &catalogue->fault),
             "documents");
    catalogue->documents += catalogue->count;
    catalogue->count = 0;
}

static void add(struct catalogue *catalogue, enum object_kind kind, const char *id, long customer,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* `customer` < 0: the operator's own. */
static void add(struct catalogue *catalogue, enum object_kind kind, const char *id, long customer,
                const char *format, ...)
{
    if (catalogue->count == BATCH_CHANGES)
        put_batch(catalogue);
    size_t const at = catalogue->count++;
    va_list arguments;
    va_start(arguments, format);
    int const len = vsnprintf(catalogue->texts[at], TEXT_BYTES, format, arguments);
    va_end(arguments);
    MUST(len > 0 && len < TEXT_BYTES);
    struct str const owner = customer < 0
                                 ? STR("")
                                 : print(catalogue->owners[at], sizeof catalogue->owners[at],
                                         "customer-%06ld", customer);
    catalogue->changes[at] = (struct object_change){
        .kind = kind,
        .id = print(catalogue->ids[at], sizeof catalogue->ids[at], "%s", id),
        .customer_id = object_kind_row(kind)->owned ? owner : STR(""),
        .text = str_make(catalogue->texts[at], (size_t)len),
        .expected = OBJECT_ABSENT,
        .origin = ORIGIN_RUNTIME,
    };
}

static void add_plan(struct catalogue *catalogue, int plan)
{
    static const char *const limits[][2] = {
        {"requests", "minute"}, {"requests", "day"}, {"tokens", "day"}, {"tokens", "month"}};
    char id[64], text[TEXT_BYTES] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const char *metric = limits[i][0], *window = limits[i][1];
        len += print(text + len, sizeof text - len,
                     "%s{\"name\":\"%s-%s\",\"metric\":\"%s\",\"window\":\"%s\","
                     "\"value\":1000000000000,\"mode\":\"hard\"}",
                     i > 0 ? "," : "", metric, window, metric, window)
                   .len;
    }
    print(id, sizeof id, "plan-%d", plan);
    add(catalogue, OBJECT_PLAN, id, -1, "{\"name\":{\"en\":\"Plan %d\"},\"active\":true}", plan);
    print(id, sizeof id, "plan-%d-v1", plan);
    add(catalogue, OBJECT_PLAN_VERSION, id, -1,
        "{\"plan\":\"plan-%d\",\"number\":1,\"status\":\"active\",\"interval\":\"month\","
        "\"ai_token_limit\":1000000000000,\"limits\":[%s],\"items\":[{\"feature\":\"*\","
        "\"included\":1000,\"metric\":\"requests\",\"reset\":\"month\",\"overage\":\"bill\"}]}",
        plan, text);
    print(id, sizeof id, "plan-%d-chat", plan);
    add(catalogue, OBJECT_MATRIX_CELL, id, -1,
        "{\"plan\":\"plan-%d\",\"feature\":\"chat\",\"provider\":\"up\",\"profile\":\"*\","
        "\"daily_limit\":1000000000,\"monthly_limit\":1000000000,\"active\":true,"
        "\"origin\":\"default\"}",
        plan);
}

static void add_shared(struct catalogue *catalogue)
{
    char id[64];
    add(catalogue, OBJECT_FEATURE, "chat", -1,
        "{\"type\":\"metered\",\"category\":\"chat\",\"name\":{\"en\":\"Chat\"}}");
    for (int plan = 0; plan < PLANS; plan++)
        add_plan(catalogue, plan);
    for (int group = 0; group < GROUPS; group++) {
        print(id, sizeof id, "group-%02d", group);
        add(catalogue, OBJECT_GROUP, id, -1, "{\"name\":{\"en\":\"Group %d\"},\"priority\":%d}",
            group, group);
    }
}

/* What every 10th customer has, or every second … : the same shares at any size. */
static void add_extras(struct catalogue *catalogue, long customer)
{
    char id[64];
    if (customer % 2 == 0) {
        print(id, sizeof id, "license-%06ld", customer);
        add(catalogue, OBJECT_LICENSE, id, customer,
            "{\"customer\":\"customer-%06ld\",\"modules\":[\"ai\"],\"ai_enabled\":true,"
            "\"ai_token_limit\":1000000000,\"status\":\"active\"}",
            customer);
    }
    if (customer % 10 < 3) {
        print(id, sizeof id, "member-%06ld", customer);
        add(catalogue, OBJECT_GROUP_MEMBER, id, customer,
            "{\"group\":\"group-%02ld\",\"customer\":\"customer-%06ld\"}", customer / 10 % GROUPS,
            customer);
    }
    if (customer % 10 == 1) {
        print(id, sizeof id, "override-%06ld", customer);
        add(catalogue, OBJECT_OVERRIDE, id, customer,
            "{\"scope\":\"customer\",\"scope_id\":\"customer-%06ld\",\"target\":\"limit\","
            "\"selector\":{\"name\":\"requests-day\"},\"op\":\"multiply\",\"value\":\"2\"}",
            customer);
    }
    if (customer % 10 == 2) {
        print(id, sizeof id, "customer-%06ld/ana", customer);
        add(catalogue, OBJECT_USER, id, customer,
            "{\"customer\":\"customer-%06ld\",\"external_id\":\"ana\",\"profile\":\"user\","
            "\"active\":true}",
            customer);
    }
}

static void add_documents(struct catalogue *catalogue)
{
    char id[64];
    add_shared(catalogue);
    for (long customer = 0; customer < catalogue->customers; customer++) {
        print(id, sizeof id, "customer-%06ld", customer);
        add(catalogue, OBJECT_PROFILE, id, customer,
            "{\"customer\":\"%s\",\"name\":\"Customer %ld\",\"time_zone\":\"America/Sao_Paulo\","
            "\"locale\":\"pt-BR\",\"external_id\":\"crm-%ld\"}",
            id, customer, customer);
        print(id, sizeof id, "subscription-%06ld", customer);
        add(catalogue, OBJECT_SUBSCRIPTION, id, customer,
            "{\"customer\":\"customer-%06ld\",\"plan_version\":\"plan-%ld-v1\","
            "\"status\":\"active\"}",
            customer, customer % PLANS);
        add_extras(catalogue, customer);
    }
    long const keys = catalogue->customers * catalogue->keys_each;
    for (long number = 0; number < keys; number += 10) {
        long const customer = number / catalogue->keys_each;
        print(id, sizeof id, "%.*s", ULID_TEXT_BYTES, catalogue->key_ids[number / 10]);
        add(catalogue, OBJECT_KEY_RULES, id, customer,
            "{\"customer\":\"customer-%06ld\",\"scopes\":[\"inference\",\"usage:read\"],"
            "\"features\":[\"chat\"]}",
            customer);
    }
    put_batch(catalogue);
}

/* --- the whole ------------------------------------------------------------------------------- */
static double seconds_since(int64_t *at_us)
{
    int64_t const now_us = clock_mono_us(clock_system()), then_us = *at_us;
    *at_us = now_us;
    return (double)(now_us - then_us) / 1e6;
}

static void write_accounts(struct catalogue *catalogue)
{
    open_journal(catalogue);
    for (long customer = 0; customer < catalogue->customers; customer++)
        add_account(catalogue, customer);
    need(catalogue, journal_sync(catalogue->journal, journal_last_lsn(catalogue->journal)), "sync");
    book_free(catalogue->book);
    journal_close(catalogue->journal);
}

static void recover(struct catalogue *catalogue)
{
    struct recovered recovered = {0};
    open_journal(catalogue);
    need(catalogue,
         store_sqlite_open(str_of(catalogue->dir.database), &catalogue->store, &catalogue->fault),
         "database");
    need(catalogue, govern_new(NULL, &catalogue->govern, &catalogue->fault), "govern");
    book_objects_subscribe(catalogue->book, hear, catalogue);
    need(catalogue, book_recover(catalogue->book, catalogue->store, &recovered, &catalogue->fault),
         "recover");
    MUST(catalogue->loaded);
    need(catalogue,
         projector_start(catalogue->book, catalogue->store, &catalogue->projector,
                         &catalogue->fault),
         "projector");
}

static void close_all(struct catalogue *catalogue)
{
    if (!projector_flush(catalogue->projector, FLUSH_MS))
        stop(catalogue, "the projection does not come to its end");
    projector_stop(catalogue->projector);
    book_free(catalogue->book);
    govern_free(catalogue->govern);
    catalogue->store->ops->close(catalogue->store);
    journal_close(catalogue->journal);
}

static long long file_bytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (long long)info.st_size : -1;
}

static long number_of(const char *text, long most)
{
    char *end;
    long const number = strtol(text, &end, 10);
    if (*end != 0 || number < 1 || number > most) {
        fprintf(stderr, "bench_million: %s: a number from 1 to %ld\n", text, most);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    static struct catalogue catalogue;
    if (argc != 4) {
        fprintf(stderr, "usage: bench_million DATA_DIR CUSTOMERS KEYS_PER_CUSTOMER\n");
        return 2;
    }
    catalogue.clock = clock_system();
    catalogue.customers = number_of(argv[2], CUSTOMERS_MAX);
    catalogue.keys_each = number_of(argv[3], KEYS_EACH_MAX);
    long const keys = catalogue.customers * catalogue.keys_each;
    catalogue.key_ids = calloc((size_t)keys / 10 + 1, sizeof *catalogue.key_ids);
    if (catalogue.key_ids == NULL || keys > 99999999)
        stop(&catalogue, "too many keys");
    random_seed(&catalogue.random, 1);
    need(&catalogue, datadir_open(str_of(argv[1]), STR(""), &catalogue.dir, &catalogue.fault),
         "data directory");
    if (file_bytes(catalogue.dir.database) >= 0)
        stop(&catalogue, "there is a database already");
    int64_t at_us = clock_mono_us(catalogue.clock);
    write_accounts(&catalogue);
    double const accounts_s = seconds_since(&at_us);
    recover(&catalogue);
    double const recover_s = seconds_since(&at_us);
    add_documents(&catalogue);
    double const documents_s = seconds_since(&at_us);
    close_all(&catalogue);
    double const project_s = seconds_since(&at_us);
    printf("{\"customers\":%ld,\"keys\":%ld,\"documents\":%zu,\"refused\":%zu,"
           "\"accounts_s\":%.2f,\"recover_s\":%.2f,\"documents_s\":%.2f,\"project_s\":%.2f,"
           "\"database_bytes\":%lld}\n",
           catalogue.customers, keys, catalogue.documents, catalogue.refused, accounts_s, recover_s,
           documents_s, project_s, file_bytes(catalogue.dir.database));
    free(catalogue.key_ids);
    datadir_wipe(&catalogue.dir);
    return catalogue.refused == 0 ? 0 : 1;
}
