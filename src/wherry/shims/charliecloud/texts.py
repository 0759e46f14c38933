"""What ``ch-run`` says of itself."""

from __future__ import annotations

import sys

from wherry.shims.charliecloud.words import OPTIONS

__all__ = ["feature", "print_help"]

_FEATURES = ("extglob", "squash")


def print_help() -> int:
    """The options."""
    print("Usage: ch-run [OPTION...] IMAGE -- CMD [ARG...]\n\nRun a command in a Charliecloud container.\n")
    for option in OPTIONS:
        names = ", ".join(option.names)
        if option.metavar:
            value = option.metavar.lstrip("[").rstrip("]") if option.metavar[0] == "[" else option.metavar
            names += f"[={value}]" if option.metavar[0] == "[" else f"={option.metavar}"
        print(f"  {names}".ljust(32) + option.help)
    return 0


def feature(name: str) -> int:
    """Success if it is there."""
    if name in _FEATURES:
        return 0
    print(f"ch-run: error: unknown feature: {name}", file=sys.stderr)
    return 1
