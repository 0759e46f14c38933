/* The log of a kept container: Docker's json-file form, {"log":"line\n","stream":"stdout","time":"..."}. */
#ifndef WHERRY_LOG_H
#define WHERRY_LOG_H

#include <stddef.h>

enum { LOG_LINE_MAX = 16 << 10 };

/* A line that has not ended yet; longer ones are cut, as Docker cuts them. */
struct log_line {
    size_t length;
    char bytes[LOG_LINE_MAX];
};

/* Adds output of stream 0 (stdout) or 1 (stderr); each call appends its whole lines in one write. */
void log_write(struct log_line *line, int file, int stream, const char *bytes, size_t length);

/* Writes a last line without newline. */
void log_flush(struct log_line *line, int file, int stream);

#endif
