#include "header.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int checksum_holds(const unsigned char *block);
static void text_copy(char *to, size_t room, const unsigned char *field, size_t size);

int block_is_zero(const unsigned char *block)
{
  return block[0] == 0 && memcmp(block, block + 1, 511) == 0;
}

const char *header_parse(const unsigned char *block, struct header *header)
{
  if (!checksum_holds(block))
    return "a header's checksum is wrong";
  int64_t size, mode, seconds;
  if (number_parse(block + 124, 12, &size) != 0 || size < 0)
    return "a header's size is not a number";
  if (number_parse(block + 100, 8, &mode) != 0)
    return "a header's mode is not a number";
  if (number_parse(block + 136, 12, &seconds) != 0)
    return "a header's time is not a number";
  header->type = block[156] == 0 ? '0' : (char)block[156];
  header->size = (uint64_t)size;
  header->mode = (uint32_t)mode & 07777;
  header->seconds = seconds;
  header->nanoseconds = 0;
  header->real_size = 0;
  text_copy(header->link, sizeof header->link, block + 157, 100);

  size_t prefix = 0;
  if (memcmp(block + 257, "ustar\0", 6) == 0) {
    /* star's variant of ustar marks itself at 508 and keeps times behind a shorter prefix */
    prefix = memcmp(block + 508, "tar\0", 4) == 0 ? 131 : 155;
  }
  char *name = header->name;
  name[0] = 0;
  if (prefix > 0 && block[345] != 0) {
    text_copy(name, NAME_LIMIT, block + 345, prefix);
    size_t used = strlen(name);
    name[used] = '/';
    text_copy(name + used + 1, NAME_LIMIT - used - 1, block, 100);
  } else {
    text_copy(name, NAME_LIMIT, block, 100);
  }
  /* Before ustar, a directory was a file whose name ends with a slash. */
  size_t length = strlen(name);
  if (block[156] == 0 && length > 0 && name[length - 1] == '/')
    header->type = '5';
  if (header->type == 'S') {
    int64_t real;
    if (number_parse(block + 483, 12, &real) != 0 || real < 0)
      return "a sparse file's size is not a number";
    header->real_size = (uint64_t)real;
  }
  return NULL;
}

static int checksum_holds(const unsigned char *block)
{
  int64_t stated;
  if (number_parse(block + 148, 8, &stated) != 0)
    return 0;
  int64_t bytes = 0, chars = 0; /* old writers summed signed characters */
  for (size_t i = 0; i < 512; i++) {
    unsigned char byte = i >= 148 && i < 156 ? ' ' : block[i];
    bytes += byte;
    chars += (signed char)byte;
  }
  return stated == bytes || stated == chars;
}

static void text_copy(char *to, size_t room, const unsigned char *field, size_t size)
{
  size_t length = strnlen((const char *)field, size);
  if (length >= room)
    length = room - 1;
  memcpy(to, field, length);
  to[length] = 0;
}

int number_parse(const unsigned char *field, size_t size, int64_t *value)
{
  if ((field[0] & 0x80) != 0) { /* base 256, two's complement, the first bit is the mark */
    int negative = (field[0] & 0x40) != 0;
    unsigned char flip = negative ? 0xff : 0;
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
      unsigned char byte = (unsigned char)(field[i] ^ flip);
      if (i == 0)
        byte &= 0x7f;
      if (number >> 56 != 0)
        return -1;
      number = number << 8 | byte;
    }
    if (number > INT64_MAX)
      return -1;
    *value = negative ? -(int64_t)number - 1 : (int64_t)number;
    return 0;
  }
  size_t start = 0, end = size;
  while (start < end && (field[start] == ' ' || field[start] == 0))
    start++;
  while (end > start && (field[end - 1] == ' ' || field[end - 1] == 0))
    end--;
  uint64_t number = 0;
  for (size_t i = start; i < end; i++) {
    if (field[i] == 0) /* some writers leave rubbish behind the first NUL */
      break;
    if (field[i] < '0' || field[i] > '7')
      return -1;
    number = number << 3 | (uint64_t)(field[i] - '0');
  }
  *value = (int64_t)number; /* 12 digits are 36 bits */
  return 0;
}

const char *decimal_parse(const char *text, const char *limit, char end, uint64_t *value)
{
  uint64_t number = 0;
  const char *start = text;
  while (text < limit && *text >= '0' && *text <= '9') {
    uint64_t digit = (uint64_t)(*text - '0');
    if (number > ((uint64_t)INT64_MAX - digit) / 10)
      return NULL;
    number = number * 10 + digit;
    text++;
  }
  if (text == start || text >= limit || *text != end)
    return NULL;
  *value = number;
  return text + 1;
}

static const char *record_take(struct records *records, char *key, char *value, size_t size);

const char *records_parse(char *text, size_t size, struct records *records)
{
  static const char malformed[] = "an extended header is malformed";
  char *limit = text + size;
  while (text < limit) {
    /* "LENGTH KEY=VALUE\n", the length counts all of it */
    uint64_t length;
    const char *start = decimal_parse(text, limit, ' ', &length);
    if (start == NULL || length > (uint64_t)(limit - text) || length < (uint64_t)(start - text) + 2)
      return malformed;
    char *key = text + (start - text);
    char *end = text + length - 1;
    if (*end != '\n')
      return malformed;
    char *equals = memchr(key, '=', (size_t)(end - key));
    if (equals == NULL || equals == key)
      return malformed;
    *equals = 0;
    *end = 0;
    if (strlen(key) != (size_t)(equals - key))
      return malformed;
    const char *wrong = record_take(records, key, equals + 1, (size_t)(end - equals - 1));
    if (wrong != NULL)
      return wrong;
    text = end + 1;
  }
  return NULL;
}

void records_clear(struct records *records)
{
  free(records->xattrs);
  free(records->parts.list);
  *records = (struct records){0};
}

static const char *time_take(struct records *records, const char *value, size_t size);
static const char *map_take(struct records *records, const char *value, size_t size);
static const char *xattr_take(struct records *records, const char *name, const char *value, size_t size);
static int number_take(const char *value, size_t size, uint64_t *number);

static const char *record_take(struct records *records, char *key, char *value, size_t size)
{
  static const char xattr[] = "SCHILY.xattr.";
  if (strncmp(key, xattr, sizeof xattr - 1) == 0)
    return xattr_take(records, key + sizeof xattr - 1, value, size);
  int text_ok = strlen(value) == size; /* no NUL within */
  if (strcmp(key, "path") == 0 || strcmp(key, "linkpath") == 0 || strcmp(key, "GNU.sparse.name") == 0) {
    if (!text_ok)
      return "a name holds a NUL byte";
    if (size >= NAME_LIMIT)
      return "a name is longer than 4095 bytes";
    const char **to = key[0] == 'p' ? &records->path : key[0] == 'l' ? &records->link : &records->sparse_name;
    *to = size > 0 ? value : NULL;
    return NULL;
  }
  if (strcmp(key, "mtime") == 0)
    return time_take(records, value, size);
  if (strcmp(key, "size") == 0) {
    if (size == 0) {
      records->has_size = 0;
      return NULL;
    }
    records->has_size = 1;
    return number_take(value, size, &records->size) == 0 ? NULL : "a size is not a number";
  }
  if (strncmp(key, "GNU.sparse.", 11) != 0)
    return NULL; /* owners, comments, what others invented: kept in the table */
  uint64_t number;
  const char *name = key + 11;
  if (strcmp(name, "map") == 0)
    return map_take(records, value, size);
  if (strcmp(name, "numblocks") == 0)
    return NULL;
  if (number_take(value, size, &number) != 0)
    return "a sparse file's record is not a number";
  if (strcmp(name, "major") == 0) {
    records->major = number == 1 ? 1 : number == 0 ? 0 : 2;
    if (records->major == 2)
      return "this format of sparse files is not known";
    if (records->major == 1)
      records->sparse = 2;
  } else if (strcmp(name, "realsize") == 0 || strcmp(name, "size") == 0) {
    records->real_size = number;
    records->has_real_size = 1;
    if (records->sparse == 0 && strcmp(name, "size") == 0)
      records->sparse = 1;
  } else if (strcmp(name, "offset") == 0) {
    records->sparse = 1;
    return parts_add(&records->parts, number, UINT64_MAX);
  } else if (strcmp(name, "numbytes") == 0) {
    if (records->parts.count == 0 || records->parts.list[records->parts.count - 1].size != UINT64_MAX)
      return "a sparse file's map is malformed";
    records->parts.list[records->parts.count - 1].size = number;
  }
  return NULL;
}

static int number_take(const char *value, size_t size, uint64_t *number)
{
  /* the record's newline was replaced by NUL, so it can end the digits */
  return decimal_parse(value, value + size + 1, 0, number) == value + size + 1 ? 0 : -1;
}

static const char *time_take(struct records *records, const char *value, size_t size)
{
  static const char wrong[] = "a time is not a number";
  if (size == 0) {
    records->has_time = 0;
    return NULL;
  }
  const char *limit = value + size + 1;
  int negative = *value == '-';
  const char *point = memchr(value, '.', size);
  uint64_t seconds;
  if (decimal_parse(value + negative, limit, point != NULL ? '.' : 0, &seconds) == NULL)
    return wrong;
  uint32_t nanoseconds = 0;
  uint32_t unit = 100000000;
  for (const char *digit = point != NULL ? point + 1 : limit - 1; digit < limit - 1; digit++) {
    if (*digit < '0' || *digit > '9')
      return wrong;
    nanoseconds += (uint32_t)(*digit - '0') * unit;
    unit /= 10;
  }
  records->has_time = 1;
  records->seconds = negative ? -(int64_t)seconds : (int64_t)seconds;
  records->nanoseconds = nanoseconds;
  if (negative && nanoseconds > 0) {
    records->seconds -= 1;
    records->nanoseconds = 1000000000 - nanoseconds;
  }
  return NULL;
}

static const char *map_take(struct records *records, const char *value, size_t size)
{
  static const char wrong[] = "a sparse file's map is malformed";
  records->sparse = 1;
  records->parts.count = 0;
  const char *limit = value + size + 1;
  while (value < limit - 1) {
    uint64_t offset, length;
    value = decimal_parse(value, limit, ',', &offset);
    if (value == NULL)
      return wrong;
    const char *end = memchr(value, ',', (size_t)(limit - value));
    value = decimal_parse(value, limit, end != NULL ? ',' : 0, &length);
    if (value == NULL)
      return wrong;
    const char *why = parts_add(&records->parts, offset, length);
    if (why != NULL)
      return why;
  }
  return NULL;
}

static const char *xattr_take(struct records *records, const char *name, const char *value, size_t size)
{
  if (records->xattr_count == records->xattr_room) {
    if (records->xattr_room >= XATTR_LIMIT)
      return "an entry has more than 4096 extended attributes";
    size_t room = records->xattr_room == 0 ? 8 : records->xattr_room * 2;
    struct xattr *grown = realloc(records->xattrs, room * sizeof *grown);
    if (grown == NULL)
      return "no memory for extended attributes";
    records->xattrs = grown;
    records->xattr_room = room;
  }
  records->xattrs[records->xattr_count++] = (struct xattr){.name = name, .value = value, .size = size};
  return NULL;
}

const char *parts_add(struct parts *parts, uint64_t offset, uint64_t size)
{
  if (parts->count == parts->room) {
    if (parts->room >= SPARSE_LIMIT)
      return "a sparse file has more than a million parts";
    size_t room = parts->room == 0 ? 16 : parts->room * 2;
    struct part *grown = realloc(parts->list, room * sizeof *grown);
    if (grown == NULL)
      return "no memory for a sparse file's map";
    parts->list = grown;
    parts->room = room;
  }
  parts->list[parts->count++] = (struct part){.offset = offset, .size = size};
  return NULL;
}

const char *parts_parse_old(const unsigned char *field, size_t count, struct parts *parts)
{
  for (size_t i = 0; i < count; i++, field += 24) {
    int64_t offset, size;
    if (field[0] == 0 && field[12] == 0)
      break;
    if (number_parse(field, 12, &offset) != 0 || number_parse(field + 12, 12, &size) != 0 || offset < 0 || size < 0)
      return "a sparse file's map is malformed";
    const char *wrong = parts_add(parts, (uint64_t)offset, (uint64_t)size);
    if (wrong != NULL)
      return wrong;
  }
  return NULL;
}

const char *parts_check(const struct parts *parts, uint64_t real_size, uint64_t stored)
{
  uint64_t end = 0, sum = 0;
  for (size_t i = 0; i < parts->count; i++) {
    const struct part *part = &parts->list[i];
    if (part->offset < end || part->size > INT64_MAX || part->offset > INT64_MAX ||
        part->offset + part->size > real_size)
      return "a sparse file's map is out of order or out of bounds";
    end = part->offset + part->size;
    sum += part->size;
  }
  return sum == stored ? NULL : "a sparse file's map does not fit its content";
}
