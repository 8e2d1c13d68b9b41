/* expiry_notice.c - see expiry_notice.h: pages of what ends soon, and notices of those without. */
#include "book/expiry_notice.h"
#include "base/arena.h"
#include "base/log.h"
#include "book/book_int.h"
#include <stdlib.h>

enum {
    PAGE_ROWS = 1024, /* looked at in one piece: some 30 ms of one thread's reading, no lock held */
    PAGE_ARENA_BYTES = 1 << 20,
    MARK_BYTES_MAX = 64,
};
static int64_t const rest_us = 60 * 1000000;
static int64_t const day_us = (int64_t)86400 * 1000000;

struct expiry_sweep {
    struct book *book;
    struct store *store;
    struct projector *projector;
    struct notice_days days;
    struct arena *arena;
    enum ending_kind at; /* what the round is at, and after which row */
    char mark[MARK_BYTES_MAX], id[OBJECT_ID_BYTES_MAX];
    size_t mark_len, id_len;
    int64_t rest_until_us; /* mono */
    uint64_t wait_lsn;     /* projected first */
};

bool notice_days_parse(struct str text, struct notice_days *days)
{
    *days = (struct notice_days){0};
    if (str_eq(text, STR("none")))
        return true;
    for (int64_t before = NOTICE_DAY_MAX + 1, day; text.len > 0; before = day) {
        size_t const end = str_find(text, STR(","));
        if (days->count == NOTICE_DAYS_COUNT_MAX ||
            !str_to_i64(str_trim(str_make(text.ptr, end)), &day) || day < 1 || day >= before)
            return false;
        days->days[days->count++] = (int)day;
        text = str_skip(text, end + 1);
    }
    return days->count > 0;
}

struct expiry_sweep *expiry_sweep_new(struct book *book, struct store *store,
                                      struct projector *projector, const struct notice_days *days)
{
    struct expiry_sweep *sweep = calloc(1, sizeof *sweep);
    if (sweep == NULL)
        return NULL;
    *sweep = (struct expiry_sweep){
        .book = book,
        .store = store,
        .projector = projector,
        .days = *days,
        .arena = arena_new(PAGE_ARENA_BYTES),
        .wait_lsn = journal_last_lsn(book->journal),
    };
    if (sweep->arena != NULL)
        return sweep;
    free(sweep);
    return NULL;
}

void expiry_sweep_free(struct expiry_sweep *sweep)
{
    if (sweep == NULL)
        return;
    arena_free(sweep->arena);
    free(sweep);
}

/* --- a page ---------------------------------------------------------------------------------- */
struct page {
    struct expiry_sweep *sweep;
    size_t count;
    struct ending_row rows[PAGE_ROWS];
};

static bool keep(void *owner, const struct ending_row *row)
{
    struct page *page = owner;
    struct ending_row copy = *row;
    struct str *const texts[] = {&copy.id, &copy.customer_id, &copy.scope, &copy.mark};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_copy(page->sweep->arena, *texts[i]);
        if (texts[i]->ptr == NULL)
            return false; /* the next piece begins here */
    }
    page->rows[page->count++] = copy;
    return page->count < PAGE_ROWS;
}

static enum err page_read(struct expiry_sweep *sweep, int64_t now_us, size_t limit,
                          struct page *page, struct fault *fault)
{
    struct ending_query const query = {
        .what = sweep->at,
        .from_us = now_us,
        .until_us = now_us + sweep->days.days[0] * day_us,
        .after_mark = str_make(sweep->mark, sweep->mark_len),
        .after_id = str_make(sweep->id, sweep->id_len),
        .limit = limit,
    };
    *page = (struct page){.sweep = sweep};
    arena_reset(sweep->arena);
    return sweep->store->ops->endings(sweep->store, &query, keep, page, fault);
}

static void goes_on_after(struct expiry_sweep *sweep, const struct ending_row *row)
{
    MUST(row->mark.len <= sizeof sweep->mark && row->id.len <= sizeof sweep->id);
    memcpy(sweep->mark, row->mark.ptr, row->mark.len);
    memcpy(sweep->id, row->id.ptr, row->id.len);
    sweep->mark_len = row->mark.len;
    sweep->id_len = row->id.len;
}

/* --- a notice -------------------------------------------------------------------------------- */
static bool is_there(void *owner, const struct alert_row *row)
{
    (void)row;
    *(bool *)owner = true;
    return false;
}

/* The nearest of the days that the end is within; 0: it is far. */
static int days_of(const struct expiry_sweep *sweep, int64_t end_us, int64_t now_us)
{
    int nearest = 0;
    for (size_t i = 0; end_us > now_us && i < sweep->days.count; i++)
        if (end_us - now_us <= sweep->days.days[i] * day_us)
            nearest = sweep->days.days[i];
    return nearest;
}

static enum err look_at(struct expiry_sweep *sweep, const struct ending_row *row, int64_t now_us,
                        size_t *told, struct fault *fault)
{
    char name[NOTICE_NAME_BYTES_MAX];
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    bool there = false;
    struct record_notice const notice = {
        .what = sweep->at,
        .id = row->id,
        .customer_id = row->customer_id,
        .scope = row->scope,
        .end_us = row->end_us,
        .days = days_of(sweep, row->end_us, now_us),
    };
    struct alert_query const query = {.notice = record_notice_name(&notice, name), .limit = 1};
    if (notice.days == 0)
        return ERR_OK;
    enum err err = sweep->store->ops->alert_list(sweep->store, &query, is_there, &there, fault);
    if (err != ERR_OK || there)
        return err;
    size_t const len = record_notice_encode(&notice, bytes, sizeof bytes);
    if (len == 0)
        return ERR_OK; /* names that no document of ours can have */
    err = journal_append(sweep->book->journal, RECORD_NOTICE, now_us,
                         str_make((const char *)bytes, len), &sweep->wait_lsn);
    *told += err == ERR_OK;
    return err == ERR_OK ? ERR_OK : fault_set(fault, err, "the journal took no notice");
}

/* --- the round ------------------------------------------------------------------------------- */
/* At most `*left` rows of what the round is at. */
static enum err piece_run(struct expiry_sweep *sweep, int64_t now_us, size_t *left, size_t *told,
                          struct fault *fault)
{
    struct page *page = malloc(sizeof *page);
    size_t const limit = *left;
    if (page == NULL)
        return ERR_NO_MEMORY;
    enum err err = page_read(sweep, now_us, limit, page, fault);
    for (size_t i = 0; err == ERR_OK && i < page->count; i++) {
        err = look_at(sweep, &page->rows[i], now_us, told, fault);
        if (err == ERR_OK)
            goes_on_after(sweep, &page->rows[i]);
    }
    *left -= page->count;
    if (err == ERR_OK && page->count < limit) { /* that was all of them */
        sweep->at++;
        sweep->mark_len = sweep->id_len = 0;
    }
    free(page);
    return err;
}

size_t expiry_sweep_run(struct expiry_sweep *sweep)
{
    struct projector_figures figures;
    struct fault fault = {0};
    size_t told = 0, left = PAGE_ROWS;
    enum err err = ERR_OK;
    int64_t const now_us = clock_wall_us(sweep->book->clock);
    if (sweep->days.count == 0 || clock_mono_us(sweep->book->clock) < sweep->rest_until_us)
        return 0;
    projector_figures(sweep->projector, &figures);
    if (figures.applied_lsn < sweep->wait_lsn)
        return 0;
    while (err == ERR_OK && left > 0 && sweep->at < ENDING_COUNT)
        err = piece_run(sweep, now_us, &left, &told, &fault);
    if (err != ERR_OK)
        LOG(internal_error, field_text("reason", fault.detail));
    if (err != ERR_OK || sweep->at == ENDING_COUNT) {
        sweep->at = ENDING_LICENSE;
        sweep->mark_len = sweep->id_len = 0;
        sweep->rest_until_us = clock_mono_us(sweep->book->clock) + rest_us;
    }
    return told;
}
