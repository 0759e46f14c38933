"""The page on Dockerfiles names the instructions, flags and fields that are read, no others; its example is real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wherry.build.dockerfile import RecipeError, parse
from wherry.build.dockerfile.flags import KNOWN
from wherry.build.dockerfile.mounts import NAMES, ONLY
from wherry.build.dockerfile.readers import READERS

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/dockerfile.md").read_text()


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    body = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = [re.split(r"(?<!\\)\|", line)[1:-1] for line in body.splitlines() if line.startswith("|")]
    return found[2:]


def test_it_names_the_instructions_and_their_flags() -> None:
    flags: dict[str, set[str]] = {}
    for names, _, said in rows("Instructions"):
        for name in re.findall(r"`([A-Z]+)`", names):
            flags[name] = set(re.findall(r"--([a-z-]+)", said))
    refused = {"device"}  # told below, as what is otherwise
    assert flags.keys() == READERS.keys()
    assert flags == {name: set(KNOWN.get(name, ())) - refused for name in READERS}


def test_it_names_the_fields_of_mounts() -> None:
    found = rows("RUN --mount")
    types = {re.findall(r"`(\w+)`", kind)[0]: set(re.findall(r"`(\w+)", said)) for kind, said in found}
    types["cache"] |= types["bind"]  # "the same"
    for kind, said in types.items():
        assert said <= NAMES.keys()
        assert all(kind in ONLY.get(NAMES[name], (kind,)) for name in said), kind
        must = {name for name, kinds in ONLY.items() if kind in kinds}
        assert must <= {NAMES[name] for name in said}, kind


def test_its_example_is_what_is_said() -> None:
    lines = PAGE.split("```\n")[1].splitlines()
    line = lines[1].partition("| ")[2]
    with pytest.raises(RecipeError) as caught:
        parse("FROM debian\n" + "RUN make\n" * 10 + f"{line}\n")
    said = [f"wherry: {caught.value}", *(f"  {shown}" for shown in caught.value.shown), f"  next: {caught.value.hint}"]
    assert said == lines
