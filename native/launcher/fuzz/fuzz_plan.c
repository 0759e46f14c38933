/* Feeds bytes to the plan's reader and, when they are a plan, walks all that it hands out.
 *
 * With libFuzzer (clang): `make fuzz`. With -DSTANDALONE: a main that runs each file given, for any compiler's sanitizers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);

static volatile size_t sink; /* so that no read is optimised away */

static void walk(const struct record *record) {
    const char *name;
    enum plan_phase phase;
    const char *fields = plan_fields(record->kind, &name, &phase);
    for (size_t i = 0; fields[i] != 0; i++) {
        const union plan_field *field = &record->field[i];
        if (fields[i] == 's') sink += strlen(field->s.bytes);
        for (uint32_t at = 0; fields[i] == 'b' && at < field->s.length; at++) sink += (size_t)field->s.bytes[at];
        if (fields[i] != 'l') continue;
        struct plan_list list = field->l;
        for (const char *text; (text = list_next(&list)) != NULL;) sink += strlen(text);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size) {
    struct plan plan;
    const char *why;
    if (!plan_read(bytes, size, &plan, &why)) return 0;
    for (size_t i = 0; i < plan.count; i++) walk(&plan.records[i]);
    plan_free(&plan);
    return 0;
}

#ifdef STANDALONE
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        unsigned char *bytes = malloc(PLAN_MAX_BYTES + 2);
        if (file == NULL || bytes == NULL) return 2;
        size_t size = fread(bytes, 1, PLAN_MAX_BYTES + 1, file);
        bytes = realloc(bytes, size + 1);
        fclose(file);
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    return 0;
}
#endif
