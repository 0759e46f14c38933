"""``--fakeroot``: what needs other ids works in a namespace with one, and what was made says whose it is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import images
from supervised import PROGRAMS, attributes, step
from wherry_command import Wherry


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    """The command in a store that has a small Debian as ``small``."""
    command = Wherry(tmp_path_factory.mktemp("supervised"))
    digest = command.ok("load", "-q", "-i", str(images.image("small"))).split()[-1]
    command.ok("tag", digest, "small")
    return command


def program(lab: Wherry, source: str) -> tuple[str, str]:
    """The bind that shows a static program of C as ``/p``."""
    path = lab.folder / "home" / hashlib.sha256(source.encode()).hexdigest()
    words = ["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-static", "-pthread", "-x", "c", "-", "-o", str(path)]
    subprocess.run(words, input=source.encode(), check=True, capture_output=True)
    return "-v", f"{path}:/p:ro"


def fake(lab: Wherry, script: str, *more: str) -> str:
    return lab.ok("run", "--fakeroot", *more, "small", "sh", "-c", script)


def test_programs_see_and_leave_what_they_do_where_ids_are_real(lab: Wherry) -> None:
    (lab.folder / "home" / "programs.sh").write_text(PROGRAMS)
    bind = ("-v", f"{lab.folder}/home/programs.sh:/programs.sh:ro")
    faked = lab("run", "--fakeroot", *bind, "small", "sh", "/programs.sh")
    real = lab("run", "-u", "root", "--userns", "range", *bind, "small", "sh", "/programs.sh")
    assert real.stdout.splitlines()[-1] == "63 62 False", real
    assert faked.stdout.splitlines() == real.stdout.splitlines(), faked.stderr


def test_it_starts_as_root_or_as_whom_you_say(lab: Wherry) -> None:
    assert fake(lab, "id") == "uid=0(root) gid=0(root) groups=0(root)\n"
    script = "id -u; id -G; touch ~/mine; stat -c %u:%g ~ ~/mine; touch /etc/no || echo refused"
    assert fake(lab, script, "-u", "1000:100").split() == ["1000", "100", "1000:100", "1000:100", "refused"]
    assert fake(lab, "id -un; id -Gn", "-u", "nobody") == "nobody\nnogroup\n"


def test_owners_that_the_layers_say_are_seen(lab: Wherry) -> None:
    """On disk all of them are the user's, without these bits."""
    names = "/etc/shadow /usr/bin/chage /usr/bin/passwd /var/mail /var/log/lastlog /tmp"
    said = fake(lab, f"stat -c '%u:%g %a' {names}").splitlines()
    assert said == ["0:42 640", "0:42 2755", "0:0 4755", "0:8 2775", "0:43 664", "0:0 1777"]


def test_owners_of_the_layers_stay_with_files_that_are_written_moved_and_linked(lab: Wherry) -> None:
    script = """
        echo x >>/var/log/lastlog; mv /usr/bin/chage /usr/bin/chage2; ln /usr/bin/expiry /usr/bin/expiry2
        mv /etc/shadow /etc/s && mv /etc/s /etc/shadow; touch /var/mail/box
        stat -c '%n %u:%g %a' /var/log/lastlog /usr/bin/chage2 /usr/bin/expiry2 /etc/shadow /var/mail/box"""
    assert fake(lab, script).splitlines() == [
        "/var/log/lastlog 0:43 664",
        "/usr/bin/chage2 0:42 2755",
        "/usr/bin/expiry2 0:42 2755",
        "/etc/shadow 0:42 640",
        "/var/mail/box 0:8 644",
    ]


@pytest.fixture
def several_names(lab: Wherry) -> Iterator[None]:
    """As after an image was flattened: files of the layers have more names in the store."""
    made = []
    for tree in lab.folder.rglob("tree"):
        for name in (
            "etc/shadow",
            "etc/gshadow",
            "usr/bin/chage",
            "usr/bin/passwd",
            "usr/bin/expiry",
            "var/log/lastlog",
        ):
            if (tree / name).is_file():
                made.append(tree.parent / f"{name.replace('/', '-')}.second")
                os.link(tree / name, made[-1])
    assert len(made) >= 6
    yield
    for path in made:
        path.unlink()


@pytest.mark.usefixtures("several_names")
def test_owners_of_the_layers_stay_with_files_of_several_names(lab: Wherry) -> None:
    """Such a file's number does not stay when it is copied up."""
    script = """
        echo x >>/etc/shadow; stat -c '%n %u:%g %a' /etc/shadow; echo x >>/etc/gshadow; mv /etc/gshadow /etc/g
        mv /usr/bin/chage /usr/bin/chage2; ln /usr/bin/expiry /usr/bin/expiry2; chmod 600 /var/log/lastlog
        chown :43 /usr/bin/passwd; stat -c '%n %u:%g %a' /etc/g /usr/bin/chage2 /usr/bin/expiry /usr/bin/expiry2
        stat -c '%n %u:%g %a' /var/log/lastlog /usr/bin/passwd; useradd bob; stat -c '%u:%g %a' /etc/shadow"""
    assert fake(lab, script).splitlines() == [
        "/etc/shadow 0:42 640",
        "/etc/g 0:42 640",
        "/usr/bin/chage2 0:42 2755",
        "/usr/bin/expiry 0:42 2755",
        "/usr/bin/expiry2 0:42 2755",
        "/var/log/lastlog 0:43 600",
        "/usr/bin/passwd 0:43 755",
        "0:42 640",
    ]


@pytest.mark.usefixtures("several_names")
def test_a_step_leaves_the_owners_of_files_of_several_names_that_it_wrote(lab: Wherry, tmp_path: Path) -> None:
    step(
        lab,
        tmp_path,
        "echo x >>/etc/shadow; echo x >>/usr/bin/chage; mv /var/log/lastlog /var/log/l; touch /etc/passwd",
    )
    assert attributes(tmp_path / "upper/etc/shadow") == {"owner": "0:42:0640"}
    assert attributes(tmp_path / "upper/usr/bin/chage") == {"owner": "0:42:2755"}
    assert attributes(tmp_path / "upper/var/log/l") == {"owner": "0:43:0664"}
    assert attributes(tmp_path / "upper/etc/passwd") == {}


def test_owners_stay_when_the_image_was_flattened_before(lab: Wherry, tmp_path: Path) -> None:
    """Its tree shares the layers' files: they have several names from then on."""
    recipe, shows = tmp_path / "Dockerfile", tmp_path / "shows"
    recipe.write_text("FROM small\nRUN useradd bob; echo x >>/usr/bin/chage\n")
    bind = "RUN --mount=type=bind,from=two,source=/etc,target=/m test -e /m/shadow"
    shows.write_text(f"FROM small AS two\nRUN touch /etc/y\nFROM small\n{bind}\n")
    lab.ok("build", "--no-cache", "-q", "-f", str(shows), str(tmp_path))
    shared = [path for path in lab.folder.rglob("flat/*/tree/etc/shadow") if path.stat().st_nlink > 1]
    assert shared
    lab.ok("build", "--no-cache", "-q", "-t", "built", str(tmp_path))
    said = lab.ok("run", "--fakeroot", "built", "stat", "-c", "%u:%g %a", "/etc/shadow", "/usr/bin/chage")
    assert said == "0:42 640\n0:42 2755\n"


def test_root_that_writes_to_a_file_leaves_its_set_id_bits(lab: Wherry, tmp_path: Path) -> None:
    script = """
        cd /srv; touch a b c d; chown 5:5 b; chmod 4755 a b; chmod 6755 c d; echo x | tee -a a b c >/dev/null
        cp /usr/bin/id d; stat -c '%n %a' a b c d; chmod 755 c; echo x >>c; chmod u-s d; echo x >>d; stat -c '%n %a' c d
        touch e; chmod 4755 e; echo x >>e"""
    said = step(lab, tmp_path, script).split()
    assert said == ["a", "4755", "b", "4755", "c", "6755", "d", "6755", "c", "755", "d", "2755"]
    srv = tmp_path / "upper/srv"
    assert {name: (srv / name).stat().st_mode & 0o7777 for name in "abcde"} == {
        "a": 0o4755,
        "b": 0o4755,
        "c": 0o755,
        "d": 0o2755,
        "e": 0o4755,
    }
    assert attributes(srv / "e") == {"owner": "0:0:4755"}


def test_set_id_bits_go_when_another_than_root_writes(lab: Wherry, tmp_path: Path) -> None:
    script = """
        cd /srv; for n in own all opened group; do touch $n; chown 7:8 $n; chmod 6775 $n; done
        chown 0 all; chmod 6777 all
        setpriv --reuid 7 --regid 8 --clear-groups sh -c 'echo x >>own; echo x >>all; : >>opened'
        stat -c '%n %a %s' own all opened group"""
    said = step(lab, tmp_path, script).splitlines()
    assert said == ["own 775 2", "all 777 2", "opened 6775 0", "group 6775 0"]
    srv = tmp_path / "upper/srv"
    assert {name: (srv / name).stat().st_mode & 0o7777 for name in ("own", "opened")} == {
        "own": 0o775,
        "opened": 0o6775,
    }
    assert attributes(srv / "own") == {"owner": "7:8:0775"}


def test_capabilities_of_the_layers_go_when_the_file_is_written(lab: Wherry, tmp_path: Path) -> None:
    capability = "0100000202000000000000000000000000000000"
    names = "written opened truncated moved touched linked modes"
    (tmp_path / "cap.py").write_text(
        f"import os\nfor n in {names.split()}:\n    open(f'/srv/{{n}}', 'w').close()\n"
        f"    os.setxattr(f'/srv/{{n}}', 'security.capability', bytes.fromhex('{capability}'))\n"
    )
    (tmp_path / "Dockerfile").write_text("FROM small\nCOPY cap.py /c\nRUN python3 /c\n")
    lab.ok("build", "-q", "-t", "capable", str(tmp_path))
    show = f"import os; print({{n: os.listxattr(n) for n in '{names}'.split()}})"
    script = f"""
        cd /srv; echo x >>written; : >>opened; truncate -s 9 truncated; mv moved m; mv m moved; touch touched
        ln linked l; echo x >l; chmod 700 modes; python3 -c "{show}"; rm l"""
    (tmp_path / "Dockerfile").write_text(f"FROM capable\nRUN <<'X'\n{script} >/said\nX\n")
    lab.ok("build", "-q", "-t", "wrote", str(tmp_path))
    bare = ("written", "truncated", "linked")
    shown = {name: [] if name in bare else ["security.capability"] for name in names.split()}
    for image in ("capable", "wrote"):
        found = lab.ok("run", "--fakeroot", "-w", "/srv", image, "python3", "-c", show)
        whole = {name: ["security.capability"] for name in shown}
        assert found.strip() == str(shown if image == "wrote" else whole)


def test_who_starts_as_another_than_root_is_asked_for_each_file(lab: Wherry, tmp_path: Path) -> None:
    """Also where a library reads; and a program that only root may execute."""
    recipe = """FROM small
RUN cp /bin/true /opt/mine; chown 7 /opt/mine; chmod 500 /opt/mine; cp /bin/true /opt/roots; chmod 750 /opt/roots
RUN mkdir -m 700 /opt/closed; touch /opt/closed/in; echo s >/opt/secret; chmod 600 /opt/secret; echo o >/opt/open
USER 7:8
RUN python3 -c "open('/opt/secret')" 2>&1 | grep -q PermissionError && python3 -c "open('/opt/open')"
RUN ! /opt/roots && /opt/mine && ! test -r /opt/secret && test -r /opt/open && ! cat /opt/closed/in
RUN ! rm /opt/open && ! mv /opt /o && ! cp /bin/true /opt/new && ! sh -c ': >/opt/open' && ! ls /opt/closed && cd /opt
RUN cat /opt/open && touch /tmp/mine && mv /tmp/mine /tmp/m && rm /tmp/m
RUN cat /proc/self/status >/dev/null && : >/dev/null
RUN --mount=type=secret,id=k,uid=7 cat /run/secrets/k
RUN --mount=type=bind,target=/ctx cat /ctx/Dockerfile
RUN --mount=type=cache,target=/c,uid=7 test -w /c && mkdir /c/d && echo x >/c/d/f && mv /c/d/f /c/g && cat /c/g
RUN --mount=type=cache,target=/c,uid=7 cat /c/g && rm -r /c/g /c/d
"""
    (tmp_path / "Dockerfile").write_text(recipe)
    (tmp_path / "k").write_text("key")
    os.chmod(tmp_path / "Dockerfile", 0o600)
    lab.ok("build", "--no-cache", "-q", "--secret", f"id=k,src={tmp_path}/k", str(tmp_path))


def test_who_keeps_capabilities_takes_groups_after_the_user(lab: Wherry) -> None:
    assert fake(lab, "setpriv --reuid 33 --regid 34 --clear-groups id") == (
        "uid=33(www-data) gid=34(backup) groups=34(backup)\n"
    )
    assert fake(lab, "setpriv --reuid 33 --regid 34 --groups 5,6 id -G") == "34 5 6\n"
    source = """
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(void) {
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) != 1 || setuid(33) != 0) return 1;
    printf("%d ", setuid(0));
    printf("%d ", setgid(34));
    printf("%d ", setgid(0));
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    printf("%d\\n", setgroups(0, NULL));
}
"""
    source = source.replace("<unistd.h>", "<unistd.h>\n#include <grp.h>")
    assert lab.ok("run", "--fakeroot", *program(lab, source), "small", "/p") == "-1 0 -1 -1\n"


def test_who_makes_a_file_through_a_link_owns_it(lab: Wherry) -> None:
    script = """
        mkdir -m 777 /srv/o; cd /srv/o; ln -s nothere dang; ln -s /srv/o/far abs; mkdir -m 777 in; ln -s ../up in/l
        ln -s chain2 chain1; ln -s nothere2 chain2; ln -s self self; mkdir -m 755 no; ln -s no/x bad
        setpriv --reuid 7 --regid 8 --clear-groups sh -c 'for n in dang abs in/l chain1 self bad; do echo x >$n; done'
        stat -c '%n %u:%g %F' dang nothere far up nothere2; test -e no/x || test -e self || echo none"""
    assert fake(lab, script).splitlines() == [
        "dang 0:0 symbolic link",
        *(f"{name} 7:8 regular file" for name in ("nothere", "far", "up", "nothere2")),
        "none",
    ]


def test_copies_of_fifos_in_directories_of_a_group_have_their_mode(lab: Wherry) -> None:
    script = """cd /srv; mkfifo p1; chmod 644 p1; mkdir sg; chgrp 50 sg; chmod 2775 sg; cp -a p1 sg/p3; chmod 620 p1
        chown 5 p1; stat -c '%n %u:%g %a' sg/p3 p1"""
    assert fake(lab, script).splitlines() == ["sg/p3 0:0 644", "p1 5:0 620"]


def test_devices_are_made_copied_and_packed(lab: Wherry) -> None:
    script = """
        cd /srv; mknod c c 1 3; mknod -m 640 b b 8 0; chown 0:6 b; cp -a b b2; tar -cf t c b; mkdir x; tar -xpf t -C x
        stat -c '%n %F %u:%g %a %t:%T' c b b2 x/c x/b; test -b b && ! test -f b; mknod c c 1 3"""
    ended = lab("run", "--fakeroot", "small", "sh", "-c", script)
    assert ended.status == 1 and "File exists" in ended.stderr
    assert ended.stdout.splitlines() == [
        "c character special file 0:0 644 1:3",
        "b block special file 0:6 640 8:0",
        "b2 block special file 0:6 640 8:0",
        "x/c character special file 0:0 644 1:3",
        "x/b block special file 0:6 640 8:0",
    ]


def test_devices_of_the_layers_are_where_they_are(lab: Wherry, tmp_path: Path) -> None:
    """They have no place on disk."""
    (tmp_path / "Dockerfile").write_text(
        "FROM small\nRUN mkdir -p /d/in && chown 5:6 /d && chmod 2771 /d/in && mknod /d/in/n c 1 3\n"
        "RUN mknod -m 640 /blk b 7 9 && chown 0:6 /blk && mknod /d/gone c 1 5\n"
    )
    lab.ok("build", "-q", "-t", "devices", str(tmp_path))
    show = "stat -c '%n %F %u:%g %a %t:%T' /d /d/in /d/in/n /blk; ls -l /d/in | grep -c ^c; test -b /blk"
    script = f"{show} || echo none; rm /d/gone && ! test -e /d/gone; chown 7 /blk; mv /blk /b; stat -c %F%u /b"
    said = lab.ok("run", "--fakeroot", "devices", "sh", "-c", script)
    assert said.splitlines() == [
        "/d directory 5:6 755 0:0",
        "/d/in directory 0:0 2771 0:0",
        "/d/in/n character special file 0:0 644 1:3",
        "/blk block special file 0:6 640 7:9",
        "1",
        "block special file7",
    ]
    assert lab.ok("run", "-u", "root", "devices", "sh", "-c", "test -e /blk || echo none") == "none\n"


def test_trusted_attributes_are_kept_and_our_own_are_not_shown(lab: Wherry) -> None:
    script = """import os
os.close(os.open("/srv/f", os.O_CREAT)); os.chown("/srv/f", 7, 7)
os.setxattr("/srv/f", "trusted.lab", b"one"); print(os.listxattr("/srv/f"), os.getxattr("/srv/f", "trusted.lab"))
for name in ("user.wherry.owner", "user.wherry.xattr.trusted.lab", "trusted.none"):
    try: print(os.getxattr("/srv/f", name))
    except OSError as error: print(error.strerror)
try: os.setxattr("/srv/f", "user.wherry.owner", b"0:0:777")
except OSError as error: print(error.strerror)
os.removexattr("/srv/f", "trusted.lab"); print(os.listxattr("/srv/f"), os.stat("/srv/f").st_uid)
"""
    said = lab.ok("run", "--fakeroot", "small", "python3", "-c", script).splitlines()
    assert said == [
        "['trusted.lab'] b'one'",
        *["No data available"] * 3,
        "Operation not permitted",
        "[] 7",
    ]


def test_what_a_step_leaves_says_whose_it_is(lab: Wherry, tmp_path: Path) -> None:
    script = """
        cd /srv; touch plain mine; chown 5:6 mine; chmod 2750 mine; mkdir d; chown 7 d; ln -s x l; chown -h 8:9 l
        mkfifo p; chown 3 p; mknod c c 1 3; touch cap; echo x >>/var/log/lastlog; touch "$(printf 'na\\377me')"
        ln -s y 'l\\'; chown -h 4 'l\\'; python3 -c '
import os; os.setxattr("cap", "security.capability", bytes.fromhex("00000002" + 32 * "0"))'"""
    step(lab, tmp_path, script)
    srv = tmp_path / "upper" / "srv"
    assert attributes(srv / "plain") == {}
    assert attributes(srv / "mine") == {"owner": "5:6:2750"}
    assert attributes(srv / "d") == {"owner": "7:0:0755"}
    assert attributes(srv / "c") == {"owner": "0:0:0644:c:1:3"}
    assert attributes(srv / "cap") == {"owner": "0:0:0644", "xattr.security.capability": "\0\0\0\2" + "\0" * 16}
    assert attributes(tmp_path / "upper/var/log/lastlog") == {"owner": "0:43:0664"}
    lines = [json.loads(line) for line in (tmp_path / "owners").read_text().splitlines()]
    assert {line["path"]: (line["uid"], line["gid"], line["mode"]) for line in lines} == {
        "srv/l": (8, 9, 0o777),
        "srv/p": (3, 0, 0o644),
        "srv/l\\": (4, 0, 0o777),
    }


def test_the_next_step_goes_on_where_the_last_one_ended(lab: Wherry, tmp_path: Path) -> None:
    step(
        lab,
        tmp_path,
        "cd /srv; touch f; chown 5:6 f; ln -s x l; chown -h 8:9 l; mkdir g; chgrp 9 g; chmod g+s g; mknod c c 1 3",
    )
    said = step(
        lab,
        tmp_path,
        "cd /srv; touch g/new; mv l l2; stat -c '%n %u:%g %a %F' f l2 g g/new c; rm f; touch f; stat -c %u f",
    )
    assert said.splitlines() == [
        "f 5:6 644 regular empty file",
        "l2 8:9 777 symbolic link",
        "g 0:9 2755 directory",
        "g/new 0:9 644 regular empty file",
        "c 0:0 644 character special file",
        "0",
    ]
    assert [json.loads(line)["path"] for line in (tmp_path / "owners").read_text().splitlines()] == ["srv/l2"]


def test_a_kept_container_goes_on_where_it_ended(lab: Wherry) -> None:
    once = "test -e f || { touch f; chown 5 f; ln -s x l; chown -h 6 l; }"
    script = f"cd /srv; {once}; stat -c %u f l"
    assert lab.ok("run", "--fakeroot", "--name", "kept", "small", "sh", "-c", script) == "5\n6\n"
    for _ in range(2):
        assert lab.ok("start", "-a", "kept") == "5\n6\n"
    lab.ok("rm", "kept")


def test_a_process_cannot_pass_by_with_io_uring_or_lose_who_it_is_by_a_limit(lab: Wherry) -> None:
    source = """
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    char room[256] = {0};
    struct rlimit limit = {77, 77};
    printf("%d ", syscall(425, 8, room) == -1 && (errno == ENOSYS || errno == EPERM));
    if (setuid(5) != 0) return 1;
    printf("%d %d ", setrlimit(RLIMIT_LOCKS, &limit), (int)getuid());
    printf("%d %d ", prlimit(0, RLIMIT_LOCKS, &limit, NULL), (int)getuid());
    printf("%d\\n", prlimit(0, RLIMIT_NOFILE, NULL, &limit));
}
"""
    assert lab.ok("run", "--fakeroot", *program(lab, source), "small", "/p") == "1 0 5 0 5 0\n"


def test_without_it_nothing_is_answered(lab: Wherry) -> None:
    ended = lab("run", "-u", "root", "small", "sh", "-c", "touch /tmp/f; chown 5 /tmp/f")
    assert ended.status == 1 and "Invalid argument" in ended.stderr


def test_what_cannot_be_had_is_refused_with_the_reason(lab: Wherry) -> None:
    both = lab("run", "--fakeroot", "--userns", "range", "small", "true")
    assert both.status == 125 and "exclude each other" in both.stderr


def test_the_exit_status_and_the_end_of_children_are_the_commands_own(lab: Wherry) -> None:
    assert lab("run", "--fakeroot", "small", "sh", "-c", "exit 7").status == 7
    ended = lab("run", "--fakeroot", "small", "sh", "-c", "(sleep 60; touch /tmp/late) & echo over")
    assert (ended.status, ended.stdout) == (0, "over\n")


def test_an_outer_supervisor_is_named_as_the_obstacle(lab: Wherry) -> None:
    """The kernel allows one listener: here one that answers nothing is around the command."""
    around = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
steps = struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000)
code = ctypes.create_string_buffer(steps)
program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 1, ctypes.addressof(code)))
libc.prctl(38, 1, 0, 0, 0)
listener = libc.syscall(int(sys.argv[1]), 1, 8, program)
assert listener >= 0, os.strerror(ctypes.get_errno())
os.set_inheritable(listener, True)
os.execvp(sys.argv[2], sys.argv[2:])
"""
    import platform
    import sys

    number = {"x86_64": "317", "aarch64": "277"}[platform.machine()]
    words = [sys.executable, "-c", around, number, str(lab.program), "run", "--fakeroot", "small", "true"]
    ended = subprocess.run(words, env=lab.environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 125
    assert "system calls" in ended.stderr and "next:" in ended.stderr
