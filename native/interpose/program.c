#include "program.h"

#include <elf.h>

#include "place.h"
#include "text.h"

#if defined(__aarch64__)
enum { OUR_MACHINE = EM_AARCH64 };
#else
enum { OUR_MACHINE = EM_X86_64 };
#endif

const char *program_word(enum program_kind kind) {
    static const char words[][12] = {
#define KIND(name, word, says) word,
        PROGRAM_KINDS(KIND)
#undef KIND
    };
    return words[kind];
}

const char *program_says(enum program_kind kind) {
    static const char says[][48] = {
#define KIND(name, word, says) says,
        PROGRAM_KINDS(KIND)
#undef KIND
    };
    return says[kind];
}

static long read_at(int file, void *to, size_t size, uint64_t offset) {
    return kernel(SYS_pread64, file, to, size, offset);
}

/* Reads a text of the file, ended, cut to the room. */
static void read_text(int file, char *to, size_t room, uint64_t offset) {
    long size = read_at(file, to, room - 1, offset);
    to[size < 0 ? 0 : size] = 0;
}

static void look_at_script(const char *head, struct program *program) {
    const char *at = head + 2, *end;
    program->kind = PROGRAM_SCRIPT;
    while (*at == ' ' || *at == '\t') at++;
    for (end = at; *end != 0 && *end != ' ' && *end != '\t' && *end != '\n'; end++) {}
    size_t size = (size_t)(end - at);
    text_move(program->interpreter, at, size);
    program->interpreter[size] = 0;
    while (*end == ' ' || *end == '\t') end++;
    for (at = end; *end != 0 && *end != '\n'; end++) {}
    while (end > at && (end[-1] == ' ' || end[-1] == '\t')) end--;
    size = (size_t)(end - at);
    text_move(program->argument, at, size);
    program->argument[size] = 0;
    if (program->interpreter[0] == 0) program->kind = PROGRAM_TEXT;
}

struct elf {
    int file;
    Elf64_Ehdr head;
    Elf64_Phdr parts[32];
    size_t count;
};

static const Elf64_Phdr *find_part(const struct elf *elf, unsigned type) {
    for (size_t i = 0; i < elf->count; i++)
        if (elf->parts[i].p_type == type) return &elf->parts[i];
    return NULL;
}

/* Where the file has what the program sees at this address; 0: nowhere. */
static uint64_t offset_of(const struct elf *elf, uint64_t address) {
    for (size_t i = 0; i < elf->count; i++) {
        const Elf64_Phdr *part = &elf->parts[i];
        if (part->p_type == PT_LOAD && address >= part->p_vaddr && address - part->p_vaddr < part->p_filesz)
            return address - part->p_vaddr + part->p_offset;
    }
    return 0;
}

static void find_libraries(const struct elf *elf, struct program *program) {
    const Elf64_Phdr *dynamic = find_part(elf, PT_DYNAMIC);
    uint64_t strings = 0, path = 0;
    bool found = false;
    if (dynamic == NULL) return;
    for (uint64_t at = 0, size = dynamic->p_filesz; at < size;) {
        Elf64_Dyn some[32];
        long got = read_at(elf->file, some, sizeof some, dynamic->p_offset + at);
        if (got < (long)sizeof some[0]) break;
        for (size_t i = 0; i < (size_t)got / sizeof some[0]; i++) {
            if (some[i].d_tag == DT_NULL) size = 0;
            if (size == 0) break;
            if (some[i].d_tag == DT_STRTAB) strings = some[i].d_un.d_ptr;
            if (some[i].d_tag == DT_RUNPATH || (some[i].d_tag == DT_RPATH && !found))
                found = true, path = some[i].d_un.d_val;
        }
        at += sizeof some;
    }
    uint64_t offset = offset_of(elf, strings);
    if (found && offset != 0) read_text(elf->file, program->libraries, sizeof program->libraries, offset + path);
}

static void look_at_elf(int file, const char *bytes, struct program *program) {
    struct elf elf = {.file = file};
    text_move((char *)&elf.head, bytes, sizeof elf.head);
    program->kind = PROGRAM_OTHER_ARCH;
    if (elf.head.e_ident[EI_CLASS] != ELFCLASS64 || elf.head.e_machine != OUR_MACHINE) return;
    program->kind = PROGRAM_TEXT;
    if (elf.head.e_phentsize != sizeof elf.parts[0] || (elf.head.e_type != ET_EXEC && elf.head.e_type != ET_DYN)) return;
    elf.count = elf.head.e_phnum < 32 ? elf.head.e_phnum : 32;
    long got = read_at(file, elf.parts, elf.count * sizeof elf.parts[0], elf.head.e_phoff);
    if (got != (long)(elf.count * sizeof elf.parts[0])) return;
    const Elf64_Phdr *loader = find_part(&elf, PT_INTERP);
    program->kind = PROGRAM_STATIC;
    if (loader == NULL || loader->p_filesz == 0 || loader->p_filesz > sizeof program->interpreter) return;
    read_text(file, program->interpreter, loader->p_filesz, loader->p_offset);
    program->kind = text_starts(text_base(program->interpreter), "ld-musl") ? PROGRAM_MUSL : PROGRAM_OK;
    find_libraries(&elf, program);
}

static int look(int file, struct view *view, struct program *program) {
    char link[40] = "/proc/self/fd/";
    char head[257] = "";
    struct kernel_stat found;
    text_number(link + 14, (unsigned long)file);
    long length = kernel_readlink(KERNEL_CWD, link, program->host, PATH_ROOM - 1);
    if (length < 0) return (int)-length;
    program->host[length] = 0;
    if (view_guest(view, program->host, program->guest) < 0) text_move(program->guest, program->host, (size_t)length + 1);
    if (kernel_stat(file, "", &found, KERNEL_EMPTY_PATH) != 0 || (found.mode & KERNEL_TYPE) != KERNEL_IS_FILE)
        return KERNEL_EACCES;
    if (!kernel_may(program->host, 1)) return KERNEL_EACCES;
    long size = read_at(file, head, sizeof head - 1, 0);
    if (size < 0) return (int)-size;
    program->kind = PROGRAM_TEXT;
    if (size >= 3 && head[0] == '#' && head[1] == '!') look_at_script(head, program);
    else if (size >= (long)sizeof(Elf64_Ehdr) && text_equal(head, ELFMAG, SELFMAG)) look_at_elf(file, head, program);
    return 0;
}

void program_look(struct view *view, int folder, const char *path, struct program *program) {
    struct place at;
    program->kind = PROGRAM_MISSING;
    program->interpreter[0] = program->argument[0] = program->libraries[0] = 0;
    program->error = -place_find(view, folder, path, PLACE_FOLLOW, &at);
    if (path[0] == 0) program->error = KERNEL_ENOENT;
    if (program->error != 0) return;
    int file = (int)kernel(SYS_openat, at.folder, at.path, KERNEL_CLOSE | 04000 /* O_NONBLOCK */, 0);
    if (file < 0) { /* a program that may be executed but not read: its loader could not open it either */
        program->error = -file;
        return;
    }
    program->error = look(file, view, program);
    kernel_close(file);
    if (program->error != 0) program->kind = PROGRAM_MISSING;
}
