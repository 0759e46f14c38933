"""Containers within containers: in bubblewrap, in ours three deep, in a stock docker one.

The inner Wherry is the installed one; it lies at the same path inside, with the host's Python and libraries.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import images
from docker_daemon import Docker
from wherry_command import Wherry, installed

_HOSTS = ("/usr", "/lib", "/lib64", "/etc")
_OPEN = ("--security-opt", "seccomp=unconfined")


def _shown(wherry: Wherry) -> list[str]:
    """Options of ``run`` that show what an inner Wherry needs, and where it keeps its things."""
    environment = installed().parents[1]
    found = [word for path in _HOSTS if os.path.exists(path) for word in ("-v", f"{path}:{path}:ro")]
    found += ["-v", f"{environment}:{environment}:ro", "-v", f"{wherry.folder}:{wherry.folder}"]
    return found


def _variables(wherry: Wherry, depth: int) -> list[str]:
    runtime = wherry.folder / f"run-{depth}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    given = {**wherry.environment, "XDG_RUNTIME_DIR": str(runtime)}
    return [word for name, value in given.items() for word in ("-e", f"{name}={value}")]


def _inside(wherry: Wherry, depth: int, command: list[str], *options: str) -> list[str]:
    """The words of a run ``depth`` levels down that executes ``command``."""
    words = [*command]
    for level in range(depth, 0, -1):
        last = level == depth
        more = options if last else (*_OPEN, *_shown(wherry), *_variables(wherry, level))
        words = ["run", *more, "tiny", *words]
        if level > 1:
            words = [str(installed()), *words]
    return words


@pytest.fixture
def stocked(tmp_path: Path) -> Wherry:
    """A store of the test's own: it is written to from inside."""
    wherry = Wherry(tmp_path / "w")
    _load(wherry, "tiny")
    return wherry


def _load(wherry: Wherry, name: str) -> None:
    digest = wherry.ok("load", "-q", "-i", str(images.image(name))).split()[-1]
    wherry.ok("tag", digest.rpartition(":")[2], name)


def test_three_deep(stocked: Wherry) -> None:
    result = stocked(*_inside(stocked, 3, ["sh", "-c", "echo three; cat /proc/1/comm; id -u"]))
    assert result.status == 0, str(result)
    assert result.stdout == f"three\nwherry\n{os.getuid()}\n"


def test_the_default_filter_around_it_leaves_proot(stocked: Wherry) -> None:
    inner = [str(installed()), "run", "tiny", "echo", "traced"]
    result = stocked("run", *_shown(stocked), *_variables(stocked, 1), "tiny", *inner)
    assert (result.status, result.stdout) == (0, "traced\n"), str(result)
    assert "the engine 'proot' is used" in result.stderr
    assert "container" in result.stderr


def test_in_bubblewrap(stocked: Wherry) -> None:
    around = ["bwrap", "--dev-bind", "/", "/", "--unshare-all", "--share-net", "--proc", "/proc", "--die-with-parent"]
    command = [*around, str(installed()), "run", "tiny", "sh", "-c", "echo wrapped; test -e /proc/2 && echo fresh"]
    done = subprocess.run(command, env=stocked.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "wrapped\nfresh\n"), done.stderr
    assert "engine" not in done.stderr


class Around:
    """A stock docker container with the host's programs, started as the tests' user."""

    def __init__(self, docker: Docker, wherry: Wherry) -> None:
        self.docker = docker
        self.wherry = wherry

    def run(self, *words: str, options: tuple[str, ...] = ()) -> str:
        """What Wherry printed there, both streams."""
        shown = [
            *("--user", f"{os.getuid()}:{os.getgid()}", "--network", "host", "--workdir", "/tmp"),
            *_shown(self.wherry),
            *_variables(self.wherry, 1),
            *options,
        ]
        command = " ".join(f"'{word}'" for word in (str(installed()), *words))
        return self.docker("run", "--rm", *shown, "around", "/bin/sh", "-c", f"{command} 2>&1 || true")


@pytest.fixture
def around(docker: Docker, stocked: Wherry, tmp_path: Path) -> Around:
    layer = images.Layer()
    for name in ("bin", "proc", "sys", "dev", "tmp", "usr", "lib", "lib64", "etc"):
        layer.directory(name, 0o1777 if name == "tmp" else 0o755)
    layer.file("bin/sh", Path("/bin/busybox").read_bytes(), 0o755)
    layout = tmp_path / "around.oci"
    images.write_layout(layout, [layer.tar()], {})
    docker.take(layout, "around")
    return Around(docker, stocked)


def test_in_docker_as_it_comes(around: Around) -> None:
    said = around.run("run", "tiny", "sh", "-c", "echo in docker; id -u")
    assert said.endswith(f"in docker\n{os.getuid()}\n"), said
    assert "the engine 'proot' is used" in said


def test_in_docker_without_its_filter(around: Around) -> None:
    open_ways = (*_OPEN, "--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined")
    said = around.run("run", "tiny", "sh", "-c", "echo in docker; id -u", options=open_ways)
    assert said == f"in docker\n{os.getuid()}\n"


def test_in_docker_with_masked_proc(around: Around) -> None:
    """The filter is gone, but parts of /proc are hidden: the kernel refuses a fresh one."""
    said = around.run("run", "tiny", "sh", "-c", "echo masked; test -d /proc/self && echo proc", options=_OPEN)
    assert said.endswith("masked\nproc\n"), said


def test_in_docker_without_ptrace(around: Around, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    denied = '{"names":["ptrace","unshare","mount","setns","pivot_root"],"action":"SCMP_ACT_ERRNO"}'
    clone = (
        '{"names":["clone"],"action":"SCMP_ACT_ERRNO",'
        '"args":[{"index":0,"value":268435456,"valueTwo":268435456,"op":"SCMP_CMP_MASKED_EQ"}]}'
    )
    clone3 = '{"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38}'
    profile.write_text(f'{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{denied},{clone},{clone3}]}}')
    _load(around.wherry, "small")
    options = ("--security-opt", f"seccomp={profile}")
    said = around.run(
        "run", "small", "/bin/sh", "-c", "echo interposed; grep -c Debian /etc/os-release", options=options
    )
    assert "the engine 'fakechroot' is used" in said, said
    assert "interposed" in said, said


def test_the_programs_are_here() -> None:
    """These tests need bubblewrap and proot; ``make test`` installs them."""
    assert shutil.which("bwrap") is not None
    assert shutil.which("proot") is not None
