#include "packed.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front.h"
#include "kernel.h"
#include "userns.h"

enum { LONGEST = 40, FUSE_MAGIC = 0x65735546 };

static char *below(const char *folder, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* The folder of this job's mount, as wherry.containers.mounting names it. */
static char *folder_of(const struct start *start, const struct record *record) {
    struct plan_list variables = record->field[1].l;
    char *folder = strdup(record->field[0].s.bytes);
    for (const char *name; folder != NULL && (name = list_next(&variables)) != NULL;) {
        const char *value = front_variable(start->environment, name);
        if (value == NULL) continue;
        size_t length = strlen(value), used = strlen(folder);
        if (length > LONGEST) value += length - LONGEST;
        if (asprintf(&folder, "%s-%s", folder, value) < 0) return NULL;
        for (char *at = folder + used + 1; *at != 0; at++)
            if (!isascii((unsigned char)*at) || !isalnum((unsigned char)*at)) *at = '_';
    }
    return folder;
}

/* Holds the lock while this process lives. The keeper takes the folder away under it: then it has no name any more. */
static bool hold(const char *folder) {
    struct stat found;
    char *path = below(folder, "lock");
    int lock = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0 || flock(lock, LOCK_SH | LOCK_NB) != 0 || fstat(lock, &found) != 0 || found.st_nlink == 0) return false;
    futimens(lock, NULL); /* tells the keeper, who may have looked away, that somebody was here */
    return true;
}

/* Opens the mount in the namespaces of the program that serves it: a child goes there, and leaves what it opens in the
   table of descriptors that we share, as number `place`. */
static int fetch(const char *server, const char *tree, int place) {
    int status = 0;
    pid_t child = (pid_t)syscall(SYS_clone, (unsigned long)CLONE_FILES, 0, 0, 0, 0);
    if (child == 0) {
        int found = userns_enter(server, CLONE_NEWUSER | CLONE_NEWNS) != 0 ? -1
                                                                          : kernel_open_tree(AT_FDCWD, tree, TREE_CLONE);
        _exit(found >= 0 && dup3(found, place, O_CLOEXEC) >= 0 ? 0 : errno);
    }
    if (child < 0) return -1;
    while (waitpid(child, &status, (int)__WCLONE) < 0)
        if (errno != EINTR) return -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 0) return WIFEXITED(status) ? 0 : (errno = ECHILD, -1);
    return errno = WEXITSTATUS(status), -1;
}

static bool is_mounted(struct start *start, const char *folder) {
    struct statfs found;
    char *tree = below(folder, "tree"), *server = below(folder, "server");
    if (tree == NULL || server == NULL) return false;
    if (access(server, F_OK) != 0) return statfs(tree, &found) == 0 && found.f_type == FUSE_MAGIC;
    int place = open(server, O_RDONLY | O_CLOEXEC);
    if (place < 0 || fetch(server, tree, place) != 0) return false;
    start->packed = place;
    return true;
}

int packed_use(struct start *start, const struct record *record, struct failure *failure) {
    char *folder = folder_of(start, record);
    if (folder == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    start->slots.mount = folder;
    if (hold(folder) && is_mounted(start, folder)) return 0;
    failure_set(failure, STEP_MOUNTED, 0, folder);
    return 1;
}

int packed_attach(const struct start *start, struct failure *failure) {
    if (start->packed < 0) return 0;
    char *tree = below(start->slots.mount, "tree");
    if (tree == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    if (kernel_move_mount(start->packed, tree, MOVE_TO_FOLLOW) != 0)
        return failure_set(failure, STEP_LAYER, errno, tree);
    close(start->packed);
    return 0;
}
