/* Records: one JSON line when a start begins, one when it is over (src/wherry/base/record.py names the members).
 *
 * Texts are escaped as JSON; bytes that are not UTF-8 become U+FFFD, for JSON has no form for them.
 */
#ifndef WHERRY_RECORD_H
#define WHERRY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <time.h>

#include "bounds.h"
#include "start.h"

/* A growing text. `failed` stays set once memory was short; check it once, at the end. */
struct buffer {
    char *bytes;
    size_t length, capacity;
    bool failed;
};

void buffer_add(struct buffer *buffer, const char *bytes, size_t length);
void buffer_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `"`, the text escaped, `"`. */
void buffer_json(struct buffer *buffer, const char *bytes, size_t length);
void buffer_free(struct buffer *buffer);

enum { RECORD_TIME_SIZE = 40 };
/* RFC 3339 in UTC with `digits` (3 or 9) digits of a second. Asks no time zone files. */
void record_time(const struct timespec *time, int digits, char text[RECORD_TIME_SIZE]);

/* The start line with its newline, into an empty buffer. */
void record_start_line(const struct start *start, const char *cwd, const char *fragment, const struct timespec *now,
                       struct buffer *line);

/* The end line with its newline. `status` as a shell shows it. */
void record_end_line(const char *id, const struct timespec *began, const struct timespec *now, int status, int signal,
                     const struct rusage *usage, const struct bounds *bounds, struct buffer *line);

/* Appends a line to FOLDER/YYYY-MM-DD.jsonl (UTC day of `now`), in one write; the folder is made when missing. */
int record_append(const char *folder, const struct timespec *now, const struct buffer *line, struct failure *failure);

#endif
