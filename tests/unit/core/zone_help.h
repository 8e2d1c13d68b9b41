/* zone_help.h - zones of this machine's tzdata, and instants by their date. */
#pragma once
#include "core/calendar.h"
#include "core/zone.h"
#include <stdio.h>
#include <time.h>

enum { TZIF_BYTES_MAX = 64 << 10 };
static const int64_t second_us = 1000000;

/* UTC. */
static inline int64_t instant(int year, int month, int day, int hour, int minute, int second)
{
    struct tm parts = {.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_sec = second};
    return (int64_t)timegm(&parts) * second_us;
}

/* False, with a line that says so: this machine has no such file. */
static inline bool zone_load(const char *name, struct zone *zone)
{
    static char bytes[TZIF_BYTES_MAX];
    char path[128];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *const file = fopen(path, "rb");
    if (!file) {
        print_message("skipped: no %s\n", path);
        return false;
    }
    size_t const len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_true(zone_parse(str_of(name), str_make(bytes, len), zone));
    return true;
}
