/* The loader's side: for each library it asks us where that is (rtld-audit(7)).
 *
 * Loaded as LD_AUDIT, this library lives a second time in the process, in a name space of its own without any C
 * library, and reads its configuration from what the kernel was given. Only the search is answered; calls between
 * libraries are not looked at.
 */
#include <elf.h>

#include "../libraries.h"
#include "../start.h"
#include "export.h"

enum { AS_NAMED = 0, ASKED_FOR = 1 /* LA_SER_ORIG */, LIST_ROOM = 8192 };

/* <link.h>'s link_map, as far as it is public. */
struct loaded {
    Elf64_Addr base;
    const char *name; /* "": the program */
    const Elf64_Dyn *dynamic;
    const struct loaded *next, *before;
};

/* Used under the loader's lock alone. */
static struct view seen;
static char config[PATH_ROOM], preload[PATH_ROOM], self[2 * PATH_ROOM], wanted[LIST_ROOM], listed[LIST_ROOM];
static struct place answered;
static bool usable, started;

/* Takes this process' first variables, which are ours, and LD_LIBRARY_PATH from what the kernel keeps. */
static void read_environment(void) {
    static const struct {
        char name[24];
        char *to;
        size_t room;
    } parts[] = {
        {START_CONFIG "=", config, sizeof config},
        {START_SELF "=", self, sizeof self},
        {"LD_AUDIT=", preload, sizeof preload},
        {"LD_LIBRARY_PATH=", wanted, sizeof wanted},
    };
    struct line line = {NULL, 0, 0, false};
    char chunk[PATH_ROOM], name[24];
    size_t length = 0; /* of the name so far; beyond its room: the rest of an entry that is not wanted */
    int file = kernel_open(KERNEL_CWD, "/proc/self/environ", KERNEL_READ);
    for (long size; file >= 0 && (size = kernel(SYS_read, file, chunk, sizeof chunk)) > 0;)
        for (long i = 0; i < size; i++) {
            if (chunk[i] == 0) {
                length = 0, line.text = NULL;
            } else if (line.text != NULL) {
                line_bytes(&line, &chunk[i], 1);
            } else if (length < sizeof name - 1) {
                name[length++] = chunk[i], name[length] = 0;
                for (size_t part = 0; chunk[i] == '=' && part < sizeof parts / sizeof parts[0]; part++)
                    if (text_same(name, parts[part].name))
                        line = (struct line){parts[part].to, 0, parts[part].room, false};
                if (chunk[i] == '=' && line.text == NULL) length = sizeof name;
            }
        }
    if (file >= 0) kernel_close(file);
}

EXPORT unsigned la_version(unsigned version) {
    read_environment();
    usable = view_read(&seen, config) == 0;
    seen.preload = preload;
    char *end = (char *)text_find(self, '\n');
    if (end != NULL) *end = 0;
    return usable ? version : 0;
}

EXPORT unsigned la_objopen(struct loaded *loaded, long space, uintptr_t *cookie) {
    (void)space;
    *cookie = (uintptr_t)loaded;
    return 0; /* no call of it is to be looked at */
}

static const char *tagged(const struct loaded *loaded, Elf64_Sxword tag) {
    const char *strings = NULL;
    const Elf64_Dyn *found = NULL;
    for (const Elf64_Dyn *at = loaded == NULL ? NULL : loaded->dynamic; at != NULL && at->d_tag != DT_NULL; at++) {
        if (at->d_tag == DT_STRTAB) strings = (const char *)at->d_un.d_ptr;
        if (at->d_tag == tag) found = at;
    }
    if (found == NULL || strings == NULL) return NULL;
    if ((Elf64_Addr)strings < loaded->base) strings += loaded->base;
    return strings + found->d_un.d_val;
}

static bool search(const struct loaded *by, const char *folders, const char *name) {
    char origin[PATH_ROOM];
    const char *from = self;
    if (folders == NULL) return false;
    if (by != NULL && by->name[0] != 0 && view_guest(&seen, by->name, origin) > 0) from = origin;
    return libraries_search(&seen, folders, from, name, &answered);
}

/* The order of ld.so(8). */
static bool search_all(const struct loaded *by, const char *name) {
    const struct loaded *program = by;
    while (program != NULL && program->before != NULL) program = program->before;
    const char *own = tagged(by, DT_RUNPATH);
    if (own == NULL && (search(by, tagged(by, DT_RPATH), name) ||
                        (tagged(program, DT_RUNPATH) == NULL && search(program, tagged(program, DT_RPATH), name))))
        return true;
    if (search(NULL, wanted, name) || search(by, own, name)) return true;
    struct line line = {listed, 0, sizeof listed, false};
    if (seen.libraries == NULL && listed[0] == 0) libraries_list(&seen, &line);
    return search(NULL, seen.libraries != NULL ? seen.libraries : listed, name);
}

/* Where the library is that `cookie` (see la_objopen) asks for. What we do not find gets its name back, for the
   loader's message; and when it then goes through folders by itself, which are the host's, NULL: not there. */
EXPORT const char *la_objsearch(const char *name, uintptr_t *cookie, unsigned stage) {
    if (stage != ASKED_FOR) return stage == AS_NAMED ? name : NULL;
    if (text_same(name, preload)) return name;
    if (text_find(name, '/') == NULL)
        return search_all(cookie == NULL ? NULL : (const struct loaded *)*cookie, name) ? answered.path : name;
    if (place_find(&seen, KERNEL_CWD, name, PLACE_FOLLOW, &answered) != 0) return name;
    /* The host's /etc/ld.so.preload, which is read by the loader itself: we are loaded already, so nothing is. */
    bool preloaded = !started && !kernel_may(answered.path, 0) && kernel_may(name, 0);
    return preloaded ? preload : answered.path;
}

EXPORT void la_preinit(const uintptr_t *cookie) {
    (void)cookie;
    started = true;
}
