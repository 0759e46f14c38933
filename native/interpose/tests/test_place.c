/* Links as the guest means them, on a real file system: nothing leads out of the tree. */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "facts.h"
#include "place.h"
#include "walk.h"

static char folder[] = "/tmp/wherry-test-place-XXXXXX";
static struct view view;
static struct facts shared;

static const char *in(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void make_tree(void) {
    const char *folders[] = {"tree", "tree/usr", "tree/usr/lib", "tree/usr/lib/deep", "tree/etc", "tree/mnt", "bind",
                             "bind/sub", "shut"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) assert(mkdir(in(folders[i]), 0755) == 0);
    const char *files[] = {"secret", "tree/etc/passwd", "tree/usr/lib/file", "tree/usr/lib/deep/file",
                           "bind/file", "shut/file"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int file = open(in(files[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert(file >= 0 && close(file) == 0);
    }
    const char *links[][2] = {
        {"usr/lib", "tree/lib"},           {"/etc/passwd", "tree/absolute"}, {"/usr", "tree/middle"},
        {"../../../../secret", "tree/up"}, {"a", "tree/b"},                  {"b", "tree/a"},
        {"/etc", "bind/out"},              {"../secret", "bind/side"},       {"mnt", "tree/tomount"},
        {"/nowhere/x", "tree/dead"},       {"sub", "bind/inner"},
    };
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) assert(symlink(links[i][0], in(links[i][1])) == 0);
}

static void set_view(void) {
    static char text[2048];
    snprintf(text, sizeof text, "root %s/tree\nbind %s/bind /mnt\nbind %s/shut /locked ro\n"
             "bind %s/shut /mnt/sub/mount\nhost /proc\n", folder, folder, folder, folder);
    memset(&view, 0, sizeof view);
    assert(view_parse(&view, text) == 0);
}

/* Where `path` leads, below `folder`; or the error as a text. */
static const char *leads(const char *path, unsigned how) {
    static struct place place;
    static char error[24];
    int answer = place_find(&view, KERNEL_CWD, path, how, &place);
    snprintf(error, sizeof error, "%d", answer);
    if (answer != 0) return error;
    size_t length = strlen(folder);
    return strncmp(place.path, folder, length) == 0 ? place.path + length : place.path;
}

#define LEADS(to, path, how) assert(strcmp(leads(path, how), to) == 0)

static void links_stay_inside(void) {
    for (int again = 0; again < 2; again++) { /* the second time with what was found out */
        LEADS("/tree/etc/passwd", "/absolute", PLACE_FOLLOW);
        LEADS("/tree/absolute", "/absolute", 0);
        LEADS("/tree/usr/lib/file", "/middle/lib/file", 0);
        LEADS("/tree/usr/lib/deep/file", "/middle/lib/deep/file", PLACE_FOLLOW);
        LEADS("/tree/secret", "/up", PLACE_FOLLOW);
        LEADS("/tree/etc/passwd", "/../../etc/passwd", 0);
        LEADS("/tree/etc/passwd", "/lib/../../etc//./passwd", 0);
        LEADS("/tree/nowhere/x", "/dead", PLACE_FOLLOW);
        LEADS("-40", "/a", PLACE_FOLLOW);
        LEADS("-2", "/none/../etc/passwd", 0);
        LEADS("-20", "/etc/passwd/../passwd", 0);
        LEADS("-20", "/absolute/..", 0);
        LEADS("/tree/etc/", "/etc/", 0);
    }
    struct stat found;
    assert(place_find(&view, KERNEL_CWD, "/lib/file", 0, &(struct place){.path = NULL}) == 0);
    assert(stat(in("tree/lib/file"), &found) == 0); /* a relative link the kernel may follow by itself */
}

static void binds_lead_back_inside(void) {
    LEADS("/bind/file", "/mnt/file", 0);
    LEADS("/tree/etc/passwd", "/mnt/out/passwd", 0);
    LEADS("/tree/secret", "/mnt/side", PLACE_FOLLOW);
    LEADS("/bind/sub", "/mnt/inner", PLACE_FOLLOW);
    LEADS("/bind/file", "/tomount/file", 0);
    LEADS("/tree/etc", "/mnt/../etc", 0);
    LEADS("/proc/self/status", "/proc/self/status", 0);
    LEADS("/tree/etc/passwd", "/proc/self/root/etc/passwd", 0);
}

static void what_is_closed_says_what_a_read_only_mount_says(void) {
    LEADS("-30", "/etc/passwd", PLACE_CHANGES);
    LEADS("-17", "/etc/passwd", PLACE_CREATES);
    LEADS("-30", "/etc/new", PLACE_CREATES);
    LEADS("-2", "/none/new", PLACE_CREATES);
    LEADS("-2", "/etc/new", PLACE_CHANGES);
    LEADS("-30", "/etc/new", PLACE_REMOVES);
    LEADS("-2", "/none/new", PLACE_REMOVES);
    LEADS("-30", "/locked/file", PLACE_CHANGES);
    LEADS("/bind/file", "/mnt/file", PLACE_CHANGES);
    LEADS("/bind/new", "/mnt/new", PLACE_CREATES);
    LEADS("-30", "/mnt/out/passwd", PLACE_CHANGES);
    LEADS("-30", "/mnt", PLACE_REMOVES);
    LEADS("-16", "/mnt/sub/mount", PLACE_REMOVES);
}

static void relative_paths_know_where_they_are(void) {
    assert(chdir(in("tree/usr")) == 0);
    LEADS("lib", "lib", 0);
    LEADS("/tree/etc/passwd", "../../../etc/passwd", 0);
    LEADS("/tree/usr/lib/file", "lib/file", 0);
    LEADS("-30", "lib", PLACE_CHANGES);
    assert(chdir(in("tree")) == 0);
    LEADS("/bind", "mnt", 0);
    LEADS("/tree/etc/passwd", "absolute", PLACE_FOLLOW);
    assert(chdir(in("bind/sub")) == 0);
    LEADS("/tree/", "../..", 0);
    LEADS("/bind/file", "../file", 0);
    LEADS("/bind/sub/new", "new", PLACE_CREATES);
    int base = open(in("tree/usr"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    static struct place place;
    assert(place_find(&view, base, "../etc/passwd", 0, &place) == 0 && strcmp(place.path, in("tree/etc/passwd")) == 0);
    assert(!place_open_to_change(&view, base));
    close(base);
    assert(chdir("/") == 0);
}

static void a_folder_that_becomes_a_link_is_noticed(void) {
    assert(mkdir(in("bind/turns"), 0755) == 0);
    LEADS("/bind/turns/passwd", "/mnt/turns/passwd", 0);
    LEADS("/bind/turns/passwd", "/mnt/turns/passwd", 0);
    assert(rmdir(in("bind/turns")) == 0 && symlink("/etc", in("bind/turns")) == 0);
    facts_changed(&view);
    LEADS("/tree/etc/passwd", "/mnt/turns/passwd", 0);
    assert(unlink(in("bind/turns")) == 0);
}

static void all(void) {
    links_stay_inside();
    binds_lead_back_inside();
    what_is_closed_says_what_a_read_only_mount_says();
    relative_paths_know_where_they_are();
    a_folder_that_becomes_a_link_is_noticed();
}

int main(void) {
    assert(mkdtemp(folder) != NULL);
    make_tree();
    set_view();
    all();
    shared.generation = 1;
    view.facts = &shared;
    all();
    all();
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert(system(command) == 0);
    return 0;
}
