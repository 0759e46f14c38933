"""Drafts: trees of their own in which commands run where no overlay can be laid over an image (the way ``proot``).

Words: a *draft* is a writable copy of layers that remembers what it copied; to *follow* is to bring it to other layers;
to *lay* files over it is to show a command what is never the image's; to *take* is to move what a command changed into
an upper directory, in the overlay's form, from which a layer is made as from any other.

It runs nothing. It may import :mod:`wherry.build.context`, :mod:`wherry.image` and what is below.
"""

from __future__ import annotations

from wherry.build.drafts.draft import Draft
from wherry.build.drafts.spare import Drafts
from wherry.build.drafts.taking import take

__all__ = ["Draft", "Drafts", "take"]
