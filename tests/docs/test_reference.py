"""The reference pages name everything that exists, and are what the code makes of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wherry.base.settings import keys
from wherry.build.lint import RULES
from wherry.cli import catalogue, refused

ROOT = Path(__file__).resolve().parents[2]
CLI = (ROOT / "docs/reference/cli.md").read_text()
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()


@pytest.mark.parametrize("name", sorted(catalogue.NAMES))
def test_every_verb_and_each_of_its_options_is_in_the_reference(name: str) -> None:
    start = CLI.index(f"### wherry {name}\n")
    section = CLI[start : CLI.find("\n### ", start + 1)]
    verb = catalogue.load(name)
    for option in verb.options:
        for spelling in option.names:
            assert f"`{spelling}`" in section
    for line, _ in verb.examples:
        assert line in section


def test_every_refused_option_and_verb_is_in_the_reference() -> None:
    for name in (*refused.REFUSED, *refused.VERBS):
        assert f"| `{name}` |" in CLI


def test_every_setting_is_in_the_reference() -> None:
    for key in keys():
        assert f"| `{key.name}` |" in SETTINGS
        assert not key.environment or f"`{key.environment}`" in SETTINGS


def test_the_pages_are_what_the_code_makes() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts/make-cli-reference", "--check"], capture_output=True, text=True
    )
    assert (made.returncode, made.stderr) == (0, "")


def test_every_name_that_a_lint_rule_has_elsewhere_is_on_its_page() -> None:
    page = (ROOT / "docs/reference/lint.md").read_text()
    for rule in RULES:
        for code in rule.codes:
            assert code == "SC2164" or f"| `{code}` | `{rule.name}` |" in page
