"""Mapped paths against the kernel's own: the same random calls in a real mount namespace, and with paths mapped.

Two directories are bound into a Debian tree; in them lie random folders, files and links that lead anywhere: into the
image, out of it, in circles. What each call says must be the same in both, changes included.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

import debian_trees
import wherry

STARTER = Path(wherry.__file__).parent / "_native" / "wherry-interpose"
BINDS = ("mnt", "srv")  # empty in Debian
CALLS = """
import os, random, sys
chance, changes = random.Random(int(sys.argv[1])), sys.argv[2] == "changes"
NAMES = ["a", "b", "c", "d", "e", "f"]
PLACES = ["/mnt", "/srv", "/usr/lib", "/etc", "/", "/mnt/..", "/srv/a/..", "", "..", "../..", "/etc/alternatives"]

def some_path():
    parts = [chance.choice(PLACES)] + [chance.choice(NAMES + ["..", ".", ""][: chance.choice([0, 0, 0, 1, 3])])
                                       for _ in range(chance.randint(0, 4))]
    text = "/".join(parts) if chance.random() < 0.9 else "/".join(parts) + "/"
    return text or "."

def answer(call, *arguments, **more):
    try:
        result = call(*arguments, **more)
    except OSError as error:
        return -error.errno
    if isinstance(result, os.stat_result):
        return (result.st_mode, result.st_size) if changes else (result.st_ino, result.st_mode)
    return result

def opened(flags):
    def call(path):
        file = os.open(path, flags | os.O_NONBLOCK, 0o600)
        try:
            return os.fstat(file)
        finally:
            os.close(file)
    return call

CREATE = os.O_WRONLY | os.O_CREAT
LOOKS = [os.stat, os.lstat, os.readlink, os.path.realpath, opened(os.O_RDONLY), opened(os.O_RDONLY | os.O_DIRECTORY),
         opened(os.O_RDONLY | os.O_NOFOLLOW), opened(os.O_PATH | os.O_NOFOLLOW), opened(os.O_PATH),
         lambda path: os.access(path, os.W_OK), lambda path: sorted(os.listdir(path))[:20],
         lambda path: (os.chdir(path), os.getcwd())[1]]
CHANGES = [os.mkdir, os.mkdir, os.rmdir, os.unlink, opened(CREATE), opened(CREATE | os.O_EXCL),
           opened(os.O_WRONLY | os.O_TRUNC), opened(os.O_RDONLY | os.O_CREAT), lambda path: os.chmod(path, 0o700),
           lambda path: os.utime(path, (1, 1)), lambda path: os.truncate(path, 3), os.mkfifo,
           *[lambda path: os.symlink(some_path(), path)] * 3]
os.chdir("/")
folder = os.open("/mnt", os.O_RDONLY)
for number in range(2500):
    path = some_path()
    if changes and chance.random() < 0.5:
        path = path.rstrip("/.") + "/" + chance.choice(NAMES)
        call = chance.randrange(len(CHANGES))
        told = answer(CHANGES[call], path)
    else:
        call = chance.randrange(len(LOOKS))
        told = answer(LOOKS[call], path)
    print(number, call, repr(path), told)
    if chance.random() < 0.1:
        print(number, "relative", answer(os.stat, path, dir_fd=folder), answer(os.lstat, path, dir_fd=folder))
    if chance.random() < 0.05:
        print(number, "back", answer(os.chdir, chance.choice(["/", "/mnt", "/srv", "/usr/lib"])))
"""


def fill(folder: Path, seed: int) -> None:
    """Random folders, files and links."""
    chance = random.Random(seed)
    names = ["a", "b", "c", "d", "e", "f"]
    anywhere = [
        "/usr/lib",
        "/etc/debian_version",
        "/mnt/a",
        "/srv/b",
        "/srv",
        "/",
        "..",
        "../..",
        "../../etc",
        "a",
        "b/c",
    ]
    folders = [folder]
    for _ in range(60):
        place = chance.choice(folders) / chance.choice(names)
        if place.is_symlink() or place.exists():
            continue
        kind = chance.random()
        if kind < 0.45:
            place.mkdir()
            folders.append(place)
        elif kind < 0.7:
            place.write_text("x" * chance.randint(0, 9))
        else:
            place.symlink_to(chance.choice(anywhere) + chance.choice(["", "/a", "/../b", "/."]))


def with_mounts(tree: Path, sources: list[Path], command: list[str]) -> str:
    """What the command says in a mount namespace, the tree read-only."""
    steps = ["set -e", 'mount --bind "$0" "$0"', 'mount -o remount,bind,ro "$0"']
    steps += [f"mount --bind '{source}' \"$0/{name}\"" for source, name in zip(sources, BINDS, strict=True)]
    script = "; ".join([*steps, 'exec chroot "$0" "$@"'])
    line = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(tree), *command]
    return run(line)


def with_mapping(tree: Path, sources: list[Path], command: list[str], config: Path, *more: str) -> str:
    binds = [f"bind {source} /{name}" for source, name in zip(sources, BINDS, strict=True)]
    config.write_text("\n".join([f"root {tree}", *binds, *more]) + "\n")
    return run([str(STARTER), str(config), "--cwd", "/", "--", *command])


def run(line: list[str]) -> str:
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.parametrize("facts", [True, False])
@pytest.mark.parametrize("kind", ["looks", "changes"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_call_says_what_it_says_in_a_mount_namespace(tmp_path: Path, seed: int, kind: str, facts: bool) -> None:
    tree = debian_trees.tree("2.36")
    first, second = [tmp_path / "first" / name for name in BINDS], [tmp_path / "second" / name for name in BINDS]
    for number, source in enumerate(first):
        source.mkdir(parents=True)
        fill(source, 10 * seed + number)
    if kind == "changes":
        shutil.copytree(tmp_path / "first", tmp_path / "second", symlinks=True)
    else:
        second = first
    command = ["python3", "-I", "-c", CALLS, str(seed), kind]
    shared = [f"facts {tmp_path / 'facts'}"] if facts else []
    mapped = with_mapping(tree, second, command, tmp_path / "config", "host /proc", *shared)
    real = with_mounts(tree, first, command)
    differences = [pair for pair in zip(real.splitlines(), mapped.splitlines(), strict=True) if pair[0] != pair[1]]
    assert not differences, f"{len(differences)} differ, the first (mounts, mapped): {differences[:5]}"
    assert real.count("(") > 200 and os.listdir(tree / "mnt") == []
