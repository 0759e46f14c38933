/* Prints a plan as the C reader understands it: one JSON line a record, ["NAME", fields...]; bytes as hex digits in an
 * object {"hex": "..."}. The property test of src/wherry/launch/codec.py compares. Exit 1, with the reason, for no plan.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

/* Every byte above ASCII as \u00XX: the comparing side reads Latin-1, so that nothing is lost. */
static void print_text(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++)
        if (*c < 0x20 || *c > 0x7e || *c == '"' || *c == '\\')
            printf("\\u%04x", *c);
        else
            putchar(*c);
    putchar('"');
}

static void print_field(char type, const union plan_field *field) {
    if (type == 'u') printf("%llu", (unsigned long long)field->u);
    if (type == 's') print_text(field->s.bytes);
    if (type == 'b') {
        printf("{\"hex\": \"");
        for (uint32_t i = 0; i < field->s.length; i++) printf("%02x", (unsigned char)field->s.bytes[i]);
        printf("\"}");
    }
    if (type == 'l') {
        struct plan_list list = field->l;
        const char *comma = "";
        putchar('[');
        for (const char *text; (text = list_next(&list)) != NULL; comma = ", ") {
            fputs(comma, stdout);
            print_text(text);
        }
        putchar(']');
    }
}

static void print_record(const struct record *record) {
    const char *name;
    enum plan_phase phase;
    const char *fields = plan_fields(record->kind, &name, &phase);
    printf("[\"%s\"", name);
    for (size_t i = 0; fields[i] != 0; i++) {
        printf(", ");
        print_field(fields[i], &record->field[i]);
    }
    printf("]\n");
}

int main(int argc, char **argv) {
    struct plan plan;
    const char *why;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    unsigned char *bytes = malloc(PLAN_MAX_BYTES + 1);
    if (file == NULL || bytes == NULL) {
        fprintf(stderr, "usage: dump_plan FILE\n");
        return 2;
    }
    size_t size = fread(bytes, 1, PLAN_MAX_BYTES + 1, file);
    fclose(file);
    bool good = plan_read(bytes, size, &plan, &why);
    if (!good) fprintf(stderr, "%s\n", why);
    for (size_t i = 0; good && i < plan.count; i++) print_record(&plan.records[i]);
    plan_free(&plan);
    free(bytes);
    return good ? 0 : 1;
}
