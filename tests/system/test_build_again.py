"""A build with nothing changed is answered without Python: what is said, and every kind of change that is noticed."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from waiting import until
from wherry.launch import decode
from wherry.launch.saved import plan_hash
from wherry_command import Result, Wherry

RECIPE = """FROM base-{name}
ARG WHO=nobody
COPY data /data
COPY one.txt two*.txt /texts/
RUN cat /data/a /texts/* > /sum; echo $WHO >> /sum
"""


class Ready:
    """Contexts, each with a base image and a tag of its name, whose builds are answered."""

    def __init__(self, wherry: Wherry, folder: Path, tiny: str) -> None:
        self.wherry = wherry
        self.folder = folder
        self.tiny = tiny

    def make(self, name: str) -> None:
        self.wherry.ok("tag", self.tiny, f"base-{name}")
        (self.folder / name / "data" / "deep").mkdir(parents=True)
        for path, text in (("data/a", "a\n"), ("data/b", "b\n"), ("data/deep/c", "c\n"), ("one.txt", "one\n")):
            (self.folder / name / path).write_text(text)
        (self.folder / name / "two-1.txt").write_text("two\n")
        (self.folder / name / "Dockerfile").write_text(RECIPE.format(name=name))
        if name in ("commit", "packed"):
            self.git(name, "init", "-q")
            self.commit(name)
        if name == "packed":
            self.git(name, "gc", "-q")
            self.git(name, "pack-refs", "--all")
        if name == "link":
            shutil.copytree(self.folder / name, self.folder / "elsewhere")
            (self.folder / "elsewhere" / "data" / "a").write_text("other\n")
            (self.folder / name).rename(self.folder / "really")
            (self.folder / name).symlink_to("really")

    def git(self, name: str, *words: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", "-C", self.folder / name, *identity, *words], check=True, capture_output=True)

    def commit(self, name: str) -> None:
        self.git(name, "commit", "-q", "--allow-empty", "-m", "x")

    def __call__(self, name: str, *more: str, face: Wherry | None = None, **env: str) -> Result:
        words = ("build", "-t", f"made-{name}", "--build-arg", "WHO", *more, str(self.folder / name))
        env = {"WHERRY_EXPLAIN": "plan", **env}
        return (face or self.wherry)(*words, cwd=self.folder / name, env=env)

    def sum_of(self, name: str, file: str = "/sum") -> str:
        return self.wherry.ok("run", f"made-{name}", "cat", file)


def is_answered(result: Result) -> bool:
    assert result.status == 0, str(result)
    return "planning anew" not in result.stderr


def change(path: str, text: str) -> Callable[[Ready, Path], None]:
    def write(ready: Ready, context: Path) -> None:
        (context / path).write_text(text)

    return write


def renamed(ready: Ready, context: Path) -> None:
    """Another directory with the same names, contents and times."""
    (context / "data").rename(context / "was")
    shutil.copytree(context / "was", context / "data", copy_function=shutil.copy2)


def a_link(ready: Ready, context: Path) -> None:
    (context / "data" / "b").unlink()
    (context / "data" / "b").symlink_to("a")


def pointed_elsewhere(ready: Ready, context: Path) -> None:
    context.unlink()
    context.symlink_to("elsewhere")


def commit_again(ready: Ready, context: Path) -> None:
    before = int(subprocess.check_output(["git", "-C", context, "log", "-1", "--format=%ct"]))
    until(lambda: int(time.time()) > before)
    ready.commit(context.name)


CHANGES: dict[str, tuple[Callable[[Ready, Path], object], str, bool]] = {
    "content": (change("data/a", "other\n"), "the file has changed", True),
    "length": (change("data/deep/c", "c c\n"), "the file has changed", True),
    "times": (lambda ready, context: os.utime(context / "data" / "a", (1, 1)), "the file has changed", False),
    "added": (change("data/deep/new", ""), "the file has changed", True),
    "matched": (change("two-2.txt", "second\n"), "the file has changed", True),
    "removed": (lambda ready, context: (context / "data" / "b").unlink(), "the file has changed", True),
    "mode": (lambda ready, context: (context / "data" / "b").chmod(0o755), "the file has changed", True),
    "renamed": (renamed, "the file has changed", False),
    "linked": (a_link, "the file has changed", True),
    "ignored": (change(".dockerignore", "data/b\n"), "the file has changed", True),
    "beside": (change("Dockerfile.dockerignore", "data/b\n"), "the file has changed", True),
    "podmans": (change(".containerignore", "data/b\n"), "the file has changed", True),
    "recipe": (
        lambda ready, context: (context / "Dockerfile").write_text(RECIPE.format(name="recipe") + "ENV A=1\n"),
        "the file has changed",
        True,
    ),
    "comment": (
        lambda ready, context: (context / "Dockerfile").write_text("# x\n" + RECIPE.format(name="comment")),
        "the file has changed",
        False,
    ),
    "link": (pointed_elsewhere, "it leads elsewhere now", True),
    "tagged": (
        lambda ready, context: ready.wherry.ok("tag", ready.tiny, "made-tagged"),
        "the content has changed",
        False,
    ),
    "gone": (lambda ready, context: ready.wherry.ok("rmi", "made-gone"), "the content has changed", False),
    "base": (lambda ready, context: ready.wherry.ok("tag", "made-said", "base-base"), "the file has changed", True),
    "settings": (change("wherry.toml", '[run]\nimage = "x"\n'), "another file is nearest", False),
    "commit": (commit_again, "the file has changed", True),
    "packed": (commit_again, "the file has changed", True),
}
VARIABLES = ("variable", "epoch", "python")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Ready:
    found = Ready(Wherry(tmp_path_factory.mktemp("again")), tmp_path_factory.mktemp("contexts"), tiny)
    found.wherry.ok("pull", "-q", tiny)
    names = (*CHANGES, *VARIABLES, "said", "used", "options", "faces")
    for name in names:
        found.make(name)
        assert not is_answered(found(name, "-q"))
    for name in names:  # what was written just now is not trusted yet
        until(lambda name=name: is_answered(found(name, "-q")))  # type: ignore[misc]
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(ready: Ready, name: str) -> None:
    """And what is built then is what it should be, as without any plan."""
    make_change, reason, differs = CHANGES[name]
    before = ready(name, "-q")
    assert is_answered(before)
    make_change(ready, ready.folder / name)
    after = ready(name, "-q")
    assert not is_answered(after)
    assert reason in after.stderr
    assert (after.stdout != before.stdout) is differs
    assert ready.wherry.ok("inspect", "--format", "{{.Id}}", f"made-{name}")
    elsewhere = ready.folder / "no-plans"
    elsewhere.mkdir(mode=0o700, exist_ok=True)
    assert ready(name, "-q", XDG_RUNTIME_DIR=str(elsewhere)).stdout == after.stdout


def test_a_variable_that_an_argument_takes_counts(ready: Ready) -> None:
    until(lambda: is_answered(ready("variable", "-q")))
    assert not is_answered(ready("variable", "-q", WHO="me"))
    assert ready.sum_of("variable").endswith("me\n")
    until(lambda: is_answered(ready("variable", "-q", WHO="me", UNRELATED="1")))
    assert not is_answered(ready("variable", "-q", WHO=""))
    assert ready.sum_of("variable").endswith("two\n\n")


def test_the_epoch_that_the_caller_names_counts(ready: Ready) -> None:
    first = ready("epoch", "-q").stdout
    second = ready("epoch", "-q", SOURCE_DATE_EPOCH="86400000")
    assert not is_answered(second)
    assert second.stdout != first
    assert ready("epoch", "-q").stdout == first


def test_variables_of_pythons_own_count(ready: Ready) -> None:
    """Some make it write."""
    until(lambda: is_answered(ready("python", "-q")))
    assert not is_answered(ready("python", "-q", PYTHONDONTWRITEBYTECODE="1"))


@pytest.mark.parametrize("option", ["", "--progress=plain"])
def test_the_same_is_said_but_for_the_seconds(ready: Ready, option: str) -> None:
    more = [option] if option else []
    before = ready("said", *more)
    after = ready("said", *more)
    assert not is_answered(before)
    assert is_answered(after)
    said = before.stderr.partition("\n")[2]  # after the line that explains
    assert said.count(" cached\n") == 4
    assert re.sub(r"\d+\.\d s\n", "0.0 s\n", said) == after.stderr
    assert before.stdout == after.stdout


def test_a_terminal_is_another_answer(ready: Ready) -> None:
    """With colours there, unless the caller wants none."""
    words = [str(ready.wherry.program), "build", "-t", "made-said", str(ready.folder / "said")]

    def said(**env: str) -> bytes:
        leading, following = pty.openpty()
        with subprocess.Popen(
            words, stdin=following, stdout=following, stderr=following, env={**ready.wherry.environment, **env}
        ) as process:
            os.close(following)
            found = b""
            while chunk := _read(leading):
                found += chunk
        os.close(leading)
        assert process.returncode == 0
        return re.sub(rb"\d\.\d s\r\n", b"0.0 s\r\n", found)

    first = said(WHERRY_EXPLAIN="plan")
    assert first.startswith(b"wherry: planning anew")
    assert b"\x1b[2mcached\x1b[0m" in first
    assert said(WHERRY_EXPLAIN="plan") == first.partition(b"\r\n")[2]
    plain = said(NO_COLOR="1")
    assert b"\x1b" not in plain
    assert said(NO_COLOR="1") == plain
    piped = ready.wherry("build", "-t", "made-said", str(ready.folder / "said"), env={"WHERRY_EXPLAIN": "plan"})
    assert not is_answered(piped)
    assert "\x1b" not in piped.stderr


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize(
    ("face", "words", "output"),
    [
        ("docker", ("build", "-q"), "sha256:"),
        ("docker", ("build",), ""),
        ("docker", ("buildx", "build", "--load", "-q"), "sha256:"),
        ("podman", ("build",), ""),
    ],
)
def test_peers_are_answered_in_their_words(ready: Ready, face: str, words: tuple[str, ...], output: str) -> None:
    command = ready.wherry.named(face, WHERRY_EXPLAIN="plan")
    line = (*words, "-t", "made-faces", str(ready.folder / "faces"))
    first, second = command(*line), command(*line)
    assert not is_answered(first)
    assert is_answered(second)
    assert second.stdout == first.stdout
    assert second.stdout.startswith(output)
    assert bool(second.stdout) is (face == "podman" or "-q" in words)


def test_charliecloud_is_answered_with_all_that_it_says(ready: Ready) -> None:
    """The name that it infers, and how many instructions there were."""
    line = ("build", "--build-arg", "WHO", str(ready.folder / "faces"))
    env = {"WHERRY_EXPLAIN": "plan", "WHO": "me"}
    command = ready.wherry.named("ch-image")
    until(lambda: is_answered(command(*line, env=env)))
    (ready.wherry.folder / "run" / "wherry" / "plans" / f"{plan_hash(('ch-image', *line))}.plan").unlink()
    by_python, answered = command(*line, env=env), command(*line, env=env)
    assert is_answered(answered)
    said = by_python.stderr.partition("\n")[2]
    assert said.startswith("inferred image name: faces\n")
    assert said.endswith("\ngrown in 5 instructions: faces\n")
    assert re.sub(r"\d+\.\d s\n", "0.0 s\n", said) == answered.stderr
    other = command(*line, env={**env, "WHO": "you"})
    assert not is_answered(other)
    assert ready.wherry.ok("run", "faces", "cat", "/sum").endswith("you\n")
    assert command("build", "-q", str(ready.folder / "faces")).stderr == ""


@pytest.mark.parametrize(
    "options",
    [
        ("--no-cache",),
        ("--iidfile", "iid"),
        ("-o", "type=oci,dest=made.tar"),
        ("--secret", "id=x,env=HOME"),
        ("--cache-to", "type=local,dest=cache"),
        ("--cache-from", "type=local,src=cache"),
        ("--owners", "proot"),
        ("-f", "-"),
    ],
)
def test_a_build_that_does_or_asks_more_is_done_each_time(
    ready: Ready, options: tuple[str, ...], tmp_path: Path
) -> None:
    recipe = "FROM base-options\nCOPY data /data\n"
    words = ("build", "-q", *options, str(ready.folder / "options"))
    for _ in range(2):
        result = ready.wherry(*words, cwd=tmp_path, stdin=recipe, env={"WHERRY_EXPLAIN": "plan"})
        assert not is_answered(result)
        assert "no plan is saved" in result.stderr


def test_what_peers_write_beside_it_is_written_each_time(ready: Ready, tmp_path: Path) -> None:
    docker = ready.wherry.named("docker", WHERRY_EXPLAIN="plan")
    for options in (("--metadata-file", str(tmp_path / "about")), ("--provenance=false",)):
        for _ in range(2):
            assert not is_answered(docker("build", "-q", *options, str(ready.folder / "options")))


def test_another_word_behind_it_is_another_command(ready: Ready) -> None:
    words = ("build", "-q", "-t", "made-options", "--build-arg", "WHO", str(ready.folder / "options"))
    result = ready.wherry(*words, "--no-cache", cwd=ready.folder / "options", env={"WHERRY_EXPLAIN": "plan"})
    assert not is_answered(result)


def test_an_answer_is_a_use_of_the_image_and_its_steps(ready: Ready) -> None:
    """What is asked for often is not evicted as what nobody needs."""
    until(lambda: is_answered(ready("used", "-q")))
    store = ready.wherry.folder / "store"
    digest = ready("used", "-q").stdout.strip().removeprefix("sha256:")
    noted = [*(store / "built").iterdir(), store / "images" / digest]
    old = time.time() - 7200
    for path in noted:
        os.utime(path, (old, old))
    assert is_answered(ready("used", "-q"))
    renewed = [path.name for path in noted if path.stat().st_mtime > old + 3600]
    assert digest in renewed
    assert len(renewed) == 4


def test_who_asks_and_where_is_compared(ready: Ready) -> None:
    """Builds have nothing of a container's start, yet depend on the machine as it does."""
    until(lambda: is_answered(ready("options", "-q")))
    words = ("wherry", "build", "-t", "made-options", "--build-arg", "WHO", "-q", str(ready.folder / "options"))
    plan = ready.wherry.folder / "run" / "wherry" / "plans" / f"{plan_hash(words)}.plan"
    kinds = {item.kind for item in decode(plan.read_bytes()).inputs}
    assert {"VERSION", "IDENTITY", "NODE", "BOOT", "MACHINE", "AROUND", "NEAREST", "ENVS"} <= kinds


def test_what_was_pruned_is_made_anew(wherry: Wherry, tiny: str, tmp_path: Path) -> None:
    """Although the image is still there."""
    wherry.ok("pull", "-q", tiny)
    (tmp_path / "Dockerfile").write_text(f"FROM {tiny}\nRUN cat /proc/sys/kernel/random/uuid > /chance\n")
    words, env = ("build", "-q", "-t", "made", str(tmp_path)), {"WHERRY_EXPLAIN": "plan"}
    wherry.ok(*words)
    until(lambda: is_answered(wherry(*words, env=env)))
    before = wherry.ok("run", "made", "cat", "/chance")
    wherry.ok("prune", "--build", "--force")
    after = wherry(*words, env=env)
    assert not is_answered(after)
    assert "the content has changed" in after.stderr
    assert wherry.ok("run", "made", "cat", "/chance") != before
