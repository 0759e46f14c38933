#include "log.h"

#include <string.h>
#include <unistd.h>

#include "record.h"

static void add_entry(struct buffer *entries, int stream, const char *text, size_t length, const char *time) {
    buffer_format(entries, "{\"log\":");
    buffer_json(entries, text, length);
    buffer_format(entries, ",\"stream\":\"%s\",\"time\":\"%s\"}\n", stream == 0 ? "stdout" : "stderr", time);
}

static void put(struct buffer *entries, int file) {
    /* A log that cannot be written (full disk) must not stop the command. */
    if (!entries->failed && entries->length > 0) {
        ssize_t ignored = write(file, entries->bytes, entries->length);
        (void)ignored;
    }
    buffer_free(entries);
}

void log_write(struct log_line *line, int file, int stream, const char *bytes, size_t length) {
    char text[RECORD_TIME_SIZE];
    struct timespec now;
    struct buffer entries = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    record_time(&now, 9, text);
    while (length > 0) {
        const char *newline = memchr(bytes, '\n', length);
        size_t take = newline == NULL ? length : (size_t)(newline + 1 - bytes),
               room = sizeof line->bytes - line->length;
        if (take > room) take = room;
        memcpy(line->bytes + line->length, bytes, take);
        line->length += take;
        bytes += take;
        length -= take;
        if (line->length < sizeof line->bytes && line->bytes[line->length - 1] != '\n') continue;
        add_entry(&entries, stream, line->bytes, line->length, text);
        line->length = 0;
    }
    put(&entries, file);
}

void log_flush(struct log_line *line, int file, int stream) {
    char text[RECORD_TIME_SIZE];
    struct timespec now;
    struct buffer entries = {0};
    if (line->length == 0) return;
    clock_gettime(CLOCK_REALTIME, &now);
    record_time(&now, 9, text);
    add_entry(&entries, stream, line->bytes, line->length, text);
    line->length = 0;
    put(&entries, file);
}
