#include "caller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>

enum { PAGE = 4096 };

bool caller_waits(const struct call *call) {
    return kernel_ioctl(call->world->listener, KERNEL_IS_VALID, &call->id) == 0;
}

static ssize_t read_memory(const struct call *call, uint64_t address, void *bytes, size_t length) {
    struct iovec ours = {bytes, length}, theirs = {(void *)(uintptr_t)address, length};
    return process_vm_readv(call->pid, &ours, 1, &theirs, 1, 0);
}

int caller_read(const struct call *call, uint64_t address, void *bytes, size_t length) {
    return read_memory(call, address, bytes, length) == (ssize_t)length ? 0 : -EFAULT;
}

int caller_write(const struct call *call, uint64_t address, const void *bytes, size_t length) {
    struct iovec ours = {(void *)(uintptr_t)bytes, length}, theirs = {(void *)(uintptr_t)address, length};
    if (length == 0) return 0;
    if (!caller_waits(call)) return -EFAULT;
    return process_vm_writev(call->pid, &ours, 1, &theirs, 1, 0) == (ssize_t)length ? 0 : -EFAULT;
}

int caller_text(const struct call *call, uint64_t address, char *text, size_t room) {
    size_t have = 0;
    while (have < room) {
        size_t part = PAGE - (address + have) % PAGE; /* the next page may not be there */
        if (part > room - have) part = room - have;
        ssize_t n = read_memory(call, address + have, text + have, part);
        if (n <= 0) return -EFAULT;
        const char *end = memchr(text + have, 0, (size_t)n);
        if (end != NULL) return (int)(end - text);
        have += (size_t)n;
    }
    return -ENAMETOOLONG;
}

/* The number of a person is kept where fork and exec hand it on as they do a process's ids: in the soft limit of file
   locks, which no kernel since 2.4.25 reads. Unlimited, as it is at first, stands for number 0. */
int caller_person(const struct call *call, const struct person **person) {
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    struct world *world = call->world;
    if (atomic_load(&world->people_differ) && prlimit(call->pid, RLIMIT_LOCKS, NULL, &limit) != 0) return -errno;
    pthread_mutex_lock(&world->lock);
    *person = people_get(world->people, limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur);
    pthread_mutex_unlock(&world->lock);
    return 0;
}

int caller_become(const struct call *call, const struct person *person) {
    struct world *world = call->world;
    struct rlimit limit;
    pthread_mutex_lock(&world->lock);
    int64_t number = people_note(world->people, person);
    bool differ = people_differ(world->people);
    pthread_mutex_unlock(&world->lock);
    if (number < 0) return -EAGAIN;
    if (!caller_waits(call) || prlimit(call->pid, RLIMIT_LOCKS, NULL, &limit) != 0) return -ESRCH;
    limit.rlim_cur = number == 0 ? limit.rlim_max : (rlim_t)number;
    if (prlimit(call->pid, RLIMIT_LOCKS, &limit, NULL) != 0) return -errno;
    if (differ) atomic_store(&world->people_differ, true);
    return 0;
}

bool caller_may(const struct person *person, const struct owner *owner, unsigned wanted) {
    if (person->user.file == 0) return true;
    return owner_allows(owner, owner->uid == person->user.file, person_in(person, owner->gid), wanted);
}

mode_t caller_umask(const struct call *call) {
    char path[32], text[512];
    snprintf(path, sizeof path, "%d/status", call->pid);
    int file = openat(call->world->processes, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[n < 0 ? 0 : n] = 0;
    const char *line = strstr(text, "\nUmask:"); /* after the name, in which a line's end is written as \n */
    return line == NULL ? 022 : (mode_t)(strtoul(line + 7, NULL, 8) & 0777);
}
