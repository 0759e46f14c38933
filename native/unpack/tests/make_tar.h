/* Small tar streams for tests, made block by block so that any of them can be wrong. */
#ifndef WHERRY_UNPACK_MAKE_TAR_H
#define WHERRY_UNPACK_MAKE_TAR_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
  unsigned char *data;
  size_t size, position;
};

static inline void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
  bytes->data = realloc(bytes->data, bytes->size + size + 1);
  if (size > 0)
    memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
}

static inline void bytes_pad(struct bytes *bytes)
{
  static const unsigned char zeros[512];
  bytes_add(bytes, zeros, (size_t)(-bytes->size & 511));
}

static inline void block_seal(unsigned char *block)
{
  unsigned sum = 0;
  memset(block + 148, ' ', 8);
  for (size_t i = 0; i < 512; i++)
    sum += block[i];
  (void)snprintf((char *)block + 148, 8, "%06o", sum);
}

static inline void header_fill(unsigned char *block, char type, const char *name, const char *link, unsigned mode,
                               size_t size)
{
  memset(block, 0, 512);
  memcpy(block, name, strnlen(name, 100));
  (void)snprintf((char *)block + 100, 8, "%07o", mode);
  (void)snprintf((char *)block + 108, 8, "%07o", 1000);
  (void)snprintf((char *)block + 116, 8, "%07o", 1000);
  (void)snprintf((char *)block + 124, 12, "%011zo", size);
  (void)snprintf((char *)block + 136, 12, "%011o", 1700000000);
  block[156] = (unsigned char)type;
  memcpy(block + 157, link, strnlen(link, 100));
  memcpy(block + 257, "ustar\00000", 8);
  block_seal(block);
}

static inline void entry_add(struct bytes *tar, char type, const char *name, const char *link, unsigned mode,
                             const void *data, size_t size)
{
  unsigned char block[512];
  header_fill(block, type, name, link, mode, size);
  bytes_add(tar, block, sizeof block);
  bytes_add(tar, data, size);
  bytes_pad(tar);
}

/* One PAX record into `to`, which has room; its length, which counts itself. */
static inline size_t record_make(char *to, size_t room, const char *key, const char *value)
{
  size_t rest = strlen(key) + strlen(value) + 3, length = rest + 1;
  for (int round = 0; round < 3; round++) {
    char digits[24];
    length = rest + (size_t)snprintf(digits, sizeof digits, "%zu", length);
  }
  (void)snprintf(to, room, "%zu %s=%s\n", length, key, value);
  return length;
}

static inline void end_add(struct bytes *tar)
{
  static const unsigned char zeros[1024];
  bytes_add(tar, zeros, sizeof zeros);
}

#endif
