"""Any change of a consulted input is noticed: what Python asked of the world, and the launcher compares again."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_launcher_front import Front

from wherry.base.outside import Outside, Stamp
from wherry.launch import LaunchPlan, with_inputs

Question = tuple[str, str]
Change = Callable[[Path, dict[str, str]], None]

QUESTIONS: list[Question] = [
    *(("stat", name) for name in ("f", "link", "none", "sub")),
    *(("read", name) for name in ("f", "link", "none")),
    *(("env", name) for name in ("A", "AB", "NONE")),
    *(("envs", name) for name in ("A", "N")),
    *(("local", name) for name in ("image", "near.toml", "sub")),
    *(("nearest", name) for name in ("near.toml", "far.toml")),
    *((name, "") for name in ("cwd", "identity", "node", "boot")),
]


def _write(name: str, text: str) -> Change:
    return lambda world, variables: (world / name).write_text(text) and None


def _replace(world: Path, variables: dict[str, str]) -> None:
    """Another file with the same content and the same time of change."""
    old = (world / "f").stat()
    (world / "new").write_text((world / "f").read_text())
    os.utime(world / "new", ns=(old.st_atime_ns, old.st_mtime_ns))
    (world / "new").rename(world / "f")


def _relink(world: Path, variables: dict[str, str]) -> None:
    (world / "link").unlink()
    (world / "link").symlink_to("g")


def _become_folder(world: Path, variables: dict[str, str]) -> None:
    (world / "f").unlink()
    (world / "f").mkdir()


CHANGES: dict[str, Change] = {
    "nothing": lambda world, variables: None,
    "another content of that length": _write("f", "F"),
    "a longer content": _write("f", "ff"),
    "an empty file": lambda world, variables: os.truncate(world / "f", 0),
    "the same content": _write("f", "f"),
    "a file that was missing": _write("none", ""),
    "the target of a link": _write("g", "other"),
    "another file of that name": _replace,
    "a link that leads elsewhere": _relink,
    "a folder in its place": _become_folder,
    "no file": lambda world, variables: (world / "f").unlink(),
    "another mode": lambda world, variables: (world / "f").chmod(0o600),
    "another time": lambda world, variables: os.utime(world / "f", ns=(1, 1)),
    "an entry of a folder": _write("sub/entry", ""),
    "a file in this directory": _write("sub/image", ""),
    "a nearer file": _write("sub/near.toml", ""),
    "no nearest file": lambda world, variables: (world / "near.toml").unlink(),
    "a first nearest file": _write("far.toml", ""),
    "another value": lambda world, variables: variables.update(A="2"),
    "an empty value": lambda world, variables: variables.update(A=""),
    "a variable less": lambda world, variables: variables.pop("A") and None,
    "a variable more": lambda world, variables: variables.update(NONE="1"),
    "one more of a prefix": lambda world, variables: variables.update(AC=""),
}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Front:
    return Front(tmp_path_factory.mktemp("front"))


@given(
    st.lists(st.sampled_from(QUESTIONS), min_size=4, max_size=9, unique=True),
    st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=2, unique=True),
    st.booleans(),
)
@settings(max_examples=60)
def test_any_change_of_what_was_asked_is_noticed_and_no_other(
    front: Front, questions: list[Question], changes: list[str], old: bool
) -> None:
    """``old``: files were changed long ago, so that they are compared by stamp, and not by content."""
    if not old:  # a young folder has no content to compare: such a plan is used once
        questions = [question for question in questions if question != ("stat", "sub")]
    with tempfile.TemporaryDirectory() as folder:
        world, variables = Path(folder), {"A": "1", "AB": "2"}
        (world / "sub").mkdir()
        for name, text in (("f", "f"), ("g", "g"), ("near.toml", "")):
            (world / name).write_text(text)
        (world / "link").symlink_to("f")
        before, inputs = _ask(front, world, questions, variables, old=old)
        assert inputs is not None
        front.save("wherry", "run", "image", inputs=inputs, entry=("echo", "reused"))
        assert _is_reused(front, world, variables)
        for change in changes:
            with contextlib.suppress(FileNotFoundError, IsADirectoryError, KeyError):  # the first took it away
                CHANGES[change](world, variables)
        after, _ = _ask(front, world, questions, variables, old=old)
        assert _is_reused(front, world, variables) == (before == after)


def _ask(front: Front, world: Path, questions: list[Question], variables: dict[str, str], *, old: bool):  # type: ignore[no-untyped-def]
    """The answers, as far as a plan may depend on them, and the plan's records of them; None for a single use."""
    later = 3_000_000_000 if old else 0
    now = time.time_ns() + later
    with contextlib.chdir(world / "sub"), mock.patch("time.time_ns", lambda: now):
        outside = Outside(front.box.environment(WHERRY_EXPLAIN="plan", **variables))
        answers = [_answer(outside, world, question, old=old) for question in questions]
        plan = with_inputs(LaunchPlan((), ()), outside)
    return answers, plan.inputs[1:] if plan.reusable else None  # without Wherry's version, which tests know already


def _answer(outside: Outside, world: Path, question: Question, *, old: bool) -> object:
    kind, name = question
    if kind in ("stat", "read"):
        path = str(world / name)
        with contextlib.suppress(IsADirectoryError):
            outside.stat(path) if kind == "stat" else outside.read(path)
        return Stamp.of(path) if old or not os.path.isfile(path) else Path(path).read_bytes()
    if kind in ("env", "envs", "nearest"):
        found: object = getattr(outside, kind)(name)
        return (found, name in outside._environ) if kind == "env" else found
    if kind == "local":
        return outside.local_file(name)
    return getattr(outside, {"boot": "boot_id"}.get(kind, kind))()


def _is_reused(front: Front, world: Path, variables: dict[str, str]) -> bool:
    out, err = front.run("wherry", "run", "image", variables=variables, cwd=world / "sub")
    assert out == "reused\n" or out.startswith("python"), err
    return out == "reused\n"
