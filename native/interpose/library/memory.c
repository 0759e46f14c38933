/* What compilers call by themselves. Ours, not the C library's, which might not be relocated yet when we are needed. */
#include <stddef.h>

__attribute__((visibility("hidden"))) void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    char *end = to;
    const char *at = from;
    while (size-- > 0) *end++ = *at++;
    return to;
}

__attribute__((visibility("hidden"))) void *memmove(void *to, const void *from, size_t size) {
    char *end = to;
    const char *at = from;
    if (end < at)
        while (size-- > 0) *end++ = *at++;
    else
        while (size-- > 0) end[size] = at[size];
    return to;
}

__attribute__((visibility("hidden"))) void *memset(void *to, int byte, size_t size) {
    char *end = to;
    while (size-- > 0) *end++ = (char)byte;
    return to;
}

__attribute__((visibility("hidden"))) int memcmp(const void *a, const void *b, size_t size) {
    const unsigned char *left = a, *right = b;
    for (; size > 0; size--, left++, right++)
        if (*left != *right) return *left - *right;
    return 0;
}

__attribute__((visibility("hidden"))) size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length] != 0) length++;
    return length;
}
