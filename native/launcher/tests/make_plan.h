/* Plans for tests, built record by record. Every check is an assert: a test that fails aborts. */
#ifndef WHERRY_MAKE_PLAN_H
#define WHERRY_MAKE_PLAN_H

#undef NDEBUG
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct maker {
    unsigned char bytes[1 << 16];
    size_t length, record; /* where the open record's body begins */
};

static inline void put(struct maker *maker, uint64_t value, unsigned width) {
    assert(maker->length + width <= sizeof maker->bytes);
    for (unsigned i = 0; i < width; i++) maker->bytes[maker->length++] = (unsigned char)(value >> (8 * i));
}

static inline void put_bytes(struct maker *maker, const void *bytes, size_t length) {
    put(maker, length, 4);
    assert(maker->length + length <= sizeof maker->bytes);
    memcpy(maker->bytes + maker->length, bytes, length);
    maker->length += length;
}

static inline void put_text(struct maker *maker, const char *text) {
    put_bytes(maker, text, strlen(text));
    put(maker, 0, 1);
}

static inline void seal(struct maker *maker) {
    if (maker->record != 0) {
        size_t end = maker->length;
        maker->length = maker->record - 4;
        put(maker, end - maker->record, 4);
        maker->length = end;
    }
    size_t end = maker->length;
    maker->length = 8;
    put(maker, end, 4);
    maker->length = end;
}

/* Appends a record; fields by their letters: u uint64_t, s const char *, b const char * (as text), l: a count, then texts. */
static inline void add(struct maker *maker, unsigned kind, const char *fields, ...) {
    va_list arguments;
    if (maker->length == 0) {
        memcpy(maker->bytes, "WHRY", 4);
        maker->length = 4;
        put(maker, 1, 4);
        put(maker, 0, 4);
        put(maker, 1000, 4);
    }
    put(maker, kind, 2);
    put(maker, strlen(fields), 2);
    put(maker, 0, 4);
    maker->record = maker->length;
    va_start(arguments, fields);
    for (const char *field = fields; *field != 0; field++) {
        if (*field == 'u') put(maker, va_arg(arguments, uint64_t), 8);
        if (*field == 's') put_text(maker, va_arg(arguments, const char *));
        if (*field == 'b') {
            const char *blob = va_arg(arguments, const char *);
            put_bytes(maker, blob, strlen(blob));
        }
        if (*field == 'l') {
            int count = va_arg(arguments, int);
            put(maker, (uint64_t)count, 4);
            while (count-- > 0) put_text(maker, va_arg(arguments, const char *));
        }
    }
    va_end(arguments);
    seal(maker);
}

#endif
