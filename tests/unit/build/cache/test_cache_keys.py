"""What is part of a step's key, and what is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from wherry.base.digest import Digest
from wherry.build.cache import step_key
from wherry.build.dockerfile.instructions import Position
from wherry.build.graph import CopyStep, Files, MetaStep, MountFrom, Origin, RunStep, SourceStep, Step

HERE = Origin(Position(3), "RUN make", "builder")
BELOW = (Digest.of(b"base"), Digest.of(b"packages"))
INPUTS = (Digest.of(b"a file"),)
RULES = b"epoch 0"
CACHE = MountFrom(type="cache", target="/root/.cache", id="pip")
SECRET = MountFrom(type="secret", target="/run/secrets/token", id="token", read_only=True)
BIND = MountFrom(type="bind", target="/src", files=Files(kind="step", step=1, paths=("src",)), read_only=True)
RUN = RunStep(
    origin=HERE,
    parent=2,
    command=("/bin/sh", "-c", "make"),
    env=("PATH=/bin", "CC=gcc"),
    quiet_env=("http_proxy=http://proxy:3128",),
    user="root",
    directory="/build",
    mounts=(CACHE, SECRET, BIND),
    files=(("/tmp/script", b"make install"),),
)
COPY = CopyStep(origin=HERE, parent=2, sources=(Files(kind="context", paths=("a.txt",)),), target="/data/")
META = MetaStep(origin=HERE, parent=2, directory="/work", user="")


def key(step: Step, **other: Any) -> Digest:
    given: dict[str, Any] = {"parent": BELOW, "inputs": INPUTS, "rules": RULES, **other}
    return step_key(step, given["parent"], given["inputs"], given["rules"])


def but(step: Step, **changes: Any) -> Step:
    return msgspec.structs.replace(step, **changes)


@pytest.mark.parametrize("step", [RUN, COPY, META])
def test_where_and_how_a_step_is_written_is_not_in_its_key(step: Step) -> None:
    assert key(step) == key(but(step, origin=Origin(Position(99, 7), "# a comment came before", "another name")))


@pytest.mark.parametrize("step", [RUN, COPY, META])
def test_the_place_of_a_step_in_the_graph_is_not_in_its_key(step: Step) -> None:
    assert key(step) == key(but(step, parent=7))


def test_a_proxy_is_not_in_the_key() -> None:
    assert key(RUN) == key(but(RUN, quiet_env=()))


def test_who_waits_for_whom_is_not_in_the_key() -> None:
    assert key(RUN) == key(but(RUN, mounts=(but_mount(CACHE, sharing="locked"), SECRET, BIND)))


def test_the_number_of_the_step_that_files_come_from_is_not_in_the_key() -> None:
    moved = but_mount(BIND, files=Files(kind="step", step=5, paths=("src",)))
    assert key(RUN) == key(but(RUN, mounts=(CACHE, SECRET, moved)))


def test_the_name_of_a_context_is_not_in_the_key() -> None:
    assert key(COPY) == key(but(COPY, sources=(Files(kind="context", name="extra", paths=("a.txt",)),)))


def but_mount(mount: MountFrom, **changes: Any) -> MountFrom:
    return msgspec.structs.replace(mount, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"command": ("/bin/sh", "-c", "make all")},
        {"command": ("/bin/sh", "-c make")},
        {"env": ("PATH=/bin", "CC=clang")},
        {"env": ("CC=gcc", "PATH=/bin")},
        {"user": "bob"},
        {"directory": "/"},
        {"network": "none"},
        {"platform": "linux/arm64"},
        {"mounts": (SECRET, BIND)},
        {"mounts": (but_mount(CACHE, id="other"), SECRET, BIND)},
        {"mounts": (but_mount(CACHE, target="/cache"), SECRET, BIND)},
        {"mounts": (CACHE, but_mount(SECRET, id="other"), BIND)},
        {"mounts": (CACHE, SECRET, but_mount(BIND, read_only=False))},
        {"mounts": (CACHE, SECRET, but_mount(BIND, files=Files(kind="step", step=1, paths=("lib",))))},
        {"files": (("/tmp/script", b"make check"),)},
        {"files": (("/tmp/other", b"make install"),)},
    ],
)
def test_all_that_a_command_is_given_is_in_its_key(changes: dict[str, Any]) -> None:
    assert key(RUN) != key(but(RUN, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "/data"},
        {"owner": "bob"},
        {"mode": "0600"},
        {"link": True},
        {"parents": True},
        {"exclude": ("*.log",)},
        {"checksum": "sha256:00"},
        {"keep_git_dir": True},
        {"unpack": True},
        {"unpack": None},
        {"sources": (Files(kind="context", paths=("b.txt",)),)},
        {"sources": (Files(kind="step", step=1, paths=("a.txt",)),)},
        {"sources": (Files(kind="inline", name="a.txt", content=b"text"),)},
    ],
)
def test_all_that_decides_about_a_copy_is_in_its_key(changes: dict[str, Any]) -> None:
    assert key(COPY) != key(but(COPY, **changes))


def test_a_written_file_counts_with_its_name_and_content() -> None:
    steps = [
        but(COPY, sources=(Files(kind="inline", name=name, content=content),))
        for name, content in (("a", b"x"), ("a", b"y"), ("b", b"x"))
    ]
    assert len({key(step) for step in steps}) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"parent": BELOW[:1]},
        {"parent": BELOW[::-1]},
        {"inputs": (Digest.of(b"another file"),)},
        {"inputs": ()},
        {"rules": b"epoch 1"},
    ],
)
def test_what_lies_below_what_is_read_and_the_rules_are_in_the_key(other: dict[str, Any]) -> None:
    assert key(RUN) != key(RUN, **other)


def test_steps_of_different_kinds_never_have_one_key() -> None:
    image = SourceStep(origin=HERE, reference="debian:12")
    assert len({key(step) for step in (RUN, COPY, META, image)}) == 4


def test_a_known_image_is_its_digest() -> None:
    one = SourceStep(origin=HERE, reference="debian:12", digest="sha256:" + 64 * "a")
    assert key(one) == key(but(one, reference="debian:bookworm"))
    assert key(one) != key(but(one, digest="sha256:" + 64 * "b"))
    assert key(one) != key(but(one, platform="linux/arm64"))


def test_a_key_is_the_same_on_another_day() -> None:
    """Who changes what keys are made of must change their version, or old layers are taken for new ones."""
    lower, upper = BELOW
    meaning = (
        f'{{"inputs":["{INPUTS[0]}"],"parent":["{lower}","{upper}"],"rules":"{Digest.of(RULES).hex}",'
        '"step":{"directory":"/work","kind":"meta","user":""},"version":1}'
    )
    assert key(META) == Digest.of(meaning.encode())


def test_words_that_are_no_utf8_have_a_key() -> None:
    half = but(RUN, command=("echo", "caf\udce9"))
    assert key(half) == key(half) != key(but(RUN, command=("echo", "caf\udcea")))
