/* tear.c - edits segment files in place, by the journal's own layout. */
#include "tear.h"
#include "journal/journal_int.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 256, TORN_BYTES = 20 };

struct files {
    int count;
    char names[FILES_MAX][300];
};

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list(const char *directory, struct files *files)
{
    DIR *dir = opendir(directory);
    files->count = 0;
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        size_t const len = strlen(entry->d_name);
        if (len > 4 && memcmp(entry->d_name + len - 4, ".seg", 4) == 0 && files->count < FILES_MAX)
            snprintf(files->names[files->count++], sizeof files->names[0], "%s/%.250s", directory,
                     entry->d_name);
    }
    if (dir)
        closedir(dir);
    qsort(files->names, (size_t)files->count, sizeof files->names[0], by_name);
}

/* Zeroes what follows record `lsn`; sets *reached when that record is in here or before. */
static void cut(char *base, size_t bytes, uint64_t lsn, bool torn, bool *reached)
{
    size_t at = SEGMENT_HEADER_BYTES;
    while (at + RECORD_HEAD_BYTES <= bytes) {
        struct record_head head;
        memcpy(&head, base + at, sizeof head);
        if (head.bytes == 0)
            return;
        if (head.lsn > lsn)
            break;
        *reached = head.lsn == lsn;
        at += (head.bytes + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
    }
    *reached = true;
    size_t const kept = torn ? TORN_BYTES : 0;
    if (at + kept < bytes)
        memset(base + at + kept, 0, bytes - at - kept);
}

static bool cut_file(const char *name, uint64_t lsn, bool torn, bool *reached)
{
    struct stat status;
    int const descriptor = open(name, O_RDWR | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &status) != 0)
        return false;
    size_t const bytes = (size_t)status.st_size;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (base == MAP_FAILED)
        return false;
    cut(base, bytes, lsn, torn, reached);
    munmap(base, bytes);
    return true;
}

bool tear_journal(const char *directory, uint64_t lsn, bool torn)
{
    static _Thread_local struct files files;
    bool reached = false;
    list(directory, &files);
    for (int i = 0; i < files.count; i++) {
        if (reached) {
            if (unlink(files.names[i]) != 0)
                return false;
        } else if (!cut_file(files.names[i], lsn, torn, &reached)) {
            return false;
        }
    }
    return reached;
}

void remove_directory(const char *directory)
{
    DIR *dir = opendir(directory);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        char name[600];
        if (entry->d_name[0] == '.' && (entry->d_name[1] == '\0' || entry->d_name[1] == '.'))
            continue;
        snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
        (void)unlink(name);
    }
    if (dir)
        closedir(dir);
    (void)rmdir(directory);
}
