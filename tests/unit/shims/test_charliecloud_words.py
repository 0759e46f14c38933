"""ch-run's command line and variables; what it prints is compared with the real one in the system tests."""

from __future__ import annotations

import fnmatch

import pytest

from wherry.base.errors import UsageError
from wherry.shims.charliecloud.variables import Environment, assignment, environment
from wherry.shims.charliecloud.words import NotUnderstood, Step, read

CALLER = {"HOME": "/h", "PATH": "/usr/bin:/bin", "A": "1", "SLURM_X": "2", "TMPDIR": "/scratch", "EMPTY": ""}


def made(*steps: Step, **caller: str) -> tuple[dict[str, str], Environment]:
    """All variables inside, as the launcher makes them of the decision, and the decision."""
    known = {**CALLER, **caller}
    found = environment(steps, known.get, known.keys, lambda path: [f"FILE={path}"])
    inside: dict[str, str] = {}
    for name, value in known.items():
        out = any(fnmatch.fnmatchcase(name, part[1:]) for part in found.passed if part[0] == "!")
        if found.passed and not out:
            inside[name] = value
    inside.update(text.split("=", 1) for text in found.made)  # type: ignore[misc]
    return inside, found


def test_all_passes_but_tmpdir() -> None:
    """And CH_RUNNING says where we are."""
    inside, found = made()
    assert inside == {**{k: v for k, v in CALLER.items() if k != "TMPDIR"}, "CH_RUNNING": "Weird Al Yankovic"}
    assert found.lasting


def test_bin_is_added_to_path_where_it_is_missing() -> None:
    """Old images have their shell there."""
    assert made(PATH="/usr/bin")[0]["PATH"] == "/usr/bin:/bin"


def test_steps_happen_in_their_order() -> None:
    """What is set after it was unset is there."""
    unset, one = Step("unset_env", "A*"), Step("set_env", "A=x")
    assert made(unset, one)[0]["A"] == "x" and "A" not in made(one, unset)[0]
    assert made(Step("unset_env", "*"))[0] == {"CH_RUNNING": "Weird Al Yankovic"}


@pytest.mark.parametrize(
    ("glob", "gone", "lasting"),
    [
        ("A", {"A"}, True),
        ("SLURM*", {"SLURM_X"}, True),
        ("*", set(CALLER), True),
        ("?", {"A"}, False),
        ("[AE]*", {"A", "EMPTY"}, False),
        ("!(HOME|SLURM*)", {"PATH", "A", "EMPTY"}, False),
        ("@(A|HOME)", {"A", "HOME"}, False),
        ("*(A)", {"A"}, False),
        ("SLURM_?(X|Y)", {"SLURM_X"}, False),
    ],
)
def test_globs(glob: str, gone: set[str], lasting: bool) -> None:
    """Those that the launcher can match itself hold for every next caller."""
    inside, found = made(Step("unset_env", glob))
    assert set(CALLER) - inside.keys() == gone | {"TMPDIR"} and found.lasting is lasting


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("$A", "1"),
        ("$A:x", "1:x"),
        ("x:$NONE:y", "x:y"),
        ("$NONE", ""),
        (":a::", ":a::"),
        ("a$A", "a$A"),
        ("$EMPTY:b", "b"),
    ],
)
def test_values_that_look_like_paths_are_expanded(value: str, result: str) -> None:
    """Unless told before that they shall not be."""
    step = Step("set_env", f"NEW={value}")
    assert made(step)[0]["NEW"] == result
    assert made(Step("env_no_expand"), step)[0]["NEW"] == value


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("A=b", ("A", "b")),
        ("A=", ("A", "")),
        ("A=b=c", ("A", "b=c")),
        ("A='b c'", ("A", "b c")),
        ("A=''''", ("A", "''")),
    ],
)
def test_assignments(text: str, pair: tuple[str, str]) -> None:
    """The manual's table."""
    assert assignment(text) == pair


@pytest.mark.parametrize("text", ["A b", "=b", ""])
def test_what_is_no_assignment(text: str) -> None:
    with pytest.raises(UsageError):
        assignment(text)


def test_options_may_follow_the_image_up_to_the_dashes() -> None:
    """As GNU's getopt_long permutes."""
    line = read(["-b", "/a", "image", "-wc", "/d", "--set-env", "--", "ls", "-w"])
    assert line.words == ("image", "ls", "-w") and line.flag("write") and line.text("cd") == "/d"
    assert line.prefix == ("-b", "/a", "image", "-wc", "/d", "--set-env", "--") and line.steps == (Step("set_env"),)
    assert read(["image", "ls"]).prefix == ()  # options may still come


@pytest.mark.parametrize("line", ["--nope", "-Z", "--bin", "-b", "--home=x", "--unset"])
def test_what_getopt_does_not_understand(line: str) -> None:
    """Also a shortened name that fits several: --un is --unset-env and --unsafe."""
    if line == "--unset":
        assert read(["--unset=A", "image"]).steps == (Step("unset_env", "A"),)
        line = "--un"
    with pytest.raises(NotUnderstood):
        read([line])
