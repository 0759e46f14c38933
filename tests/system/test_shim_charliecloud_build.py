"""``ch-image build`` by Wherry, and beside Charliecloud's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from wherry_command import Wherry

REAL = "/usr/bin/ch-image"
RECIPE = """FROM tiny
ARG WHO=nobody
RUN echo $WHO > /who
COPY hello /
"""
SCRATCH = "FROM scratch\nCOPY bin /bin\nARG WHO=nobody\nENV PATH=/bin\nRUN echo $WHO > /who\n"


@pytest.fixture(scope="module")
def ch_image(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Wherry:
    wherry = Wherry(tmp_path_factory.mktemp("ch-build") / "wherry")
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    wherry.named("ch-run")
    return wherry.named("ch-image")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "My-Lab"
    folder.mkdir()
    (folder / "Dockerfile").write_text(RECIPE)
    (folder / "hello").write_text("hello\n")
    return folder


def read(ch_image: Wherry, name: str) -> str:
    return ch_image.named("ch-run").ok(name, "--", "cat", "/who")


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        ("build -t made .", "made", "nobody"),
        ("build --tag=made --build-arg WHO=me .", "made", "me"),
        ("build -t made --build-arg=WHO --force .", "made", "you"),
        ("build --force=seccomp -t made -f Dockerfile.other .", "made", "other"),
        ("build --force fakeroot -f Dockerfile.other .", "other", "other"),
        ("-v build --no-force-detect --cache .", "my-lab", "nobody"),
        ("build -f small.dockerfile --rebuild .", "small", "small"),
        ("build -a host --no-cache -t made .", "made", "nobody"),
    ],
)
def test_lines(ch_image: Wherry, context: Path, words: str, name: str, expected: str) -> None:
    (context / "Dockerfile.other").write_text(RECIPE.replace("nobody", "other"))
    (context / "small.dockerfile").write_text(RECIPE.replace("nobody", "small"))
    done = ch_image(*words.split(), cwd=context, env={"WHO": "you"})
    assert done.status == 0, str(done)
    assert f"grown in 4 instructions: {name}" in done.stderr
    assert read(ch_image, name) == f"{expected}\n"
    assert f"{name}:latest\n" in ch_image.ok("list")
    ch_image.ok("delete", name)


def test_a_recipe_from_standard_input(ch_image: Wherry, context: Path) -> None:
    ch_image.ok("build", "-t", "piped", "-f", "-", ".", cwd=context, stdin=RECIPE.replace("nobody", "piped"))
    assert read(ch_image, "piped") == "piped\n"


def test_nothing_is_made_by_a_dry_run_or_by_parsing(ch_image: Wherry, context: Path) -> None:
    assert "RUN echo $WHO" in ch_image.ok("build", "-n", "-t", "dry", ".", cwd=context)
    assert ch_image.ok("build", "--parse-only", "-t", "dry", ".", cwd=context) == ""
    assert "dry" not in ch_image.ok("list")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("build -b /data:/mnt -t made .", "'--bind' cannot be honoured"),
        ("build -s /tmp/x -t made .", "'--storage' cannot be honoured"),
        ("build --force=wrong .", "'--force=wrong' is no mode"),
        ("build --nope .", "has no option '--nope'"),
        ("build https://localhost/x.git", "is a URL"),
    ],
)
def test_refused(ch_image: Wherry, context: Path, words: str, message: str) -> None:
    done = ch_image(*words.split(), cwd=context)
    assert done.status == 1, str(done)
    assert message in done.stderr


def test_a_step_that_fails_is_named_with_its_status(ch_image: Wherry, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM tiny\nRUN exit 7\n")
    done = ch_image("build", "-t", "bad", ".", cwd=context)
    assert done.status == 1
    assert "ch-image: error: Dockerfile:2: 'RUN exit 7' failed: it ended with status 7" in done.stderr


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (RECIPE, "build --parse-only ."),
        (RECIPE, "build --parse-only -t a -f - ."),
        (RECIPE, "build --parse-only -f sub.dockerfile ."),
        ("FROM tiny\nWRONG\n", "build --parse-only ."),
        (RECIPE, "build --parse-only --build-arg NONESUCH ."),
        (RECIPE, "build --parse-only /nope"),
        (RECIPE, "build --parse-only https://localhost/x.git"),
        (SCRATCH, "build -t made ."),
        (SCRATCH, "build --force --build-arg WHO=me ."),
        (f"{SCRATCH}RUN exit 7\n", "build ."),
        (f"{SCRATCH}COPY nonesuch /\n", "build ."),
        (SCRATCH, "build -n ."),
    ],
)
def test_status_and_words_are_charlieclouds(
    ch_image: Wherry, context: Path, tmp_path: Path, recipe: str, words: str
) -> None:
    """Both begin from nothing: the real one has no network to take a base image from."""
    (context / "bin").mkdir()
    shutil.copy("/bin/busybox", context / "bin/busybox")
    for name in ("sh", "echo", "cat"):
        (context / "bin" / name).symlink_to("busybox")
    for name in ("Dockerfile", "sub.dockerfile"):
        (context / name).write_text(recipe)
    variables = {f"GIT_{who}_{what}": "someone" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    variables |= {"HOME": str(tmp_path), "USER": os.environ["USER"], "CH_IMAGE_STORAGE": f"{tmp_path}/storage"}
    stdin = recipe if "-f -" in words else ""
    real = subprocess.run(
        [REAL, *words.split()], cwd=context, input=stdin, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **variables}, timeout=60,
    )  # fmt: skip
    ours = ch_image(*words.split(), cwd=context, stdin=stdin)
    assert ours.status == real.returncode, f"{ours}\nreal: {real}"
    assert told(ours.stderr) == told(real.stderr + real.stdout)


def told(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("inferred image name", "grown in"))]
