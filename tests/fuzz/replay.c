/* replay.c - feeds every file of the given folders to a fuzz target, so that corpora run as tests.
 *
 * What:  the main() that libFuzzer would bring; linked with one tests/fuzz/<name>.c.
 * Not:   no mutation, no instrumentation: tools/fuzz.py does that with the libFuzzer build.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_BYTES_MAX = 16 << 20, EXIT_SKIPPED = 77 };

/* The copy has exactly the file's size, so that a sanitizer sees a read past the end. */
static int feed(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    static uint8_t whole[FILE_BYTES_MAX];
    size_t const size = fread(whole, 1, sizeof whole, file);
    int const failed = ferror(file);
    fclose(file);
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (failed || exact == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(exact);
        return 1;
    }
    if (size > 0)
        memcpy(exact, whole, size);
    fprintf(stderr, "%s: %zu bytes\n", path, size); /* the last line names the culprit of a crash */
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

static int feed_folder(const char *folder, int *count)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "%s: no such corpus\n", folder);
        return EXIT_SKIPPED;
    }
    int result = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        int const length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path || feed(path) != 0)
            result = 1;
        *count += 1;
    }
    closedir(dir);
    return result;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        int const result = feed_folder(argv[i], &count);
        if (result != 0)
            return result;
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : EXIT_SKIPPED;
}
