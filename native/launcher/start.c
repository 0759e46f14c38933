#include "start.h"

#include <errno.h>
#include <stdlib.h>

static const char *fill(const struct start *start, const char *text, struct failure *failure) {
    const char *filled = slots_fill(&start->slots, text);
    if (filled == NULL) failure_set(failure, errno == ENOMEM ? STEP_MEMORY : STEP_SLOT, errno, text + 1);
    return filled;
}

const char *start_text(const struct start *start, const struct record *record, int field, struct failure *failure) {
    return fill(start, record->field[field].s.bytes, failure);
}

char **start_list(const struct start *start, struct plan_list list, struct failure *failure) {
    char **texts = calloc((size_t)list.left + 1, sizeof *texts);
    if (texts == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, ""), NULL;
    char **next = texts;
    for (const char *text; (text = list_next(&list)) != NULL; next++) {
        *next = (char *)fill(start, text, failure);
        if (*next == NULL) return NULL;
    }
    return texts;
}
