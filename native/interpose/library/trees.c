/* Going through whole trees: nftw() and ftw() anew, fts with host paths. */
#include "../text.h"
#include "export.h"
#include "real.h"

extern void *malloc(size_t size) WEAK;
extern void free(void *memory) WEAK;
extern void *opendir(const char *path);
extern void *readdir(void *folder) WEAK;
extern int closedir(void *folder) WEAK;

struct entry { /* struct dirent */
    uint64_t inode;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[256];
};

struct place_in_tree { /* struct FTW */
    int base, level;
};

typedef int visit(const char *path, const void *found, int what, struct place_in_tree *place);

enum { NO_LINKS = 1, SAME_DEVICE = 2, CHANGES_FOLDER = 4, CONTENT_FIRST = 8, ANSWERS = 16 };
enum { IS_OTHER, IS_FOLDER, IS_CLOSED, IS_UNKNOWN, IS_LINK, IS_FOLDER_DONE, IS_DEAD_LINK };
enum { GO_ON, STOP, SKIP_CONTENT, SKIP_REST };

struct trip {
    visit *call;
    int flags;
    uint64_t device;
    char *path; /* PATH_ROOM */
};

struct above { /* the folders that lead here: a link to one of them is not entered */
    const struct above *above;
    uint64_t device, inode;
};

static int visit_one(const struct trip *trip, const struct above *above, int base, int level);

static int visit_content(const struct trip *trip, const struct above *above, int level, void *folder) {
    size_t length = text_length(trip->path);
    int answer = GO_ON;
    for (const struct entry *entry; answer == GO_ON && (entry = readdir(folder)) != NULL;) {
        if (text_same(entry->name, ".") || text_same(entry->name, "..")) continue;
        struct line line = {trip->path, length, PATH_ROOM, false};
        if (trip->path[length - 1] != '/') line_add(&line, "/");
        int base = (int)line.length;
        line_add(&line, entry->name);
        answer = line.full ? -1 : visit_one(trip, above, base, level);
        if (answer == SKIP_CONTENT && (trip->flags & ANSWERS) != 0) answer = GO_ON;
    }
    trip->path[length] = 0;
    return answer == SKIP_REST && (trip->flags & ANSWERS) != 0 ? GO_ON : answer;
}

/* What the path names; `found` is filled in unless that is IS_UNKNOWN. */
static int look(const struct trip *trip, struct kernel_stat *found) {
    bool follows = (trip->flags & NO_LINKS) == 0;
    if (stat_at(KERNEL_CWD, trip->path, found, follows ? 0 : KERNEL_NOFOLLOW) != 0) {
        bool link = follows && stat_at(KERNEL_CWD, trip->path, found, KERNEL_NOFOLLOW) == 0;
        return link ? IS_DEAD_LINK : IS_UNKNOWN;
    }
    unsigned type = found->mode & KERNEL_TYPE;
    return type == KERNEL_IS_FOLDER ? IS_FOLDER : type == KERNEL_IS_LINK ? IS_LINK : IS_OTHER;
}

static int visit_one(const struct trip *trip, const struct above *above, int base, int level) {
    struct kernel_stat found = {.mode = 0};
    struct place_in_tree place = {base, level};
    int what = look(trip, &found);
    if (what != IS_UNKNOWN && (trip->flags & SAME_DEVICE) != 0 && found.device != trip->device) return GO_ON;
    if (what != IS_FOLDER) return trip->call(trip->path, &found, what, &place);
    for (const struct above *at = above; at != NULL; at = at->above)
        if (at->device == found.device && at->inode == found.inode) return GO_ON;
    struct above here = {above, found.device, found.inode};
    void *folder = opendir(trip->path);
    if (folder == NULL) return trip->call(trip->path, &found, IS_CLOSED, &place);
    bool before = (trip->flags & CONTENT_FIRST) == 0;
    int answer = before ? trip->call(trip->path, &found, IS_FOLDER, &place) : GO_ON;
    if (answer == GO_ON) answer = visit_content(trip, &here, level + 1, folder);
    closedir(folder);
    if (answer == GO_ON && !before) answer = trip->call(trip->path, &found, IS_FOLDER_DONE, &place);
    return answer;
}

extern int nftw(const char *path, visit *call, int most_open, int flags);

EXPORT int nftw(const char *path, visit *call, int most_open, int flags) {
    struct place at;
    struct kernel_stat found;
    long result = place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at);
    if (result < 0) return (int)answer(result);
    if ((flags & CHANGES_FOLDER) != 0) return REAL_FUNCTION(nftw)(at.path, call, most_open, flags);
    struct trip trip = {call, flags, 0, malloc(PATH_ROOM)};
    struct line line = {trip.path, 0, PATH_ROOM, false};
    if (trip.path == NULL) return -1;
    line_add(&line, path);
    result = line.full ? -KERNEL_ENAMETOOLONG : stat_at(KERNEL_CWD, path, &found, KERNEL_NOFOLLOW);
    trip.device = found.device;
    int base = (int)(text_base(path) - path);
    int told = result < 0 ? (int)answer(result) : visit_one(&trip, NULL, base, 0);
    free(trip.path);
    return told > GO_ON && (flags & ANSWERS) != 0 && told != STOP ? 0 : told;
}
ALIAS(nftw64, nftw);

EXPORT int ftw(const char *path, visit *call, int most_open) {
    /* Its callback has three parameters; a fourth does no harm. It knows fewer kinds, as links are followed. */
    return nftw(path, call, most_open, 0);
}
ALIAS(ftw64, ftw);

extern void *fts_open(char *const *paths, int options, void *order);

enum { MOST_PATHS = 64 };

EXPORT void *fts_open(char *const *paths, int options, void *order) {
    char *mapped[MOST_PATHS + 1] = {NULL};
    void *opened = NULL;
    long result = 0;
    for (size_t i = 0; paths[i] != NULL && result == 0; i++) {
        struct place at;
        result = i == MOST_PATHS ? -KERNEL_E2BIG : place_find(view(), KERNEL_CWD, paths[i], PLACE_FOLLOW, &at);
        if (result == 0 && (mapped[i] = malloc(text_length(at.path) + 1)) == NULL) result = -KERNEL_ENOMEM;
        if (result == 0) text_move(mapped[i], at.path, text_length(at.path) + 1);
    }
    if (answer(result) == 0) opened = REAL_FUNCTION(fts_open)(mapped, options, order);
    for (size_t i = 0; i < MOST_PATHS; i++) free(mapped[i]);
    return opened;
}
ALIAS(fts64_open, fts_open);
