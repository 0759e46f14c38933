"""All rules, in the order in which the reference shows them."""

from __future__ import annotations

from wherry.build.lint import (
    caches,
    downloads,
    form,
    layers,
    metadata,
    packages,
    portability,
    secrets,
    shells,
    stagenames,
    tags,
    users,
)
from wherry.build.lint.values import Rule

__all__ = ["FAMILIES", "RULES", "rule_called"]

FAMILIES: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    ("Images", tags.RULES),
    ("Packages", (*packages.RULES, *caches.RULES)),
    ("Downloads", downloads.RULES),
    ("Users", users.RULES),
    ("Secrets", secrets.RULES),
    ("Labels and defaults", metadata.RULES),
    ("Portability", portability.RULES),
    ("Shells", shells.RULES),
    ("Layers", layers.RULES),
    ("Stages", stagenames.RULES),
    ("Form", form.RULES),
)

RULES: tuple[Rule, ...] = tuple(rule for _, rules in FAMILIES for rule in rules)


def rule_called(name: str) -> Rule | None:
    """The rule of that name or code; None where there is none."""
    return next((rule for rule in RULES if rule.is_called(name)), None)
