"""What a rule is, and what it changed: names, sentences and patterns, nothing done."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Action", "Change", "Rule"]

Action = Literal["drop", "empty", "rewrite", "warn"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Noise that one program leaves, and what is done with it.

    ``paths`` are patterns below the root, of regular files: ``*``, ``?`` and ``[...]`` within a name, ``**`` for any
    number of directories. ``drop`` takes the file out of the layer, ``empty`` keeps it without content, ``rewrite``
    has ``rewriter`` say its content or attributes (a name in :mod:`~wherry.build.normalise.rewriting`, or one of the
    two forms of which only a part is read: ``compiled`` and ``archive-times``), ``warn`` only tells that it differs.
    """

    name: str
    program: str
    action: Action
    sentence: str
    why: str
    paths: tuple[str, ...]
    rewriter: str = ""


class Change(msgspec.Struct, frozen=True):
    """What ``rule`` did to ``path`` (below the root): dropped, emptied, rewritten, warned, or left (``note``: why)."""

    path: str
    rule: str
    done: str
    note: str = ""
