"""Findings of a recipe: every rule is asked, then what the user and the recipe ignore is taken out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.build.dockerfile import RecipeError
from wherry.build.dockerfile.instructions import Instruction, Recipe
from wherry.build.lint.catalogue import RULES
from wherry.build.lint.secrets import masked
from wherry.build.lint.values import LEVELS, Choices, Finding, Found, Rule
from wherry.build.lint.view import View, view_of

__all__ = ["at_least", "lint", "require_clean"]

_BUILDKITS = re.compile(r"([A-Z][a-z]+)+")
"""A code as ``StageNameCasing``; hadolint's are as ``DL3006``."""
_COMMENT = re.compile(r"\s*(?:hadolint|wherry\s+lint)\s+(global\s+)?ignore\s*=\s*([^#]*)", re.IGNORECASE)


def at_least(level: str, wanted: str) -> bool:
    """Whether a level is as bad as another, or worse."""
    return LEVELS.index(level) <= LEVELS.index(wanted)


def lint(recipe: Recipe, choices: Choices | None = None) -> tuple[Finding, ...]:
    """All findings in the order of the text. Pure: the same recipe and choices give the same findings."""
    choices = choices or Choices()
    directive = _directive(recipe.directives.check)
    if "all" in directive.get("skip", ()):
        return ()
    view = view_of(recipe, choices)
    everywhere, by_line = _ignored(view)
    everywhere += tuple(name.lower() for name in (*choices.ignore, *directive.get("skip", ())))
    enabled = (*choices.enable, *directive.get("experimental", ()))
    stricter = directive.get("error", ("",))[0] == "true"
    findings = []
    for rule in RULES:
        if rule.optional and not any(name.lower() == "all" or rule.is_called(name) for name in enabled):
            continue
        for found in rule.check(view):
            codes = rule.codes if found.code is None else tuple(found.code.split())
            names = {rule.name, *(code.lower() for code in codes)}
            if names.isdisjoint(everywhere) and names.isdisjoint(by_line.get(found.position.line, ())):
                findings.append(_finding(recipe, rule, found, codes, stricter=stricter))
    return tuple(sorted(dict.fromkeys(findings), key=lambda each: (each.position, LEVELS.index(each.level), each.rule)))


def require_clean(recipe: Recipe) -> None:
    """Raise :class:`RecipeError` for the first finding where the recipe says ``# check=error=true``.

    Only rules that BuildKit has, too, count then: it is what its users turned on.
    """
    if _directive(recipe.directives.check).get("error", ("",))[0] != "true":
        return
    for found in lint(recipe):
        theirs = [code for code in found.codes if _BUILDKITS.fullmatch(code)]
        if theirs:
            error = RecipeError(
                f"{found.message} ({theirs[0]})", found.position, why="'# check=error=true' refuses it", hint=found.hint
            )
            raise error.within(recipe.name, recipe.lines)


def _finding(recipe: Recipe, rule: Rule, found: Found, codes: tuple[str, ...], *, stricter: bool) -> Finding:
    number = found.position.line
    line = recipe.lines[number - 1] if 0 < number <= len(recipe.lines) else ""
    level = "error" if stricter and rule.level == "warning" else rule.level
    return Finding(
        file=recipe.name,
        position=found.position,
        rule=rule.name,
        codes=codes,
        level=level,
        message=masked(found.message),
        hint=masked(found.hint),
        line=masked(line),
    )


def _directive(check: str) -> dict[str, tuple[str, ...]]:
    """``skip=A,B;error=true`` as a dictionary."""
    parts = (part.partition("=") for part in check.split(";"))
    return {key.strip().lower(): tuple(word.strip().lower() for word in value.split(",")) for key, _, value in parts}


def _ignored(view: View) -> tuple[tuple[str, ...], dict[int, set[str]]]:
    """What comments turn off: everywhere, and for the lines of the instruction that follows (or that they stand in)."""
    everywhere: list[str] = []
    by_line: dict[int, set[str]] = {}
    instructions = sorted(view.all, key=lambda line: line.position)
    for number, text in view.recipe.comments:
        found = _COMMENT.match(text)
        if not found:
            continue
        names = [name.strip().lower() for name in re.split(r"[,\s]+", found[2]) if name.strip()]
        if found[1]:
            everywhere += names
            continue
        for line in _lines_of(_following(instructions, number)):
            by_line.setdefault(line, set()).update(names)
    return tuple(everywhere), by_line


def _following(instructions: list[Instruction], number: int) -> Instruction | None:
    return next((each for each in instructions if each.last_line >= number), None)


def _lines_of(instruction: Instruction | None) -> Iterator[int]:
    if instruction is not None:
        yield from range(instruction.position.line, instruction.last_line + 1)
