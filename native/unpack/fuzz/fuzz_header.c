/* Any 512 bytes as a header, the rest as PAX records. */
#include "header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
  static struct header header;
  unsigned char block[512] = {0};
  memcpy(block, data, size < 512 ? size : 512);
  (void)header_parse(block, &header);
  if (size <= 512)
    return 0;
  struct records records = {0};
  char *text = malloc(size - 512 + 1);
  memcpy(text, data + 512, size - 512);
  if (records_parse(text, size - 512, &records) == NULL)
    (void)parts_check(&records.parts, records.real_size, records.size);
  records_clear(&records);
  free(text);
  return 0;
}
