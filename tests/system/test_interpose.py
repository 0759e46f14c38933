"""Programs of real Debian trees, of three C libraries, run on the host with their paths mapped (native/interpose)."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import debian_trees
import wherry

NATIVE = Path(wherry.__file__).parent / "_native"
LIBRARY = NATIVE / "wherry-interpose.so"
AGES = sorted(debian_trees.TREES)
NEWEST_ALLOWED = {"GLIBC_2.2.5", "GLIBC_2.17"}  # the first of x86-64 and of aarch64


@dataclass(frozen=True)
class Inside:
    """``inside("cat", "/etc/passwd")`` runs it in a tree; ``tmp`` is /tmp there, ``home`` is /home/user."""

    age: str
    tree: Path
    folder: Path
    more: tuple[str, ...] = ()
    facts: str = "facts"
    root: str = ""

    @property
    def version(self) -> str:
        """What /etc/debian_version says there: the host's is another one, or none."""
        return (self.tree / "etc/debian_version").read_text()

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def config(self) -> Path:
        lines = [f"root {self.tree} {self.root}".rstrip(), "host /proc", "host /sys", "host /dev"]
        lines += [f"bind {self.tmp} /tmp", f"bind {self.home} /home/user", *self.more]
        lines += [f"facts {self.folder / self.facts}"] if self.facts else []
        path = self.folder / "config"
        path.write_text("\n".join(lines) + "\n")
        return path

    def start(
        self, *command: str, cwd: str = "/tmp", stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": "/home/user",
            "LC_ALL": "C.UTF-8",
        }
        line = [str(NATIVE / "wherry-interpose"), str(self.config), "--cwd", cwd, "--", *command]
        return subprocess.run(
            line, env={**environment, **variables}, input=stdin, capture_output=True, text=True, timeout=120
        )

    def __call__(self, *command: str, cwd: str = "/tmp", **variables: str) -> str:
        done = self.start(*command, cwd=cwd, **variables)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.stderr == ""
        return done.stdout

    def shell(self, text: str, cwd: str = "/tmp") -> str:
        return self("bash", "-c", textwrap.dedent(text), cwd=cwd)

    def python(self, text: str, cwd: str = "/tmp") -> str:
        return self("python3", "-c", textwrap.dedent(text), cwd=cwd)


def make(age: str, folder: Path, more: Sequence[str] = ()) -> Inside:
    for name in ("tmp", "home"):
        (folder / name).mkdir(exist_ok=True)
    return Inside(age, debian_trees.tree(age), folder, tuple(more))


@pytest.fixture(params=AGES)
def each(request: pytest.FixtureRequest, tmp_path: Path) -> Inside:
    """A container of each age."""
    return make(request.param, tmp_path)


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    """One of the age that has compilers and git."""
    return make("2.36", tmp_path)


def readelf(option: str) -> str:
    return subprocess.run(["readelf", "-W", option, str(LIBRARY)], check=True, capture_output=True, text=True).stdout


def test_the_library_fits_any_c_library() -> None:
    assert set(re.findall(r"Name: (\S+)", readelf("--version-info"))) <= NEWEST_ALLOWED
    assert "NEEDED" not in readelf("--dynamic"), "it would tie it to one C library"
    wanted = [line.split()[4:8] for line in readelf("--dyn-syms").splitlines() if " UND " in line]
    assert {bind for bind, _, _, name in wanted[1:] if name} == {"WEAK"}, "for the loader it lives without one"


def test_the_starter_is_static_unlike_the_library() -> None:
    said = subprocess.run(
        ["readelf", "-lW", str(NATIVE / "wherry-interpose")], check=True, capture_output=True, text=True
    )
    assert "INTERP" not in said.stdout


def test_programs_see_the_image_and_not_the_host(each: Inside) -> None:
    assert each("cat", "/etc/debian_version") == each.version
    assert each.shell("cat < /etc/debian_version; cat /usr/../etc//./debian_version") == each.version * 2
    assert each.age in each("ldd", "--version")
    assert each("sh", "-c", "echo /usr/lib/os-rel*").strip() == "/usr/lib/os-release"


def test_python_finds_its_own_modules_and_numpy(each: Inside) -> None:
    said = each.python(
        """
        import sys, os, numpy, ssl, sqlite3
        print(sys.prefix, sys.executable, os.readlink("/proc/self/exe").startswith("/usr/bin/python3."))
        print(numpy.__file__, int((numpy.ones((3, 3)) @ numpy.ones(3)).sum()))
        """
    )
    assert said.splitlines() == [
        "/usr /usr/bin/python3 True",
        "/usr/lib/python3/dist-packages/numpy/__init__.py 9",
    ]


def test_libraries_come_from_the_image_even_by_absolute_links(each: Inside) -> None:
    maps = each("python3", "-c", "import numpy.linalg; print(open('/proc/self/maps').read())")
    loaded = {line.split(maxsplit=5)[5] for line in maps.splitlines() if ".so" in line}
    assert any("libblas" in path for path in loaded), "Debian leads to it through /etc/alternatives"
    assert {path for path in loaded if not path.startswith(f"{each.tree}/")} == {str(LIBRARY)}


def test_a_missing_library_is_not_taken_from_the_host(inside: Inside) -> None:
    inside.python("import ctypes; ctypes.CDLL('libm.so.6')")
    done = inside.start("python3", "-c", "import ctypes; ctypes.CDLL('libarchive.so.13')")
    assert "cannot open shared object file" in done.stderr


def test_results_are_paths_of_the_image(each: Inside) -> None:
    assert each.shell("pwd; cd /usr/lib; pwd -P; cd ../../..; pwd").split() == ["/tmp", "/usr/lib", "/"]
    assert each("realpath", "/etc/alternatives/awk", "/proc/self/cwd", "/usr/bin/../share").split() == [
        "/usr/bin/mawk",
        "/tmp",
        "/usr/share",
    ]
    assert each("readlink", "/proc/self/root", "/proc/self/cwd").split() == ["/", "/tmp"]
    assert each("perl", "-e", "print readlink '/proc/self/exe'") == "/usr/bin/perl"
    assert each.shell("exec 3</etc/passwd; readlink /proc/self/fd/3").strip() == "/etc/passwd"
    assert each.python(
        "import os; print(os.getcwd(), os.path.realpath('/etc/alternatives/awk'))", cwd="/usr"
    ).split() == [
        "/usr",
        "/usr/bin/mawk",
    ]


def test_the_environment_is_what_was_given(inside: Inside) -> None:
    assert inside("env", "-i", "A=b", "/usr/bin/env").split() == ["A=b"]
    assert "LD_PRELOAD=/nonexistent/x.so" in inside.start("env", LD_PRELOAD="/nonexistent/x.so").stdout
    assert not re.search("WHERRY|LD_", inside("env"))
    assert inside("env", "-i", "/bin/cat", "/etc/debian_version").startswith("12.")


def test_a_program_is_called_what_it_was_called(inside: Inside) -> None:
    assert inside("bash", "-c", "echo $0").strip() == "bash"
    assert inside("bash", "-c", "exec -a other bash -c 'echo $0'").strip() == "other"
    assert inside("sh", "-c", "cat /proc/self/comm").strip() == "cat"
    assert inside("perl", "-e", "print qq($0 $^X)") == "-e /usr/bin/perl"


def escape(inside: Inside) -> None:
    """Links and names that would lead to the host's files, if the kernel were left to follow them."""
    (inside.folder / "secret").write_text("host\n")
    os.symlink("/etc/debian_version", inside.tmp / "absolute")
    os.symlink("/usr/lib", inside.tmp / "folder")
    os.symlink("../secret", inside.tmp / "side")
    os.symlink("../" * 30 + str(inside.folder / "secret").lstrip("/"), inside.tmp / "up")
    os.symlink(str(inside.folder / "secret"), inside.tmp / "by-host-path")


def test_links_lead_into_the_image(each: Inside) -> None:
    escape(each)
    assert each("cat", "/tmp/absolute") == each("cat", "absolute") == each.version
    assert each("head", "-1", "/tmp/folder/os-release").startswith('PRETTY_NAME="Debian')
    assert each.shell("cd folder; pwd -P; ls -d python3; cat ../../tmp/absolute").split() == [
        "/usr/lib",
        "python3",
        each.version.strip(),
    ]
    for path in (
        "side",
        "/tmp/side",
        "/tmp/up",
        "/tmp/by-host-path",
        f"/../../..{each.folder}/secret",
        f"/tmp/..{each.folder}/secret",
    ):
        done = each.start("cat", path)
        assert (done.returncode, done.stdout) == (1, ""), path


@pytest.mark.parametrize("shared", [True, False])
def test_every_way_to_open_stays_inside(inside: Inside, shared: bool) -> None:
    if not shared:
        inside = replace(inside, facts="")
    escape(inside)
    said = inside.python(
        """
        import os, subprocess
        def answer(call):
            try: return call()
            except OSError as error: return type(error).__name__
        here = os.open("/tmp", os.O_RDONLY)
        for name in "absolute", "side", "up", "by-host-path":
            print(name, *(answer(call) for call in (
                lambda: open(name).read().strip(),
                lambda: os.stat(f"/tmp/{name}").st_size,
                lambda: os.stat(name, dir_fd=here).st_size,
                lambda: os.access(name, os.R_OK),
                lambda: os.path.realpath(name),
                lambda: len(os.listxattr(name)),
                lambda: os.statvfs(name).f_namemax,
                lambda: subprocess.run(["cat", name], capture_output=True).returncode,
            )))
        """
    ).splitlines()
    size, version = len(inside.version), inside.version.strip()
    assert said[0] == f"absolute {version} {size} {size} True /etc/debian_version 0 255 0"
    for line in said[1:]:
        words = line.split()
        assert words[1:5] == ["FileNotFoundError"] * 3 + ["False"] and words[6:] == ["FileNotFoundError"] * 2 + ["1"], (
            line
        )


CHANGES = {
    "open": "open('/etc/passwd', 'a')",
    "create": "open('/etc/new', 'w')",
    "unlink": "os.unlink('/etc/passwd')",
    "rename": "os.rename('/etc/passwd', '/tmp/x')",
    "rename into": "os.rename('/tmp/mine', '/etc/x')",
    "mkdir": "os.mkdir('/etc/new')",
    "rmdir": "os.rmdir('/mnt')",
    "symlink": "os.symlink('x', '/etc/new')",
    "chmod": "os.chmod('/etc/passwd', 0o600)",
    "fchmod": "os.fchmod(os.open('/etc/passwd', os.O_RDONLY), 0o600)",
    "chown": "os.chown('/etc/passwd', os.getuid(), os.getgid())",
    "utime": "os.utime('/etc/passwd')",
    "futimens": "os.utime(os.open('/etc/passwd', os.O_RDONLY))",
    "truncate": "os.truncate('/etc/passwd', 0)",
    "setxattr": "os.setxattr('/etc/passwd', 'user.x', b'1')",
    "mkfifo": "os.mkfifo('/etc/new')",
    "through a link": "open('/tmp/link/new', 'w')",
    "relative": "os.chdir('/etc'); open('new', 'w')",
    "by a folder": "os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=os.open('/etc', os.O_RDONLY))",
    "a bind": "open('/closed/new', 'w')",
    "a socket": "socket.socket(socket.AF_UNIX).bind('/etc/new')",
}


def test_the_image_cannot_be_changed(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    inside = make("2.36", tmp_path, [f"bind {tmp_path / 'closed'} /closed ro"])
    (inside.tmp / "mine").write_text("")
    os.symlink("/etc", inside.tmp / "link")
    before = {entry.name: entry.stat(follow_symlinks=False).st_ctime_ns for entry in (inside.tree / "etc").iterdir()}
    lines = [f"attempt({name!r}, lambda: exec({text!r}))" for name, text in CHANGES.items()]
    said = inside.python(
        "import os, socket\n"
        "def attempt(name, call):\n"
        "    try: call(); print(name, 'DONE')\n"
        "    except OSError as error: print(name, error.errno)\n" + "\n".join(lines)
    )
    assert said.splitlines() == [f"{name} 30" for name in CHANGES]
    after = {entry.name: entry.stat(follow_symlinks=False).st_ctime_ns for entry in (inside.tree / "etc").iterdir()}
    assert after == before
    assert inside.shell("mkdir -p /usr/lib /tmp/a/b; mkdir /usr/lib 2>&1 | grep -c exists").strip() == "1"
    assert inside.start("ln", "/etc/passwd", "/tmp/passwd").returncode == 1, "it could be changed by its other name"


def test_binds_are_seen_from_all_sides(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "file").write_text("data\n")
    (tmp_path / "passwd").write_text("me:x:4711:4711:Me:/home/user:/bin/sh\n")
    (tmp_path / "group").write_text("us:x:4711:\nothers:x:4712:me,you\n")
    more = [
        f"bind {tmp_path / 'data'} /mnt",
        f"bind {tmp_path / 'passwd'} /etc/passwd ro",
        f"bind {tmp_path / 'group'} /etc/group ro",
    ]
    inside = make("2.36", tmp_path, more)
    assert (
        inside.shell("cat /mnt/file; cd /; cat mnt/file; cd mnt; cat file; cd deep; cat ../file; pwd")
        == "data\n" * 4 + "/mnt/deep\n"
    )
    assert inside.shell(
        "cd /mnt/deep; cd ../..; pwd; ls -d etc; echo new > /mnt/new; rmdir /mnt 2>&1 | grep -o Read-only"
    ).split() == ["/", "etc", "Read-only"]
    assert (tmp_path / "data/new").read_text() == "new\n"
    said = inside.python(
        """
        import grp, os, pwd
        print(pwd.getpwnam("me").pw_uid, pwd.getpwuid(4711).pw_name, len(pwd.getpwall()), grp.getgrgid(4712).gr_mem)
        print(os.getgrouplist("me", 4711), grp.getgrnam("us").gr_gid, os.path.expanduser("~me"))
        """
    )
    assert said.splitlines() == ["4711 me 1 ['me', 'you']", "[4711, 4712] 4711 /home/user"]


CHILDREN = """
import os, subprocess, multiprocessing, threading

print(subprocess.check_output(["/bin/echo", "x"]), subprocess.check_output(["sh", "-c", "echo y"]))
print(subprocess.getoutput("cat /etc/debian_version"))
print(os.system("test -e /etc/debian_version"), os.popen("echo from popen").read().strip(), flush=True)
for start, name in (os.posix_spawn, "/bin/echo"), (os.posix_spawnp, "echo"):
    os.waitpid(start(name, ["echo", "spawned"], {}), 0)
with multiprocessing.get_context("spawn").Pool(1) as pool:
    print(pool.map(abs, [-7]))
threads = [threading.Thread(target=subprocess.check_call, args=(["true"],)) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
script = "#!/usr/bin/env -S python3 -E\\nimport sys; print(sys.argv)"
for name, text in ("script", script), ("plain", "echo no mark $1"):
    with open(name, "w") as file:
        file.write(text)
    os.chmod(name, 0o755)
print(subprocess.check_output(["./script", "a"]), flush=True)
os.environ["PATH"] = "/tmp:/usr/bin:/bin"
subprocess.check_call(["perl", "-e", "exec 'plain', 'text'"])
"""


def test_children_are_started_in_every_way(each: Inside) -> None:
    assert each.python(CHILDREN).splitlines() == [
        r"b'x\n' b'y\n'",
        each.version.strip(),
        "0 from popen",
        "spawned",
        "spawned",
        "[7]",
        repr(b"['./script', 'a']\n"),
        "no mark text",
    ]


def test_perl_tar_find_and_sed_work(each: Inside) -> None:
    assert each("perl", "-MFile::Find", "-e", "find(sub { $n++ }, '/etc'); print $n > 100 ? 'many' : $n") == "many"
    assert each("perl", "-e", "print join ' ', glob('/etc/*_version'), -s '/etc/debian_version' ? 1 : 0").split() == [
        "/etc/debian_version",
        "1",
    ]
    listed = each.shell(
        "tar -C /etc -cf etc.tar alternatives && mkdir x && tar -C x -xf etc.tar && find x -type l | wc -l"
    )
    assert (
        int(listed)
        == len(list((each.tree / "etc/alternatives").iterdir())) - (each.tree / "etc/alternatives/README").exists()
    )
    assert each.shell("echo old > f; sed -i s/old/new/ f; cat f; rm -rf x f etc.tar; ls") == "new\n"
    found = each("find", "/", "-xdev", "-maxdepth", "1", "-name", "etc")
    assert found == "/etc\n"


def test_a_program_is_compiled_and_run(inside: Inside) -> None:
    (inside.tmp / "hello.c").write_text(
        textwrap.dedent(
            """\
            #define _GNU_SOURCE
            #include <dlfcn.h>
            #include <ftw.h>
            #include <glob.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <string.h>
            #include <unistd.h>
            static int files;
            static int count(const char *path, const struct stat *found, int what, struct FTW *at) {
                files += what == FTW_F && !strcmp(path + at->base, "debian_version") && found->st_size > 0;
                return strncmp(path, "/etc", 4);
            }
            int main(int argc, char **argv) {
                glob_t all;
                Dl_info where;
                char text[100], name[] = "/tmp/uniqueXXXXXX", *real = realpath("/etc/alternatives/awk", NULL);
                FILE *file = fopen("/etc/debian_version", "r");
                if (file == NULL || fgets(text, sizeof text, file) == NULL) return 1;
                if (glob("/etc/debian_v*", 0, NULL, &all) != 0 || nftw("/etc", count, 10, FTW_PHYS) != 0) return 2;
                dladdr(stdin, &where);
                printf("%s %s %s %d %d %s", argv[0], real, all.gl_pathv[0], files, mkstemp(name) > 2, text);
                puts(where.dli_fname);
                return argc;
            }
            """
        )
    )
    inside("gcc", "-O2", "-D_FORTIFY_SOURCE=2", "-o", "hello", "hello.c")
    done = inside.start("./hello")
    first, library = done.stdout.splitlines()
    assert first == f"./hello /usr/bin/mawk /etc/debian_version 1 1 {inside.version.strip()}"
    assert re.fullmatch(r"(/usr)?/lib/.*/libc\.so\.6", library), "the image's, as a path of the image"
    assert done.returncode == 1


def test_libraries_are_found_as_the_loader_would(inside: Inside) -> None:
    build = """
        mkdir -p /tmp/opt/lib /tmp/user
        say() { echo "char *say(void) { return \\"$1\\"; }" > s.c; gcc -shared -fPIC -o $2 s.c; }
        say runpath /tmp/opt/lib/libsay.so; say user /tmp/user/libsay.so
        echo '#include <dlfcn.h>
        char *say(void); int puts(const char *);
        int main(void) { void *found = dlopen("libsay2.so", RTLD_NOW); puts(say()); return found == 0; }' > m.c
        cp /tmp/opt/lib/libsay.so /tmp/opt/lib/libsay2.so
        gcc -o absolute m.c -L/tmp/opt/lib -lsay -Wl,-rpath,/tmp/opt/lib
        gcc -o origin m.c -L/tmp/opt/lib -lsay -Wl,-rpath,'$ORIGIN/opt/lib'
        gcc -o plain m.c -L/tmp/opt/lib -lsay
        """
    inside.shell(build)
    assert inside("/tmp/absolute") == inside("/tmp/origin", cwd="/") == "runpath\n"
    assert inside.start("/tmp/absolute", LD_LIBRARY_PATH="/tmp/user").stdout == "user\n"
    assert "libsay.so: cannot open shared object file" in inside.start("/tmp/plain").stderr
    assert inside.start("/tmp/plain", LD_LIBRARY_PATH="/tmp/opt/lib").stdout == "runpath\n"
    assert (
        inside.start("/tmp/plain", LD_PRELOAD="/tmp/user/libsay.so", LD_LIBRARY_PATH="/tmp/opt/lib").stdout == "user\n"
    )


def test_what_the_host_preloads_stays_outside(inside: Inside) -> None:
    assert not (inside.tree / str(LIBRARY).lstrip("/")).exists()
    other = inside.folder / "hosts-own.so"
    other.write_bytes(b"not loaded")
    assert inside("echo", "quiet", LD_PRELOAD=str(other)) == "quiet\n", "as with /etc/ld.so.preload"
    assert "cannot be preloaded" in inside.start("true", LD_PRELOAD="/nonexistent.so").stderr


def test_git_keeps_a_repository(inside: Inside) -> None:
    said = inside.shell(
        """
        git init -q r && cd r && git config user.email a@b && git config user.name n
        echo x > f && git add f && git commit -qm one && git mv f g && git commit -qm two
        git log --oneline | wc -l; git status --short
        git clone -q . ../copy; ls ../copy; git -C ../copy fsck 2>/dev/null
        """,
        cwd="/home/user",
    )
    assert said.split() == ["2", "g"]


def test_what_cannot_be_run_says_so(inside: Inside) -> None:
    (inside.tmp / "static").write_bytes(Path("/bin/busybox").read_bytes())
    (inside.tmp / "static").chmod(0o755)
    expected = "wherry: '/tmp/static' is a static program: the fakechroot engine cannot run it; --engine proot can\n"
    done = inside.start("/tmp/static", "true")
    assert (done.returncode, done.stderr) == (126, expected)
    done = inside.start("python3", "-c", "import os; os.execv('/tmp/static', ['static'])")
    assert "OSError: [Errno 8] Exec format error" in done.stderr and done.stderr.startswith(expected)
    for command, status in {"nothing": 127, "/etc/passwd": 126, "/nothing": 127, "/tmp": 126}.items():
        done = inside.start(command)
        assert done.returncode == status and done.stderr.startswith("wherry: cannot "), done.stderr


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/bin/sh", "ok"),
        ("/usr/bin/ldd", "ok"),
        ("/sbin/ldconfig", "static"),
        ("/nothing", "missing"),
        ("/etc/passwd", "missing"),
    ],
)
def test_the_starter_tells_what_can_be_run(inside: Inside, path: str, word: str) -> None:
    line = [str(NATIVE / "wherry-interpose"), "--check", str(inside.config), path]
    if path == "/sbin/ldconfig":
        inside = make("2.41", inside.folder)
        line[2] = str(inside.config)
    said = subprocess.run(line, capture_output=True, text=True)
    assert (said.returncode, said.stdout.strip(), said.stderr) == (0, word, "")


def test_a_bad_configuration_is_told_with_its_line(inside: Inside) -> None:
    inside.config.write_text(f"root {inside.tree}\nbind nowhere\n")
    done = subprocess.run(
        [str(NATIVE / "wherry-interpose"), str(inside.folder / "config"), "true"], capture_output=True, text=True
    )
    assert done.returncode == 125 and "line 2 makes no sense" in done.stderr


def test_sockets_have_paths_however_long(inside: Inside) -> None:
    long = "deep/" * 12
    (inside.tmp / long).mkdir(parents=True)
    said = inside.python(
        f"""
        import os, socket
        for path in "/tmp/s", "/tmp/{long}s", "relative":
            server, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
            server.bind(path); server.listen(); client.connect(path); client.send(b"x")
            print(server.accept()[0].recv(1), os.path.exists(path))
        """
    )
    assert said.splitlines() == ["b'x' True"] * 3


def test_a_socket_tells_its_path_inside(inside: Inside) -> None:
    said = inside.python(
        """
        import multiprocessing, socket
        server, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        server.bind("/tmp/s"); server.listen(); client.bind("c"); client.connect("/tmp/s")
        print(server.getsockname(), client.getpeername(), server.accept()[1])
        web = socket.create_server(("127.0.0.1", 0))
        print(socket.create_connection(web.getsockname()).getpeername() == web.getsockname(), web.accept()[1][0])
        with multiprocessing.Manager() as manager:
            print(manager.list([1, 2]))
        """
    )
    assert said.splitlines() == ["/tmp/s /tmp/s /tmp/c", "True 127.0.0.1", "[1, 2]"]


def test_a_daemon_goes_on_inside(inside: Inside) -> None:
    inside.shell(
        """
        mkfifo ready
        (cd / && exec setsid python3 -c '
        import os
        if os.fork(): os._exit(0)
        os.closerange(3, 100)
        open("/tmp/answer", "w").write(open("/etc/debian_version").read() + os.getcwd())
        open("/tmp/ready", "w").write("x")' >/dev/null 2>&1 <&-)
        cat ready > /dev/null
        """
    )
    assert (inside.tmp / "answer").read_text() == inside.version + "/"


def test_many_threads_find_the_same(inside: Inside) -> None:
    said = inside.python(
        """
        import os, threading
        wrong = []
        def look():
            for _ in range(300):
                for path, size in sizes.items():
                    if os.stat(path).st_size != size: wrong.append(path)
        paths = [f"/etc/{name}" for name in os.listdir("/etc")[:30]]
        sizes = {path: os.stat(path).st_size for path in paths if os.path.exists(path)}
        threads = [threading.Thread(target=look) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(len(sizes) > 9, wrong)
        """
    )
    assert said.strip() == "True []"


def test_a_folder_that_another_process_makes_a_link_is_noticed(inside: Inside) -> None:
    said = inside.python(
        """
        import os, subprocess
        os.mkdir("/tmp/turns")
        print(os.path.exists("/tmp/turns/debian_version"))
        subprocess.check_call("rmdir /tmp/turns; ln -s /etc /tmp/turns", shell=True)
        print(os.path.exists("/tmp/turns/debian_version"), os.path.exists("/tmp/turns/" + "wherry-no"))
        """
    )
    assert said.split() == ["False", "True", "False"]


def test_what_is_known_of_one_tree_is_not_believed_of_another(tmp_path: Path) -> None:
    first, second = make("2.36", tmp_path), make("2.41", tmp_path)
    for inside in (first, second, first):
        assert inside("cat", "/etc/../etc/debian_version", "/etc/debian_version") == inside.version * 2
    assert (tmp_path / "facts").stat().st_size > 1 << 18


def test_a_tree_may_be_open_to_changes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    inside = make("2.36", tmp_path)
    subprocess.run(["cp", "-al", str(inside.tree), str(tree)], check=True)
    inside = replace(inside, tree=tree, root="rw")
    assert inside.shell("echo new > /etc/new; ln -s /etc/new /opt/link; mv /opt /srv/; cat /srv/opt/link") == "new\n"
    assert (tree / "etc/new").read_text() == "new\n"
    assert os.readlink(tree / "srv/opt/link") == "/etc/new"


def test_a_start_from_nowhere_begins_at_the_root(inside: Inside) -> None:
    line = [str(NATIVE / "wherry-interpose"), str(inside.config), "/bin/pwd"]
    assert subprocess.run(line, cwd="/usr", capture_output=True, text=True).stdout == "/\n"
    assert subprocess.run(line, cwd=inside.tmp, capture_output=True, text=True).stdout == "/tmp\n"


SMALL_STACK = """
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int wrong;
static void look(void) {
    struct stat found;
    wrong |= stat("../tmp/absolute", &found) | access("./absolute", R_OK) | chdir("/usr/../tmp");
    int file = open("/tmp/folder/../lib/os-release", O_RDONLY);
    wrong |= file < 0 || mkdir("/etc/none/x", 0700) == 0;
    close(file);
}
static void handle(int number) { look(), (void)number; }
static void *run(void *none) { return look(), none; }

int main(void) {
    static char small[24576];
    pthread_attr_t attributes;
    pthread_t thread;
    stack_t stack = {.ss_sp = small, .ss_size = sizeof small};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 32768);
    wrong |= pthread_create(&thread, &attributes, run, NULL) | pthread_join(thread, NULL);
    puts(wrong ? "wrong" : "right");
}
"""


def test_small_stacks_are_enough(inside: Inside) -> None:
    escape(inside)
    (inside.tmp / "small.c").write_text(SMALL_STACK)
    assert inside.shell("gcc -pthread -o small small.c && ./small") == "right\n"
