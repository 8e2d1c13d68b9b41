/* segment.c - one file of the journal: made with all its space, mapped, its records checked. */
#include "base/crc32c.h"
#include "base/must.h"
#include "base/random.h"
#include "journal/journal_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENT_VERSION = 1 };
static const char segment_magic[8] = {'C', 'O', 'T', 'A', 'J', 'N', 'L', '\n'};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little endian, and so are we");
_Static_assert(sizeof(struct segment_header) == SEGMENT_HEADER_BYTES, "the header has no padding");
_Static_assert(sizeof(struct record_head) == RECORD_HEAD_BYTES, "the record head has no padding");

void segment_name(uint64_t number, char name[32])
{
    snprintf(name, 32, "%012llu.seg", (unsigned long long)number);
}

void segment_unlink(int directory, uint64_t number)
{
    char name[32];
    segment_name(number, name);
    /* A file that cannot be removed is found again at the next open: nothing to add here. */
    (void)unlinkat(directory, name, 0);
}

static uint32_t header_crc(const struct segment_header *header)
{
    struct segment_header copy = *header;
    copy.crc = 0;
    return crc32c(0, str_make((const char *)&copy, sizeof copy));
}

static struct segment *segment_map(int descriptor, uint64_t number, size_t bytes)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return NULL;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (base == MAP_FAILED) {
        free(segment);
        return NULL;
    }
    segment->base = base;
    segment->descriptor = descriptor;
    segment->number = number;
    segment->mapped = bytes;
    segment->capacity =
        (bytes + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1); /* in the last page */
    segment->used = SEGMENT_HEADER_BYTES;
    return segment;
}

void segment_rest(struct segment *segment)
{
    (void)madvise(segment->base, segment->mapped, MADV_DONTNEED); /* shared: nothing is lost */
}

void segment_free(struct segment *segment)
{
    if (segment == NULL)
        return;
    munmap(segment->base, segment->mapped);
    if (segment->descriptor >= 0)
        close(segment->descriptor);
    free(segment);
}

/* Space first, then the header, then everything to disk: a file that counts has its space. */
static int segment_fill(int descriptor, uint64_t number, size_t bytes, uint32_t epoch)
{
    int const error = posix_fallocate(descriptor, 0, (off_t)bytes);
    if (error != 0)
        return error;
    struct segment_header header = {
        .version = SEGMENT_VERSION, .epoch = epoch, .number = number, .bytes = bytes};
    memcpy(header.magic, segment_magic, sizeof header.magic);
    random_secret(&header.salt, sizeof header.salt);
    header.crc = header_crc(&header);
    if (pwrite(descriptor, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return errno != 0 ? errno : EIO;
    return fsync(descriptor) == 0 ? 0 : errno;
}

static struct segment *segment_make_sized(int directory, uint64_t number, size_t bytes,
                                          uint32_t epoch, int *error)
{
    char name[32];
    segment_name(number, name);
    int const descriptor = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        *error = errno;
        return NULL;
    }
    struct segment *segment = NULL;
    *error = segment_fill(descriptor, number, bytes, epoch);
    if (*error == 0 && fsync(directory) != 0)
        *error = errno;
    if (*error == 0) {
        segment = segment_map(descriptor, number, bytes);
        *error = segment != NULL ? 0 : ENOMEM;
    }
    if (segment == NULL) {
        segment_unlink(directory, number);
        close(descriptor);
        return NULL;
    }
    segment->salt = ((const struct segment_header *)(const void *)segment->base)->salt;
    segment->epoch = epoch;
    return segment;
}

struct segment *segment_make(int directory, uint64_t number, size_t bytes, uint32_t epoch,
                             int *error)
{
    struct segment *segment = segment_make_sized(directory, number, bytes, epoch, error);
    while (segment == NULL && (*error == ENOSPC || *error == EDQUOT) &&
           bytes / 2 >= SEGMENT_BYTES_MIN) {
        bytes /= 2;
        segment = segment_make_sized(directory, number, bytes, epoch, error);
    }
    return segment;
}

static bool all_zero(const char *bytes, size_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* A file whose preparation did not end was never written to by the appender. */
static enum segment_state header_check(const struct segment *segment, const char *name,
                                       struct fault *fault)
{
    const struct segment_header *header = (const void *)segment->base;
    if (memcmp(header->magic, segment_magic, sizeof header->magic) == 0 &&
        header->crc == header_crc(header)) {
        if (header->version == SEGMENT_VERSION && header->number == segment->number)
            return SEGMENT_GOOD;
        fault_set(fault, ERR_CORRUPT, "journal %s: made by another version, or renamed", name);
        return SEGMENT_BAD;
    }
    if (all_zero(segment->base, segment->capacity))
        return SEGMENT_UNFINISHED;
    fault_set(fault, ERR_CORRUPT, "journal %s: damaged header at offset 0", name);
    return SEGMENT_BAD;
}

enum segment_state segment_load(int directory, uint64_t number, struct segment **segment,
                                struct fault *fault)
{
    char name[32];
    segment_name(number, name);
    *segment = NULL;
    int const descriptor = openat(directory, name, O_RDWR | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        fault_set(fault, ERR_JOURNAL_FAILED, "journal %s: %s", name, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return SEGMENT_BAD;
    }
    if (status.st_size < SEGMENT_HEADER_BYTES) {
        close(descriptor);
        return SEGMENT_UNFINISHED;
    }
    struct segment *loaded = segment_map(descriptor, number, (size_t)status.st_size);
    if (loaded == NULL) {
        fault_set(fault, ERR_JOURNAL_FAILED, "journal %s: cannot be mapped", name);
        close(descriptor);
        return SEGMENT_BAD;
    }
    enum segment_state const state = header_check(loaded, name, fault);
    if (state != SEGMENT_GOOD) {
        segment_free(loaded);
        return state;
    }
    loaded->salt = ((const struct segment_header *)(const void *)loaded->base)->salt;
    loaded->epoch = ((const struct segment_header *)(const void *)loaded->base)->epoch;
    *segment = loaded;
    return SEGMENT_GOOD;
}

void segment_seal_unless_backed(struct segment *segment)
{
    if (posix_fallocate(segment->descriptor, 0, (off_t)segment->capacity) != 0)
        segment->capacity =
            segment->used; /* a sparse copy on a full disk: writing could be SIGBUS */
}

uint32_t record_crc(const struct record_head *head, uint32_t salt, uint32_t payload_crc)
{
    struct record_head copy = *head;
    copy.crc = salt;
    return crc32c(payload_crc, str_make((const char *)&copy, sizeof copy));
}

enum record_state segment_record(const struct segment *segment, size_t offset,
                                 struct record_head *head)
{
    MUST(offset <= segment->capacity && offset % RECORD_ALIGN == 0);
    size_t const left = segment->capacity - offset;
    if (left < RECORD_HEAD_BYTES)
        return RECORD_END;
    memcpy(head, segment->base + offset, sizeof *head);
    if (head->bytes == 0)
        return RECORD_END;
    if (head->bytes < RECORD_HEAD_BYTES || head->bytes > left ||
        head->bytes > JOURNAL_RECORD_BYTES_MAX)
        return RECORD_BAD;
    struct str const payload =
        str_make(segment->base + offset + RECORD_HEAD_BYTES, head->bytes - RECORD_HEAD_BYTES);
    return record_crc(head, segment->salt, crc32c(0, payload)) == head->crc ? RECORD_GOOD
                                                                            : RECORD_BAD;
}
