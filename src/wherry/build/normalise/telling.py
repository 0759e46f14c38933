"""What rules did, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wherry.build.normalise.rule import Change

__all__ = ["summary", "warnings"]


def summary(changes: Sequence[Change]) -> str:
    """A line with the rules that changed files, and how many; empty where none did."""
    counted = Counter(change.rule for change in changes if change.done not in ("warned", "left"))
    named = ", ".join(f"{rule} {count}" if count > 1 else rule for rule, count in sorted(counted.items()))
    return f"made to repeat: {named}" if named else ""


def warnings(changes: Sequence[Change]) -> tuple[str, ...]:
    """A sentence for each rule that found files and could not make them repeat, with the first of them."""
    found: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        if change.done in ("warned", "left"):
            found.setdefault((change.rule, change.note), []).append(change)
    texts = []
    for (rule, note), same in found.items():
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        done = "will differ from build to build" if same[0].done == "warned" else "was left as it is"
        path = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in same[0].path)
        texts.append(f"'/{path}'{more} {done} ({rule}): {note}")
    return tuple(texts)
