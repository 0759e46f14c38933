#include "real.h"

#include <elf.h>

#include "../text.h"
#include "export.h"

/* <link.h>'s dl_phdr_info, as far as it has been since the beginning. */
struct object {
    Elf64_Addr base;
    const char *name;
    const Elf64_Phdr *parts;
    Elf64_Half count;
};

extern int dl_iterate_phdr(int (*visit)(struct object *object, size_t size, void *data), void *data) WEAK;
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

struct tables {
    Elf64_Addr base;
    const Elf64_Sym *symbols;
    const char *strings;
    const Elf64_Half *versions;
    const uint32_t *gnu_hash, *hash;
};

static void *functions[REAL_COUNT];
static bool searched;

static bool read_tables(const struct object *object, struct tables *tables) {
    const Elf64_Dyn *dynamic = NULL;
    *tables = (struct tables){.base = object->base};
    for (size_t i = 0; i < object->count; i++)
        if (object->parts[i].p_type == PT_DYNAMIC) dynamic = (const void *)(object->base + object->parts[i].p_vaddr);
    for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
        Elf64_Addr at = dynamic->d_un.d_ptr;
        const void *table = (const void *)(at < object->base ? at + object->base : at); /* glibc has added it already */
        if (dynamic->d_tag == DT_SYMTAB) tables->symbols = table;
        if (dynamic->d_tag == DT_STRTAB) tables->strings = table;
        if (dynamic->d_tag == DT_VERSYM) tables->versions = table;
        if (dynamic->d_tag == DT_GNU_HASH) tables->gnu_hash = table;
        if (dynamic->d_tag == DT_HASH) tables->hash = table;
    }
    return tables->symbols != NULL && tables->strings != NULL && (tables->gnu_hash != NULL || tables->hash != NULL);
}

/* The symbol's address if it is a function of this name, and the version that programs get today. */
static void *function_at(const struct tables *tables, uint32_t index, const char *name) {
    const Elf64_Sym *symbol = &tables->symbols[index];
    bool hidden = tables->versions != NULL && (tables->versions[index] & 0x8000) != 0;
    if (symbol->st_shndx == SHN_UNDEF || hidden || !text_same(tables->strings + symbol->st_name, name)) return NULL;
    void *address = (void *)(tables->base + symbol->st_value);
    if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC) return ((void *(*)(void))address)();
    return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC ? address : NULL;
}

static void *look_up(const struct tables *tables, const char *name) {
    void *found = NULL;
    if (tables->gnu_hash == NULL) { /* how many symbols there are is the second number */
        for (uint32_t i = 1; i < tables->hash[1] && found == NULL; i++) found = function_at(tables, i, name);
        return found;
    }
    const uint32_t *head = tables->gnu_hash;
    uint32_t wanted = 5381, first = head[1];
    for (const char *at = name; *at != 0; at++) wanted = wanted * 33 + (unsigned char)*at;
    const uint32_t *buckets = head + 4 + 2 * (size_t)head[2], *chain = buckets + head[0];
    uint32_t index = buckets[wanted % head[0]];
    for (; index >= first && found == NULL; index++) {
        uint32_t hash = chain[index - first];
        if ((hash | 1) == (wanted | 1)) found = function_at(tables, index, name);
        if ((hash & 1) != 0) break;
    }
    return found;
}

static int visit(struct object *object, size_t size, void *data) {
    static const char names[][40] = {
#define REAL(name) #name,
        REALS(REAL)
#undef REAL
    };
    bool *behind_us = data;
    struct tables tables;
    (void)size;
    if (object->base == (Elf64_Addr)&__ehdr_start) *behind_us = true;
    else if (*behind_us && read_tables(object, &tables))
        for (size_t i = 0; i < REAL_COUNT; i++)
            if (functions[i] == NULL) functions[i] = look_up(&tables, names[i]);
    return 0;
}

void real_find_all(void) {
    bool behind_us = false;
    dl_iterate_phdr(visit, &behind_us);
    __atomic_store_n(&searched, true, __ATOMIC_RELEASE);
}

void *real_function(enum real which) {
    if (!__atomic_load_n(&searched, __ATOMIC_ACQUIRE)) real_find_all();
    if (functions[which] == NULL) *__errno_location() = KERNEL_ENOSYS;
    return functions[which];
}
