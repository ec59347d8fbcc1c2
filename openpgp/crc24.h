/*
 * crc24 - the optional checksum of OpenPGP armor (RFC 9580 6.1.1)
 */
#ifndef CM_CRC24_H
#define CM_CRC24_H

#include <stddef.h>
#include <stdint.h>

#define CM_CRC24_INIT 0xb704ceU

/* The checksum of what was seen before and these bytes. Thread-safe. */
uint32_t cm_crc24(uint32_t crc, const unsigned char *data, size_t length);

#endif
