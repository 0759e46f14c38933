/* The functions of this process' C library that we stand before and still need.
 *
 * Found in its symbol tables, as dlsym(RTLD_NEXT) would: which library has dlsym() itself changed with glibc 2.34.
 */
#ifndef INTERPOSE_REAL_H
#define INTERPOSE_REAL_H

#define REALS(REAL) \
    REAL(fopen) REAL(freopen) REAL(opendir) REAL(scandir) REAL(scandirat) REAL(glob) REAL(statvfs) REAL(pathconf) \
    REAL(dladdr) REAL(posix_spawn) REAL(posix_spawn_file_actions_addopen) \
    REAL(posix_spawn_file_actions_addchdir_np) REAL(pclose) REAL(setmntent) REAL(bindtextdomain) REAL(nftw) \
    REAL(fts_open)

enum real {
#define REAL(name) REAL_##name,
    REALS(REAL)
#undef REAL
    REAL_COUNT
};

/* Looks them all up, once. */
void real_find_all(void);

/* The function, or NULL (errno ENOSYS) where this C library has none. */
void *real_function(enum real which);

#define REAL_FUNCTION(name) ((__typeof__(&name))real_function(REAL_##name))

#endif
