/* Folders made and trees removed, on a real file system. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "record.h"
#include "targets.h"

static char folder[] = "/tmp/wherry-test-files-XXXXXX";

static const char *in(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static bool is_folder(const char *path) {
    struct stat found;
    return lstat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

static void touch(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert(file >= 0);
    close(file);
}

static void makes_folders(void) {
    assert(files_make_folders(in("a/b/c"), 0700) == 0 && is_folder(in("a/b/c")));
    assert(files_make_folders(in("a/b/c"), 0700) == 0);
    touch(in("file"));
    assert(files_make_folders(in("file"), 0700) == -1 && errno == ENOTDIR);
    assert(files_make_folders(in("file/x"), 0700) == -1 && errno == ENOTDIR);
}

static void removes_locked_trees_and_follows_no_link(void) {
    assert(files_make_folders(in("tree/one/two"), 0700) == 0 && mkdir(in("kept"), 0700) == 0);
    touch(in("kept/file"));
    touch(in("tree/one/two/file"));
    assert(symlink(in("kept"), in("tree/link")) == 0);
    for (int i = 0; i < 300; i++) {
        char name[40];
        snprintf(name, sizeof name, "tree/one/many-%d", i);
        touch(in(name));
    }
    assert(chmod(in("tree/one/two"), 0) == 0 && chmod(in("tree/one"), 0500) == 0);
    assert(files_remove_tree(in("tree")) == 0);
    assert(access(in("tree"), F_OK) != 0 && access(in("kept/file"), F_OK) == 0);
    assert(files_remove_tree(in("absent")) == 0);
}

/* A branch of folders, made step by step, for its path would be too long for any call; the deepest is locked. */
static void make_deep(const char *path, int levels) {
    assert(mkdir(path, 0700) == 0);
    int at = open(path, O_PATH | O_CLOEXEC);
    for (int i = 1; i < levels; i++) {
        assert(mkdirat(at, "d", 0700) == 0);
        int next = openat(at, "d", O_PATH | O_CLOEXEC);
        if (i % 100 == 0) assert(mkdirat(at, "locked", 0) == 0);
        close(at);
        at = next;
    }
    close(at);
}

static void removes_trees_deeper_than_descriptors(void) {
    struct rlimit limit = {.rlim_cur = 128, .rlim_max = 128};
    make_deep(in("deep"), 1500);
    assert(mkdir(in("deep/.gone-0"), 0700) == 0); /* a name that the removal wants */
    touch(in("deep/.gone-0/file"));
    assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    assert(files_remove_tree(in("deep")) == 0 && access(in("deep"), F_OK) != 0);
}

static void empties_a_folder(void) {
    assert(files_make_folders(in("full/one/two"), 0700) == 0);
    touch(in("full/file"));
    int opened = open(in("full"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert(files_empty(opened) == 0 && close(opened) == 0);
    assert(rmdir(in("full")) == 0);
}

static void removes_whatever_a_folder_has(void) {
    assert(files_make_folders(in("has/locked/sub"), 0700) == 0 && chmod(in("has/locked"), 0) == 0);
    touch(in("has/file"));
    assert(symlink("/", in("has/link")) == 0);
    int opened = open(in("has"), O_RDONLY | O_DIRECTORY);
    assert(files_remove_at(opened, "locked") == 0 && access(in("has/locked"), F_OK) != 0);
    assert(files_remove_at(opened, "file") == 0 && access(in("has/file"), F_OK) != 0);
    assert(files_remove_at(opened, "link") == 0 && files_remove_at(opened, "missing") == 0);
    assert(close(opened) == 0 && rmdir(in("has")) == 0);
}

static void replaces_files(void) {
    char text[8] = "";
    assert(files_replace(in("new"), "one", 3) == 0 && files_replace(in("new"), "four", 4) == 0);
    int file = open(in("new"), O_RDONLY | O_CLOEXEC);
    assert(read(file, text, sizeof text) == 4 && memcmp(text, "four", 4) == 0);
    close(file);
    assert(files_replace(in("absent/new"), "", 0) == -1);
}

static void makes_targets_behind_links(void) {
    assert(target_make(in("t/u/file"), false) == 0 && target_make(in("t/u/folder"), true) == 0);
    assert(target_make(in("t/u/file"), false) == 0 && target_make(in("t/u/folder"), true) == 0);
    assert(target_make(in("t/u/file"), true) == -1 && errno == ENOTDIR);
    assert(target_make(in("t/u/folder"), false) == -1 && errno == EISDIR);
    assert(symlink("../v/w", in("t/u/dangling")) == 0 && target_make(in("t/u/dangling"), false) == 0);
    assert(access(in("t/v/w"), F_OK) == 0);
    assert(symlink("loop", in("t/loop")) == 0 && target_make(in("t/loop"), true) == -1 && errno == ELOOP);
    assert(target_make(in("t/u/file/below"), false) == -1 && errno == ENOTDIR);
}

static void logs_lines(void) {
    char text[512] = "";
    struct log_line line = {0};
    int file = open(in("log"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_write(&line, file, 0, "one\ntw", 6);
    log_write(&line, file, 0, "o\nthree", 7);
    log_flush(&line, file, 0);
    log_flush(&line, file, 0);
    assert(pread(file, text, sizeof text - 1, 0) > 0);
    assert(strncmp(text, "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"2", 42) == 0);
    assert(strstr(text, "\"two\\n\"") != NULL && strstr(text, "\"three\",") != NULL);
    close(file);
}

static void appends_records(void) {
    struct buffer line = {0};
    struct failure failure = {0};
    struct timespec day = {.tv_sec = 86400};
    buffer_format(&line, "{}\n");
    assert(record_append(in("r/node"), &day, &line, &failure) == 0 &&
           record_append(in("r/node"), &day, &line, &failure) == 0);
    struct stat found;
    assert(stat(in("r/node/1970-01-02.jsonl"), &found) == 0 && found.st_size == 6 && (found.st_mode & 0777) == 0600);
    assert(record_append(in("new"), &day, &line, &failure) == -1 && failure.step == STEP_RECORD);
    buffer_free(&line);
}

int main(void) {
    umask(0);
    assert(mkdtemp(folder) != NULL);
    makes_folders();
    removes_locked_trees_and_follows_no_link();
    removes_trees_deeper_than_descriptors();
    empties_a_folder();
    removes_whatever_a_folder_has();
    replaces_files();
    makes_targets_behind_links();
    logs_lines();
    appends_records();
    assert(files_remove_tree(folder) == 0 && access(folder, F_OK) != 0);
    return 0;
}
