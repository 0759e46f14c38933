/* Which guest path is which host path: pure. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "view.h"

static struct view view;

static unsigned parse(const char *text) {
    static char copy[2048];
    snprintf(copy, sizeof copy, "%s", text);
    memset(&view, 0, sizeof view);
    return view_parse(&view, copy);
}

static const char *host_of(const char *guest) {
    static char host[PATH_ROOM];
    assert(view_host(view_area(&view, guest, strlen(guest)), guest, strlen(guest), host) == (long)strlen(host));
    return host;
}

static const char *guest_of(const char *host) {
    static char guest[PATH_ROOM];
    return view_guest(&view, host, guest) < 0 ? "" : guest;
}

static void the_longest_prefix_decides(void) {
    assert(parse("root /store/tree\nhost /proc\nbind /home/u /home/u\nbind /mnt/big /home/u/data ro\n") == 0);
    assert(strcmp(host_of("/etc/passwd"), "/store/tree/etc/passwd") == 0);
    assert(strcmp(host_of("/"), "/store/tree/") == 0 || strcmp(host_of("/"), "/store/tree") == 0);
    assert(strcmp(host_of("/proc/self"), "/proc/self") == 0);
    assert(strcmp(host_of("/process"), "/store/tree/process") == 0);
    assert(strcmp(host_of("/home/u"), "/home/u") == 0);
    assert(strcmp(host_of("/home/user"), "/store/tree/home/user") == 0);
    assert(strcmp(host_of("/home/u/data/x"), "/mnt/big/x") == 0);
    assert((view_area(&view, "/home/u/data/x", 14)->kind & AREA_READ_ONLY) != 0);
    assert(view_area(&view, "/home/u/x", 9)->kind == 0);
    assert((view_area(&view, "/etc", 4)->kind & (AREA_READ_ONLY | AREA_FIXED)) == (AREA_READ_ONLY | AREA_FIXED));
}

static void host_paths_come_back(void) {
    assert(strcmp(guest_of("/store/tree/etc/passwd"), "/etc/passwd") == 0);
    assert(strcmp(guest_of("/store/tree"), "/") == 0);
    assert(strcmp(guest_of("/mnt/big/x"), "/home/u/data/x") == 0);
    assert(strcmp(guest_of("/store/treehouse"), "") == 0);
    assert(strcmp(guest_of("/etc"), "") == 0);
    char same[PATH_ROOM] = "/mnt/big/x"; /* longer than it was, in its own place */
    assert(view_guest(&view, same, same) == 14 && strcmp(same, "/home/u/data/x") == 0);
}

static void a_tree_that_lies_in_a_bind_is_the_root(void) {
    assert(parse("root /home/u/.local/tree\nbind /home/u /home/u\n") == 0);
    assert(strcmp(guest_of("/home/u/.local/tree/etc"), "/etc") == 0);
    assert(strcmp(guest_of("/home/u/.local"), "/home/u/.local") == 0);
}

static void odd_names_are_escaped(void) {
    assert(parse("root /a\\040b\\134c/\nbind /x /y\\040z\n") == 0);
    assert(strcmp(host_of("/etc"), "/a b\\c/etc") == 0 && strcmp(host_of("/y z/1"), "/x/1") == 0);
}

static void nonsense_names_its_line(void) {
    assert(parse("root /t\nfoo /x\n") == 2);
    assert(parse("root relative\n") == 1);
    assert(parse("root /t\n\nbind /x\n") == 3);
    assert(parse("root /t\nbind /x /y rw\n") == 2);
    assert(parse("root /t rw more\n") == 1);
    assert(parse("bind /x /y\n") != 0 && parse("root /t\nroot /u\n") != 0 && parse("") != 0);
}

static void mounts_are_known_by_name(void) {
    assert(parse("root /t\nhost /proc\nbind /x /data/in\n") == 0);
    assert(view_may_be_mount(&view, "proc") && view_may_be_mount(&view, "in"));
    assert(view_mounts_below(&view, "/data", 5) && view_mounts_below(&view, "/data/in", 8));
    assert(!view_mounts_below(&view, "/dat", 4) && !view_mounts_below(&view, "/data/in/x", 10));
}

static void too_long_a_path_is_refused(void) {
    char guest[PATH_ROOM], host[PATH_ROOM];
    memset(guest, 'x', sizeof guest);
    guest[0] = '/', guest[sizeof guest - 1] = 0;
    assert(parse("root /a/rather/long/place\n") == 0);
    assert(view_host(view.root, guest, strlen(guest), host) == -KERNEL_ENAMETOOLONG);
}

int main(void) {
    the_longest_prefix_decides();
    host_paths_come_back();
    a_tree_that_lies_in_a_bind_is_the_root();
    odd_names_are_escaped();
    nonsense_names_its_line();
    mounts_are_known_by_name();
    too_long_a_path_is_refused();
    return 0;
}
