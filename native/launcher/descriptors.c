#include "descriptors.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "kernel.h"

static void seal(int descriptor) {
    int flags = fcntl(descriptor, F_GETFD);
    if (flags >= 0) fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
}

/* Before Linux 5.11: one by one, as /proc lists them, else as far as they can go. */
static void seal_each(void) {
    DIR *open_ones = opendir("/proc/self/fd");
    if (open_ones == NULL) {
        long most = sysconf(_SC_OPEN_MAX);
        for (int i = 3; i < most && i < 65536; i++) seal(i);
        return;
    }
    for (struct dirent *entry; (entry = readdir(open_ones)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]) && atoi(entry->d_name) > 2) seal(atoi(entry->d_name));
    closedir(open_ones);
}

void descriptors_seal(void) {
    if (kernel_close_range(3, UINT_MAX, RANGE_CLOEXEC) != 0) seal_each();
}

/* A descriptor's number at the beginning of `text`, or -1; `*end` gets what follows. */
static int number_at(const char *text, const char **end) {
    char *after;
    if (!isdigit((unsigned char)*text)) return -1;
    long number = strtol(text, &after, 10);
    *end = after;
    return number > INT_MAX ? -1 : (int)number;
}

int descriptors_check(const struct record *record, struct failure *failure) {
    struct plan_list numbers = record->field[0].l;
    const char *end;
    for (const char *text; (text = list_next(&numbers)) != NULL;)
        if (fcntl(number_at(text, &end), F_GETFD) < 0) return failure_set(failure, STEP_FD, errno, text);
    return 0;
}

static void pass(int descriptor) {
    if (descriptor > 2) fcntl(descriptor, F_SETFD, 0);
}

/* "N" alone, or make's flags, of which the last --jobserver counts (make(1) appends). */
static void pass_named(const char *value) {
    const char *end, *found = NULL;
    int number = number_at(value, &end);
    if (number >= 0 && *end == 0) return pass(number);
    for (const char *flag = value; (flag = strstr(flag, "--jobserver-")) != NULL; flag++) found = flag;
    if (found == NULL || (found = strchr(found, '=')) == NULL) return;
    number = number_at(found + 1, &end);
    if (number < 0 || *end != ',') return;
    pass(number);
    pass(number_at(end + 1, &end));
}

void descriptors_pass(const struct record *record, char **environment) {
    struct plan_list numbers = record->field[0].l, variables = record->field[1].l;
    const char *end;
    for (const char *text; (text = list_next(&numbers)) != NULL;) pass(number_at(text, &end));
    for (const char *name; (name = list_next(&variables)) != NULL;) {
        const char *value = front_variable(environment, name);
        if (value != NULL) pass_named(value);
    }
}
