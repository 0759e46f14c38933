"""A step that attacks its supervisor (``--fakeroot``): it gets its own lies at most, and never hangs."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

import images
from waiting import until
from wherry_command import Wherry

HEADERS = """
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    wherry = Wherry(tmp_path_factory.mktemp("hostile"))
    digest = wherry.ok("load", "-q", "-i", str(images.image("tiny"))).split()[-1]
    wherry.ok("tag", digest, "tiny")
    return wherry


def attack(command: Wherry, folder: Path, body: str, *more: str) -> str:
    """What a static program says that is run in a step; it must end by itself, with status 0."""
    path = folder / "attack"
    words = ["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-w", "-static", "-pthread", "-x", "c", "-", "-o", str(path)]
    subprocess.run(words, input=(HEADERS + body).encode(), check=True, capture_output=True)
    return command.ok("run", "--fakeroot", "-v", f"{path}:/attack:ro", *more, "tiny", "/attack")


def test_bad_addresses_give_errors(command: Wherry, tmp_path: Path) -> None:
    body = r"""
int main(void) {
    int calls[] = {SYS_fchownat, SYS_fchmodat, SYS_mknodat, SYS_mkdirat, SYS_symlinkat, SYS_newfstatat, SYS_statx,
        SYS_openat, 437, SYS_getresuid, SYS_getresgid, SYS_setgroups, SYS_getgroups, SYS_setxattr, SYS_getxattr,
        SYS_listxattr, SYS_removexattr, SYS_fsetxattr, SYS_linkat, SYS_faccessat, 439, 452, SYS_chroot};
    char *last = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(last + 4096, 4096);
    memset(last, 'x', 4096);
    uintptr_t bad[] = {0, 1, (uintptr_t)-1, (uintptr_t)-4096, 0x7fffffffffff,
                       (uintptr_t)last + 4000, (uintptr_t)last + 4095, (uintptr_t)main};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        for (size_t a = 0; a < sizeof bad / sizeof *bad; a++)
            for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
                syscall(calls[c], AT_FDCWD, bad[a], bad[b], bad[b], 4096, 0);
                syscall(calls[c], bad[a], bad[b], bad[a], 64, 0, 0);
                syscall(calls[c], "/tmp", bad[a], bad[b], 65536, 0, 0);
            }
    struct stat found;
    printf("%d\n", stat("/", &found));
}
"""
    assert attack(command, tmp_path, body) == "0\n"


def test_what_the_caller_sees_is_what_it_may_write_to(command: Wherry, tmp_path: Path) -> None:
    """An answer into memory that cannot be written is an error, as of the kernel's own."""
    body = r"""
int main(void) {
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    close(open("/tmp/f", O_CREAT | O_WRONLY, 0644));
    chown("/tmp/f", 5, 5);
    printf("%d ", stat("/tmp/f", (struct stat *)page));
    printf("%d\n", errno == EFAULT);
}
"""
    assert attack(command, tmp_path, body) == "-1 1\n"


def test_paths_that_change_while_they_are_judged_lead_nowhere_else(command: Wherry, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary").write_text("untouched")
    before = os.stat(outside / "canary")
    body = r"""
static char path[64];
static volatile int over;
static void *change(void *unused) {
    while (!over) {
        strcpy(path, "/tmp/mine"); strcpy(path, "/proc/self/root/../canary"); strcpy(path, "../../../../../../canary");
    }
    return NULL;
}
static void *swap(void *unused) {
    while (!over) {
        unlink("/tmp/l"); symlink("/tmp/mine", "/tmp/l"); unlink("/tmp/l"); symlink("/proc/1/root/canary", "/tmp/l");
    }
    return NULL;
}
int main(void) {
    pthread_t one, two;
    struct stat found;
    close(open("/tmp/mine", O_CREAT | O_WRONLY, 0600));
    pthread_create(&one, NULL, change, NULL); pthread_create(&two, NULL, swap, NULL);
    for (int i = 0; i < 1500; i++) {
        chown(path, i + 1, 7); chmod(path, 0640); stat(path, &found); chown("/tmp/l", i + 1, 7); lchown("/tmp/l", 3, 3);
        setxattr(path, "trusted.x", &i, sizeof i, 0); mknod(path, S_IFCHR | 0600, 0);
    }
    over = 1; pthread_join(one, NULL); pthread_join(two, NULL);
    puts("over");
}
"""
    assert attack(command, tmp_path, body) == "over\n"
    after = os.stat(outside / "canary")
    assert (after.st_uid, after.st_mode, after.st_ctime_ns) == (before.st_uid, before.st_mode, before.st_ctime_ns)
    assert os.listxattr(outside / "canary") == []


@pytest.mark.parametrize(
    "path",
    (
        *(
            "/proc/self/fd/../../{pid}/root{canary}",
            "/proc/self/cwd/../proc/{pid}/root{canary}",
            "/dev/fd/../{pid}/cwd",
        ),
        *("/proc/self/root/proc/{pid}/root{canary}", "/proc/thread-self/../../{pid}/root{canary}", "/proc/self/{pid}"),
        *(
            "/proc/self/fd/3/../../../../../..{canary}",
            "/proc/{pid}/root{canary}",
            "/proc/self/cwd/../../../..{canary}",
        ),
    ),
)
def test_the_hosts_processes_are_no_way_out(command: Wherry, tmp_path: Path, path: str) -> None:
    """The supervisor sees the host's /proc, where a process of ours is: no path of a step's may lead there."""
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    asked = path.format(pid=os.getpid(), canary=canary)
    script = f"exec 3</proc; chown 5:5 {asked}; chmod 777 {asked}; mknod {asked}2 c 1 3; touch {asked}; mkdir {asked}d"
    command("run", "--fakeroot", "tiny", "sh", "-c", f"{script}; ls -ld {asked}")
    seen = command("run", "--fakeroot", "tiny", "sh", "-c", f"exec 3</proc; stat {asked}")
    assert seen.status == 1, seen
    assert canary.read_text() == "untouched"
    assert os.listxattr(canary) == [] and os.stat(canary).st_mode & 0o777 == 0o644
    assert sorted(os.listdir(tmp_path)) == ["canary"]


@pytest.mark.parametrize("proc", ("/host/proc", "/host//proc", "/lnk", "/proc/self/root/host/proc"))
def test_the_hosts_proc_that_is_bound_inside_is_no_way_out(command: Wherry, tmp_path: Path, proc: str) -> None:
    """What is ``self`` there to the supervisor is the supervisor, with descriptors of the host's directories."""
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    before = os.stat(canary)
    body = r"""
static void try(const char *way) {
    char path[8192], more[8200];
    struct stat found;
    snprintf(path, sizeof path, "/PROC/%s/%s%s", way, "../../../../../../../../../../../../../..", "CANARY");
    if (stat(path, &found) == 0) puts("seen");
    chown(path, 5, 5); chown(path, 0, 0); chmod(path, 0777); setxattr(path, "security.x", "x", 1, 0);
    sprintf(more, "%s-c", path); mknod(more, S_IFCHR | 0600, makedev(1, 3));
    sprintf(more, "%s-f", path); close(open(more, O_CREAT | O_WRONLY, 0666));
    sprintf(more, "%s-d", path); mkdir(more, 0777);
    sprintf(more, "%s-l", path); symlink("x", more);
    link(path, "/tmp/taken");
}
int main(void) {
    char way[64];
    const char *plain[] = {"self/cwd", "self/root", "thread-self/cwd", "self/exe/..", "./self/cwd", "self/task/../cwd"};
    symlink("/host/proc", "/lnk");
    for (int person = 0; person < 2; person++) {
        for (int i = 0; i < 24; i++) {
            sprintf(way, "self/fd/%d", i); try(way);
            sprintf(way, "self/./fd/%d", i); try(way);
            sprintf(way, "thread-self/fd/%d", i); try(way);
        }
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) try(plain[i]);
        setresgid(1000, 1000, 1000); setresuid(1000, 1000, 1000);
    }
    puts("over");
}
""".replace("/PROC", proc).replace("CANARY", str(canary))
    assert attack(command, tmp_path, "#include <sys/sysmacros.h>\n" + body, "-v", "/proc:/host/proc:ro") == "over\n"
    after = os.stat(canary)
    assert (after.st_mode, after.st_uid, after.st_ctime_ns) == (before.st_mode, before.st_uid, before.st_ctime_ns)
    assert os.listxattr(canary) == []
    assert {path.name for path in tmp_path.iterdir()} == {"canary", "attack"}


def test_it_is_not_among_the_steps_processes_and_descriptors(command: Wherry, tmp_path: Path) -> None:
    body = r"""
int main(void) {
    char target[256], path[64];
    for (int i = 0; i < 64; i++) {
        sprintf(path, "/proc/self/fd/%d", i);
        ssize_t n = readlink(path, target, 255);
        if (n > 0 && strstr((target[n] = 0, target), "seccomp") != NULL) puts("listener");
        if (n > 0 && strstr(target, "socket") != NULL) puts("socket");
    }
    signal(SIGTERM, SIG_IGN);
    printf("%d\n", kill(-1, SIGKILL) == 0 || errno == ESRCH);
    close(open("/tmp/f", O_CREAT | O_WRONLY, 0644));
    printf("%d\n", chown("/tmp/f", 5, 5));
}
"""
    assert attack(command, tmp_path, body) == "1\n0\n"


def test_it_keeps_only_so_many_people(command: Wherry, tmp_path: Path) -> None:
    body = r"""
int main(void) {
    int refused = 0;
    for (int i = 1; i < 70000 && !refused; i++)
        if (setregid(i, -1) != 0) refused = errno == EAGAIN ? i : -1;
    printf("%d\n", refused > 60000);
    gid_t *groups = calloc(65536, sizeof *groups);
    groups[0] = 7;
    printf("%d\n", setgroups(65536, groups) == -1 && errno == EAGAIN);
    printf("%d\n", chown("/tmp", 5, 5));
}
"""
    assert attack(command, tmp_path, body) == "1\n1\n0\n"


def test_attributes_fill_the_files_room_and_no_memory(command: Wherry, tmp_path: Path) -> None:
    body = r"""
int main(void) {
    char name[64], *value = calloc(1, 65536);
    int refused = 0;
    close(open("/tmp/f", O_CREAT | O_WRONLY, 0644));
    for (int i = 0; i < 2000 && !refused; i++) {
        sprintf(name, "trusted.n%d", i);
        refused = setxattr("/tmp/f", name, value, 4096, 0) != 0;
    }
    printf("%d ", refused);
    printf("%d ", setxattr("/tmp/f", "trusted.x", value, 1 << 20, 0) == -1 && errno == E2BIG);
    printf("%d ", setxattr("/tmp/f", "trusted.", value, 1, 0) != 0 || 1);
    printf("%d\n", chown("/tmp/f", 5, 5) == 0 || errno == ENOSPC);
}
"""
    assert attack(command, tmp_path, body) == "1 1 1 1\n"


def test_long_paths_and_deep_directories_are_followed(command: Wherry, tmp_path: Path) -> None:
    body = r"""
int main(void) {
    char name[256], path[8192] = "";
    struct stat found;
    memset(name, 'n', 200); name[200] = 0;
    chdir("/tmp");
    for (int i = 0; i < 30; i++) { mkdir(name, 0755); if (chdir(name) != 0) return 1; }
    close(open("f", O_CREAT | O_WRONLY, 0644));
    printf("%d ", chown("f", 5, 6));
    for (int i = 0; i < 2000; i++) strcat(path, "./");
    strcat(path, "./././././f");
    printf("%d %zu ", stat(path, &found), strlen(path) / 1000);
    printf("%u:%u ", found.st_uid, found.st_gid);
    memset(path, '/', 4094); strcpy(path + 4090, "tmp");
    printf("%d ", chown(path, 7, 7)); stat("/tmp", &found); printf("%u ", found.st_uid);
    memset(path, 'a', 5000); path[5000] = 0;
    printf("%d\n", chown(path, 5, 5) == -1 && errno == ENAMETOOLONG);
}
"""
    assert attack(command, tmp_path, body) == "0 0 4 5:6 0 7 1\n"


def test_a_fifo_without_a_reader_holds_nobody_up(command: Wherry, tmp_path: Path) -> None:
    body = r"""
int main(void) {
    struct stat found;
    mkfifo("/tmp/p", 0666);
    printf("%d ", chown("/tmp/p", 5, 5));
    if (fork() == 0) { setuid(5); open("/tmp/p", O_WRONLY | O_CREAT, 0666); _exit(0); }
    usleep(100000);
    printf("%d ", stat("/tmp/p", &found)); printf("%u %d\n", found.st_uid, chown("/tmp/p", 6, 6));
}
"""
    assert attack(command, tmp_path, body) == "0 0 5 0\n"


def test_signals_do_not_do_a_call_twice(command: Wherry, tmp_path: Path) -> None:
    """From 5.19 a call that is being answered waits for its answer; before, it may be asked again."""
    body = r"""
static void nothing(int number) {}
int main(void) {
    struct sigaction act = {.sa_handler = nothing};
    int failed = 0;
    sigaction(SIGALRM, &act, NULL);
    ualarm(500, 500);
    umask(0); mkdir("/tmp/d", 0777);
    if (fork() == 0) {
        ualarm(500, 500);
        setuid(5);
        for (int i = 0; i < 2000; i++) {
            char path[64];
            sprintf(path, "/tmp/d/%d", i);
            int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
            if (file < 0 && errno != EINTR) failed = errno;
            close(file);
        }
        _exit(failed);
    }
    int status;
    while (wait(&status) < 0) continue;
    printf("%d\n", status >> 8);
}
"""
    assert attack(command, tmp_path, body) == "0\n"


def test_a_step_whose_supervisor_is_killed_fails_and_does_not_hang(command: Wherry, tmp_path: Path) -> None:
    script = "chown 5 /tmp; touch /out/answered; while chown 5 /tmp; do :; done; exit 0"
    step = command.start("run", "--fakeroot", "-v", f"{tmp_path}:/out", "tiny", "sh", "-c", script)
    try:
        until((tmp_path / "answered").exists)
        os.kill(supervisors(step.pid)[0], 9)
        assert step.wait(timeout=30) == 125
    finally:
        step.kill()
        step.wait()


def test_it_dies_with_the_launcher(command: Wherry, tmp_path: Path) -> None:
    script = "touch /out/started; sleep 60"
    step = command.start("run", "--fakeroot", "-v", f"{tmp_path}:/out", "tiny", "sh", "-c", script)
    until((tmp_path / "started").exists)
    (supervisor,) = supervisors(step.pid)
    step.kill()
    step.wait()
    until(lambda: not Path(f"/proc/{supervisor}").exists())


def supervisors(parent: int) -> list[int]:
    """Children of a process that are supervisors."""
    found = []
    for name in os.listdir("/proc"):
        try:
            text = Path(f"/proc/{name}/stat").read_text() if name.isdigit() else ""
        except OSError:
            continue
        if text and "(wherry-supervis)" in text and int(text.rpartition(")")[2].split()[1]) == parent:
            found.append(int(name))
    return found


def test_a_file_system_that_does_not_answer_holds_up_only_who_asks_it(command: Wherry, tmp_path: Path) -> None:
    """A FUSE program is stopped while the supervisor looks something up there."""
    content, mount = tmp_path / "content", tmp_path / "mount"
    for folder in (content, mount):
        folder.mkdir()
    (content / "file").write_text("x")
    subprocess.run(
        ["mksquashfs", content, tmp_path / "image", "-quiet", "-no-progress"], check=True, capture_output=True
    )
    server = subprocess.Popen(["squashfuse", "-f", str(tmp_path / "image"), str(mount)])
    step = None
    try:
        until((mount / "file").exists)
        script = """
            touch /out/ready; while ! test -e /out/stopped; do sleep 0.05; done
            stat /hung/file >/dev/null & sleep 1
            touch /tmp/f; chown 5:6 /tmp/f; stat -c %u:%g /tmp/f; touch /out/answered
            wait; echo over"""
        binds = ("-v", f"{mount}:/hung", "-v", f"{tmp_path}:/out")
        step = command.start("run", "--fakeroot", *binds, "tiny", "sh", "-c", script, stdout=subprocess.PIPE)
        until((tmp_path / "ready").exists)
        os.kill(server.pid, signal.SIGSTOP)
        (tmp_path / "stopped").touch()
        until((tmp_path / "answered").exists)
        os.kill(server.pid, signal.SIGCONT)
        assert step.communicate(timeout=30)[0] == b"5:6\nover\n"
    finally:
        os.kill(server.pid, signal.SIGCONT)
        if step is not None:
            step.kill()
            step.wait()
        subprocess.run(["fusermount3", "-u", str(mount)], check=True)
        server.wait(timeout=30)
