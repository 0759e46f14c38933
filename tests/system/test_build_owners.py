"""The ways to other owners in builds: each makes the same layers, and the one that only pretends says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import images
from build_recipes import RECIPES, context_in
from hard_hosts import around
from waiting import until
from wherry_command import Wherry, installed


def build(lab: Wherry, folder: Path, recipe: str, way: str, *more: str) -> tuple[list[str], str]:
    """The diff ids of the image that was made, and what was said."""
    (folder / "Dockerfile").write_text(recipe)
    words = ("build", "--progress", "plain", "--no-cache", "--owners", way, "-t", f"made-{way}", *more, str(folder))
    ended = lab(*words)
    assert ended.status == 0, str(ended)
    return json.loads(lab.ok("inspect", f"made-{way}"))[0]["RootFS"]["Layers"], ended.stdout + ended.stderr


def left_over(lab: Wherry) -> list[str]:
    return [path.name for path in (lab.folder / "store" / "tmp").iterdir()]


@pytest.mark.parametrize("name", ["programs", "links", "removals", "users", "stages"])
def test_every_way_makes_the_same_layers(lab: Wherry, tmp_path: Path, name: str) -> None:
    """By real root BuildKit makes these, too (test_build_compared.py)."""
    context = context_in(tmp_path / name)
    found = [build(lab, context, RECIPES[name], way)[0] for way in ("supervisor", "range")]
    assert found[0] == found[1]
    assert left_over(lab) == []


def test_a_range_shows_the_images_owners(lab: Wherry, tmp_path: Path) -> None:
    names = "/etc/shadow /usr/bin/chage /usr/bin/passwd /var/mail /var/log/lastlog /tmp /etc"
    layers, said = build(lab, tmp_path, f"FROM small\nRUN stat -c '%u:%g %a' {names}\n", "range")
    shown = [line.split(" ", 1)[1] for line in said.splitlines() if line.startswith("#1 ")]
    assert shown[1:8] == ["0:42 640", "0:42 2755", "0:0 4755", "0:8 2775", "0:43 664", "0:0 1777", "0:0 755"]
    assert len(layers) == len(json.loads(lab.ok("inspect", "small"))[0]["RootFS"]["Layers"])


def test_a_step_that_fails_with_a_range_leaves_nothing_of_others(lab: Wherry, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM small\nRUN install -d -o 5 -m 700 /a/b && touch /a/b/c && false\n")
    assert lab("build", "--owners", "range", str(tmp_path)).status == 1
    assert left_over(lab) == []


@pytest.mark.parametrize("words", [("prune", "--force"), ("build", "--owners", "range", "{}/next")])
def test_what_a_killed_step_with_a_range_left_of_others_goes(
    lab: Wherry, tmp_path: Path, words: tuple[str, ...]
) -> None:
    for name, recipe in (("first", "install -d -o 5 -m 700 /a/b && touch /a/b/c && sleep 1000"), ("next", "true")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(f"FROM small\nRUN {recipe}\n")
    process = subprocess.Popen(
        [str(installed()), "build", "--no-cache", "--owners", "range", str(tmp_path / "first")],
        env=lab.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = lab.folder / "store" / "tmp"
    until(lambda: [path for path in store.glob("*/upper/a/b") if path.stat().st_uid != os.getuid()], 60)
    process.kill()
    process.wait()
    assert left_over(lab) != []
    until(lambda: lab(*(word.format(tmp_path) for word in words)).status == 0 and left_over(lab) == [], 60)


WAITS = """
import os, sys, threading, time
from wherry.base.errors import HostLacks
from wherry.containers import with_all_ids
sys.path.insert(0, os.getcwd())
assert with_all_ids(lambda: __import__("alone").VALUE) == 7
began = threading.Event()
threading.Thread(target=lambda: __import__("slow"), daemon=True).start()
while not os.path.exists("began"): time.sleep(0.01)
assert with_all_ids(os.getpid) != os.getpid()
for name in ("slow", "new"):
    try: with_all_ids(lambda: __import__(name))
    except HostLacks as error: print(error.why, flush=True)
os._exit(0)
"""


def test_what_is_done_for_all_ids_never_waits_for_a_thread_that_is_not_there(tmp_path: Path) -> None:
    """A module that another thread was importing when the child was made would be locked there for ever."""
    for name, text in (("slow", "open('began', 'w').close(); import time; time.sleep(600)"), ("alone", "VALUE = 7")):
        (tmp_path / f"{name}.py").write_text(text)
    words = [sys.executable, "-c", WAITS]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.stdout.splitlines() == ["'slow' is not imported yet", "'new' is not imported yet"], ended.stderr


def test_the_user_of_a_step_with_a_range_is_really_another(lab: Wherry, tmp_path: Path) -> None:
    recipe = "FROM small\nUSER games\nRUN ! cat /etc/shadow && ! touch /etc/no && ! rm /etc/passwd && touch /tmp/mine\n"
    build(lab, tmp_path, recipe, "range")
    assert lab.ok("run", "--rm", "--fakeroot", "made-range", "stat", "-c", "%U:%G", "/tmp/mine") == "games:games\n"


def test_pretending_lets_steps_through_and_gives_all_to_root(lab: Wherry, tmp_path: Path) -> None:
    recipe = """
FROM small
RUN touch /a && chown 5:6 /a && chown -h 7 /a && mknod /null c 1 3 && install -d -o games -g 50 /b && mkfifo /p
RUN python3 -c "import os; os.setgroups([9]); os.setresgid(5, 5, 5); os.seteuid(6); os.setuid(6)"
RUN test ! -e /null && apt-config dump APT::Sandbox::User >/apt
RUN tar -cf /t --owner 3 --group 4 -C /etc issue && tar -xpf /t && stat -c %u:%g /issue /a /b >/owners
"""
    _, said = build(lab, tmp_path, recipe, "pretend")
    assert "files that a step gives to other users belong to root" in said
    names = ("/a", "/b", "/issue", "/p")
    assert set(lab.ok("run", "--rm", "--fakeroot", "made-pretend", "stat", "-c", "%u:%g", *names).split()) == {"0:0"}
    shown = lab.ok("run", "--rm", "made-pretend", "cat", "/owners", "/apt")
    assert shown.split() == ["0:0"] * 3 + ["APT::Sandbox::User", '"root";']


FORGES = """
import os
os.mkdir("/forged"), open("/forged/file", "w").close()
for path in ("/forged", "/forged/file", "/etc/passwd"):
    for name, value in (("owner", b"5:6:4755"), ("owner", b"0:0:0600:c:1:1"), ("xattr.security.capability", b"1" * 20)):
        try: os.setxattr(path, f"user.wherry.{name}", value)
        except PermissionError: pass
"""


@pytest.mark.parametrize("way", ["supervisor", "range", "pretend"])
def test_a_step_cannot_write_itself_whose_its_files_are(lab: Wherry, tmp_path: Path, way: str) -> None:
    (tmp_path / "forge.py").write_text(FORGES)
    recipe = "FROM small\nCOPY forge.py /f\nRUN python3 /f\n"
    build(lab, tmp_path, recipe, way)
    names = ("/forged", "/forged/file", "/etc/passwd")
    shown = lab.ok("run", "--rm", "--fakeroot", f"made-{way}", "stat", "-c", "%u:%g %a %F", *names)
    assert shown.splitlines() == ["0:0 755 directory", "0:0 644 regular empty file", "0:0 644 regular file"]
    listed = "import os; print([os.listxattr(n) for n in ('/forged', '/forged/file', '/etc/passwd')])"
    assert lab.ok("run", "--rm", "--fakeroot", f"made-{way}", "python3", "-c", listed).strip() == "[[], [], []]"


def test_a_container_without_a_supervisor_cannot_write_itself_whose_its_files_are(lab: Wherry) -> None:
    lab.ok("run", "--name", "forger", "-u", "root", "small", "python3", "-c", FORGES)
    lab.ok("commit", "forger", "forged")
    assert lab.ok("run", "--rm", "--fakeroot", "forged", "stat", "-c", "%u:%g %a", "/forged/file") == "0:0 644\n"
    lab.ok("rm", "forger")


def test_without_a_supervisor_the_next_best_way_is_taken_and_said(tmp_path: Path) -> None:
    without = Wherry(tmp_path / "without", {"WHERRY_SUPERVISOR": "/bin/false"})
    without.ok("tag", without.ok("load", "-q", f"oci:{images.image('tiny')}").split()[-1], "tiny")
    (tmp_path / "Dockerfile").write_text("FROM tiny\nRUN touch /a && chown 5:6 /a && stat -c %u:%g /a\n")
    words = ("build", "--progress", "plain", "--no-cache", "-t", "fallen", str(tmp_path))
    ended = without(*words)
    assert ended.status == 0 and "with a range of ids, which is used instead" in ended.stderr
    assert "5:6" in ended.stdout + ended.stderr
    assert "by your subordinate ids; no devices" in " ".join(without.ok("doctor").split())
    refused = without(*words, "--owners", "supervisor")
    assert refused.status == 125 and "a step's calls cannot be answered here" in refused.stderr


def test_without_namespaces_and_tracing_a_command_is_refused_with_what_to_ask_for_and_copies_go_on(
    lab: Wherry, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM tiny AS files\nCOPY Dockerfile /here\nFROM files\nRUN true\n")
    none = Wherry(tmp_path / "none", {"WHERRY_STORE": str(lab.folder / "store")})
    command = [*around("no-namespaces", "no-ptrace"), str(installed()), "build", "--no-cache", "-t", "none"]
    ended = [
        subprocess.run(
            [*command, *more, str(tmp_path)], capture_output=True, text=True, env=none.environment, timeout=120
        )
        for more in ((), ("--target", "files"))
    ]
    assert [each.returncode for each in ended] == [125, 0], ended
    assert "does not let you make a container" in ended[0].stderr and "[userns-filter]" in ended[0].stderr
    assert "ask your administrator for: let unshare, mount and pivot_root through" in ended[0].stderr


def test_the_engine_that_starts_take_is_not_that_of_builds(lab: Wherry, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM tiny\nRUN echo 1 >/a\n")
    lab.ok("build", "--no-cache", "-t", "forced", str(tmp_path), env={"WHERRY_RUN_ENGINE": "proot"})
    assert lab.ok("run", "--rm", "forced", "cat", "/a") == "1\n"
