"""The pages on repeatable builds say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from wherry.build import certificates, surroundings
from wherry.build.normalise import RULES
from wherry.build.normalise.epochs import FIXED

DOCS = Path(__file__).resolve().parents[2] / "docs"
RULE_PAGE = (DOCS / "reference/build-rules.md").read_text()
PAGE = (DOCS / "explanation/repeatable-builds.md").read_text()
DONE = {"drop": "left out", "empty": "emptied", "rewrite": "rewritten", "warn": "told only"}


def test_the_page_of_rules_is_made_of_the_rules() -> None:
    rows = [line for line in RULE_PAGE.splitlines() if line.startswith("| `")]
    wanted = [
        f"| `{rule.name}` | {rule.sentence}; {rule.why} | {rule.program} | {DONE[rule.action]} | "
        f"{' '.join(f'`{path}`' for path in rule.paths)} |"
        for rule in RULES
    ]
    assert rows == wanted


def test_the_variables_and_places_on_the_page_are_those_of_the_code() -> None:
    for name, value in surroundings._REPEAT:
        assert re.search(rf"^\| .*`{name}`.* \| {value} \|", PAGE, re.MULTILINE), name
    for name in (*surroundings._TRUST, *surroundings._PROXIES, *certificates.VARIABLES):
        assert f"`{name}`" in PAGE
    assert f"| `{surroundings.HOST_NAME}` |" in PAGE
    assert surroundings._SET in PAGE


def test_the_fixed_date_is_the_one_on_the_page() -> None:
    assert "| 1980-01-02 00:00 UTC | else |" in PAGE
    assert FIXED == (365 * 10 + 2 + 1) * 86_400
