/* must.c - the one line a failed assertion leaves behind. */
#include "base/must.h"
#include <stdio.h>
#include <stdlib.h>

void must_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "{\"event\":\"must_failed\",\"level\":\"FATAL\",\"at\":\"%s:%d\"}\n", file,
            line);
    fprintf(stderr, "MUST(%s)\n", condition);
    abort();
}
