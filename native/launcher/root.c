#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEAVING_STACK = 16 * 1024 };

int root_enter(struct binds *binds, const char *mount_point, struct failure *failure) {
    if (binds_before_root(binds, failure) != 0) return -1;
    binds->new_root = open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (binds->new_root >= 0 && fchdir(binds->new_root) == 0 && chroot(".") == 0) return 0;
    return failure_set(failure, STEP_ROOT, errno, mount_point);
}

static int let_go(void *unused) {
    (void)unused;
    return umount2(".", MNT_DETACH) == 0 ? 0 : 1;
}

/* The host's mounts leave our namespace. The kernel then waits until no processor looks at them, a tenth of a whole start,
   so that a process beside us does the waiting; it shares our memory, but not the working directory. */
static int let_go_beside(struct binds *binds) {
    binds->leaving_stack = malloc(LEAVING_STACK);
    if (binds->leaving_stack != NULL)
        binds->leaving = clone(let_go, binds->leaving_stack + LEAVING_STACK, CLONE_VM, NULL);
    return binds->leaving > 0 ? 0 : umount2(".", MNT_DETACH);
}

/* The new root goes upon the old one, as switch_root(8) does, where pivot_root(2) will not do: the first root of all (an
   initramfs, as on diskless nodes) cannot be pivoted; and a FUSE daemon whose root were changed with ours would look up its
   own files through itself. The old tree stays below, out of reach of `..`. */
static int move_over_old(void) { return mount(".", "/", NULL, MS_MOVE, NULL) == 0 ? chroot(".") : -1; }

static int swap(struct binds *binds) {
    if (plan_find(binds->start->plan, OP_FUSE) != NULL) return move_over_old();
    if (syscall(SYS_pivot_root, ".", ".") != 0) return errno == EINVAL ? move_over_old() : -1;
    return let_go_beside(binds); /* the old root lies upon the new one now: `.` is what is on top */
}

int root_leave_old(struct binds *binds, struct failure *failure) {
    bool left = binds->new_root < 0 || (fchdir(binds->old_root) == 0 && chroot(".") == 0 &&
                                        fchdir(binds->new_root) == 0 && swap(binds) == 0 && chdir("/") == 0);
    binds->left = true;
    return left ? 0 : failure_set(failure, STEP_ROOT, errno, "/");
}

int root_forget_old(struct binds *binds, struct failure *failure) {
    int status = 0;
    if (!binds->left && root_leave_old(binds, failure) != 0) return -1;
    close(binds->old_root);
    if (binds->new_root >= 0) close(binds->new_root);
    if (binds->leaving <= 0) return 0;
    while (waitpid(binds->leaving, &status, __WALL) < 0 && errno == EINTR) continue;
    free(binds->leaving_stack);
    return status == 0 ? 0 : failure_set(failure, STEP_ROOT, EBUSY, "/");
}
