"""One check for each feature on every engine; and that what an engine has not is refused by a way to one that has it.

``tests/engines.py`` declares who can what.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import engines
import images
from engines import ENGINES, Declared
from hard_hosts import around
from machines import GOOD
from runtimes import path_for
from wherry.launch.engines import known_engines
from wherry.launch.engines.engine import FEATURES
from wherry_command import Result, Wherry, installed

HERE = [engine for engine in ENGINES if engine.is_here()]
WITHOUT_NAMESPACES = [engine for engine in HERE if "pid-namespace" not in engine.features]


@dataclass(frozen=True)
class Box:
    """``wherry run`` under one engine, with a folder of the test's own on the host."""

    wherry: Wherry
    engine: Declared
    folder: Path
    seconds: str = field(default_factory=lambda: f"1000.{secrets.randbelow(10**9):09}1")
    """For how long a process sleeps that must not be left: nobody else's has this among its arguments."""

    def run(self, *options: str, script: str, **more: object) -> Result:
        """A shell script in a container."""
        words = ("run", "--engine", self.engine.name, *options, self.engine.image, "sh", "-c", script)
        return self.wherry(*words, cwd=self.folder, **more)  # type: ignore[arg-type]

    def ok(self, *options: str, script: str, **more: object) -> str:
        result = self.run(*options, script=script, **more)
        assert result.status == 0, str(result)
        return result.stdout

    def start(self, *options: str, script: str) -> subprocess.Popen[bytes]:
        words = ("run", "--engine", self.engine.name, *options, self.engine.image, "sh", "-c", script)
        return self.wherry.start(*words, stdout=subprocess.PIPE, cwd=self.folder)

    @contextlib.contextmanager
    def detached(self, script: str, *options: str) -> Iterator[str]:
        """A container that runs in the background; its id."""
        begun = self.run("-d", *options, script=f"echo begun; {script}")
        assert begun.status == 0, str(begun)
        name = begun.stdout.strip()
        try:
            _until(lambda: "begun" in self.wherry("logs", name).stdout)
            yield name
        finally:
            self.wherry("rm", "-f", name)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wherry]:
    """The command in a store that has every engine's image by its short name."""
    command = Wherry(tmp_path_factory.mktemp("engines"))
    path = path_for(command.folder / "runtimes", command.environment["PATH"], "/usr/bin/crun")
    command = Wherry(command.folder, {"PATH": path})
    for name in {engine.image for engine in HERE}:
        digest = command.ok("load", "-q", "-i", str(images.image(name))).split()[-1]
        command.ok("tag", digest.rpartition(":")[2], name)
    yield command
    # Plain trees have no write bits, and pytest cannot remove them so.
    subprocess.run(["chmod", "-R", "u+w", str(command.folder / "store" / "flat")], check=False)


@pytest.fixture
def box(request: pytest.FixtureRequest, stocked: Wherry, tmp_path: Path) -> Box:
    return Box(stocked, request.param, tmp_path)


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


# ---- the checks, one a feature ---------------------------------------------------------------------------------------


def bind(box: Box) -> None:
    (box.folder / "in").write_text("from the host")
    assert box.ok("-v", f"{box.folder}:/data", script="cat /data/in; echo inside > /data/out") == "from the host"
    assert (box.folder / "out").read_text() == "inside\n"
    assert box.ok("--here", script="pwd; cat in") == f"{box.folder}\nfrom the host"


def bind_read_only(box: Box) -> None:
    result = box.run("-v", f"{box.folder}:/data:ro", script="echo x > /data/out")
    assert result.status != 0
    assert not (box.folder / "out").exists()


def bind_nonrecursive(box: Box) -> None:
    (box.folder / "in").write_text("seen")
    mount = f"type=bind,source={box.folder},target=/data,bind-nonrecursive=true"
    assert box.ok("--mount", mount, script="cat /data/in") == "seen"


def tmpfs(box: Box) -> None:
    assert " /data tmpfs " in box.ok("--tmpfs", "/data", script="echo x > /data/x && cat /proc/self/mounts")


def writable_root(box: Box) -> None:
    copy = () if box.engine.name == "namespace" else ("--writable-copy",)
    assert box.ok(*copy, script="echo changed > /etc/new && rm /etc/os-release && cat /etc/new") == "changed\n"
    assert "new" not in box.ok(*copy, script="ls /etc && cat /etc/os-release").split()


def read_only_root(box: Box) -> None:
    assert box.run("--read-only", script="echo x > /etc/new").status != 0


def pid_namespace(box: Box) -> None:
    assert box.ok(script=f"test -e /proc/{os.getpid()} || echo unseen") == "unseen\n"


def private_network(box: Box) -> None:
    lines = box.ok("--network", "none", script="cat /proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in lines] == ["lo"]


def hostname(box: Box) -> None:
    assert box.ok("--hostname", "node-1", script="cat /proc/sys/kernel/hostname") == "node-1\n"


def user_root(box: Box) -> None:
    assert box.ok("-u", "root", script="id -u; id -g; echo x > /usr/made-by-root && echo $HOME") == "0\n0\n/root\n"
    assert box.ok("-u", "root", script="test -e /usr/made-by-root || echo gone") == "gone\n"


def user_other(box: Box) -> None:
    assert box.ok("-u", "4321:1234", script="id -u; id -g") == "4321\n1234\n"


def seccomp(box: Box) -> None:
    profile = box.folder / "profile.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    script = "mkdir /tmp/x 2>/dev/null || echo refused"
    assert box.ok("--security-opt", f"seccomp={profile}", script=script) == "refused\n"
    assert box.ok(script="grep -c '^Seccomp:.*2' /proc/self/status") == "1\n"


def exec_(box: Box) -> None:
    with box.detached(f"echo here > /tmp/file; echo $MARK; sleep {box.seconds}", "-e", "MARK=kept") as name:
        result = box.wherry("exec", name, "sh", "-c", "cat /tmp/file; echo $MARK; id -u; exit 9")
        assert (result.status, result.stdout) == (9, f"here\nkept\n{os.getuid()}\n")
        assert box.wherry("exec", name, "no-such-program").status == 127
        words = ("exec", name, "sh", "-c", f"echo in; sleep {box.seconds}")
        with box.wherry.start(*words, stdout=subprocess.PIPE) as within:
            assert _line(within) == "in"
            box.wherry.ok("stop", "-t", "0", name)
            assert within.wait(20) == 137
    assert _processes(box.seconds) == []


def detach(box: Box) -> None:
    with box.detached("trap 'echo ended; exit 4' TERM; while :; do sleep 0.05; done") as name:
        box.wherry.ok("stop", name)
        assert box.wherry.ok("wait", name) == "4\n"
        assert box.wherry.ok("logs", name) == "begun\nended\n"
    assert box.run("-d", script="").status == 0
    missing = box.wherry("run", "--engine", box.engine.name, "-d", box.engine.image, "no-such-program")
    assert missing.status == 127
    with box.detached(f"sleep {box.seconds}") as name:
        box.wherry.ok("kill", name)
        assert box.wherry.ok("wait", name) == "137\n"
    assert _processes(box.seconds) == []


def cp_running(box: Box) -> None:
    (box.folder / "in").write_text("copied in")
    with box.detached(f"ln -s /tmp /tmp/link; sleep {box.seconds}") as name:
        _until(lambda: box.wherry("exec", name, "test", "-L", "/tmp/link").status == 0)
        box.wherry.ok("cp", str(box.folder / "in"), f"{name}:/tmp/link/")
        assert box.wherry.ok("exec", name, "cat", "/tmp/in") == "copied in"
        box.wherry.ok("cp", f"{name}:/tmp/link/in", str(box.folder / "out"))
        assert (box.folder / "out").read_text() == "copied in"
        box.wherry.ok("cp", f"{name}:/etc/passwd", str(box.folder / "passwd"))
        assert f":{os.getuid()}:" in (box.folder / "passwd").read_text()


def private_tmp(box: Box) -> None:
    name = f"wherry-conformance-{os.getpid()}"
    mark = Path("/tmp") / name
    assert box.ok(script=f"echo x > /tmp/{name}; ls /tmp") == f"{name}\n"
    assert not mark.exists()
    assert box.ok(script=f"test -e /tmp/{name} || echo gone") == "gone\n"


def private_home(box: Box) -> None:
    user = os.environ["USER"]
    script = "cd; pwd; ls -A; echo x > mine && cat mine"
    assert box.ok(script=script) == f"/home/{user}\nx\n"
    assert box.ok(script=script) == f"/home/{user}\nx\n"


def identity_files(box: Box) -> None:
    lines = box.ok(script="cat /etc/passwd; cat /etc/resolv.conf").splitlines()
    assert any(line.startswith(f"{os.environ['USER']}:x:{os.getuid()}:") for line in lines)
    assert lines[-1] == Path("/etc/resolv.conf").read_text().splitlines()[-1]


def workdir(box: Box) -> None:
    assert box.ok("-w", "/usr", script="pwd") == "/usr\n"
    assert box.ok("-w", "/tmp/made", script="pwd") == "/tmp/made\n"


def environment(box: Box) -> None:
    out = box.ok("-e", "A=b c", script="env", env={"LEAKS": "yes", "LD_DEBUG_OUTPUT": "/dev/null"})
    names = {line.partition("=")[0] for line in out.splitlines()}
    assert "A=b c" in out.splitlines()
    usual = {"A", "PATH", "HOME", "HOSTNAME", "container", "TERM", "LANG", "TZ", "PWD", "SHLVL", "OLDPWD", "_"}
    assert names <= usual | box.engine.adds


def signals(box: Box) -> None:
    with box.start(script="trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done") as process:
        assert _line(process) == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 5
    assert box.run(script="kill -KILL $$").status == 137
    assert box.run(script="sleep 0.05 & exit 7").status == 7
    for command, status in (("no-such-program", 127), ("/etc", 126), ("/etc/passwd", 126)):
        result = box.wherry("run", "--engine", box.engine.name, box.engine.image, command)
        assert result.status == status, str(result)
        assert f"'{command}'" in result.stderr


def terminal(box: Box) -> None:
    outer, inner = pty.openpty()
    script = "test -t 0 && test -t 1 && echo is a terminal; read line; echo got $line; cat"
    words = (str(installed()), "run", "--engine", box.engine.name, "-it", box.engine.image, "sh", "-c", script)
    environment = {**box.wherry.environment, "TERM": "xterm"}
    process = subprocess.Popen(words, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True)
    os.close(inner)
    os.write(outer, b"words\n")
    text = b""
    while b"got words" not in text:
        text += os.read(outer, 4096)
    assert b"is a terminal" in text
    os.write(outer, b"again\n")
    while text.count(b"again") < 2:  # the terminal's echo, and what cat writes: it runs
        text += os.read(outer, 4096)
    os.write(outer, b"\x03")  # Ctrl-C: the container's terminal ends its foreground programs
    assert process.wait(20) == 130
    os.close(outer)


def limits(box: Box) -> None:
    assert box.ok("--ulimit", "nofile=77:99", script="ulimit -Sn; ulimit -Hn") == "77\n99\n"


def static_programs(box: Box) -> None:
    assert box.ok("-v", "/bin/busybox:/data/busybox", script="/data/busybox echo runs") == "runs\n"


def other_libc(box: Box) -> None:
    source, program = box.folder / "hello.c", box.folder / "hello"
    source.write_text('#include <stdio.h>\nint main(void) { return puts("musl runs") < 0; }\n')
    subprocess.run(["musl-gcc", str(source), "-o", str(program)], check=True)
    loader = f"/lib/ld-musl-{os.uname().machine}.so.1"
    bound = ("-v", f"{os.path.realpath(loader)}:{loader}", "-v", f"{program}:/data/hello")
    assert box.ok(*bound, script="/data/hello") == "musl runs\n"


def no_process_left(box: Box) -> None:
    for script in (
        f"sleep {box.seconds} & exit 3",
        f"(setsid sh -c 'sleep {box.seconds} & sleep {box.seconds}' &); exit 3",
        f"sh -c 'trap \"\" TERM HUP INT; while :; do sleep {box.seconds}; done' & exit 3",
        f"i=0; while [ $i -lt 1000 ]; do sleep {box.seconds} & i=$((i+1)); done; exit 3",
    ):
        assert box.run(script=script).status == 3
        assert _processes(box.seconds) == []
    with box.start(script=f"setsid sleep {box.seconds} & echo begun; sleep {box.seconds}") as killed:
        assert _line(killed) == "begun"
        killed.kill()
    _until(lambda: _processes(box.seconds) == [])


def _line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().rstrip("\n")


def _processes(mark: str) -> list[int]:
    """Those that have ``mark`` among their arguments."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
            if mark.encode() in file.read().split(b"\0"):
                found.append(int(name))
    return found


CHECKS: dict[str, Callable[[Box], None]] = {
    name: globals()[name.replace("-", "_") + ("_" if name == "exec" else "")] for name in engines.EXPLAINED
}
_PAIRS = [(engine, feature) for engine in HERE for feature in engines.EXPLAINED]


# ---- the tests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "feature"),
    [pair for pair in _PAIRS if pair[1] in pair[0].features],
    indirect=["box"],
    ids=lambda value: value.name if isinstance(value, Declared) else value,
)
def test_an_engine_does_what_it_says(box: Box, feature: str) -> None:
    CHECKS[feature](box)


@pytest.mark.parametrize(
    ("box", "feature"),
    [pair for pair in _PAIRS if pair[1] not in pair[0].features and pair[1] in engines.REFUSED],
    indirect=["box"],
    ids=lambda value: value.name if isinstance(value, Declared) else value,
)
def test_what_an_engine_has_not_is_refused_with_one_that_has_it(box: Box, feature: str) -> None:
    result = box.run(*engines.REFUSED[feature], script="echo started")
    assert (result.status, result.stdout) == (125, "")
    assert f"the engine '{box.engine.name}'" in result.stderr
    able = re.search(r"--engine (.*) can", result.stderr)
    assert able, result.stderr
    assert "namespace" in able[1].split(" or ")


@pytest.mark.parametrize(
    ("box", "feature"),
    [pair for pair in _PAIRS if pair[1] not in pair[0].features and pair[1] not in engines.REFUSED],
    indirect=["box"],
    ids=lambda value: value.name if isinstance(value, Declared) else value,
)
def test_what_an_engine_says_it_has_not_it_has_not(box: Box, feature: str) -> None:
    with pytest.raises(AssertionError):
        CHECKS[feature](box)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_the_engines_say_the_same_of_themselves(engine: Declared) -> None:
    assert engines.declared_in_code(engine.name)(GOOD.host) == engine.features


def test_every_engine_and_feature_is_declared() -> None:
    assert {engine.name for engine in ENGINES} == set(known_engines())
    assert set(engines.EXPLAINED) == FEATURES


def test_the_page_shows_what_is_declared() -> None:
    assert engines.PAGE.read_text() == engines.page(), "write it anew: python tests/engines.py"


@pytest.mark.parametrize("box", WITHOUT_NAMESPACES, indirect=True, ids=lambda engine: engine.name)
def test_nothing_that_runs_changes_the_image(box: Box) -> None:
    for options in ((), ("-u", "root")):
        if "user-root" in box.engine.features or not options:
            box.run(*options, script="echo x >> /etc/os-release; rm -rf /usr; mkdir /new; chmod 755 / /etc; true")
    flat = list((box.wherry.folder / "store" / "flat").glob("*/tree/etc/os-release"))
    assert flat
    assert all(path.read_bytes()[-2:] != b"x\n" and not (path.parents[1] / "new").exists() for path in flat)
    assert box.ok(script="test -d /usr && test ! -e /new && tail -n 1 /etc/os-release") != "x\n"


@pytest.mark.parametrize("box", WITHOUT_NAMESPACES, indirect=True, ids=lambda engine: engine.name)
def test_a_private_copy_stays_with_its_container_and_shows_what_changed(box: Box) -> None:
    script = "test -e /etc/mine || { mkdir /usr/new; echo x > /usr/new/file; rm /etc/os-release; touch /etc/mine; }"
    with box.detached(f"{script}; echo done; sleep {box.seconds}", "--writable-copy") as name:
        _until(lambda: "done" in box.wherry("logs", name).stdout)
        expected = {"C /etc", "A /etc/mine", "D /etc/os-release", "C /usr", "A /usr/new", "A /usr/new/file"}
        assert set(box.wherry.ok("diff", name).splitlines()) == expected
        box.wherry.ok("stop", "-t", "0", name)
        (box.folder / "in").write_text("while it rests")
        box.wherry.ok("cp", str(box.folder / "in"), f"{name}:/usr/new/")
        box.wherry.ok("start", name)
        assert box.wherry.ok("exec", name, "cat", "/usr/new/in", "/usr/new/file") == "while it restsx\n"


@pytest.mark.parametrize("box", WITHOUT_NAMESPACES, indirect=True, ids=lambda engine: engine.name)
def test_a_saved_plan_is_used_again(box: Box) -> None:
    words = ("run", "--engine", box.engine.name, "-e", "FIRST=1", box.engine.image, "sh", "-c")
    box.wherry.ok(*words, "true")
    again = box.wherry(*words, "echo again", env={"WHERRY_EXPLAIN": "plan"})
    assert (again.stdout, again.stderr) == ("again\n", "")


@pytest.mark.parametrize("box", HERE, indirect=True, ids=lambda engine: engine.name)
def test_a_command_may_run_on_all_processors_that_its_caller_may(box: Box) -> None:
    """Also where its start was kept on one, as under proot; so may the process above it, and what ``exec`` starts."""
    allowed = re.findall(r"Cpus_allowed_list:.*", Path("/proc/self/status").read_text())
    look = "sleep 0.3; grep -h Cpus_allowed_list /proc/self/status /proc/$PPID/status"
    for more in ((), ("--security-opt", "seccomp=unconfined")):
        assert box.ok(*more, script=look).splitlines() == allowed * 2
    with box.detached("sleep 60") as name:
        own = look.replace(" /proc/$PPID/status", "")
        assert box.wherry.ok("exec", name, "sh", "-c", own).splitlines() == allowed


@pytest.mark.parametrize("box", HERE, indirect=True, ids=lambda engine: engine.name)
def test_the_record_names_the_engine(box: Box) -> None:
    box.ok("-l", "of=this-test", script="true")
    lines = [line for path in (box.wherry.folder / "state").rglob("*.jsonl") for line in path.read_text().splitlines()]
    starts = [json.loads(line) for line in lines if "this-test" in line]
    assert box.engine.name in {start["engine"] for start in starts}


@pytest.mark.skipif(shutil.which("proot") is None, reason="proot is not installed")
def test_where_namespaces_are_off_proot_is_chosen_and_said(stocked: Wherry, tmp_path: Path) -> None:
    command = Wherry(tmp_path, {"WHERRY_STORE": stocked.environment["WHERRY_STORE"]})
    done = _without(("no-namespaces",), command, "run", "tiny", "sh", "-c", "echo runs; exit 3")
    assert (done.returncode, done.stdout) == (3, "runs\n"), done.stderr
    assert "the engine 'proot' is used" in done.stderr
    again = _without(("no-namespaces",), command, "run", "tiny", "echo", "again")
    assert (again.returncode, again.stdout, again.stderr) == (0, "again\n", "")


@pytest.mark.skipif(shutil.which("proot") is None, reason="proot is not installed")
def test_proot_writes_no_loader_of_its_own_for_a_start(stocked: Wherry, tmp_path: Path) -> None:
    """It would stay in /tmp where proot is killed. Without the one that is kept, proot does write its own."""
    command = Wherry(tmp_path, {"WHERRY_STORE": stocked.environment["WHERRY_STORE"]})
    line = ("run", "--engine", "proot", "tiny", "cat", "/proc/self/maps")
    mapped = command.ok(*line)
    kept = re.search(r"/\S+/proot-loader-[0-9a-f]+", mapped)
    assert kept and "/prooted-" not in mapped
    assert kept[0] in command.ok(*line)
    os.unlink(kept[0])
    mapped = command.ok(*line)
    assert "/prooted-" in mapped and "/proot-loader-" not in mapped


@pytest.mark.skipif(shutil.which("proot") is None, reason="proot is not installed")
def test_when_namespaces_come_back_they_are_used_again(stocked: Wherry, tmp_path: Path) -> None:
    command = Wherry(tmp_path, {"WHERRY_STORE": stocked.environment["WHERRY_STORE"]})
    words = ("run", "tiny", "cat", "/proc/1/cmdline")
    limited = _without(("namespace-limit",), command, *words)
    assert "the engine 'proot' is used" in limited.stderr
    again = command(*words, env={"WHERRY_EXPLAIN": "plan"})
    assert again.status == 0, str(again)
    assert "max_user_namespaces" in again.stderr
    assert "wherry" in again.stdout  # process 1 is ours


def test_where_nothing_works_each_reason_is_told(stocked: Wherry, tmp_path: Path) -> None:
    command = Wherry(tmp_path, {"WHERRY_STORE": stocked.environment["WHERRY_STORE"]})
    done = _without(("no-namespaces", "no-ptrace"), command, "run", "tiny", "true")
    assert (done.returncode, done.stdout) == (125, "")
    assert "the engine proot:" in done.stderr
    assert "wherry doctor" in done.stderr


def test_a_mistyped_engine_is_told(stocked: Wherry) -> None:
    result = stocked("run", "--engine", "prot", "tiny", "true")
    assert result.status == 125
    assert "did you mean 'proot'?" in result.stderr


def test_the_setting_chooses_too(stocked: Wherry, tmp_path: Path) -> None:
    result = stocked("run", "--hostname", "x", "tiny", "true", env={"WHERRY_RUN_ENGINE": "proot"})
    assert result.status == 125
    assert "the engine 'proot'" in result.stderr


def _without(lacks: tuple[str, ...], wherry: Wherry, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*around(*lacks), str(installed()), *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=wherry.environment, cwd=wherry.folder, timeout=60, check=False
    )
