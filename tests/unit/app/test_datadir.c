/* test_datadir.c - what is refused, so that no secret is shared or silently replaced. */
#include "app/datadir.h"
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char folder[64];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cota-datadir-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const char *bytes, mode_t mode)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(bytes, file);
    fclose(file);
    assert_int_equal(chmod(path_of(name), mode), 0);
}

static void refused(const char *why)
{
    struct datadir dir;
    struct fault fault = {0};
    assert_int_equal(datadir_open(str_of(folder), STR(""), &dir, &fault), ERR_CONFIG_INVALID);
    if (strstr(fault.detail, why) == NULL)
        fail_msg("wanted \"%s\", got \"%s\"", why, fault.detail);
}

static void secrets_are_made_once(void **state)
{
    (void)state;
    struct datadir first, again;
    struct fault fault = {0};
    struct stat info;
    assert_int_equal(datadir_open(str_of(folder), STR(""), &first, &fault), ERR_OK);
    assert_int_equal(datadir_open(str_of(folder), STR(""), &again, &fault), ERR_OK);
    assert_memory_equal(first.pepper, again.pepper, sizeof first.pepper);
    assert_true(str_eq(secret_view(&first.admin_token), secret_view(&again.admin_token)));
    assert_true(str_starts(secret_view(&first.admin_token), STR("adm_")));
    assert_int_equal(first.admin_token.len, 4 + 43);
    assert_int_equal(stat(path_of("secret.key"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(stat(path_of("admin.token"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void folders_are_made(void **state)
{
    (void)state;
    struct datadir dir;
    struct fault fault = {0};
    struct stat info;
    char deep[128];
    snprintf(deep, sizeof deep, "%s/a/b/", folder);
    assert_int_equal(datadir_open(str_of(deep), STR("configured-token-1"), &dir, &fault), ERR_OK);
    assert_int_equal(stat(path_of("a/b"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_true(str_eq(secret_view(&dir.admin_token), STR("configured-token-1")));
    assert_int_equal(access(path_of("a/b/admin.token"), F_OK), -1);
}

static void a_pepper_that_others_read(void **state)
{
    (void)state;
    put_file("secret.key", "0123456789abcdef0123456789abcdef", 0644);
    refused("may be read by others");
    chmod(path_of("secret.key"), 0640);
    refused("may be read by others");
}

static void a_damaged_pepper(void **state)
{
    (void)state;
    put_file("secret.key", "short", 0600);
    refused("must have 32 bytes");
    put_file("secret.key", "0123456789abcdef0123456789abcdefX", 0600);
    refused("must have 32 bytes");
    put_file("secret.key", "", 0600);
    refused("is empty");
}

static void a_lost_pepper(void **state)
{
    (void)state;
    put_file("cota.db", "rows", 0600);
    refused("secret.key is missing, but a database is there");
}

static void a_link_instead_of_a_secret(void **state)
{
    (void)state;
    assert_int_equal(symlink("/etc/hostname", path_of("secret.key")), 0);
    refused("cannot be opened");
}

static void a_token_that_others_read(void **state)
{
    (void)state;
    put_file("admin.token", "0123456789abcdef0123", 0604);
    refused("may be read by others");
    put_file("admin.token", "short\n", 0600);
    refused("too short");
}

static void a_folder_that_others_write(void **state)
{
    (void)state;
    assert_int_equal(chmod(folder, 0777), 0);
    refused("may be written by others");
    chmod(folder, 0700);
}

static void a_file_instead_of_a_folder(void **state)
{
    (void)state;
    struct datadir dir;
    struct fault fault = {0};
    put_file("file", "x", 0600);
    assert_int_equal(datadir_open(str_of(path_of("file")), STR(""), &dir, &fault),
                     ERR_CONFIG_INVALID);
    assert_non_null(strstr(fault.detail, "is not a folder"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(secrets_are_made_once),
                                       CASE(folders_are_made),
                                       CASE(a_pepper_that_others_read),
                                       CASE(a_damaged_pepper),
                                       CASE(a_lost_pepper),
                                       CASE(a_link_instead_of_a_secret),
                                       CASE(a_token_that_others_read),
                                       CASE(a_folder_that_others_write),
                                       CASE(a_file_instead_of_a_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
