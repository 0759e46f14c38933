/* Users and groups: the C library would read the host's /etc/passwd and /etc/group. */
#include "../text.h"
#include "export.h"

extern void *fopen(const char *path, const char *mode);
extern int fclose(void *stream) WEAK;
extern void rewind(void *stream) WEAK;
extern void *realloc(void *memory, size_t size) WEAK;

struct user { /* struct passwd */
    char *name, *password;
    unsigned id, group;
    char *about, *home, *shell;
};
struct group {
    char *name, *password;
    unsigned id;
    char **members;
};

extern int fgetpwent_r(void *stream, struct user *user, char *text, size_t room, struct user **found) WEAK;
extern int fgetgrent_r(void *stream, struct group *group, char *text, size_t room, struct group **found) WEAK;

#define USERS "/etc/passwd"
#define GROUPS "/etc/group"
enum { FIRST_ROOM = 1024, MOST_ROOM = 1 << 22 };

/* Looks in FILE for an entry for which `fits` is true; 0 with *found NULL if there is none, or an errno. */
#define FIND(file, next, entry, text, room, found, fits) \
    void *stream = fopen(file, "re"); \
    int trouble = stream == NULL ? *__errno_location() : 0; \
    *found = NULL; \
    while (trouble == 0 && (trouble = next(stream, entry, text, room, found)) == 0) \
        if (fits) break; \
    if (trouble != 0) *found = NULL; \
    if (stream != NULL) fclose(stream); \
    return trouble == KERNEL_ENOENT ? 0 : trouble

EXPORT int getpwnam_r(const char *name, struct user *user, char *text, size_t room, struct user **found) {
    FIND(USERS, fgetpwent_r, user, text, room, found, text_same(user->name, name));
}
EXPORT int getpwuid_r(unsigned id, struct user *user, char *text, size_t room, struct user **found) {
    FIND(USERS, fgetpwent_r, user, text, room, found, user->id == id);
}
EXPORT int getgrnam_r(const char *name, struct group *group, char *text, size_t room, struct group **found) {
    FIND(GROUPS, fgetgrent_r, group, text, room, found, text_same(group->name, name));
}
EXPORT int getgrgid_r(unsigned id, struct group *group, char *text, size_t room, struct group **found) {
    FIND(GROUPS, fgetgrent_r, group, text, room, found, group->id == id);
}

/* Room that grows until an entry fits: what the calls without _r answer from. */
struct store {
    char *text;
    size_t room;
};

static bool grow(struct store *store) {
    size_t room = store->room == 0 ? FIRST_ROOM : 2 * store->room;
    char *text = room > MOST_ROOM ? NULL : realloc(store->text, room);
    if (text == NULL) return false;
    store->text = text, store->room = room;
    return true;
}

#define PLAIN(kind, call, key) \
    static kind entry; \
    static struct store store; \
    kind *found = NULL; \
    int trouble = KERNEL_ERANGE; \
    if (store.room > 0) trouble = call(key, &entry, store.text, store.room, &found); \
    while (trouble == KERNEL_ERANGE && grow(&store)) trouble = call(key, &entry, store.text, store.room, &found); \
    if (trouble != 0) *__errno_location() = trouble; \
    return found

EXPORT struct user *getpwnam(const char *name) { PLAIN(struct user, getpwnam_r, name); }
EXPORT struct user *getpwuid(unsigned id) { PLAIN(struct user, getpwuid_r, id); }
EXPORT struct group *getgrnam(const char *name) { PLAIN(struct group, getgrnam_r, name); }
EXPORT struct group *getgrgid(unsigned id) { PLAIN(struct group, getgrgid_r, id); }

/* All entries, one after the other. */
static void *users, *groups;

static void start_over(void **stream) {
    if (*stream != NULL) rewind(*stream);
}
static void end(void **stream) {
    if (*stream != NULL) fclose(*stream);
    *stream = NULL;
}

#define NEXT(stream, file, next, entry, text, room, found) \
    *found = NULL; \
    if (stream == NULL && (stream = fopen(file, "re")) == NULL) return *__errno_location(); \
    return next(stream, entry, text, room, found)

EXPORT void setpwent(void) { start_over(&users); }
EXPORT void endpwent(void) { end(&users); }
EXPORT void setgrent(void) { start_over(&groups); }
EXPORT void endgrent(void) { end(&groups); }
EXPORT int getpwent_r(struct user *user, char *text, size_t room, struct user **found) {
    NEXT(users, USERS, fgetpwent_r, user, text, room, found);
}
EXPORT int getgrent_r(struct group *group, char *text, size_t room, struct group **found) {
    NEXT(groups, GROUPS, fgetgrent_r, group, text, room, found);
}

static int next_user(int none, struct user *user, char *text, size_t room, struct user **found) {
    return (void)none, getpwent_r(user, text, room, found);
}
static int next_group(int none, struct group *group, char *text, size_t room, struct group **found) {
    return (void)none, getgrent_r(group, text, room, found);
}
EXPORT struct user *getpwent(void) { PLAIN(struct user, next_user, 0); }
EXPORT struct group *getgrent(void) { PLAIN(struct group, next_group, 0); }

static bool has_member(const struct group *group, const char *name) {
    for (char **member = group->members; *member != NULL; member++)
        if (text_same(*member, name)) return true;
    return false;
}

EXPORT int getgrouplist(const char *name, unsigned first, unsigned *list, int *count) {
    struct store store = {NULL, 0};
    struct group group, *found;
    int room = *count, there = 0;
    void *stream = fopen(GROUPS, "re");
    if (there++ < room) list[0] = first;
    while (stream != NULL && grow(&store)) {
        int trouble = fgetgrent_r(stream, &group, store.text, store.room, &found);
        if (trouble == KERNEL_ERANGE) continue; /* the C library stays before an entry that did not fit */
        for (; trouble == 0; trouble = fgetgrent_r(stream, &group, store.text, store.room, &found)) {
            if (group.id == first || !has_member(&group, name)) continue;
            if (there++ < room) list[there - 1] = group.id;
        }
        if (trouble != KERNEL_ERANGE) break;
    }
    if (stream != NULL) fclose(stream);
    realloc(store.text, 0);
    *count = there;
    return there <= room ? there : -1;
}
