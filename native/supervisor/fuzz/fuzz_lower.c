/* Any bytes as the list of the layers' owners. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct lower lower = {.bytes = malloc(size + 1), .size = size};
    const char *path;
    struct owner owner;
    struct foreign *foreign;
    int more;
    memcpy(lower.bytes, data, size);
    do {
        more = lower_next(&lower, &path, &owner, &foreign);
        while (foreign != NULL) {
            struct foreign *next = (struct foreign *)(uintptr_t)foreign->next;
            free(foreign);
            foreign = next;
        }
    } while (more > 0);
    free(lower.bytes);
    return 0;
}
