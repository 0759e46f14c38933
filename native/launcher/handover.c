#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

/* The first line of BASE: words, variables, kind of what confines, its flags, bytes of its filter, umask. */
#define HEAD "%zu %zu %u %" PRIu64 " %u %o\n"
enum { HEAD_FIELDS = 6, HEAD_MOST = 128, BASE_MOST = 16 << 20 };

static int write_file(const char *path, const struct buffer *content, struct failure *failure) {
    unlink(path); /* a kept container's earlier start may have left one */
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return failure_set(failure, STEP_WRITE, errno, path);
    ssize_t written = content->failed ? (errno = ENOMEM, -1) : write(file, content->bytes, content->length);
    int error = errno;
    close(file);
    if (written == (ssize_t)content->length) return 0;
    return failure_set(failure, STEP_WRITE, written < 0 ? error : ENOSPC, path);
}

/* A value within a JSON string. */
static void add_escaped(struct buffer *content, const char *value) {
    struct buffer quoted = {0};
    buffer_json(&quoted, value, strlen(value));
    if (quoted.length >= 2) buffer_add(content, quoted.bytes + 1, quoted.length - 2);
    content->failed = content->failed || quoted.failed;
    buffer_free(&quoted);
}

int handover_write_text(const struct start *start, const struct record *record, struct failure *failure) {
    struct buffer content = {0};
    const char *path = start_text(start, record, 0, failure), *text = record->field[1].s.bytes;
    if (path == NULL) return -1;
    for (const char *end; *text != 0; text = end) {
        end = text + 1;
        if (slots_present(text)) {
            char slot[2] = {*text, 0};
            const char *value = slots_fill(&start->slots, slot);
            if (value == NULL) return failure_set(failure, STEP_SLOT, errno, path);
            add_escaped(&content, value);
        } else {
            while (*end != 0 && !slots_present(end)) end++;
            buffer_add(&content, text, (size_t)(end - text));
        }
    }
    int answer = write_file(path, &content, failure);
    buffer_free(&content);
    return answer;
}

/* Goes down into `name`, a part of a path, making it when it is missing; links are not followed. Closes `folder`. */
static int step_down(int folder, const char *name) {
    int next = -1;
    if (mkdirat(folder, name, 0755) == 0 || errno == EEXIST)
        next = openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = errno;
    close(folder);
    errno = error;
    return next;
}

int handover_point(const struct start *start, const struct record *record, struct failure *failure) {
    struct stat found, there;
    const char *source = start_text(start, record, 0, failure), *root = start_text(start, record, 1, failure);
    const char *inside = start_text(start, record, 2, failure);
    char *path = inside == NULL ? NULL : strdup(inside), *rest = NULL, *last = NULL;
    if (source == NULL || root == NULL || path == NULL) return failure_set(failure, STEP_SLOT, errno, "a mount point");
    if (stat(source, &found) != 0) return failure_set(failure, STEP_SOURCE, errno, source);
    int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), answer = folder < 0 ? -1 : 0;
    for (char *name = strtok_r(path, "/", &rest); name != NULL && answer == 0; name = strtok_r(NULL, "/", &rest)) {
        if (last != NULL && (folder = step_down(folder, last)) < 0) answer = -1;
        last = name;
    }
    if (answer == 0 && last != NULL && fstatat(folder, last, &there, AT_SYMLINK_NOFOLLOW) != 0) {
        answer = S_ISDIR(found.st_mode) ? mkdirat(folder, last, 0755)
                                        : openat(folder, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (answer > 0) answer = close(answer);
    }
    if (answer < 0) failure_set(failure, STEP_POINT, errno, inside);
    if (folder >= 0) close(folder);
    free(path);
    return answer;
}

int handover_link(const struct start *start, const struct record *record, struct failure *failure) {
    const char *content = record->field[0].s.bytes, *path = start_text(start, record, 1, failure);
    if (path == NULL) return -1;
    return symlink(content, path) == 0 || errno == EEXIST ? 0 : failure_set(failure, STEP_WRITE, errno, path);
}

static const char *reports_path(const char *base, char path[PATH_MAX]) {
    return snprintf(path, PATH_MAX, "%s.reports", base) < PATH_MAX ? path : NULL;
}

int handover_pipe(const struct start *start, int ends[2], struct failure *failure) {
    char path[PATH_MAX];
    if (reports_path(start->handover, path) == NULL)
        return failure_set(failure, STEP_WRITE, ENAMETOOLONG, start->handover);
    unlink(path);
    if (mkfifo(path, 0600) != 0) return failure_set(failure, STEP_WRITE, errno, path);
    ends[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* else it would wait for who writes */
    ends[1] = ends[0] < 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC);
    if (ends[1] < 0 || fcntl(ends[0], F_SETFL, 0) != 0) return failure_set(failure, STEP_WRITE, errno, path);
    return 0;
}

static size_t add_all(struct buffer *buffer, char *const *texts) {
    size_t count = 0;
    for (; texts[count] != NULL; count++) buffer_add(buffer, texts[count], strlen(texts[count]) + 1);
    return count;
}

int handover_give(const struct start *start, char **words, char **environment, struct failure *failure) {
    const struct record *filter = plan_find(start->plan, OP_SECCOMP);
    const struct record *confine = filter != NULL ? filter : plan_find(start->plan, OP_NO_NEW_PRIVS);
    struct buffer texts = {0}, content = {0};
    size_t count = add_all(&texts, words), variables = add_all(&texts, environment);
    uint32_t length = filter == NULL ? 0 : filter->field[0].s.length;
    buffer_format(&content, HEAD, count, variables, confine == NULL ? 0U : (unsigned)confine->kind,
                  filter == NULL ? UINT64_C(0) : filter->field[1].u, length, (unsigned)start->caller_umask);
    buffer_add(&content, texts.bytes, texts.length);
    if (filter != NULL) buffer_add(&content, filter->field[0].s.bytes, length);
    content.failed = content.failed || texts.failed;
    return write_file(start->handover, &content, failure);
}

/* The whole of a file, with a NUL behind it. */
static char *read_file(const char *path, size_t *size) {
    struct stat found;
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 || fstat(file, &found) != 0 || found.st_size > BASE_MOST) return NULL;
    char *bytes = calloc(1, (size_t)found.st_size + 1);
    ssize_t n = bytes == NULL ? -1 : read(file, bytes, (size_t)found.st_size);
    close(file);
    if (n != found.st_size) return NULL;
    *size = (size_t)n;
    return bytes;
}

/* `count` texts that lie one behind the other from `*at` on, with room for one more in front; NULL where they do not. */
static char **texts_at(char **at, const char *end, size_t count) {
    char **texts = count > (size_t)(end - *at) ? NULL : calloc(count + 2, sizeof *texts);
    for (size_t i = 0; texts != NULL && i < count; i++) {
        size_t left = (size_t)(end - *at), length = strnlen(*at, left);
        if (length == left) return NULL;
        texts[i + 1] = *at;
        *at += length + 1;
    }
    return texts;
}

int handover_take(const char *base, struct handed *handed, struct failure *failure) {
    char path[PATH_MAX], *bytes, *at;
    size_t size, words, variables;
    unsigned kind, length, mask;
    uint64_t flags;
    if ((bytes = read_file(base, &size)) == NULL || reports_path(base, path) == NULL)
        return failure_set(failure, STEP_HANDOVER, errno, base);
    if ((at = memchr(bytes, '\n', size < HEAD_MOST ? size : HEAD_MOST)) == NULL ||
        sscanf(bytes, HEAD, &words, &variables, &kind, &flags, &length, &mask) != HEAD_FIELDS)
        return failure_set(failure, STEP_HANDOVER, EINVAL, base);
    at++;
    handed->words = texts_at(&at, bytes + size, words);
    char **environment = handed->words == NULL ? NULL : texts_at(&at, bytes + size, variables);
    if (environment == NULL || (size_t)(bytes + size - at) != length)
        return failure_set(failure, STEP_HANDOVER, EINVAL, base);
    handed->environment = environment + 1;
    handed->confine.kind = (enum record_kind)kind;
    handed->confine.field[0].s.bytes = at;
    handed->confine.field[0].s.length = length;
    handed->confine.field[1].u = flags;
    handed->mask = (mode_t)mask;
    handed->reports = open(path, O_WRONLY | O_CLOEXEC);
    if (handed->reports < 0) return failure_set(failure, STEP_HANDOVER, errno, path);
    unlink(path);
    unlink(base);
    return 0;
}
