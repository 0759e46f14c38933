#include "libraries.h"

#include <elf.h>

#include "kernel.h"

enum { CONF_ROOM = 4096, MOST_FILES = 64, MOST_NESTED = 3 };

#if defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
enum { OUR_MACHINE = EM_AARCH64 };
#else
#define MULTIARCH "x86_64-linux-gnu"
enum { OUR_MACHINE = EM_X86_64 };
#endif

static bool has_folder(const struct line *line, const char *folder, size_t length) {
    for (const char *at = line->text; line->length > 0 && at != NULL;) {
        const char *end = text_find(at, ':');
        size_t size = end == NULL ? text_length(at) : (size_t)(end - at);
        if (size == length && text_equal(at, folder, length)) return true;
        at = end == NULL ? NULL : end + 1;
    }
    return false;
}

static void add_folder(struct line *line, const char *folder, size_t length) {
    if (length == 0 || has_folder(line, folder, length)) return;
    if (line->length > 0) line_bytes(line, ":", 1);
    line_bytes(line, folder, length);
}

static void add_if_there(struct view *view, struct line *line, const char *folder, size_t length) {
    char path[512];
    struct place at;
    if (length >= sizeof path || folder[0] != '/') return;
    text_move(path, folder, length);
    path[length] = 0;
    if (place_find(view, KERNEL_CWD, path, PLACE_FOLLOW, &at) == 0 && kernel_may(at.path, 0))
        add_folder(line, path, length);
}

/* Does `name` fit a pattern with '*' and '?'? */
static bool fits(const char *name, const char *pattern, const char *end) {
    if (pattern == end) return *name == 0;
    if (*pattern == '*') return fits(name, pattern + 1, end) || (*name != 0 && fits(name + 1, pattern, end));
    return *name != 0 && (*pattern == '?' || *pattern == *name) && fits(name + 1, pattern + 1, end);
}

struct entry { /* linux_dirent64 */
    uint64_t inode;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
};

static void read_conf(struct view *view, struct line *line, const char *path, unsigned nested);

/* The files that a pattern names, in the order of their names: each time the least one after the last. */
static void include(struct view *view, struct line *line, const char *pattern, size_t length, unsigned nested) {
    char path[512], last[256] = "";
    size_t folder = 0;
    for (size_t i = 0; i < length; i++)
        if (pattern[i] == '/') folder = i + 1;
    if (folder == 0 || length + sizeof last >= sizeof path) return;
    text_move(path, pattern, folder);
    for (unsigned i = 0; i < MOST_FILES; i++) {
        char least[256] = "", buffer[2048];
        struct place at;
        path[folder] = 0;
        int file = -1;
        if (place_find(view, KERNEL_CWD, path, PLACE_FOLLOW, &at) == 0)
            file = kernel_open(at.folder, at.path, KERNEL_FOLDER);
        if (file < 0) return;
        for (long got; (got = kernel(SYS_getdents64, file, buffer, sizeof buffer)) > 0;)
            for (long offset = 0; offset < got;) {
                const struct entry *entry = (const void *)(buffer + offset);
                const char *name = entry->name;
                offset += entry->size;
                if (name[0] == '.' || !fits(name, pattern + folder, pattern + length)) continue;
                if (text_order(name, last) > 0 && (least[0] == 0 || text_order(name, least) < 0))
                    text_move(least, name, text_length(name) + 1);
            }
        kernel_close(file);
        if (least[0] == 0) return;
        text_move(last, least, sizeof last);
        text_move(path + folder, least, text_length(least) + 1);
        read_conf(view, line, path, nested + 1);
    }
}

static void read_line(struct view *view, struct line *line, const char *at, const char *end, unsigned nested) {
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    for (const char *mark = at; mark < end; mark++)
        if (*mark == '#') end = mark;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) end--;
    if (text_starts(at, "include ") || text_starts(at, "include\t")) {
        for (at += 8; at < end && (*at == ' ' || *at == '\t'); at++) {}
        if (at < end && nested < MOST_NESTED) include(view, line, at, (size_t)(end - at), nested);
    } else if (at < end) {
        add_if_there(view, line, at, (size_t)(end - at));
    }
}

static void read_conf(struct view *view, struct line *line, const char *path, unsigned nested) {
    char text[CONF_ROOM];
    struct place at;
    if (place_find(view, KERNEL_CWD, path, PLACE_FOLLOW, &at) != 0) return;
    int file = kernel_open(at.folder, at.path, KERNEL_READ);
    if (file < 0) return;
    long size = kernel(SYS_read, file, text, sizeof text - 1);
    kernel_close(file);
    text[size < 0 ? 0 : size] = 0;
    for (const char *start = text, *end; *start != 0; start = *end == 0 ? end : end + 1) {
        for (end = start; *end != 0 && *end != '\n'; end++) {}
        read_line(view, line, start, end, nested);
    }
}

void libraries_list(struct view *view, struct line *line) {
    static const char usual[][40] = {
        "/lib/" MULTIARCH, "/usr/lib/" MULTIARCH, "/lib64", "/usr/lib64", "/lib", "/usr/lib",
    };
    read_conf(view, line, "/etc/ld.so.conf", 0);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        add_if_there(view, line, usual[i], text_length(usual[i]));
}

/* One folder's file with $ORIGIN filled in; false: it does not fit or has another $NAME. */
static bool fill_in(const char *folder, size_t length, const char *origin, const char *name, char *path) {
    struct line line = {path, 0, PATH_ROOM, false};
    path[0] = 0;
    size_t skip = text_starts(folder, "$ORIGIN") ? 7 : text_starts(folder, "${ORIGIN}") ? 9 : 0;
    if (skip > length) skip = 0;
    if (skip > 0) {
        if (origin == NULL || text_base(origin) == origin) return false;
        line_bytes(&line, origin, (size_t)(text_base(origin) - origin - 1));
    }
    line_bytes(&line, folder + skip, length - skip);
    line_add(&line, "/");
    line_add(&line, name);
    return !line.full && text_find(path, '$') == NULL;
}

/* A library for another processor may have the same name: loaders pass over it. */
static bool is_library(const char *host) {
    Elf64_Ehdr head = {.e_type = ET_NONE};
    int file = kernel_open(KERNEL_CWD, host, KERNEL_READ);
    if (file < 0) return false;
    long size = kernel(SYS_read, file, &head, sizeof head);
    kernel_close(file);
    return size == sizeof head && text_equal((char *)head.e_ident, ELFMAG, SELFMAG) &&
           head.e_ident[EI_CLASS] == ELFCLASS64 && head.e_machine == OUR_MACHINE;
}

bool libraries_search(struct view *view, const char *folders, const char *origin, const char *name,
                      struct place *found) {
    for (const char *at = folders, *end; *at != 0; at = *end == 0 ? end : end + 1) {
        char path[PATH_ROOM];
        for (end = at; *end != 0 && *end != ':' && *end != ';'; end++) {}
        if (end == at || !fill_in(at, (size_t)(end - at), origin, name, path)) continue;
        if (place_find(view, KERNEL_CWD, path, PLACE_FOLLOW, found) == 0 && is_library(found->path)) {
            if (found->path != found->room) text_move(found->room, found->path, text_length(found->path) + 1);
            found->path = found->room;
            return true;
        }
    }
    return false;
}
