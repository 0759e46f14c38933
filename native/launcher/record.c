#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

enum { LEAST = 3000 }; /* a start line as it mostly is, in less than a page */

static bool buffer_reserve(struct buffer *buffer, size_t more) {
    if (buffer->failed) return false;
    if (buffer->capacity - buffer->length >= more) return true;
    size_t capacity = 2 * (buffer->length + more) + LEAST;
    char *bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void buffer_add(struct buffer *buffer, const char *bytes, size_t length) {
    if (!buffer_reserve(buffer, length)) return;
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_format(struct buffer *buffer, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        buffer->failed = true;
    else
        buffer_add(buffer, text, (size_t)length);
}

void buffer_free(struct buffer *buffer) {
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

/* How many bytes a well-formed UTF-8 character at `at` has (RFC 3629); 0 when it is not one. */
static size_t utf8_length(const unsigned char *at, size_t left) {
    unsigned char first = at[0], low = 0x80, high = 0xbf;
    if (first < 0x80) return 1;
    size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length == 0 || length > left) return 0;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f; /* no surrogates */
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return length;
}

void buffer_json(struct buffer *buffer, const char *bytes, size_t length) {
    const unsigned char *at = (const unsigned char *)bytes, *end = at + length;
    buffer_add(buffer, "\"", 1);
    while (at < end) {
        size_t n = utf8_length(at, (size_t)(end - at));
        if (n == 0)
            buffer_add(buffer, "\xef\xbf\xbd", 3);
        else if (*at == '"' || *at == '\\')
            buffer_format(buffer, "\\%c", *at);
        else if (*at == '\n')
            buffer_add(buffer, "\\n", 2);
        else if (*at < 0x20 || *at == 0x7f)
            buffer_format(buffer, "\\u%04x", *at);
        else
            buffer_add(buffer, (const char *)at, n);
        at += n == 0 ? 1 : n;
    }
    buffer_add(buffer, "\"", 1);
}

struct date {
    long year;
    int month, day, hour, minute, second;
};

/* The calendar of a UTC time ("days from civil" backwards; years begin in March so that leap days come last). */
static struct date date_of(time_t time) {
    long days = (long)(time / 86400), rest = (long)(time % 86400);
    long since = days + 719468, era = since / 146097, of_era = since % 146097;
    long year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    long of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    struct date date = {
        .year = year + era * 400 + (month >= 10),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(of_year - (153 * month + 2) / 5 + 1),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
    };
    return date;
}

void record_time(const struct timespec *time, int digits, char text[RECORD_TIME_SIZE]) {
    struct date d = date_of(time->tv_sec);
    long fraction = digits == 3 ? time->tv_nsec / 1000000 : time->tv_nsec;
    snprintf(text, RECORD_TIME_SIZE, "%04ld-%02d-%02dT%02d:%02d:%02d.%0*ldZ", d.year, d.month, d.day, d.hour, d.minute,
             d.second, digits, fraction);
}

static void add_limits(struct buffer *line) {
    static const char *const names[] = {"cpu",      "fsize",  "data",    "stack", "core",  "rss",
                                        "nproc",    "nofile", "memlock", "as",    "locks", "sigpending",
                                        "msgqueue", "nice",   "rtprio",  "rttime"};
    const char *comma = "";
    buffer_format(line, ",\"limits\":{");
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        struct rlimit limit;
        if (getrlimit(i, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) continue;
        buffer_format(line, "%s\"%s\":%llu", comma, names[i], (unsigned long long)limit.rlim_cur);
        comma = ",";
    }
    buffer_format(line, "}");
}

void record_start_line(const struct start *start, const char *cwd, const char *fragment, const struct timespec *now,
                       struct buffer *line) {
    char time[RECORD_TIME_SIZE];
    record_time(now, 3, time);
    buffer_format(line, "{\"kind\":\"start\",\"id\":\"%s\",\"time\":\"%s\",\"pid\":%d,\"cwd\":", start->slots.id, time,
                  getpid());
    buffer_json(line, cwd, strlen(cwd));
    buffer_format(line, ",\"command\":[");
    for (char **argument = start->command; *argument != NULL; argument++) {
        if (argument != start->command) buffer_add(line, ",", 1);
        buffer_json(line, *argument, strlen(*argument));
    }
    buffer_format(line, "],\"umask\":\"%04o\"", start->caller_umask);
    add_limits(line);
    if (*fragment != 0) buffer_add(line, ",", 1);
    buffer_add(line, fragment, strlen(fragment));
    buffer_add(line, "}\n", 2);
}

static long milliseconds(struct timeval time) { return time.tv_sec * 1000 + time.tv_usec / 1000; }

void record_end_line(const char *id, const struct timespec *began, const struct timespec *now, int status, int signal,
                     const struct rusage *usage, const struct bounds *bounds, struct buffer *line) {
    char time[RECORD_TIME_SIZE];
    record_time(now, 3, time);
    long wall = (now->tv_sec - began->tv_sec) * 1000 + (now->tv_nsec - began->tv_nsec) / 1000000;
    buffer_format(line, "{\"kind\":\"end\",\"id\":\"%s\",\"time\":\"%s\",\"exit\":%d,\"signal\":%d", id, time, status,
                  signal);
    if (bounds->hit.kind != LIMIT_NONE)
        buffer_format(line, ",\"limit\":{\"kind\":\"%s\",\"value\":%" PRIu64 ",\"peak\":%" PRIu64 "}",
                      bounds_name(bounds), bounds->hit.value, bounds->hit.peak);
    buffer_format(line, ",\"usage\":{\"wall_ms\":%ld,\"user_ms\":%ld,\"system_ms\":%ld,\"max_rss_kb\":%ld",
                  wall < 0 ? 0 : wall, milliseconds(usage->ru_utime), milliseconds(usage->ru_stime), usage->ru_maxrss);
    if (bounds->peak != 0) buffer_format(line, ",\"peak_memory_kb\":%" PRIu64, bounds->peak / 1024);
    buffer_format(line, "}}\n");
}

int record_append(const char *folder, const struct timespec *now, const struct buffer *line, struct failure *failure) {
    char path[PATH_MAX];
    struct date d = date_of(now->tv_sec);
    snprintf(path, sizeof path, "%s/%04ld-%02d-%02d.jsonl", folder, d.year, d.month, d.day);
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
    int file = open(path, flags, 0600);
    if (file < 0 && errno == ENOENT && files_make_folders(folder, 0700) == 0) file = open(path, flags, 0600);
    if (file < 0) return failure_set(failure, STEP_RECORD, errno, path);
    ssize_t written = line->failed ? (errno = ENOMEM, -1) : write(file, line->bytes, line->length);
    int error = errno;
    close(file);
    if (written == (ssize_t)line->length) return 0;
    return failure_set(failure, STEP_RECORD, written < 0 ? error : ENOSPC, path);
}
