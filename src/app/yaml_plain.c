/* yaml_plain.c - see yaml_plain.h. */
#include "app/yaml_plain.h"

size_t yaml_forbidden(const yaml_event_t *event, const char *sentences[YAML_FORBIDDEN_MAX])
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    size_t count = 0;
    if (event->type == YAML_ALIAS_EVENT) {
        sentences[count++] = "aliases (*name) are not allowed: write the value out";
    } else if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    }
    if (anchor != NULL)
        sentences[count++] = "anchors (&name) are not allowed";
    if (tag != NULL)
        sentences[count++] = "tags (!type) are not allowed";
    return count;
}
