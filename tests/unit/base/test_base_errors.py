from __future__ import annotations

import inspect
import re

import pytest

from wherry.base import errors
from wherry.base.errors import WherryError

CLASSES = {name: found for name, found in vars(errors).items() if inspect.isclass(found) and name in errors.__all__}


def drawn() -> list[tuple[str, int, str]]:
    """Name, depth and exit code (or words for it) of each line of the tree at the top of the file."""
    assert errors.__doc__ is not None
    lines = re.findall(r"^    ([|+\- ]*)(\w+) +(\d+|its own)", errors.__doc__, re.MULTILINE)
    return [(name, len(indent) // 4, code) for indent, name, code in lines]


def test_the_tree_names_every_class_and_no_other() -> None:
    assert sorted(name for name, _, _ in drawn()) == sorted(CLASSES)
    assert set(errors.__all__) == {*CLASSES, "reason", "remedy"}


def test_the_tree_shows_each_class_below_its_parent_with_its_exit_code() -> None:
    above: list[str] = []
    for name, depth, code in drawn():
        del above[depth:]
        expected = above[-1] if above else "Exception"
        assert CLASSES[name].__mro__[1].__name__ == expected
        error = CLASSES[name]("x") if code != "its own" else CLASSES[name]("x", status=7)
        assert error.exit_code == (7 if code == "its own" else int(code))
        above.append(name)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_each_class_says_what_it_means(name: str) -> None:
    assert CLASSES[name].__doc__


def test_an_error_says_what_why_and_what_next() -> None:
    error = WherryError("cannot open 'x'", why="it is locked", hint="unlock it")
    assert (error.what, error.why, error.hint) == ("cannot open 'x'", "it is locked", "unlock it")
    assert str(error) == "cannot open 'x': it is locked"
    assert str(WherryError("cannot open 'x'")) == "cannot open 'x'"
