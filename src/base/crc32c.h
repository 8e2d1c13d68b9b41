/* crc32c.h - CRC-32C (Castagnoli), the checksum of journal records; SSE 4.2 where it exists. */
#pragma once
#include "base/str.h"

/* Start with crc = 0; feed the result back for more bytes. */
uint32_t crc32c(uint32_t crc, struct str bytes);
