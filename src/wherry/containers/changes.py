"""What a command would change, as a value: the plan of every use case that changes something and starts nothing.

(A start has a plan of its own, :class:`wherry.launch.LaunchPlan`.) Each use case ``do`` has a ``plan_do`` beside it,
which raises what ``do`` would raise, and changes nothing.
"""

from __future__ import annotations

import msgspec

__all__ = ["Change"]


class Change(msgspec.Struct, frozen=True):
    """One thing that would happen.

    ``action`` is a verb (``remove``, ``untag``, ``stop``, ``send`` ...), ``kind`` says what it is done to (``image``,
    ``name``, ``layer``, ``container``, ``file`` ...), ``name`` to which one, ``target`` to what or where to.
    ``digest`` and ``bytes`` are given where they are known.
    """

    action: str
    kind: str
    name: str
    target: str = ""
    digest: str = ""
    bytes: int | None = None
