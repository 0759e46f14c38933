"""Normalise: what makes the bytes of a layer repeat, as named rules that are data.

Words: a *rule* names files of one program that differ from build to build, and says why and what is done; the *epoch*
is the moment that later times become; a *change* is what a rule did to one file.

:func:`normalise` is all that touches files, and it touches only what a rule names, in the upper directory of one step.
Times, owners and order in the archive are the business of :mod:`wherry.image`.
"""

from wherry.build.normalise.applying import normalise
from wherry.build.normalise.choosing import RULES, chosen, fingerprint
from wherry.build.normalise.epochs import epoch
from wherry.build.normalise.rule import Change, Rule

__all__ = ["RULES", "Change", "Rule", "chosen", "epoch", "fingerprint", "normalise"]
