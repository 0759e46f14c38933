"""Advice on recipes: rules are data with one pure function each, and see the instructions, never an image.

Words: a *rule* has a name of ours and the *codes* that it has elsewhere; a *finding* is one complaint at one place.
It runs nothing, fetches nothing and changes nothing. Only the reader of recipes (:mod:`.reading`) opens files.
"""

from wherry.build.lint.catalogue import FAMILIES, RULES, rule_called
from wherry.build.lint.linting import at_least, lint, require_clean
from wherry.build.lint.reading import choices_of, read_recipe, require_rule
from wherry.build.lint.values import LEVELS, Choices, Finding, Rule

__all__ = [
    "FAMILIES",
    "LEVELS",
    "RULES",
    "Choices",
    "Finding",
    "Rule",
    "at_least",
    "choices_of",
    "lint",
    "read_recipe",
    "require_clean",
    "require_rule",
    "rule_called",
]
