/* The HOST operations: what happens in the launcher before any namespace exists, and what is put away afterwards. */
#ifndef WHERRY_HOST_H
#define WHERRY_HOST_H

#include <sys/resource.h>
#include <time.h>

#include "bounds.h"
#include "record.h"
#include "start.h"
#include "until.h"

/* What must be put away or written at the end. Texts are owned by plan or start. */
struct host {
    int running;               /* descriptor of the locked RUNNING file, or -1 */
    const char *running_path;
    unsigned long long own_start; /* when this launcher started (userns.h) */
    const char *scratch;       /* to remove, or NULL */
    bool used_again;           /* it was a spare one */
    const char *cid_file;      /* written by this start; goes again when it does not happen */
    const char *record_folder, *exit_file, *lease, *log;
    bool recorded;             /* a start line was written, so an end line must be */
    struct bounds bounds;
    struct until until;
    struct buffer start_line;
    struct timespec began;
    struct failure warning;    /* what went wrong without stopping the start (a record that could not be written) */
};

enum host_answer { HOST_READY, HOST_STALE, HOST_FAILED };

/* Carries out the HOST operations in the order of the plan and looks at the sources of its binds. HOST_STALE: the lease
   has ended, nothing was left behind. After HOST_FAILED the caller still calls host_finish(). */
enum host_answer host_prepare(struct start *start, struct host *host, struct failure *failure);

/* Once process 1 exists: completes the RUNNING file and appends the start line. */
void host_started(const struct start *start, struct host *host, pid_t init);

/* Touches the lease when it is older than an hour. */
void host_renew_lease(const struct host *host);

/* When all is over: end line, exit file, scratch folder and RUNNING file. */
void host_finish(const struct start *start, struct host *host, int status, int signal, const struct rusage *usage);

#endif
