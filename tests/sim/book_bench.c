/* book_bench.c - what the book costs per call, one thread, journal and sync thread included.
 *
 * Usage: book_bench [calls]; prints nanoseconds per step. Build with -O2.
 */
#include "base/arena.h"
#include "base/log.h"
#include "book/manage.h"
#include "book/record.h"
#include "tear.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 300000, BATCH = 64, ARENA_BYTES = 1 << 20 };

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct {
    struct journal *journal;
    struct book *book;
    const struct key *key;
    struct random random;
    struct str secret;
    char directory[64];
} bench;

static bool open_book(struct arena *arena)
{
    struct fault fault = {0};
    struct journal_opened opened;
    struct key_made made;
    bool existed;
    snprintf(bench.directory, sizeof bench.directory, "%s/cota-bench-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(bench.directory))
        return false;
    struct journal_options const journal = {.directory = str_of(bench.directory),
                                            .clock = clock_system()};
    if (journal_open(&journal, &bench.journal, &opened, &fault) != ERR_OK)
        return false;
    struct book_options const options = {.journal = bench.journal, .clock = clock_system()};
    if (book_new(&options, &bench.book, &fault) != ERR_OK)
        return false;
    struct customer_wanted const customer = {.id = STR("acme"), .limits = {1000000000, 0, 0}};
    struct key_wanted const key = {
        .customer_id = customer.id, .name = STR("main"), .limits = {0, 1000000000000, 100000}};
    struct grant_wanted const grant = {.customer_id = customer.id,
                                       .amount = {INT64_MAX / 2},
                                       .source_type = STR("bench"),
                                       .source_id = STR("1")};
    if (book_customer_put(bench.book, &customer, &fault) != ERR_OK ||
        book_key_create(bench.book, &key, arena, &made, &fault) != ERR_OK ||
        book_grant(bench.book, &grant, &existed, &fault) != ERR_OK)
        return false;
    bench.secret = made.secret;
    return book_authenticate(bench.book, made.secret, &bench.key, &fault) == ERR_OK;
}

static bool reserve(struct hold **hold, const struct call_context *context)
{
    struct fault fault = {0};
    struct admission admission;
    struct reservation want = {.id = ulid_make(&bench.random, context->started_us),
                               .key = bench.key,
                               .context = context,
                               .choices = 1,
                               .orphan_input = 60,
                               .deadline_us = context->started_us + 60000000};
    price_init(&want.price);
    want.price.pico[POOL_INPUT] = 150000;
    want.price.pico[POOL_OUTPUT] = 600000;
    want.price.pico[POOL_CACHED_INPUT] = 75000;
    want.estimate.tokens[POOL_INPUT] = 240;
    want.estimate.tokens[POOL_OUTPUT] = 1024;
    return book_reserve(bench.book, &want, hold, &admission, &fault) == ERR_OK;
}

static bool calls(long count)
{
    struct hold *holds[BATCH];
    struct fault fault = {0};
    int64_t spent[4] = {0};
    struct call_context context = {.request_id = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                   .user = STR("user-17"),
                                   .feature = STR("chat"),
                                   .endpoint = STR("chat.completions"),
                                   .model = STR("gpt-4o-mini"),
                                   .provider = STR("up"),
                                   .upstream_model = STR("gpt-4o-mini")};
    struct settlement const how = {
        .outcome = "ok",
        .http_status = 200,
        .attempts = 1,
        .usage = {.tokens = {[POOL_INPUT] = 57, [POOL_OUTPUT] = 112}, .source = USAGE_PROVIDER}};
    for (long done = 0; done < count; done += BATCH) {
        int64_t const start = now_ns(CLOCK_THREAD_CPUTIME_ID);
        context.started_us = clock_wall_us(clock_system());
        for (int i = 0; i < BATCH; i++)
            if (!reserve(&holds[i], &context))
                return false;
        int64_t const reserved = now_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < BATCH; i++)
            if (book_dispatch(bench.book, holds[i], &fault) != ERR_OK)
                return false;
        int64_t const dispatched = now_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < BATCH; i++) {
            struct settled settled;
            book_settle(bench.book, holds[i], &how, &settled);
            book_unref(holds[i]);
        }
        int64_t const settled = now_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < BATCH; i++) {
            const struct key *key;
            if (book_authenticate(bench.book, bench.secret, &key, &fault) != ERR_OK)
                return false;
        }
        int64_t const known = now_ns(CLOCK_THREAD_CPUTIME_ID);
        spent[0] += reserved - start;
        spent[1] += dispatched - reserved;
        spent[2] += settled - dispatched;
        spent[3] += known - settled;
        journal_trim(bench.journal, journal_last_lsn(bench.journal));
    }
    printf("reserve %lld ns, dispatch %lld ns, settle %lld ns, authenticate %lld ns; "
           "reserve + settle %lld ns\n",
           (long long)(spent[0] / count), (long long)(spent[1] / count),
           (long long)(spent[2] / count), (long long)(spent[3] / count),
           (long long)((spent[0] + spent[2]) / count));
    return true;
}

static void formats(long count)
{
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_SETTLE_BYTES_MAX];
    struct call_context const words = {.request_id = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                       .model = STR("gpt-4o-mini"),
                                       .provider = STR("up")};
    struct record_end end = {.customer_id = STR("acme"),
                             .outcome = STR("ok"),
                             .charged = {12345},
                             .held = {99999},
                             .grant_count = 1};
    struct price price;
    struct money cost = {0};
    int64_t sum = 0;
    end.usage.tokens[POOL_INPUT] = 57;
    end.usage.tokens[POOL_OUTPUT] = 112;
    price_init(&price);
    price.pico[POOL_INPUT] = price.pico[POOL_OUTPUT] = 150000;
    int64_t const start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (long i = 0; i < count; i++) {
        size_t const head = record_context_encode(&words, context, sizeof context);
        end.charged.nano = i;
        sum += (int64_t)record_end_encode(RECORD_SETTLE, &end, str_make((char *)context, head),
                                          bytes, sizeof bytes);
    }
    int64_t const encoded = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (long i = 0; i < count; i++) {
        end.usage.tokens[POOL_INPUT] = i;
        if (price_cost(&price, &end.usage, &cost) == ERR_OK)
            sum += cost.nano;
    }
    int64_t const priced = now_ns(CLOCK_THREAD_CPUTIME_ID);
    printf("encode context and SETTLE %lld ns, price_cost %.1f ns (%lld)\n",
           (long long)((encoded - start) / count), (double)(priced - encoded) / (double)count,
           (long long)sum);
}

int main(int argc, char **argv)
{
    long const count = argc > 1 ? strtol(argv[1], NULL, 10) : CALLS;
    struct arena *arena = arena_new(ARENA_BYTES);
    log_level_set(LOG_ERROR);
    random_seed(&bench.random, 1);
    bool const ok = arena && count > 0 && open_book(arena) && calls(count) && calls(count);
    formats(count);
    book_free(bench.book);
    if (bench.journal)
        journal_close(bench.journal);
    remove_directory(bench.directory);
    arena_free(arena);
    return ok ? 0 : 1;
}
