/* Headers, PAX records and sparse maps, without any file. */
#include "header.h"

#include "make_tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                        \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      (void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);       \
      exit(1);                                                                                  \
    }                                                                                           \
  } while (0)

static void numbers_are_octal_or_base_256(void)
{
  int64_t value;
  CHECK(number_parse((const unsigned char *)"0000644\0", 8, &value) == 0 && value == 0644);
  CHECK(number_parse((const unsigned char *)"   644 \0", 8, &value) == 0 && value == 0644);
  CHECK(number_parse((const unsigned char *)"\0\0\0\0\0\0\0\0", 8, &value) == 0 && value == 0);
  CHECK(number_parse((const unsigned char *)"00009440", 8, &value) != 0);
  const unsigned char large[12] = {0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0};
  CHECK(number_parse(large, 12, &value) == 0 && value == INT64_C(0x200000000));
  const unsigned char minus_one[12] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
  CHECK(number_parse(minus_one, 12, &value) == 0 && value == -1);
  const unsigned char too_large[12] = {0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  CHECK(number_parse(too_large, 12, &value) != 0);
}

static void a_header_is_read(void)
{
  static struct header header;
  unsigned char block[512];
  header_fill(block, '0', "usr/bin/true", "", 04755, 12345);
  CHECK(header_parse(block, &header) == NULL);
  CHECK(header.type == '0' && header.mode == 04755 && header.size == 12345 && header.seconds == 1700000000);
  CHECK(strcmp(header.name, "usr/bin/true") == 0);
  memcpy(block + 345, "opt", 3);
  block_seal(block);
  CHECK(header_parse(block, &header) == NULL && strcmp(header.name, "opt/usr/bin/true") == 0);
  block[0] = 'U';
  CHECK(header_parse(block, &header) != NULL);
}

static void a_name_that_fills_its_field_needs_no_nul(void)
{
  static struct header header;
  unsigned char block[512];
  char name[101];
  memset(name, 'n', 100);
  name[100] = 0;
  header_fill(block, '0', name, "", 0644, 0);
  CHECK(header_parse(block, &header) == NULL && strcmp(header.name, name) == 0);
}

static void an_old_directory_ends_with_a_slash(void)
{
  static struct header header;
  unsigned char block[512];
  header_fill(block, 0, "etc/", "", 0755, 0);
  CHECK(header_parse(block, &header) == NULL && header.type == '5');
}

static const char *parse(const char *text, size_t size, struct records *records, char **copy)
{
  *copy = malloc(size + 1);
  memcpy(*copy, text, size);
  return records_parse(*copy, size, records);
}

static void records_are_read(void)
{
  struct records records = {0};
  char *copy;
  static const char text[] = "30 mtime=1350244992.023960108\n"
                             "18 path=x y=z\xff\xfe/a\n"
                             "16 size=8589934\n"
                             "27 SCHILY.xattr.user.a=b\0c\n";
  CHECK(parse(text, sizeof text - 1, &records, &copy) == NULL);
  CHECK(records.seconds == 1350244992 && records.nanoseconds == 23960108);
  CHECK(strcmp(records.path, "x y=z\xff\xfe/a") == 0);
  CHECK(records.has_size && records.size == 8589934);
  CHECK(records.xattr_count == 1 && records.xattrs[0].size == 3 && memcmp(records.xattrs[0].value, "b\0c", 3) == 0);
  records_clear(&records);
  free(copy);
}

static void times_before_1970_round_down(void)
{
  struct records records = {0};
  char *copy;
  static const char text[] = "14 mtime=-1.5\n";
  CHECK(parse(text, sizeof text - 1, &records, &copy) == NULL);
  CHECK(records.seconds == -2 && records.nanoseconds == 500000000);
  records_clear(&records);
  free(copy);
}

static void malformed_records_are_refused(void)
{
  static const char *const wrong[] = {
      "x", "5 a=b", "99 a=b\n", "6 a=b\nx", "0 a=b\n", "-6 a=b\n", "5 =b\n", "7 path\n", "9 size=x\n", "3 \n", "13 mtime=1.x\n",
      "18446744073709551621 a=b\n", "13 size=-123\n",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct records records = {0};
    char *copy;
    CHECK(parse(wrong[i], strlen(wrong[i]), &records, &copy) != NULL);
    records_clear(&records);
    free(copy);
  }
  struct records records = {0};
  char *copy;
  static const char nul[] = "11 path=a\0b\n";
  CHECK(parse(nul, sizeof nul - 1, &records, &copy) != NULL);
  records_clear(&records);
  free(copy);
}

static void sparse_maps_are_checked(void)
{
  struct parts parts = {0};
  CHECK(parts_add(&parts, 0, 10) == NULL && parts_add(&parts, 100, 20) == NULL);
  CHECK(parts_check(&parts, 200, 30) == NULL);
  CHECK(parts_check(&parts, 110, 30) != NULL);
  CHECK(parts_check(&parts, 200, 31) != NULL);
  CHECK(parts_add(&parts, 110, 1) == NULL);
  CHECK(parts_check(&parts, 200, 31) != NULL);
  free(parts.list);
  struct records records = {0};
  char *copy;
  static const char map[] = "22 GNU.sparse.major=0\n27 GNU.sparse.map=1,2,30,4\n";
  CHECK(parse(map, sizeof map - 1, &records, &copy) == NULL);
  CHECK(records.sparse == 1 && records.parts.count == 2 && records.parts.list[1].offset == 30);
  records_clear(&records);
  free(copy);
}

int main(void)
{
  numbers_are_octal_or_base_256();
  a_header_is_read();
  a_name_that_fills_its_field_needs_no_nul();
  an_old_directory_ends_with_a_slash();
  records_are_read();
  times_before_1970_round_down();
  malformed_records_are_refused();
  sparse_maps_are_checked();
  return 0;
}
