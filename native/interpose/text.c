#include "text.h"

#include <stdint.h>

size_t text_length(const char *text) {
    size_t length = 0;
    while (text[length] != 0) length++;
    return length;
}

int text_order(const char *a, const char *b) {
    while (*a != 0 && *a == *b) a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

bool text_same(const char *a, const char *b) { return text_order(a, b) == 0; }

bool text_starts(const char *text, const char *with) {
    while (*with != 0 && *text == *with) text++, with++;
    return *with == 0;
}

typedef uint64_t __attribute__((may_alias, aligned(1))) piece;

/* By eight bytes: each is read whole before it is written, and what comes after it lies on the other side. */
void text_move(char *to, const char *from, size_t length) {
    if (to < from) {
        for (; length >= sizeof(piece); length -= sizeof(piece), to += sizeof(piece), from += sizeof(piece))
            *(piece *)to = *(const piece *)from;
        for (size_t i = 0; i < length; i++) to[i] = from[i];
        return;
    }
    for (; length >= sizeof(piece); length -= sizeof(piece))
        *(piece *)(to + length - sizeof(piece)) = *(const piece *)(from + length - sizeof(piece));
    while (length-- > 0) to[length] = from[length];
}

bool text_equal(const char *a, const char *b, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (a[i] != b[i]) return false;
    return true;
}

const char *text_find(const char *text, char wanted) {
    while (*text != 0 && *text != wanted) text++;
    return *text == wanted ? text : NULL;
}

const char *text_last(const char *text, char wanted) {
    const char *last = NULL;
    for (; *text != 0; text++)
        if (*text == wanted) last = text;
    return last;
}

const char *text_base(const char *path) {
    const char *slash = text_last(path, '/');
    return slash == NULL ? path : slash + 1;
}

size_t text_number(char *to, unsigned long number) {
    char digits[20];
    size_t count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < count; i++) to[i] = digits[count - 1 - i];
    to[count] = 0;
    return count;
}

void line_bytes(struct line *line, const char *bytes, size_t length) {
    if (line->full || length >= line->room - line->length) {
        line->full = true;
        return;
    }
    text_move(line->text + line->length, bytes, length);
    line->length += length;
    line->text[line->length] = 0;
}

void line_add(struct line *line, const char *text) { line_bytes(line, text, text_length(text)); }
