/* zones.c - reads TZif files below one folder; names cannot leave it. */
#include "govern/zones.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct zone_entry {
    unsigned number; /* from 1; UTC is 0 */
    struct zone zone;
};

struct zones {
    char dir[256];
    const struct zone *fallback;
    size_t count;
    struct zone_entry *list[ZONES_MAX];
};

unsigned zone_number(const struct zone *zone)
{
    if (zone == zone_utc())
        return 0;
    const char *const bytes = (const char *)zone - offsetof(struct zone_entry, zone);
    return ((const struct zone_entry *)(const void *)bytes)->number;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_sign(char c)
{
    return (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' || c == '/';
}

/* Letters, digits and a few signs, in parts that begin with a letter: no "..", no "//". */
static bool is_zone_name(struct str name)
{
    char before = '/';
    if (name.len == 0 || name.len >= ZONE_NAME_BYTES_MAX || name.ptr[name.len - 1] == '/')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char const c = name.ptr[i];
        if (!is_letter(c) && (before == '/' || !is_sign(c)))
            return false;
        before = c;
    }
    return true;
}

/* The bytes of the file; false when it is not there or too large. */
static bool zone_read(const struct zones *zones, struct str name, char *bytes, size_t *len)
{
    char path[sizeof zones->dir + ZONE_NAME_BYTES_MAX + 1];
    snprintf(path, sizeof path, "%s/%.*s", zones->dir, STR_ARG(name));
    int const file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0)
        return false;
    ssize_t got = 1;
    for (*len = 0; got > 0 && *len <= ZONE_FILE_BYTES_MAX; *len += got > 0 ? (size_t)got : 0)
        got = read(file, bytes + *len, ZONE_FILE_BYTES_MAX + 1 - *len);
    close(file);
    return got == 0 && *len <= ZONE_FILE_BYTES_MAX;
}

static enum err zone_load(struct zones *zones, struct str name, const struct zone **zone,
                          struct fault *fault)
{
    size_t len;
    enum err err = ERR_NO_MEMORY;
    char *bytes = malloc(ZONE_FILE_BYTES_MAX + 1);
    struct zone_entry *entry = calloc(1, sizeof *entry);
    if (!bytes || !entry) {
        fault_set(fault, err, "no memory for a time zone");
        goto out;
    }
    err = ERR_FIELD_INVALID;
    if (!zone_read(zones, name, bytes, &len) ||
        !zone_parse(name, (struct str){bytes, len}, &entry->zone)) {
        fault_param(fault, err, "time_zone", "there is no time zone %.*s", STR_ARG(name));
        goto out;
    }
    err = ERR_OK;
    zones->list[zones->count++] = entry;
    entry->number = (unsigned)zones->count;
    *zone = &entry->zone;
    entry = NULL;
out:
    free(bytes);
    free(entry);
    return err;
}

enum err zones_get(struct zones *zones, struct str name, const struct zone **zone,
                   struct fault *fault)
{
    if (str_eq(name, STR("UTC"))) {
        *zone = zone_utc();
        return ERR_OK;
    }
    for (size_t i = 0; i < zones->count; i++)
        if (str_eq(str_of(zones->list[i]->zone.name), name)) {
            *zone = &zones->list[i]->zone;
            return ERR_OK;
        }
    if (!is_zone_name(name))
        return fault_param(fault, ERR_FIELD_INVALID, "time_zone", "not the name of a time zone");
    if (zones->count == ZONES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "time_zone", "more than %d time zones",
                           ZONES_MAX);
    return zone_load(zones, name, zone, fault);
}

const struct zone *zones_default(const struct zones *zones)
{
    return zones->fallback;
}

enum err zones_new(const char *dir, struct zones **zones, struct fault *fault)
{
    struct fault missing = {0};
    struct zones *made = calloc(1, sizeof *made);
    if (!made)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the table of time zones");
    int const len = snprintf(made->dir, sizeof made->dir, "%s", dir);
    if (len < 0 || (size_t)len >= sizeof made->dir) {
        free(made);
        return fault_set(fault, ERR_CONFIG_INVALID, "the folder of time zones has a long name");
    }
    if (zones_get(made, STR("America/Sao_Paulo"), &made->fallback, &missing) != ERR_OK) {
        made->fallback = zone_utc();
        LOG(config_ignored, field_text("setting", "time_zone"), field_text("dir", dir),
            field_text("reason", "America/Sao_Paulo is not there: UTC is used"));
    }
    *zones = made;
    return ERR_OK;
}

void zones_free(struct zones *zones)
{
    if (!zones)
        return;
    for (size_t i = 0; i < zones->count; i++)
        free(zones->list[i]);
    free(zones);
}
