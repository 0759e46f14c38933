"""All rules, those that count in a build, and their name in the keys of its cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import NotFound
from wherry.build.normalise import languages, packagers, system
from wherry.build.normalise.rule import Rule

__all__ = ["RULES", "chosen", "fingerprint"]

RULES: tuple[Rule, ...] = (*packagers.RULES, *system.RULES, *languages.RULES)
"""Of two that name the same file the first counts."""

_VERSION = 1
"""Of what the rewriters do: one more when the same rule gives other bytes."""


def chosen(off: Iterable[str] = (), rules: Sequence[Rule] = RULES) -> tuple[Rule, ...]:
    """The rules without those named in ``off`` (``all``: none); raises :class:`NotFound` for a name that is none."""
    names = {rule.name for rule in rules}
    left_out = set(off)
    for name in sorted(left_out - names - {"all"}):
        import difflib

        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(sorted(names))}"
        raise NotFound(f"there is no rule '{name}'", hint=hint)
    return () if "all" in left_out else tuple(rule for rule in rules if rule.name not in left_out)


def fingerprint(rules: Sequence[Rule], epoch: int) -> bytes:
    """What of the rules can change a layer: for the keys by which steps are found again."""
    meaning = [(rule.name, rule.action, rule.rewriter, rule.paths) for rule in rules if rule.action != "warn"]
    return bytes.fromhex(Digest.of(msgspec.json.encode((_VERSION, epoch, meaning))).hex)
