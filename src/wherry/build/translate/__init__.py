"""From a recipe to the graph of what will be done. Pure: configurations of base images are given, or asked for.

:func:`translate` gives back a :class:`Graph`, or the :class:`Needs` of it: the images whose configurations it has to
know first. Who calls it looks these up and calls again. (Triggers of ONBUILD are the reason: which images they copy
from is known only when their own image is.)
"""

from __future__ import annotations

from wherry.build.translate.translating import Arguments, Base, Needs, translate

__all__ = ["Arguments", "Base", "Needs", "translate"]
