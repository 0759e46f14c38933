"""How a build's files come to other owners: by the best way that the machine has, and a word where it is not exact."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from machines import GOOD, changed, refused
from wherry.base.errors import HostLacks
from wherry.base.outside import Outside
from wherry.build.owners import as_owner, loses_owners, way_of_owners
from wherry.host import Machine
from wherry.launch import RunOptions

UNANSWERED = changed("host", supervised="the kernel is too old", user="nobody-with-a-range")
SHUT = refused("unshare: EPERM", filtered=True)
NO_TRACING = {"works": False, "problem": "ptrace: EPERM"}


def world(machine: Machine) -> Any:
    return SimpleNamespace(host=machine.host, machine=machine, outside=Outside())


@pytest.mark.parametrize(
    ("machine", "way"),
    [
        (GOOD, "supervisor"),
        (UNANSWERED, "proot"),
        (changed("tracing", UNANSWERED, **NO_TRACING), "pretend"),
        (changed("proot", UNANSWERED, path=""), "pretend"),
        (SHUT, "proot"),
        (changed("tracing", SHUT, **NO_TRACING), "supervisor"),
    ],
)
def test_the_best_way_that_the_machine_has_is_taken(machine: Machine, way: str) -> None:
    """Where no command can run, steps that a supervisor answered count all the same."""
    found, note = way_of_owners(world(machine), "")
    assert found == way
    assert bool(note) == loses_owners(way)


def test_a_way_that_loses_owners_says_why_and_what_to_ask_for() -> None:
    _, note = way_of_owners(world(SHUT), "")
    assert "a seccomp filter upon this process forbids namespaces" in note
    assert "ask your administrator for: let unshare, mount and pivot_root through" in note
    _, note = way_of_owners(world(UNANSWERED), "")
    assert note.startswith("the kernel is too old: commands run under proot")


def test_proot_that_was_asked_for_and_cannot_be_had_is_an_error() -> None:
    with pytest.raises(HostLacks, match="steps cannot run under proot here") as caught:
        way_of_owners(world(changed("proot", path="")), "proot")
    assert "apt-get install proot" in caught.value.hint


def test_under_proot_a_step_is_its_user_in_a_tree_that_it_may_write() -> None:
    found = as_owner(RunOptions(), "proot", "games")
    assert (found.engine, found.user, found.in_place, found.userns) == ("proot", "games", True, "one")
    assert as_owner(RunOptions(), "proot", "").user == "root"
