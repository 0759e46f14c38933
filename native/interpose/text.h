/* Text without a C library. A `length` never counts the end. */
#ifndef INTERPOSE_TEXT_H
#define INTERPOSE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

size_t text_length(const char *text);
bool text_same(const char *a, const char *b);
int text_order(const char *a, const char *b); /* as strcmp */
bool text_starts(const char *text, const char *with);

/* Copies `length` bytes, which may overlap. */
void text_move(char *to, const char *from, size_t length);
bool text_equal(const char *a, const char *b, size_t length);

/* The first (last) `wanted`, or NULL. */
const char *text_find(const char *text, char wanted);
const char *text_last(const char *text, char wanted);

/* After the last '/': all of it if there is none. */
const char *text_base(const char *path);

/* Puts `number` as decimal digits and an end at `to` (room for 21); gives its length. */
size_t text_number(char *to, unsigned long number);

/* A text that grows in room that somebody else has. Too much sets `full` and changes nothing. */
struct line {
    char *text;
    size_t length, room;
    bool full;
};
void line_add(struct line *line, const char *text);
void line_bytes(struct line *line, const char *bytes, size_t length);

#endif
