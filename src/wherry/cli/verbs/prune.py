"""``wherry prune``: free space in the store."""

from __future__ import annotations

from wherry.cli.grammar import Given, Option, Verb
from wherry.cli.options import CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.removing import prune

    return prune(given)


VERB = Verb(
    "prune",
    "free space: layers and images that nothing names or uses",
    _run,
    options=(
        Option(("-a", "--all"), "also images that have a name and are used by no container, and what builds left"),
        Option(("--build",), "also what builds left to be faster the next time: layers of steps, cache mounts"),
        Option(("-f", "--force"), "do not ask; needed where there is no terminal to ask on"),
        *CHANGES,
    ),
    details="What builds left stays without --build, up to the limits build.cache_limit and build.cache_days.",
    examples=(
        ("wherry prune", "show what nothing names, ask, and remove it"),
        ("wherry prune --dry-run --format json", "what would go, for programs"),
        ("wherry prune --build -f", "the next build does all its steps anew"),
        ("wherry prune -af", "all that no container uses, unasked"),
    ),
)
