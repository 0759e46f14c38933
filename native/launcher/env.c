#include "env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct variables {
    char **entries;
    size_t count, capacity;
};

static size_t name_length(const char *entry) { return strcspn(entry, "="); }

bool env_fits(const char *entry, const char *pattern) {
    size_t length = strlen(pattern), name = name_length(entry);
    if (length > 0 && pattern[length - 1] == '*') return name >= length - 1 && strncmp(entry, pattern, length - 1) == 0;
    return name == length && strncmp(entry, pattern, length) == 0;
}

/* Sets NAME=value, over an earlier one. */
static bool set(struct variables *variables, const char *entry) {
    size_t name = name_length(entry);
    for (size_t i = 0; i < variables->count; i++) {
        if (name_length(variables->entries[i]) != name || strncmp(variables->entries[i], entry, name) != 0) continue;
        variables->entries[i] = (char *)entry;
        return true;
    }
    if (variables->count + 1 >= variables->capacity) {
        size_t capacity = 2 * variables->capacity + 64;
        char **more = realloc(variables->entries, capacity * sizeof *more);
        if (more == NULL) return false;
        variables->entries = more;
        variables->capacity = capacity;
    }
    variables->entries[variables->count++] = (char *)entry;
    variables->entries[variables->count] = NULL;
    return true;
}

/* Whether one of the patterns that begin with '!' keeps this variable out. */
static bool is_kept_out(const char *entry, struct plan_list patterns) {
    for (const char *pattern; (pattern = list_next(&patterns)) != NULL;)
        if (pattern[0] == '!' && env_fits(entry, pattern + 1)) return true;
    return false;
}

static bool take(struct variables *variables, char **environment, struct plan_list patterns) {
    struct plan_list all = patterns;
    for (const char *pattern; (pattern = list_next(&patterns)) != NULL;)
        for (char **entry = environment; *entry != NULL; entry++)
            if (strchr(*entry, '=') != NULL && env_fits(*entry, pattern) && !is_kept_out(*entry, all) &&
                !set(variables, *entry))
                return false;
    return true;
}

/* NAME=value of the caller's PREFIXNAME=value. */
static bool take_bare(struct variables *variables, char **environment, struct plan_list patterns) {
    struct plan_list all = patterns;
    for (const char *prefix; (prefix = list_next(&patterns)) != NULL;)
        for (char **entry = environment; *entry != NULL; entry++) {
            size_t length = strlen(prefix);
            if (strncmp(*entry, prefix, length) != 0 || name_length(*entry) <= length) continue;
            if (strchr(*entry, '=') != NULL && !is_kept_out(*entry, all) && !set(variables, *entry + length)) return false;
        }
    return true;
}

static bool is_assignable(const char *name, size_t length) {
    static const char letters[] = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    return length > 0 && strspn(name, letters) == length && strcspn(name, "0123456789") > 0;
}

static bool set_names(struct variables *variables, char **environment, struct plan_list variable,
                      struct plan_list prefixes) {
    char *text = NULL;
    size_t size;
    const char *name = list_next(&variable);
    FILE *stream = name == NULL ? NULL : open_memstream(&text, &size);
    if (stream == NULL) return false;
    fprintf(stream, "%s=", name);
    for (const char *prefix; (prefix = list_next(&prefixes)) != NULL;)
        for (char **entry = environment; *entry != NULL; entry++) {
            size_t before = strlen(prefix), length = name_length(*entry);
            if (strncmp(*entry, prefix, before) != 0 || (*entry)[length] != '=') continue;
            if (is_assignable(*entry + before, length - before)) fprintf(stream, "%.*s ", (int)length, *entry);
        }
    return fclose(stream) == 0 && set(variables, text);
}

static bool any_set(char **environment, struct plan_list markers) {
    for (const char *marker; (marker = list_next(&markers)) != NULL;)
        for (char **entry = environment; *entry != NULL; entry++)
            if (env_fits(*entry, marker)) return true;
    return false;
}

static bool set_all(struct variables *variables, const struct slots *slots, struct plan_list entries) {
    for (const char *entry; (entry = list_next(&entries)) != NULL;) {
        const char *filled = slots_fill_value(slots, entry);
        if (filled == NULL || !set(variables, filled)) return false;
    }
    return true;
}

char **env_build(const struct start *start, struct failure *failure) {
    struct variables variables = {.entries = calloc(64, sizeof(char *)), .capacity = 64};
    bool done = variables.entries != NULL;
    for (size_t i = 0; i < start->plan->count && done; i++) {
        const struct record *record = &start->plan->records[i];
        const union plan_field *field = record->field;
        if (record->kind == OP_ENV_PASS || record->kind == OP_ENV_TAKE)
            done = take(&variables, start->environment, field[0].l);
        else if (record->kind == OP_ENV_SET)
            done = set_all(&variables, &start->slots, field[0].l);
        else if (record->kind == OP_ENV_BARE)
            done = take_bare(&variables, start->environment, field[0].l);
        else if (record->kind == OP_ENV_NAMES)
            done = set_names(&variables, start->environment, field[0].l, field[1].l);
        else if (record->kind == OP_ENV_WHEN && any_set(start->environment, field[0].l))
            done = take(&variables, start->environment, field[1].l);
    }
    if (done) return variables.entries;
    failure_set(failure, errno == ENOTSUP ? STEP_SLOT : STEP_MEMORY, errno, "the environment");
    return NULL;
}
