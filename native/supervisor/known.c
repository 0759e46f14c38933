#include "known.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"

enum { MARK_BITS = 20, FIRST_ROOM = 1024, LIST_ROOM = 64 << 10 };

struct entry {
    dev_t device;
    ino_t number;
    uint64_t born; /* loose ones only */
    bool used;
    struct owner owner;
    const struct foreign *foreign;
};

struct table {
    struct entry *entries; /* a power of two, at most half of it used */
    size_t room, used;
};

/* A file of the layers that has several names: its number becomes another when it is copied up. */
struct followed {
    int file;
    dev_t device;
    ino_t number;
};

struct known {
    struct table below, loose;
    atomic_bool ask_all, capable;
    pthread_mutex_t lock; /* of loose */
    struct followed followed[KNOWN_FOLLOWED_MOST];
    atomic_size_t follows;
    int64_t since; /* seconds: what was changed before has not been copied up by this step */
    pthread_mutex_t following;
    atomic_uchar marks[1 << (MARK_BITS - 3)]; /* a bit for each number (hashed) of which something may be known */
};

static uint64_t mixed(dev_t device, ino_t number) {
    uint64_t sum = (uint64_t)number * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)device;
    return sum ^ sum >> 29;
}

static void mark(struct known *known, dev_t device, ino_t number) {
    uint64_t bit = mixed(device, number) & ((1U << MARK_BITS) - 1);
    atomic_fetch_or(&known->marks[bit / 8], (unsigned char)(1U << bit % 8));
}

struct known *known_new(void) {
    struct known *known = calloc(1, sizeof *known);
    if (known == NULL) return NULL;
    pthread_mutex_init(&known->lock, NULL);
    pthread_mutex_init(&known->following, NULL);
    return known;
}

void known_free(struct known *known) {
    free(known->below.entries);
    free(known->loose.entries);
    free(known);
}

static struct entry *slot(const struct table *table, dev_t device, ino_t number, uint64_t born) {
    size_t at = (size_t)mixed(device, number) & (table->room - 1);
    while (table->entries[at].used && (table->entries[at].number != number || table->entries[at].device != device ||
                                       table->entries[at].born != born))
        at = (at + 1) & (table->room - 1);
    return &table->entries[at];
}

static struct entry *find(const struct table *table, dev_t device, ino_t number, uint64_t born) {
    if (table->room == 0) return NULL;
    struct entry *entry = slot(table, device, number, born);
    return entry->used ? entry : NULL;
}

static bool grow(struct table *table) {
    struct table wider = {.room = table->room == 0 ? FIRST_ROOM : 2 * table->room, .used = table->used};
    wider.entries = calloc(wider.room, sizeof *wider.entries);
    if (wider.entries == NULL) return false;
    for (size_t i = 0; i < table->room; i++) {
        const struct entry *entry = &table->entries[i];
        if (entry->used) *slot(&wider, entry->device, entry->number, entry->born) = *entry;
    }
    free(table->entries);
    *table = wider;
    return true;
}

static struct entry *add(struct table *table, dev_t device, ino_t number, uint64_t born) {
    if (2 * table->used >= table->room && !grow(table)) return NULL;
    struct entry *entry = slot(table, device, number, born);
    if (!entry->used) table->used++;
    *entry = (struct entry){.device = device, .number = number, .born = born, .used = true};
    return entry;
}

bool known_add_below(struct known *known, dev_t device, ino_t number, const struct owner *owner, const struct foreign *foreign) {
    for (const struct foreign *each = foreign; each != NULL; each = each->next)
        if (strcmp(each->name, OWNER_CAPABILITY) == 0) atomic_store(&known->capable, true);
    struct entry *entry = add(&known->below, device, number, 0);
    if (entry == NULL) return false;
    entry->owner = *owner;
    entry->foreign = foreign;
    mark(known, device, number);
    return true;
}

bool known_below(const struct known *known, dev_t device, ino_t number, struct owner *owner, const struct foreign **foreign) {
    const struct entry *entry = find(&known->below, device, number, 0);
    if (entry == NULL) return false;
    *owner = entry->owner;
    *foreign = entry->foreign;
    return true;
}

void known_ask_all(struct known *known) { atomic_store(&known->ask_all, true); }

static void find_copied(struct known *known);

bool known_maybe(struct known *known, const struct stat *found) {
    uint64_t bit = mixed(found->st_dev, found->st_ino) & ((1U << MARK_BITS) - 1);
    if (atomic_load(&known->follows) > 0 && !S_ISDIR(found->st_mode) && found->st_ctim.tv_sec >= known->since) find_copied(known);
    if (atomic_load(&known->ask_all) && (S_ISREG(found->st_mode) || S_ISDIR(found->st_mode))) return true;
    return (atomic_load(&known->marks[bit / 8]) >> bit % 8 & 1) != 0;
}

bool known_loose(struct known *known, const struct stat *found, uint64_t born, struct owner *owner) {
    pthread_mutex_lock(&known->lock);
    const struct entry *entry = find(&known->loose, found->st_dev, found->st_ino, born);
    if (entry != NULL) *owner = entry->owner;
    pthread_mutex_unlock(&known->lock);
    /* Access lists change it unseen. */
    if (entry != NULL && !S_ISLNK(found->st_mode)) owner->mode = found->st_mode & 07777;
    return entry != NULL;
}

bool known_has_loose(const struct known *known) { return known->loose.used != 0; }

/* The current directory is that of our descriptors: their numbers are paths, also of those that cannot be read. */
static const char *path_of(int file, char path[16]) {
    snprintf(path, 16, "%d", file);
    return path;
}

static bool carries(const struct stat *found) { return S_ISREG(found->st_mode) || S_ISDIR(found->st_mode); }

static bool get_above(int file, const struct stat *found, struct owner *owner) {
    char path[16], text[OWNER_TEXT];
    if (!carries(found)) return false;
    ssize_t length = getxattr(path_of(file, path), OWNER_ATTRIBUTE, text, sizeof text);
    if (length <= 0 || !owner_read(text, (size_t)length, owner)) return false;
    owner->mode = owner_written(owner->mode, found->st_mode); /* there it is right, also when an access list has changed it */
    return true;
}

/* What a layer's tree may not have, a file of the upper directory may: from now on its mode on disk counts. */
static int set_mode(int file, uint32_t mode) {
    struct stat now;
    char path[16];
    if (fstat(file, &now) != 0) return -errno;
    if ((now.st_mode & 07777) == mode) return 0;
    return fchmodat(AT_FDCWD, path_of(file, path), mode, 0) == 0 ? 0 : -errno;
}

bool known_get(struct known *known, int file, const struct stat *found, struct owner *owner) {
    const struct foreign *ignored;
    *owner = (struct owner){.mode = found->st_mode & 07777};
    if (!known_maybe(known, found)) return false;
    return get_above(file, found, owner) ||
           (known->loose.used != 0 && known_loose(known, found, kernel_born(file, "", AT_EMPTY_PATH), owner)) ||
           known_below(known, found->st_dev, found->st_ino, owner, &ignored);
}

static int note_foreign(int file, const char *name, const char *value, size_t length, int flags) {
    char path[16], full[OWNER_NAME];
    if (snprintf(full, sizeof full, OWNER_FOREIGN "%s", name) >= (int)sizeof full) return -ERANGE;
    return setxattr(path_of(file, path), full, value, length, flags) == 0 ? 0 : -errno;
}

/* A capability lies on disk, where it means nothing outside of the namespace: there the kernel takes it away when the file is written
   to, and refuses what is none (EINVAL). Where it cannot, it is noted. */
static int set_foreign(struct known *known, int file, const char *name, const char *value, size_t length, int flags) {
    char path[16];
    if (strcmp(name, OWNER_CAPABILITY) != 0) return note_foreign(file, name, value, length, flags);
    atomic_store(&known->capable, true);
    if (setxattr(path_of(file, path), name, value, length, flags) == 0) {
        removexattr(path, OWNER_FOREIGN OWNER_CAPABILITY);
        return 0;
    }
    return errno == EINVAL || errno == EEXIST ? -errno : note_foreign(file, name, value, length, flags);
}

/* What the layers say has to stay, whatever the kernel thinks of it. */
static int keep_foreign(struct known *known, int file, const struct foreign *foreign) {
    int answer = set_foreign(known, file, foreign->name, foreign->value, foreign->length, 0);
    return answer == -EINVAL ? note_foreign(file, foreign->name, foreign->value, foreign->length, 0) : answer;
}

static int set_above(struct known *known, int file, const struct stat *found, const struct owner *owner) {
    char path[16], text[OWNER_TEXT];
    struct owner before;
    const struct foreign *foreign = NULL;
    size_t length = owner_write(owner, text);
    /* From now on its own attributes count: they must have all that the layers say. */
    if (known_below(known, found->st_dev, found->st_ino, &before, &foreign) && get_above(file, found, &before))
        foreign = NULL;
    for (; foreign != NULL; foreign = foreign->next) {
        int answer = keep_foreign(known, file, foreign);
        if (answer != 0) return answer;
    }
    struct stat now;
    if (setxattr(path_of(file, path), OWNER_ATTRIBUTE, text, length, 0) != 0) return -errno;
    if (fstat(file, &now) != 0) return -errno;
    mark(known, now.st_dev, now.st_ino); /* copied up, it may have another number */
    return set_mode(file, owner->mode);
}

static int set_loose(struct known *known, int file, const struct owner *owner) {
    struct stat now;
    int answer = fstat(file, &now) != 0 ? -errno : S_ISLNK(now.st_mode) ? 0 : set_mode(file, owner->mode);
    if (answer != 0 || fstat(file, &now) != 0) return answer != 0 ? answer : -errno;
    const struct stat *found = &now; /* copied up, it may have another number */
    uint64_t born = kernel_born(file, "", AT_EMPTY_PATH);
    pthread_mutex_lock(&known->lock);
    struct entry *entry = known->loose.used < KNOWN_LOOSE_MOST ? add(&known->loose, found->st_dev, found->st_ino, born)
                                                               : find(&known->loose, found->st_dev, found->st_ino, born);
    if (entry != NULL) entry->owner = *owner;
    pthread_mutex_unlock(&known->lock);
    if (entry == NULL) return -ENOSPC;
    mark(known, found->st_dev, found->st_ino);
    return 0;
}

int known_set(struct known *known, int file, const struct stat *found, const struct owner *owner) {
    int answer = carries(found) ? set_above(known, file, found, owner) : -ENOTSUP;
    return answer == -ENOTSUP ? set_loose(known, file, owner) : answer;
}

void known_follow(struct known *known, int file, const struct stat *found) {
    struct timespec now;
    size_t count = atomic_load(&known->follows);
    if (count == KNOWN_FOLLOWED_MOST) {
        close(file);
        return;
    }
    if (count == 0 && clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0) known->since = now.tv_sec;
    known->followed[count] = (struct followed){file, found->st_dev, found->st_ino};
    atomic_store(&known->follows, count + 1);
}

/* What the layers say of a file that was copied up and got another number, unless it says itself whose it is. */
static void say_copied(struct known *known, const struct followed *followed, const struct stat *now) {
    struct owner owner, own;
    const struct foreign *foreign = NULL;
    if (get_above(followed->file, now, &own) || known_loose(known, now, kernel_born(followed->file, "", AT_EMPTY_PATH), &own) ||
        !known_below(known, followed->device, followed->number, &owner, &foreign))
        return;
    for (; carries(now) && foreign != NULL; foreign = foreign->next)
        keep_foreign(known, followed->file, foreign);
    known_set(known, followed->file, now, &owner);
}

static void find_copied(struct known *known) {
    struct stat now;
    pthread_mutex_lock(&known->following);
    for (size_t i = 0; i < atomic_load(&known->follows);) {
        struct followed *at = &known->followed[i];
        if (fstat(at->file, &now) == 0 && now.st_ino == at->number && now.st_dev == at->device) {
            i++;
            continue;
        }
        say_copied(known, at, &now);
        close(at->file);
        *at = known->followed[atomic_fetch_sub(&known->follows, 1) - 1];
    }
    pthread_mutex_unlock(&known->following);
}

void known_follow_no_more(struct known *known) {
    find_copied(known);
    for (size_t i = atomic_exchange(&known->follows, 0); i > 0; i--) close(known->followed[i - 1].file);
}

long known_foreign_get(struct known *known, int file, const struct stat *found, const char *name, char *value, size_t room) {
    char path[16], full[OWNER_NAME];
    struct owner owner;
    const struct foreign *foreign = NULL;
    if (!known_maybe(known, found) || !carries(found)) return -ENODATA;
    if (get_above(file, found, &owner)) {
        if (snprintf(full, sizeof full, OWNER_FOREIGN "%s", name) >= (int)sizeof full) return -ERANGE;
        ssize_t length = getxattr(path_of(file, path), full, value, room);
        return length < 0 ? -errno : length;
    }
    known_below(known, found->st_dev, found->st_ino, &owner, &foreign);
    while (foreign != NULL && strcmp(foreign->name, name) != 0) foreign = foreign->next;
    if (foreign == NULL) return -ENODATA;
    if (room != 0 && room < foreign->length) return -ERANGE;
    if (room != 0) memcpy(value, foreign->value, foreign->length);
    return foreign->length;
}

/* A name more in a list that has room for `room` bytes; what does not fit is only counted. */
static void list_add(char *names, size_t room, size_t *used, const char *name) {
    size_t length = strlen(name) + 1;
    if (*used + length <= room) memcpy(names + *used, name, length);
    *used += length;
}

long known_foreign_list(struct known *known, int file, const struct stat *found, char *names, size_t room) {
    char path[16];
    struct owner owner;
    const struct foreign *foreign = NULL;
    size_t used = 0;
    char *disk = malloc(LIST_ROOM);
    if (disk == NULL) return -ENOMEM;
    ssize_t length = listxattr(path_of(file, path), disk, LIST_ROOM);
    int error = errno;
    for (const char *name = disk; length > 0 && name < disk + length; name += strlen(name) + 1) {
        if (strncmp(name, OWNER_FOREIGN, strlen(OWNER_FOREIGN)) == 0)
            list_add(names, room, &used, name + strlen(OWNER_FOREIGN));
        else if (strncmp(name, OWNER_HIDDEN, strlen(OWNER_HIDDEN)) != 0)
            list_add(names, room, &used, name);
    }
    free(disk);
    if (length < 0) return -error;
    if (!get_above(file, found, &owner)) known_below(known, found->st_dev, found->st_ino, &owner, &foreign);
    for (; foreign != NULL; foreign = foreign->next) list_add(names, room, &used, foreign->name);
    return room != 0 && used > room ? -ERANGE : (long)used;
}

int known_foreign_set(struct known *known, int file, const struct stat *found, const char *name, const char *value,
                      size_t length, int flags) {
    struct owner owner;
    if (!carries(found)) return -ENOTSUP;
    known_get(known, file, found, &owner);
    int answer = set_above(known, file, found, &owner);
    return answer == 0 ? set_foreign(known, file, name, value, length, flags) : answer;
}

int known_foreign_remove(struct known *known, int file, const struct stat *found, const char *name) {
    char path[16], full[OWNER_NAME];
    struct owner owner;
    if (strcmp(name, OWNER_CAPABILITY) == 0 && removexattr(path_of(file, path), name) == 0) return 0;
    long length = known_foreign_get(known, file, found, name, NULL, 0);
    if (length < 0) return (int)length;
    known_get(known, file, found, &owner);
    int answer = set_above(known, file, found, &owner);
    if (answer != 0) return answer;
    snprintf(full, sizeof full, OWNER_FOREIGN "%s", name);
    return removexattr(path_of(file, path), full) == 0 ? 0 : -errno;
}

bool known_capable(const struct known *known) { return atomic_load(&known->capable); }

void known_before_write(struct known *known, int file, const struct stat *found, bool by_root) {
    struct owner owner;
    char value[OWNER_VALUE];
    if (!S_ISREG(found->st_mode) || !known_get(known, file, found, &owner)) return;
    long length = known_foreign_get(known, file, found, OWNER_CAPABILITY, value, sizeof value);
    if (length > 0) known_foreign_set(known, file, found, OWNER_CAPABILITY, value, (size_t)length, 0);
    uint32_t mode = owner.mode, special = S_ISUID | S_ISGID;
    if (by_root || (mode & special) == 0) return;
    owner.mode &= ~special; /* a text without them says that those on disk count (owner_written) */
    if (known_set(known, file, found, &owner) == 0) set_mode(file, mode);
}
