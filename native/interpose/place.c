#include "place.h"

#include "facts.h"
#include "text.h"
#include "walk.h"

/* What one look at a text tells. */
struct shape {
    size_t length, folder; /* `folder`: before the last '/' */
    uint64_t hash, folder_hash;
    bool odd; /* an empty name, "." or "..", or '/' at the end: it must be walked */
};

static struct shape look(const char *path) {
    struct shape shape = {.hash = FACTS_START};
    size_t i = 0;
    for (; path[i] != 0; i++) {
        if (path[i] == '/') {
            const char *next = path + i + 1;
            if (*next == '.' && next[1] == '.') next++;
            if (*next == '.') next++;
            if (*next == '/' || *next == 0) shape.odd = true;
            shape.folder = i;
            shape.folder_hash = shape.hash;
        }
        shape.hash = facts_step(shape.hash, path[i]);
    }
    shape.length = i;
    return shape;
}

/* Where the kernel says that a folder is; its length. */
static long host_folder(int folder, char *host) {
    if (folder == KERNEL_CWD) return kernel(SYS_getcwd, host, PATH_ROOM) - 1;
    char link[40] = "/proc/self/fd/";
    text_number(link + 14, (unsigned long)(unsigned)folder);
    if (folder < 0) return -KERNEL_EBADF;
    long length = kernel_readlink(KERNEL_CWD, link, host, PATH_ROOM - 1);
    if (length >= 0) host[length] = 0;
    return length;
}

long place_guest(const struct view *view, int folder, const char *path, char *guest) {
    struct line line = {guest, 0, PATH_ROOM, false};
    if (path[0] != '/') {
        long length = host_folder(folder, guest);
        if (length < 0) return length;
        if (guest[0] != '/') return -KERNEL_ENOENT; /* out of reach, or no file at all */
        length = view_guest(view, guest, guest);
        if (length < 0) return length;
        line.length = (size_t)length;
        if (guest[length - 1] != '/') line_bytes(&line, "/", 1);
    }
    line_add(&line, path);
    return line.full ? -KERNEL_ENAMETOOLONG : (long)line.length;
}

/* Does the kernel see no link on this host path? One call in place of one for each name. */
static bool kernel_sees_no_link(const char *host, bool follow) {
    struct kernel_how how = {.resolve = KERNEL_NO_LINKS};
    how.flags = (uint64_t)(KERNEL_PATH | KERNEL_CLOSE | (follow ? 0 : KERNEL_NO_LINK));
    long file = kernel(KERNEL_OPENAT2, KERNEL_CWD, host, &how, sizeof how);
    if (file >= 0) kernel_close((int)file);
    return file >= 0 || file == -KERNEL_ENOENT || file == -KERNEL_ENOTDIR || file == -KERNEL_EACCES;
}

/* Leads the kernel's way from the text to the right file? */
static bool is_plain(const struct view *view, const struct area *area, const char *host, const struct shape *shape,
                     bool follow) {
    if (shape->odd) return false;
    if (shape->length <= area->guest_length) return true; /* a bind's own target */
    if ((area->kind & AREA_FIXED) == 0 && view->facts == &view->own) return kernel_sees_no_link(host, follow);
    if (follow) return facts_known(view, area, FACT_PLAIN, shape->hash);
    return facts_known(view, area, FACT_PLAIN, shape->folder_hash);
}

/* /proc/SELF/root... is the guest's "/"; /proc/SELF/exe is the program, not the loader that runs it. NULL: neither. */
static const char *beyond_proc(const struct view *view, const char *path, bool follow, bool *program) {
    if (!text_starts(path, "/proc/")) return NULL;
    const char *name = path + 6, *end = name;
    while (*end != 0 && *end != '/') end++;
    char self[21];
    size_t length = text_number(self, (unsigned long)kernel(SYS_getpid));
    bool ours = (length == (size_t)(end - name) && text_equal(name, self, length)) || text_starts(name, "self/") ||
                text_starts(name, "thread-self/");
    if (!ours && (*name < '0' || *name > '9')) return NULL;
    *program = follow && ours && view->program != NULL && text_same(end, "/exe");
    if (*program) return view->program;
    if (!text_starts(end, "/root")) return NULL;
    if (end[5] == '/') return end + 5;
    return end[5] == 0 && follow ? "/" : NULL;
}

__attribute__((noinline)) int place_refuse(const char *path, unsigned how) {
    struct kernel_stat found;
    bool creates = (how & PLACE_CREATES) == PLACE_CREATES, removes = (how & PLACE_REMOVES) == PLACE_REMOVES;
    int answer = removes ? -KERNEL_ENOENT : kernel_stat(KERNEL_CWD, path, &found, KERNEL_NOFOLLOW);
    if (answer == 0) return creates ? -KERNEL_EEXIST : -KERNEL_EROFS;
    if (answer != -KERNEL_ENOENT || !(creates || removes)) return answer;
    char folder[PATH_ROOM];
    size_t length = text_length(path);
    while (length > 0 && path[length - 1] == '/') length--;
    while (length > 0 && path[length - 1] != '/') length--;
    text_move(folder, path, length);
    folder[length] = 0;
    answer = length == 0 ? 0 : kernel_stat(KERNEL_CWD, folder, &found, 0);
    return answer == 0 ? -KERNEL_EROFS : answer;
}

/* Notes what the place is that `guest` of `area` names. */
static void describe(const struct view *view, const struct area *area, const char *guest, size_t length,
                     struct place *place) {
    place->read_only = (area->kind & AREA_READ_ONLY) != 0;
    place->mount = area->guest_length > 0 && area->guest_length == length;
    if (!place->mount) return;
    while (guest[length - 1] != '/') length--;
    place->mount_closed = (view_area(view, guest, length - 1)->kind & AREA_READ_ONLY) != 0;
}

/* Kept apart, since it needs more of the stack than the calls that need no walk. */
static __attribute__((noinline)) int find_by_walking(struct view *view, const char *path, unsigned how,
                                                     struct place *place) {
    long guest_length = walk(view, path, (how & PLACE_FOLLOW) != 0, place->room);
    if (guest_length < 0) return (int)guest_length;
    const struct area *area = view_area(view, place->room, (size_t)guest_length);
    describe(view, area, place->room, (size_t)guest_length, place);
    long length = view_host(area, place->room, (size_t)guest_length, place->room);
    return length < 0 ? (int)length : 0;
}

static int find_absolute(struct view *view, const char *path, unsigned how, struct place *place) {
    struct shape shape = look(path);
    const struct area *area = view_area(view, path, shape.length);
    bool follow = (how & PLACE_FOLLOW) != 0, program;
    place->folder = KERNEL_CWD;
    if (area == view->root && area->host_length > 0 && path[1] == area->host[1] && text_starts(path, area->host) &&
        path[area->host_length] == '/') { /* a host path that the program was told, by its loader or in /proc */
        path += area->host_length;
        shape = look(path);
        area = view_area(view, path, shape.length);
    }
    if ((area->kind & AREA_HOST) != 0) {
        const char *inside = beyond_proc(view, path, follow, &program);
        if (inside != NULL) return find_absolute(view, inside, how, place);
        if (!shape.odd) {
            place->path = path;
            return 0;
        }
    }
    place->path = place->room;
    long length = view_host(area, path, shape.length, place->room);
    if (length < 0) return (int)length;
    describe(view, area, path, shape.length, place);
    if (is_plain(view, area, place->room, &shape, follow)) return 0;
    return find_by_walking(view, path, how, place);
}

static __attribute__((noinline)) int find_relative(struct view *view, int folder, const char *path, unsigned how,
                                                   struct place *place) {
    char guest[PATH_ROOM];
    if (place_guest(view, folder, path, guest) < 0) return 0; /* outside of all, or nowhere: the kernel's business */
    int answer = find_absolute(view, guest, how, place);
    if (answer == 0 && place->path != place->room) { /* the host's own: a part of `guest`, which ends here */
        text_move(place->room, place->path, text_length(place->path) + 1);
        place->path = place->room;
    }
    return answer;
}

/* Can a relative path go to the kernel as it is? */
static bool is_harmless(const struct view *view, const char *path, unsigned how) {
    if ((how & (PLACE_FOLLOW | PLACE_AREA)) != 0) return false;
    for (const char *at = path; *at != 0; at++)
        if (*at == '/') return false;
    return !text_same(path, "..") && !view_may_be_mount(view, path);
}

int place_find(struct view *view, int folder, const char *path, unsigned how, struct place *place) {
    place->folder = folder;
    place->path = path;
    place->read_only = place->mount = false;
    if (view->count == 0 || path == NULL || path[0] == 0) return 0;
    int answer = 0;
    if (path[0] == '/') answer = find_absolute(view, path, how, place);
    else if (!is_harmless(view, path, how)) answer = find_relative(view, folder, path, how, place);
    if (answer == 0 && place->mount && (how & PLACE_REMOVES) == PLACE_REMOVES)
        return place->mount_closed ? -KERNEL_EROFS : -KERNEL_EBUSY;
    if (answer < 0 || !place->read_only || (how & PLACE_CHANGES) != PLACE_CHANGES) return answer;
    return place_refuse(place->path, how);
}

bool place_open_to_change(const struct view *view, int file) {
    char path[PATH_ROOM];
    if (view->count == 0 || host_folder(file, path) < 0 || path[0] != '/') return true;
    long length = view_guest(view, path, path);
    return length < 0 || (view_area(view, path, (size_t)length)->kind & AREA_READ_ONLY) == 0;
}
