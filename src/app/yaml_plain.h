/* yaml_plain.h - the features of YAML that make a file mean something else than it says.
 *
 * Not:   merge keys: they are ordinary names here, and unknown ones.
 */
#pragma once
#include <stddef.h>
#include <yaml.h>

enum { YAML_FORBIDDEN_MAX = 2 };

/* What the node that begins with this event has of them: how many, and a sentence for each. */
size_t yaml_forbidden(const yaml_event_t *event, const char *sentences[YAML_FORBIDDEN_MAX]);
