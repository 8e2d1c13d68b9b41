/* apply_ring.c - from `encryption_keys` to the ring that seals customers' own provider keys. */
#include "app/apply.h"

void apply_ring(const struct config *config, struct own_keys *own_keys)
{
    struct fernet_ring ring = {.count = 0};
    for (const struct config_text *it = config_first(&config->encryption_keys); it != NULL;
         it = config_next(it)) /* config_check.c has accepted them, and how many they are */
        if (it->text.ptr != NULL && ring.count < FERNET_RING_KEYS_MAX &&
            fernet_key_parse(it->text, &ring.keys[ring.count]) == ERR_OK)
            ring.count++;
    own_keys_ring(own_keys, &ring);
    fernet_ring_wipe(&ring);
}
