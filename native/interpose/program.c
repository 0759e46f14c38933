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

/* A loader is a static program that we run nevertheless, as ldd(1) does: it takes another program as an argument. */
static bool is_loader(const char *path) {
    const char *name = text_base(path);
    return text_starts(name, "ld-linux") || text_starts(name, "ld-2.") || text_starts(name, "ld.so");
}

static void look_at_elf(int file, const char *bytes, struct program *program) {
    Elf64_Ehdr head;
    Elf64_Phdr part;
    text_move((char *)&head, bytes, sizeof head);
    program->kind = PROGRAM_OTHER_ARCH;
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_machine != OUR_MACHINE) return;
    program->kind = head.e_type == ET_EXEC || head.e_type == ET_DYN ? PROGRAM_STATIC : PROGRAM_TEXT;
    for (size_t i = 0; i < head.e_phnum && program->kind == PROGRAM_STATIC; i++) {
        if (read_at(file, &part, sizeof part, head.e_phoff + i * sizeof part) != sizeof part) break;
        if (part.p_type != PT_INTERP || part.p_filesz > sizeof program->interpreter) continue;
        read_text(file, program->interpreter, part.p_filesz, part.p_offset);
        program->kind = text_starts(text_base(program->interpreter), "ld-musl") ? PROGRAM_MUSL : PROGRAM_OK;
    }
    if (program->kind == PROGRAM_STATIC && is_loader(program->guest)) program->kind = PROGRAM_LOADER;
}

static int look(int file, struct view *view, struct program *program) {
    char link[40] = "/proc/self/fd/";
    char head[257] = "";
    struct kernel_stat found;
    text_number(link + 14, (unsigned long)file);
    long length = kernel_readlink(KERNEL_CWD, link, program->host, PATH_ROOM - 1);
    if (length < 0) return (int)-length;
    program->host[length] = 0;
    if (view_guest(view, program->host, program->guest) < 0)
        text_move(program->guest, program->host, (size_t)length + 1);
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
    program->interpreter[0] = program->argument[0] = 0;
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
