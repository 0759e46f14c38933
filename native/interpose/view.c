#include "view.h"

#include "facts.h"
#include "kernel.h"
#include "text.h"

/* The next word of a line, ended and unescaped in place; NULL if there is none. */
static char *next_word(char **at) {
    char *word = *at, *to = word, *from = word;
    if (*word == 0) return NULL;
    for (; *from != 0 && *from != ' '; from++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
            from[3] <= '7') {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *at = *from == 0 ? from : from + 1;
    *to = 0;
    return word;
}

/* Takes '/' from its end and gives its length; -1 unless it is absolute. */
static long trim(char *path) {
    if (path == NULL || path[0] != '/') return -1;
    size_t length = text_length(path);
    while (length > 0 && path[length - 1] == '/') path[--length] = 0;
    return (long)length;
}

static uint64_t name_bit(const char *name) {
    unsigned sum = 0;
    for (; *name != 0; name++) sum = sum * 31 + (unsigned char)*name;
    return 1ULL << ((sum ^ sum >> 6) & 63);
}

/* `guest` NULL: the root. */
static bool add(struct view *view, char *host, char *guest, unsigned kind) {
    static const char top[] = "";
    long host_length = trim(host), guest_length = guest == NULL ? 0 : trim(guest);
    if (view->count == VIEW_MOST || host_length < 0 || guest_length < 0) return false;
    struct area made = {guest == NULL ? top : guest, host, (size_t)guest_length, (size_t)host_length, kind};
    size_t at = view->count++;
    for (; at > 0 && view->areas[at - 1].guest_length < made.guest_length; at--) view->areas[at] = view->areas[at - 1];
    view->areas[at] = made;
    if (guest_length > 0) view->mounts |= name_bit(text_base(guest));
    return true;
}

static bool understand(struct view *view, char *line) {
    char *verb = next_word(&line), *first = next_word(&line), *second = next_word(&line), *third = next_word(&line);
    if (verb == NULL) return true;
    if (first == NULL || next_word(&line) != NULL) return false;
    if (text_same(verb, "root") && third == NULL) {
        if (second != NULL && !text_same(second, "rw")) return false;
        return add(view, first, NULL, second != NULL ? 0 : AREA_READ_ONLY | AREA_FIXED);
    }
    if (text_same(verb, "bind") && second != NULL) {
        if (third != NULL && !text_same(third, "ro")) return false;
        return add(view, first, second, third != NULL ? AREA_READ_ONLY : 0);
    }
    if (second != NULL) return false;
    if (text_same(verb, "host")) return add(view, first, first, AREA_HOST);
    if (text_same(verb, "libraries")) return view->libraries = first, true;
    if (text_same(verb, "facts")) return view->facts_file = first, true;
    return false;
}

unsigned view_parse(struct view *view, char *text) {
    unsigned number = 1;
    for (char *end; *text != 0; text = end, number++) {
        for (end = text; *end != 0 && *end != '\n'; end++) {}
        if (*end == '\n') *end++ = 0;
        if (!understand(view, text)) return number;
    }
    for (size_t i = 0; i < view->count; i++) {
        const struct area *area = &view->areas[i];
        size_t at = i;
        for (; at > 0 && view->by_host[at - 1]->host_length < area->host_length; at--)
            view->by_host[at] = view->by_host[at - 1];
        view->by_host[at] = area;
    }
    view->facts = &view->own;
    view->root = view->count == 0 ? NULL : &view->areas[view->count - 1];
    bool one = view->root != NULL && view->root->guest_length == 0 &&
               (view->count == 1 || view->areas[view->count - 2].guest_length > 0);
    return one ? 0 : number;
}

static long map(size_t size, int flags, int file) {
    return kernel(SYS_mmap, 0, size, 3 /* PROT_READ | PROT_WRITE */, flags, file, 0);
}

static bool failed(long answer) { return answer < 0 && answer > -PATH_ROOM; }

/* The file's text, ended, in memory of its own. */
static long read_text(int file, char **text) {
    struct kernel_stat found;
    long answer = kernel_stat(file, "", &found, KERNEL_EMPTY_PATH);
    if (answer < 0) return answer;
    answer = map((size_t)found.size + 1, 0x22 /* MAP_PRIVATE | MAP_ANONYMOUS */, -1);
    if (failed(answer)) return answer;
    *text = (char *)answer;
    answer = kernel(SYS_read, file, *text, found.size);
    return answer < 0 ? answer : 0;
}

/* Maps the shared facts if there are any of this configuration. */
static void share_facts(struct view *view) {
    struct kernel_stat found;
    int file = kernel_open(KERNEL_CWD, view->facts_file, KERNEL_BOTH);
    if (file < 0) return;
    if (kernel_stat(file, "", &found, KERNEL_EMPTY_PATH) == 0 && found.size == (int64_t)sizeof *view->facts) {
        long answer = map(sizeof *view->facts, 1 /* MAP_SHARED */, file);
        struct facts *facts = failed(answer) ? NULL : (struct facts *)answer;
        if (facts != NULL && facts->view == view->hash && facts->generation > 0) view->facts = facts;
        else if (facts != NULL) kernel(SYS_munmap, facts, sizeof *facts);
    }
    kernel_close(file);
}

long view_read(struct view *view, const char *path) {
    char *text = NULL;
    int file = kernel_open(KERNEL_CWD, path, KERNEL_READ);
    if (file < 0) return file;
    long answer = read_text(file, &text);
    kernel_close(file);
    if (answer < 0) return answer;
    view->hash = facts_hash(text, text_length(text));
    unsigned line = view_parse(view, text);
    if (line != 0) {
        view->count = 0;
        return line;
    }
    if (view->facts_file != NULL) share_facts(view);
    return 0;
}

static bool lies_in(const char *path, const char *prefix, size_t length) {
    return text_equal(path, prefix, length) && (path[length] == 0 || path[length] == '/');
}

const struct area *view_area(const struct view *view, const char *guest, size_t length) {
    const struct area *area = view->areas;
    for (; area->guest_length > 0; area++)
        if (length >= area->guest_length && guest[1] == area->guest[1] &&
            text_equal(guest, area->guest, area->guest_length) &&
            (length == area->guest_length || guest[area->guest_length] == '/'))
            break;
    return area;
}

long view_host(const struct area *area, const char *guest, size_t length, char *host) {
    size_t rest = length - area->guest_length, made = area->host_length + rest;
    if (made + 2 > PATH_ROOM) return -KERNEL_ENAMETOOLONG;
    text_move(host + area->host_length, guest + area->guest_length, rest);
    text_move(host, area->host, area->host_length);
    if (made == 0) host[made++] = '/';
    host[made] = 0;
    return (long)made;
}

long view_guest(const struct view *view, const char *host, char *guest) {
    for (size_t i = 0; i < view->count; i++) {
        const struct area *area = view->by_host[i];
        if (!lies_in(host, area->host, area->host_length)) continue;
        const char *rest = host + area->host_length;
        size_t length = text_length(rest), made = area->guest_length + length;
        if (rest[0] == '/' && length == 1) length = 0, made--;
        if (made + 2 > PATH_ROOM) return -KERNEL_ENAMETOOLONG;
        text_move(guest + area->guest_length, rest, length);
        text_move(guest, area->guest, area->guest_length);
        if (made == 0) guest[made++] = '/';
        guest[made] = 0;
        return (long)made;
    }
    return -KERNEL_ENOENT;
}

bool view_mounts_below(const struct view *view, const char *guest, size_t length) {
    for (const struct area *area = view->areas; area->guest_length > 0; area++)
        if (area->guest_length >= length && text_equal(area->guest, guest, length) &&
            (area->guest_length == length || area->guest[length] == '/'))
            return true;
    return false;
}

bool view_may_be_mount(const struct view *view, const char *name) { return (view->mounts & name_bit(name)) != 0; }
