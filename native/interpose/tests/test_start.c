/* The command line that runs a program: scripts, environment, search, and what cannot be run. */
#undef NDEBUG
#include <assert.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "start.h"

static char folder[] = "/tmp/wherry-test-start-XXXXXX";
static struct view view;
static struct refusal refusal;

#if defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
#else
enum { MACHINE = EM_X86_64 };
#endif

static const char *in(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const void *bytes, size_t size) {
    int file = open(in(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert(file >= 0 && write(file, bytes, size) == (ssize_t)size && close(file) == 0);
}

static void put_text(const char *name, const char *text) { put(name, text, strlen(text)); }

static void put_elf(const char *name, const char *loader, unsigned machine) {
    struct {
        Elf64_Ehdr head;
        Elf64_Phdr part;
        char loader[64];
    } file = {.head = {.e_type = ET_DYN, .e_phoff = sizeof(Elf64_Ehdr)}};
    file.head.e_phentsize = sizeof(Elf64_Phdr);
    file.head.e_phnum = 1;
    memcpy(file.head.e_ident, ELFMAG, SELFMAG);
    file.head.e_ident[EI_CLASS] = ELFCLASS64;
    file.head.e_machine = (Elf64_Half)machine;
    file.part.p_type = loader == NULL ? PT_NOTE : PT_INTERP;
    file.part.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
    if (loader != NULL) file.part.p_filesz = strlen(strcpy(file.loader, loader)) + 1;
    put(name, &file, sizeof file);
}

/* What was composed, one word a line: the file, the arguments, "--", the environment. */
static char said[65536];
static long record(void *context, const char *file, char *const *argv, char *const *envp) {
    (void)context;
    size_t at = (size_t)snprintf(said, sizeof said, "%s\n", file);
    for (; *argv != NULL; argv++) at += (size_t)snprintf(said + at, sizeof said - at, "%s\n", *argv);
    at += (size_t)snprintf(said + at, sizeof said - at, "--\n");
    for (; *envp != NULL; envp++) at += (size_t)snprintf(said + at, sizeof said - at, "%s\n", *envp);
    return 0;
}

static long run(const char *path, const char *const *argv, const char *const *envp) {
    return start_search(&view, path, (char *const *)argv, (char *const *)envp, record, NULL, &refusal);
}

static const char *filled(const char *format) {
    static char text[8192];
    size_t at = 0;
    for (; *format != 0; format++)
        if (*format == '@') at += (size_t)snprintf(text + at, sizeof text - at, "%s/tree", folder);
        else text[at++] = *format;
    text[at] = 0;
    return text;
}

static const char *const environment[] = {"PATH=/sbin:/bin", "LD_PRELOAD=/opt/mine.so", "A=b",
                                          "WHERRY_INTERPOSE=/old", NULL};

static void a_program_is_given_to_its_loader(void) {
    const char *argv[] = {"fit", "x y", NULL};
    assert(run("fit", argv, environment) == 0);
    assert(strcmp(said, filled("@/lib64/ld.so\nfit\n--inhibit-cache\n@/bin/fit\nx y\n--\nWHERRY_INTERPOSE=/config\n"
                               "WHERRY_INTERPOSE_SELF=/bin/fit\nfit\nfit\nLD_AUDIT=/our.so\n"
                               "LD_PRELOAD=/our.so:/opt/mine.so\nLD_BIND_NOW=wherry\nPATH=/sbin:/bin\nA=b\n")) == 0);
}

static void a_loader_of_today_binds_when_used(void) {
    const char *argv[] = {"/bin/new", NULL}, *none[] = {NULL};
    assert(run("/bin/new", argv, none) == 0);
    assert(strstr(said, "LD_BIND_NOW") == NULL && strstr(said, "LD_PRELOAD=/our.so\n") != NULL);
}

static void scripts_are_given_to_their_interpreters(void) {
    const char *argv[] = {"name", "1", NULL}, *none[] = {NULL};
    assert(run("/bin/script", argv, none) == 0);
    const char *wanted = filled("@/lib64/ld.so\n/bin/fit\n--inhibit-cache\n@/bin/fit\n-a b\n/bin/script\n1\n--\n");
    assert(strncmp(said, wanted, strlen(wanted)) == 0);
    assert(run("/bin/nested", argv, none) == 0 && strstr(said, "\n-a b\n/bin/script\n/bin/nested\n1\n--\n") != NULL);
    assert(run("/bin/circle", argv, none) == -KERNEL_ELOOP);
}

static void what_cannot_be_run_is_named(void) {
    const char *argv[] = {"x", NULL}, *none[] = {NULL};
    const struct {
        const char *path;
        enum program_kind kind;
        long answer;
    } cases[] = {
        {"/bin/static", PROGRAM_STATIC, -KERNEL_ENOEXEC}, {"/bin/foreign", PROGRAM_OTHER_ARCH, -KERNEL_ENOEXEC},
        {"/bin/musl", PROGRAM_MUSL, -KERNEL_ENOEXEC},     {"/bin/text", PROGRAM_TEXT, -KERNEL_ENOEXEC},
        {"/bin/none", PROGRAM_MISSING, -KERNEL_ENOENT},   {"/bin", PROGRAM_MISSING, -KERNEL_EACCES},
        {"/bin/lost", PROGRAM_OK, -KERNEL_ENOENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert(run(cases[i].path, argv, none) == cases[i].answer);
        assert(refusal.kind == cases[i].kind && strcmp(refusal.path, cases[i].path) == 0);
    }
    assert(start_is_text(&refusal) == false && strcmp(program_word(PROGRAM_OTHER_ARCH), "other-arch") == 0);
    assert(run("nothing", argv, environment) == -KERNEL_ENOENT && run("", argv, none) == -KERNEL_ENOENT);
}

/* Whatever a file says about itself, it is read in its bounds (the sanitizers see to that) and comes to some answer. */
static void no_file_confuses(void) {
    const char *argv[] = {"x", NULL}, *none[] = {NULL};
    unsigned char bytes[sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr)];
    put_elf("tree/bin/odd", "/lib64/ld.so", MACHINE);
    int file = open(in("tree/bin/odd"), O_RDWR | O_CLOEXEC);
    assert(file >= 0 && pread(file, bytes, sizeof bytes, 0) > (ssize_t)sizeof(Elf64_Ehdr));
    srand(1);
    for (int i = 0; i < 4000; i++) {
        unsigned char odd[sizeof bytes];
        memcpy(odd, bytes, sizeof odd);
        for (int change = rand() % 4; change >= 0; change--)
            odd[SELFMAG + (size_t)rand() % (sizeof odd - SELFMAG)] = (unsigned char)rand();
        if (i % 5 == 0) memcpy(odd, "#!", 2);
        size_t size = i % 3 == 0 ? (size_t)rand() % sizeof odd : sizeof odd;
        assert(ftruncate(file, (off_t)size) == 0 && pwrite(file, odd, size, 0) == (ssize_t)size);
        long answer = run("/bin/odd", argv, none);
        assert(answer <= 0 && (answer < 0 || said[0] == '/'));
    }
    close(file);
}

int main(void) {
    assert(mkdtemp(folder) != NULL);
    const char *folders[] = {"tree", "tree/bin", "tree/lib64"};
    for (size_t i = 0; i < 3; i++) assert(mkdir(in(folders[i]), 0755) == 0);
    put_text("tree/lib64/ld.so", "an old loader");
    put("tree/lib64/ld-new.so", "GLIBC_2.34\0GLIBC_2.35", 22);
    put_elf("tree/bin/fit", "/lib64/ld.so", MACHINE);
    put_elf("tree/bin/new", "/lib64/ld-new.so", MACHINE);
    put_elf("tree/bin/lost", "/lib64/none.so", MACHINE);
    put_elf("tree/bin/static", NULL, MACHINE);
    put_elf("tree/bin/foreign", "/lib64/ld.so", EM_S390);
    put_elf("tree/bin/musl", "/lib/ld-musl-x86_64.so.1", MACHINE);
    put_text("tree/bin/script", "#! /bin/fit -a b \nrest\n");
    put_text("tree/bin/nested", "#!/bin/script\n");
    put_text("tree/bin/circle", "#!/bin/circle\n");
    put_text("tree/bin/text", "echo\n");
    static char text[300];
    snprintf(text, sizeof text, "root %s/tree\n", folder);
    assert(view_parse(&view, text) == 0);
    view.config = "/config", view.preload = "/our.so";
    a_program_is_given_to_its_loader();
    a_loader_of_today_binds_when_used();
    scripts_are_given_to_their_interpreters();
    what_cannot_be_run_is_named();
    no_file_confuses();
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert(system(command) == 0);
    return 0;
}
