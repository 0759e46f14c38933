#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int root_enter(struct binds *binds, const char *mount_point, struct failure *failure) {
    if (binds_before_root(binds, failure) != 0) return -1;
    binds->new_root = open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (binds->new_root >= 0 && fchdir(binds->new_root) == 0 && chroot(".") == 0) return 0;
    return failure_set(failure, STEP_ROOT, errno, mount_point);
}

/* The new root goes upon the old one, as switch_root(8) does, where pivot_root(2) will not do: the first root of all (an
   initramfs, as on diskless nodes) cannot be pivoted; and a FUSE daemon whose root were changed with ours would look up its
   own files through itself. The old tree stays below, out of reach of `..`. */
static int move_over_old(void) { return mount(".", "/", NULL, MS_MOVE, NULL) == 0 ? chroot(".") : -1; }

static int swap(const struct binds *binds) {
    if (plan_find(binds->start->plan, OP_FUSE) != NULL) return move_over_old();
    if (syscall(SYS_pivot_root, ".", ".") != 0) return errno == EINVAL ? move_over_old() : -1;
    return umount2(".", MNT_DETACH); /* the old root lies upon the new one now: `.` is what is on top */
}

int root_leave_old(struct binds *binds, struct failure *failure) {
    bool left = binds->new_root < 0 || (fchdir(binds->old_root) == 0 && chroot(".") == 0 &&
                                        fchdir(binds->new_root) == 0 && swap(binds) == 0 && chdir("/") == 0);
    if (!left) return failure_set(failure, STEP_ROOT, errno, "/");
    close(binds->old_root);
    if (binds->new_root >= 0) close(binds->new_root);
    return 0;
}
