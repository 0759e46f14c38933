/* Sockets that have a path. */
#include "../text.h"
#include "export.h"

struct address { /* sockaddr_un */
    uint16_t family;
    char path[108];
};

/* Where the socket is: the address to use in place of `asked`. A path that has become too long goes by a descriptor of
   its folder, which the caller closes (-1: none). 0 or a negative error; 1: the address is not of this kind. */
static int find_socket(const struct address *asked, uint32_t size, unsigned how, struct address *made, int *folder) {
    char path[sizeof asked->path + 1];
    struct place at;
    *folder = -1;
    if (view()->count == 0 || asked == NULL || size < 4 || size > sizeof *asked || asked->family != 1 /* AF_UNIX */ ||
        asked->path[0] == 0) /* abstract */
        return 1;
    text_move(path, asked->path, size - 2);
    path[size - 2] = 0;
    int found = place_find(view(), KERNEL_CWD, path, how, &at);
    if (found < 0) return found;
    struct line line = {made->path, 0, sizeof made->path, false};
    made->family = asked->family;
    made->path[0] = 0;
    line_add(&line, at.path);
    if (!line.full) return 0;
    char *slash = (char *)text_last(at.path, '/'); /* it is in the room: what was asked would have fitted */
    *slash = 0;
    *folder = kernel_open(KERNEL_CWD, at.path, KERNEL_PATH);
    if (*folder < 0) return *folder;
    char number[21];
    text_number(number, (unsigned long)*folder);
    line = (struct line){made->path, 0, sizeof made->path, false};
    const char *parts[] = {"/proc/self/fd/", number, "/", slash + 1};
    for (size_t i = 0; i < 4; i++) line_add(&line, parts[i]);
    if (!line.full) return 0;
    kernel_close(*folder);
    return -KERNEL_ENAMETOOLONG;
}

/* The kernel tells a socket's name as it was bound. One that was bound by a descriptor of its folder is known by that
   name here, and in the processes that we fork: to others it is a path that leads nowhere. */
enum { LONG_NAMES = 32 };
static struct {
    char bound[sizeof((struct address *)0)->path + 1], asked[sizeof((struct address *)0)->path + 1];
} long_names[LONG_NAMES];
static unsigned long_names_next;

static void remember_long(const struct address *bound, const struct address *asked, uint32_t size) {
    unsigned at = __atomic_fetch_add(&long_names_next, 1, __ATOMIC_RELAXED) % LONG_NAMES;
    text_move(long_names[at].bound, bound->path, text_length(bound->path) + 1);
    text_move(long_names[at].asked, asked->path, size - 2);
    long_names[at].asked[size - 2] = 0;
}

/* The youngest of that name. */
static const char *recall_long(const char *bound) {
    unsigned next = __atomic_load_n(&long_names_next, __ATOMIC_RELAXED);
    for (unsigned i = 1; i <= LONG_NAMES; i++) {
        unsigned at = (next - i) % LONG_NAMES;
        if (text_same(long_names[at].bound, bound)) return long_names[at].asked;
    }
    return NULL;
}

static uint32_t size_of(const struct address *address) { return (uint32_t)text_length(address->path) + 3; }

EXPORT int bind(int socket, const void *address, uint32_t size) {
    struct address made;
    int folder, found = find_socket(address, size, PLACE_CREATES, &made, &folder);
    if (found == -KERNEL_EEXIST) found = -98; /* EADDRINUSE */
    if (found < 0) return (int)answer(found);
    const struct address *used = found == 0 ? &made : address;
    long result = kernel(SYS_bind, socket, used, found == 0 ? size_of(&made) : size);
    if (folder >= 0 && result == 0) remember_long(&made, address, size);
    if (folder >= 0) kernel_close(folder);
    return (int)answer(result);
}

EXPORT int connect(int socket, const void *address, uint32_t size) {
    struct address made;
    int folder, found = find_socket(address, size, PLACE_FOLLOW, &made, &folder);
    if (found < 0) return (int)answer(found);
    if (found == 0) address = &made, size = size_of(&made);
    long result = kernel(SYS_connect, socket, address, size);
    if (folder >= 0) kernel_close(folder);
    return (int)answer(result);
}

EXPORT long sendto(int socket, const void *data, size_t length, int flags, const void *address, uint32_t size) {
    struct address made;
    int folder, found = find_socket(address, size, PLACE_FOLLOW, &made, &folder);
    if (found < 0) return answer(found);
    if (found == 0) address = &made, size = size_of(&made);
    long result = kernel(SYS_sendto, socket, data, length, flags, address, size);
    if (folder >= 0) kernel_close(folder);
    return answer(result);
}

/* The other way: an address that the kernel gave, of `size` bytes in all, in `room` bytes of the caller's. */
static void tell(const struct address *given, uint32_t size, struct address *to, uint32_t *room) {
    struct address told = *given;
    char path[PATH_ROOM];
    if (size > sizeof told) size = sizeof told;
    bool named = view()->count > 0 && size > 3 && given->family == 1 && given->path[0] == '/';
    if (named) {
        text_move(path, given->path, size - 2);
        path[size - 2] = 0;
        const char *asked = text_starts(path, "/proc/self/fd/") ? recall_long(path) : NULL;
        long length = view_guest(view(), path, path);
        if (asked != NULL && text_length(asked) < sizeof told.path) {
            text_move(told.path, asked, text_length(asked) + 1);
            size = size_of(&told);
        } else if (length > 0 && length < (long)sizeof told.path) {
            text_move(told.path, path, (size_t)length + 1);
            size = size_of(&told);
        }
    }
    text_move((char *)to, (const char *)&told, size < *room ? size : *room);
    *room = size;
}

/* Other kinds of addresses are longer (128 bytes at most) and go straight to the caller. */
#define TELLING(name, parameters, number, before, after) \
    EXPORT int name parameters { \
        struct address given; \
        uint32_t size = sizeof given; \
        int domain = 0; \
        uint32_t room = sizeof domain; \
        bool known = to != NULL && kernel(SYS_getsockopt, socket, 1, 39 /* SO_DOMAIN */, &domain, &room) == 0; \
        if (!known || domain != 1) return (int)answer(kernel(number, before, to, length after)); \
        long result = kernel(number, before, &given, &size after); \
        if (result >= 0) tell(&given, size, to, length); \
        return (int)answer(result); \
    }
#define NOTHING
#define WITH_FLAGS , flags

TELLING(getsockname, (int socket, void *to, uint32_t *length), SYS_getsockname, socket, NOTHING)
TELLING(getpeername, (int socket, void *to, uint32_t *length), SYS_getpeername, socket, NOTHING)
TELLING(accept, (int socket, void *to, uint32_t *length), SYS_accept, socket, NOTHING)
TELLING(accept4, (int socket, void *to, uint32_t *length, int flags), SYS_accept4, socket, WITH_FLAGS)
