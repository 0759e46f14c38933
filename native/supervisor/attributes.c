#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "answers.h"
#include "caller.h"
#include "place.h"

enum { NAME_ROOM = 256, VALUE_MOST = 64 << 10 };
enum what { SET, GET, LIST, REMOVE };

struct asked {
    enum what what;
    bool by_file;
    int flags; /* of the path */
    const uint64_t *args; /* behind the file: name (but of lists), value or buffer, size, flags */
};

static struct asked asked_of(const struct call *call) {
    const uint64_t *rest = call->args + 1;
    switch (call->number) {
    case SYS_setxattr: return (struct asked){SET, false, 0, rest};
    case SYS_lsetxattr: return (struct asked){SET, false, AT_SYMLINK_NOFOLLOW, rest};
    case SYS_fsetxattr: return (struct asked){SET, true, 0, rest};
    case SYS_getxattr: return (struct asked){GET, false, 0, rest};
    case SYS_lgetxattr: return (struct asked){GET, false, AT_SYMLINK_NOFOLLOW, rest};
    case SYS_fgetxattr: return (struct asked){GET, true, 0, rest};
    case SYS_listxattr: return (struct asked){LIST, false, 0, rest};
    case SYS_llistxattr: return (struct asked){LIST, false, AT_SYMLINK_NOFOLLOW, rest};
    case SYS_flistxattr: return (struct asked){LIST, true, 0, rest};
    case SYS_removexattr: return (struct asked){REMOVE, false, 0, rest};
    case SYS_lremovexattr: return (struct asked){REMOVE, false, AT_SYMLINK_NOFOLLOW, rest};
    default: return (struct asked){REMOVE, true, 0, rest};
    }
}

static bool begins(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

static int set(const struct call *call, const struct asked *asked, int file, const struct stat *found, const char *name) {
    const struct person *person;
    size_t size = asked->args[2];
    if (size > VALUE_MOST) return -E2BIG;
    int answer = caller_person(call, &person);
    if (answer != 0) return answer;
    if (person->user.effective != 0) return -EPERM;
    char *value = malloc(size + 1);
    if (value == NULL) return -ENOMEM;
    answer = caller_read(call, asked->args[1], value, size);
    if (answer == 0) answer = known_foreign_set(call->world->known, file, found, name, value, size, (int)asked->args[3]);
    free(value);
    return answer;
}

/* A value or a list, as much as the caller has room for. */
static int get(const struct call *call, const struct asked *asked, int file, const struct stat *found, const char *name) {
    uint64_t address = asked->what == GET ? asked->args[1] : asked->args[0];
    uint64_t size = asked->what == GET ? asked->args[2] : asked->args[1];
    if (size > VALUE_MOST) size = VALUE_MOST;
    char *bytes = malloc(size + 1);
    if (bytes == NULL) return -ENOMEM;
    long length = asked->what == GET ? known_foreign_get(call->world->known, file, found, name, bytes, size)
                                     : known_foreign_list(call->world->known, file, found, bytes, size);
    if (length == -ENODATA && strcmp(name, OWNER_CAPABILITY) == 0) length = ANSWER_PASS; /* it lies on disk, if anywhere */
    if (length > 0 && size > 0) {
        int answer = caller_write(call, address, bytes, (size_t)length);
        if (answer != 0) length = answer;
    }
    free(bytes);
    return (int)length;
}

static int answer_for(const struct call *call, const struct asked *asked, int file, const char *name) {
    struct stat found;
    const struct person *person;
    if (fstat(file, &found) != 0) return -errno;
    if (asked->what == LIST && !known_maybe(call->world->known, &found)) return ANSWER_PASS;
    switch (asked->what) {
    case SET: return set(call, asked, file, &found, name);
    case REMOVE: {
        int answer = caller_person(call, &person);
        if (answer != 0) return answer;
        return person->user.effective != 0 ? -EPERM : known_foreign_remove(call->world->known, file, &found, name);
    }
    default: return get(call, asked, file, &found, name);
    }
}

long answer_xattr(const struct call *call) {
    struct asked asked = asked_of(call);
    struct place place;
    char name[NAME_ROOM] = "";
    if (asked.what != LIST) {
        int length = caller_text(call, asked.args[0], name, sizeof name);
        if (length < 0) return ANSWER_PASS;
        bool foreign = begins(name, "security.") || begins(name, "trusted.");
        /* What is ours does not exist. Should the caller's memory change meanwhile, it fools but itself. */
        if (begins(name, OWNER_HIDDEN)) return asked.what == SET ? -EPERM : -ENODATA;
        if (!foreign) return ANSWER_PASS;
    }
    int answer = asked.by_file ? place_of_file(call, call->args[0], &place)
                               : place_of_path(call, (uint64_t)AT_FDCWD, call->args[0], asked.flags, &place);
    int file = answer != 0 ? ANSWER_PASS : place_open(call, &place);
    place_leave(call, &place);
    if (file < 0) return ANSWER_PASS;
    answer = answer_for(call, &asked, file, name);
    close(file);
    return answer;
}
