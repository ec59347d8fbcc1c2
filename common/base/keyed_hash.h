/*
 * keyed_hash - a hash that cannot be predicted without the key
 *
 * SipHash-2-4 (Aumasson, Bernstein: SipHash, a fast short-input PRF, 2012): for tables that
 * strangers fill.
 */
#ifndef CM_KEYED_HASH_H
#define CM_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t cm_keyed_hash(const uint64_t key[2], const void *data, size_t length);

#endif
