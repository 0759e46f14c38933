#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "kernel.h"
#include "mounts.h"
#include "points.h"

struct overlay {
    char **layers; /* from top to bottom */
    const char *upper, *work, *point;
    uint64_t bits;
};

/* 1: this kernel lacks the calls, or the `lowerdir+` key (6.7). Options are sent one by one, so there is no page to fill. */
static int mount_by_parts(const struct overlay *overlay) {
    int fs = kernel_fsopen("overlay"), mounted = -1, answer = -1;
    if (fs < 0) return kernel_lacks_it() ? 1 : -1;
    if (kernel_fsconfig(fs, CONFIG_STRING, "source", "wherry") != 0) goto out;
    for (char **layer = overlay->layers; *layer != NULL; layer++) {
        if (kernel_fsconfig(fs, CONFIG_STRING, "lowerdir+", *layer) == 0) continue;
        answer = errno == EINVAL && layer == overlay->layers ? 1 : -1;
        goto out;
    }
    if (overlay->upper[0] != 0 && (kernel_fsconfig(fs, CONFIG_STRING, "upperdir", overlay->upper) != 0 ||
                                   kernel_fsconfig(fs, CONFIG_STRING, "workdir", overlay->work) != 0))
        goto out;
    if ((overlay->bits & OVERLAY_USERXATTR) != 0 && kernel_fsconfig(fs, CONFIG_FLAG, "userxattr", NULL) != 0) goto out;
    if ((overlay->bits & OVERLAY_VOLATILE) != 0 && overlay->upper[0] != 0 &&
        kernel_fsconfig(fs, CONFIG_FLAG, "volatile", NULL) != 0)
        goto out;
    if ((overlay->bits & OVERLAY_NUMBERS) != 0 && kernel_fsconfig(fs, CONFIG_STRING, "xino", "on") != 0) goto out;
    if (kernel_fsconfig(fs, CONFIG_CREATE, NULL, NULL) != 0 || (mounted = kernel_fsmount(fs)) < 0) goto out;
    answer = kernel_move_mount(mounted, overlay->point, MOVE_TO_FOLLOW);
out:;
    int error = errno;
    if (mounted >= 0) close(mounted);
    close(fs);
    errno = error;
    return answer;
}

/* A page of options for mount(2): the layers as descriptors, relative to /proc/self/fd, so that hundreds fit. */
static int compose(const struct overlay *overlay, bool is_volatile, char *options, size_t size,
                   struct failure *failure) {
    size_t used = (size_t)snprintf(options, size, "lowerdir=");
    for (char **layer = overlay->layers; *layer != NULL; layer++) {
        int folder = open(*layer, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0) return failure_set(failure, STEP_LAYER, errno, *layer);
        used += (size_t)snprintf(options + used, size - used, "%s%d", layer == overlay->layers ? "" : ":", folder);
        if (used >= size - 64) return failure_set(failure, STEP_OVERLAY, E2BIG, overlay->point);
    }
    if (overlay->upper[0] != 0) {
        int upper = open(overlay->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int work = open(overlay->work, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (upper < 0 || work < 0) return failure_set(failure, STEP_OVERLAY, errno, overlay->point);
        used += (size_t)snprintf(options + used, size - used, ",upperdir=%d,workdir=%d", upper, work);
    }
    snprintf(options + used, size - used, "%s%s%s", overlay->bits & OVERLAY_USERXATTR ? ",userxattr" : "",
             overlay->bits & OVERLAY_NUMBERS ? ",xino=on" : "", is_volatile ? ",volatile" : "");
    return 0;
}

static int mount_by_page(const struct overlay *overlay, struct failure *failure) {
    char options[4096];
    bool is_volatile = (overlay->bits & OVERLAY_VOLATILE) != 0 && overlay->upper[0] != 0;
    if (chdir("/proc/self/fd") != 0) return failure_set(failure, STEP_OVERLAY, errno, overlay->point);
    if (compose(overlay, is_volatile, options, sizeof options, failure) != 0) return -1;
    int answer = mount("wherry", overlay->point, "overlay", 0, options);
    char *last = strstr(options, ",volatile");
    if (answer != 0 && errno == EINVAL && last != NULL) { /* before 5.10; it only saves time */
        *last = 0;
        answer = mount("wherry", overlay->point, "overlay", 0, options);
    }
    int error = errno;
    if (chdir("/") != 0 || answer != 0) return failure_set(failure, STEP_OVERLAY, error, overlay->point);
    return 0;
}

enum { MOST_LAYERS = 500 };

/* The layers with `top` on them. */
static char **put_on_top(char **layers, const char *top) {
    size_t count = 0;
    while (layers[count] != NULL) count++;
    char **all = count < MOST_LAYERS ? calloc(count + 2, sizeof *all) : NULL;
    if (all == NULL) return layers;
    all[0] = (char *)top;
    memcpy(all + 1, layers, count * sizeof *all);
    return all;
}

int overlay_mount(const struct start *start, const struct record *record, struct failure *failure) {
    struct overlay overlay = {
        .layers = start_list(start, record->field[0].l, failure),
        .upper = start_text(start, record, 1, failure),
        .work = start_text(start, record, 2, failure),
        .point = start_text(start, record, 3, failure),
        .bits = record->field[4].u,
    };
    if (overlay.layers == NULL || overlay.upper == NULL || overlay.work == NULL || overlay.point == NULL) return -1;
    bool complete = false;
    bool wanted = (overlay.bits & (OVERLAY_POINTS | OVERLAY_UNWRITTEN)) != 0;
    const char *points = wanted ? points_layer(start, overlay.layers, &complete) : NULL;
    if (points != NULL) overlay.layers = put_on_top(overlay.layers, points);
    bool several = overlay.layers[0] != NULL && overlay.layers[1] != NULL; /* overlayfs takes no single one */
    if ((overlay.bits & OVERLAY_UNWRITTEN) != 0 && complete && several) overlay.upper = overlay.work = "";
    int answer = kernel_is_old() ? 1 : mount_by_parts(&overlay);
    if (answer == 1) return mount_by_page(&overlay, failure);
    return answer == 0 ? 0 : failure_set(failure, STEP_OVERLAY, errno, overlay.point);
}
