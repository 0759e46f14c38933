"""Normalise: what makes the bytes of a layer repeat, as named rules that are data.

Words: a *rule* names files of one program that differ from build to build, and says why and what is done; the *epoch*
is the moment that later times become; a *change* is what a rule did to one file.

:func:`normalise` is all that touches files, and it touches only what a rule names, in the upper directory of one step.
Times, owners and order in the archive are the business of :mod:`wherry.image`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.build.normalise.applying import normalise
    from wherry.build.normalise.choosing import RULES, chosen, fingerprint
    from wherry.build.normalise.epochs import epoch
    from wherry.build.normalise.rule import Change, Rule
from wherry.build.normalise.telling import summary, warnings

__all__ = ["RULES", "Change", "Rule", "chosen", "epoch", "fingerprint", "normalise", "summary", "warnings"]

_HOMES = {
    "Change": "rule",
    "RULES": "choosing",
    "Rule": "rule",
    "chosen": "choosing",
    "epoch": "epochs",
    "fingerprint": "choosing",
    "normalise": "applying",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
