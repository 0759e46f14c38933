"""``wherry lint``: what is wrong, or will be, with a Dockerfile."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import linting

    if given.flag("rules"):
        return linting.show_rules(given)
    explained = given.many("explain")
    return linting.explain(explained) if explained else linting.show_findings(given)


VERB = Verb(
    "lint",
    "say what is wrong with a Dockerfile, or will be: moving tags, lost failures, secrets",
    _run,
    options=(
        Option(("--ignore",), "say nothing by this rule, named or by a code as DL3008", "many", "RULE"),
        Option(("--enable",), "add a rule that says something only when asked for; all: every one", "many", "RULE"),
        Option(
            ("--level",),
            "the least that is shown and counts (default: warning)",
            "text",
            "error|warning|info",
            ("error", "warning", "info"),
        ),
        Option(("--rules",), "list the rules"),
        Option(("--explain",), "say what a rule looks for and why", "many", "RULE"),
        FORMAT,
    ),
    arguments=(Argument("FILE|DIR|-", required=False, many=True, complete="file"),),
    examples=(
        ("wherry lint", "the Dockerfile of this directory"),
        ("wherry lint --level info images/*/Dockerfile", "many recipes, and advice as well"),
        ("wherry lint --ignore DL3008 --format json Dockerfile", "for programs; by hadolint's numbers"),
        ("wherry lint --explain unversioned-install", "what a rule looks for and why"),
    ),
    details=(
        "Status 0: nothing found, 1: something at or above the level, 125: a recipe cannot be read. A comment before "
        "an instruction turns rules off for it: '# wherry lint ignore=RULE' (hadolint's '# hadolint ignore=DL3008' "
        "counts, too); '# check=skip=RULE' at the top does so for the whole recipe, lint.ignore for all of them."
    ),
)
