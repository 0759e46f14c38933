#include "walk.h"

#include "facts.h"
#include "kernel.h"
#include "text.h"

enum { MOST_LINKS = 40 };

/* The way so far is `guest`; what is left is the end of `room`, so that a link's text can be put before it. */
struct way {
    struct view *view;
    char *guest;
    size_t length;
    char room[PATH_ROOM];
    const char *at;
    const char *leaf;        /* where the path's own last name begins, once links are used up */
    const struct area *area; /* of the path as it was said */
    uint64_t generation;     /* when the way began */
    unsigned links;
    bool folder; /* a '/' or "." stood at the end, of the path or of a link: it must be a directory */
    bool plain;   /* the kernel's way has been the same so far */
    long missing; /* why the last name cannot be seen, as an error: then those below it cannot either */
};

static const char *name_end(const char *name) {
    while (*name != 0 && *name != '/') name++;
    return name;
}

static bool is_last(const char *end) {
    while (*end == '/') end++;
    return *end == 0;
}

/* Reads the link that the way leads to into the beginning of the room. Its length, 0 if it is none, or a negative
   error. The host path is put there before: the kernel has taken it when it writes its answer. */
static long read_link(struct way *way, const struct area *area) {
    uint64_t hash = facts_hash(way->guest, way->length);
    if (area->guest_length > 0 && area->guest_length == way->length) way->missing = 0;
    if (area->guest_length > 0 && area->guest_length == way->length) return 0; /* a bind's source is canonical */
    if (way->missing != 0 || (area->kind & AREA_HOST) != 0) return 0;
    if (facts_known(way->view, area, FACT_SOLID, hash)) return 0;
    size_t room = (size_t)(way->at - way->room);
    if (area->host_length + way->length - area->guest_length + 2 > room) return -KERNEL_ENAMETOOLONG;
    long answer = view_host(area, way->guest, way->length, way->room);
    if (answer < 0) return answer;
    answer = kernel_readlink(KERNEL_CWD, way->room, way->room, room);
    if (answer == -KERNEL_EINVAL) {
        facts_learn(way->view, area, FACT_SOLID, hash, way->generation);
        return 0;
    }
    if (answer < 0) {
        way->missing = answer;
        return 0;
    }
    return (size_t)answer >= room ? -KERNEL_ENAMETOOLONG : answer;
}

/* Is what the way leads to a directory? Asked before "..", since the kernel would. 0 or a negative error. */
static long check_folder(struct way *way) {
    const struct area *area = view_area(way->view, way->guest, way->length);
    uint64_t hash = facts_hash(way->guest, way->length);
    struct kernel_stat found;
    if (way->missing != 0) return way->missing;
    if (way->length == 0 || (area->kind & AREA_HOST) != 0) return 0;
    if (facts_known(way->view, area, FACT_FOLDER, hash)) return 0;
    size_t room = (size_t)(way->at - way->room);
    if (area->host_length + way->length - area->guest_length + 2 > room) return -KERNEL_ENAMETOOLONG;
    long answer = view_host(area, way->guest, way->length, way->room);
    if (answer >= 0) answer = kernel_stat(KERNEL_CWD, way->room, &found, 0);
    if (answer == -KERNEL_ENOENT && view_mounts_below(way->view, way->guest, way->length)) return 0;
    if (answer < 0) return answer;
    if ((found.mode & KERNEL_TYPE) != KERNEL_IS_FOLDER) return -KERNEL_ENOTDIR;
    facts_learn(way->view, area, FACT_FOLDER, hash, way->generation);
    return 0;
}

static void go_up(struct way *way) {
    if (way->length == 0) way->plain = false; /* the kernel would leave the tree */
    while (way->length > 0 && way->guest[--way->length] != '/') {}
}

/* Goes through the link of `length` bytes that lies at the beginning of the room. */
static long go_through(struct way *way, long length) {
    if (++way->links > MOST_LINKS) return -KERNEL_ELOOP;
    if (length == 0) return -KERNEL_ENOENT;
    bool absolute = way->room[0] == '/';
    way->at -= length;
    text_move((char *)way->at, way->room, (size_t)length);
    if (absolute) way->length = 0, way->plain = false;
    else go_up(way);
    return 0;
}

static long take_name(struct way *way, bool follow) {
    const char *end = name_end(way->at);
    size_t size = (size_t)(end - way->at);
    bool last = is_last(end);
    way->folder = last && *end == '/';
    if (size == 1 && way->at[0] == '.') {
        way->folder = last;
        way->at = end;
        return 0;
    }
    if (size == 2 && way->at[0] == '.' && way->at[1] == '.') {
        long answer = check_folder(way);
        if (answer != 0) return answer;
        go_up(way);
        way->at = end;
    } else {
        if (way->length + size + 3 > PATH_ROOM) return -KERNEL_ENAMETOOLONG;
        way->guest[way->length++] = '/';
        text_move(way->guest + way->length, way->at, size);
        way->length += size;
        way->at = end;
    }
    way->guest[way->length] = 0;
    const struct area *area = view_area(way->view, way->guest, way->length);
    if (area != way->area) way->plain = false;
    if (last && !follow && *end == 0) return 0;
    long link = read_link(way, area);
    return link <= 0 ? link : go_through(way, link);
}

/* The kernel's way to this text is right. It stays so for what is below unless a link led beside a bind's target. */
static void learn(const struct way *way, const char *path, size_t length) {
    if (!way->plain || way->missing != 0) return;
    if (way->links > 0 && view_mounts_below(way->view, way->guest, way->length)) return;
    facts_learn(way->view, way->area, FACT_PLAIN, facts_hash(path, length), way->generation);
}

/* Puts the path at the end of the room and starts behind the area's guest prefix. */
static bool set_out(struct way *way, const char *path, size_t length) {
    if (length + 1 > sizeof way->room) return false;
    char *copy = way->room + sizeof way->room - 1 - length;
    text_move(copy, path, length);
    copy[length] = 0;
    way->length = way->area->guest_length;
    text_move(way->guest, path, way->length);
    way->guest[way->length] = 0;
    way->at = copy + way->length;
    const char *end = copy + length;
    while (end > copy && end[-1] != '/') end--;
    way->leaf = end;
    return true;
}

long walk(struct view *view, const char *path, bool follow, char *guest) {
    size_t length = text_length(path);
    struct way way;
    way.view = view, way.guest = guest, way.links = 0, way.plain = true, way.folder = false, way.missing = 0;
    way.area = view_area(view, path, length);
    way.generation = facts_now(view);
    if (!set_out(&way, path, length)) return -KERNEL_ENAMETOOLONG;
    const char *text_end = way.room + sizeof way.room - 1;
    size_t folder = length - (size_t)(text_end - way.leaf);
    for (;;) {
        while (*way.at == '/') way.at++;
        if (way.at == way.leaf) {
            if (folder > way.area->guest_length) learn(&way, path, folder - 1);
            way.leaf = NULL;
        }
        if (*way.at == 0) break;
        long answer = take_name(&way, follow);
        if (answer < 0) return answer;
    }
    bool dot = length > 2 && path[length - 1] == '.' && path[length - 2] == '/';
    if (follow && !way.folder) learn(&way, path, length);
    if (way.length == 0 || way.folder) guest[way.length++] = '/';
    if (dot && way.length + 1 < PATH_ROOM) guest[way.length++] = '.';
    guest[way.length] = 0;
    return (long)way.length;
}
