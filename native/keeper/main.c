/* wherry-keeper FOLDER HELPER GRACE ATTRIBUTES PROGRAM [WORD...]: keep an image mounted on FOLDER/tree while somebody uses it.
 *
 *   3  the image's file, which PROGRAM reads as /proc/self/fd/3
 *   4  where it tells its caller, once: "ready", "busy" (another keeper has this folder), or what went wrong
 *
 * PROGRAM mounts FOLDER/tree and serves it in the foreground. HELPER is the path of fusermount3, by which what PROGRAM
 * mounted is unmounted; "-": PROGRAM is started in a user and mount namespace of its own, and FOLDER/server names it for
 * those who want the mount in theirs. ATTRIBUTES is "none" where the file system holds no extended ones (quiet.h). Users hold FOLDER/lock (flock, shared). When nobody did for GRACE seconds, when
 * PROGRAM ends, or after SIGTERM as soon as nobody does, it unmounts and removes the folder.
 *
 * It goes to the background at once, and holds nothing of its caller's. docs/design/mounts.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"
#include "server.h"
#include "use.h"

enum { TELL = 4 };

static void tell(const char *words) {
    ssize_t ignored = write(TELL, words, strlen(words));
    (void)ignored;
    close(TELL);
}

static int fail(const struct place *place, const char *step) {
    char words[512], last[256];
    int error = errno;
    place_last_words(place, last, sizeof last);
    snprintf(words, sizeof words, "failed: %s", *last != 0 ? last : step);
    if (*last == 0 && error != 0) snprintf(words + strlen(words), sizeof words - strlen(words), ": %s", strerror(error));
    place_leave(place);
    tell(words);
    return 1;
}

/* Nothing that waits for our caller's output, terminal or children may wait for us. */
static void leave_caller(void) {
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; null >= 0 && i < 3; i++) dup2(null, i);
    if (null > TELL) close(null);
    place_close_above(TELL);
    fcntl(TELL, F_SETFD, FD_CLOEXEC);
    if (setsid() < 0 || chdir("/") != 0) return;
}

static int keep(struct place *place, struct server *server, char **argv) {
    sigset_t ours;
    use_signals(&ours);
    signal(SIGCHLD, SIG_DFL); /* an inherited "ignore" would lose our children's ends */
    sigprocmask(SIG_BLOCK, &ours, NULL);
    if (server_start(server, place, argv) != 0) return fail(place, "cannot start the program");
    close(3);
    if (server_await(server, place) != 0) {
        server_end(server, place);
        return fail(place, "it does not mount the image");
    }
    tell("ready");
    use_await_end(place, server);
    place_take_away(place);
    server_end(server, place);
    place_leave(place);
    return 0;
}

int main(int argc, char **argv) {
    struct place place;
    struct server server = {.helper = NULL};
    if (argc < 6 || fcntl(3, F_GETFD) < 0 || fcntl(TELL, F_GETFD) < 0) {
        fputs("usage: wherry-keeper FOLDER HELPER GRACE ATTRIBUTES PROGRAM [WORD...] 3<IMAGE 4>ANSWER\n", stderr);
        return 2;
    }
    pid_t child = fork();
    if (child != 0) return child < 0; /* who started us waits for this process alone */
    leave_caller();
    umask(077);
    int taken = place_take(&place, argv[1], atoi(argv[3]));
    if (taken != 0) {
        tell(taken > 0 ? "busy" : "failed: cannot use the folder");
        return taken < 0;
    }
    if (strcmp(argv[2], "-") != 0) server.helper = argv[2];
    server.plain = strcmp(argv[4], "none") == 0;
    return keep(&place, &server, argv + 5);
}
