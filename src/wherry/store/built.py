"""What steps of builds made: ``built/KEY``, JSON, its mtime the last use; KEY is the digest of the step's meaning.

Hints beside the layers: written without a sync, the last of two writers wins (each says a truth), one that cannot be
read says nothing, and one whose layer is gone is no use. A layer that only this folder names stays until the step is
forgotten (``evicting``). A Wherry that does not know the folder may remove the layer: then the step is done anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName
from wherry.store.durable import read_small, unlink_all, write_file
from wherry.store.faults import reported

__all__ = ["BuiltStep", "built_steps", "forget_steps", "recall_step", "remember_step", "touch_step"]

_DIGITS = frozenset("0123456789abcdef")
_USED_AGAIN = 60.0
"""Seconds within which a second use is not written down: a look-up shall not cost a write."""


class BuiltStep(msgspec.Struct, frozen=True, kw_only=True):
    """``key`` names it (64 hex digits). ``layer`` is the key of the layer that it added, with its ``diff_id``; both
    empty: it changed no file. ``parent`` is the diff id of the layer that it was done on, ``size`` in bytes,
    ``seconds`` what it took, ``made`` and ``used`` times."""

    key: str
    layer: str = ""
    diff_id: Digest | None = None
    parent: str = ""
    seconds: float = 0.0
    size: int = 0
    made: float = 0.0
    used: float = 0.0


class _OnDisk(msgspec.Struct, omit_defaults=True):
    layer: str = ""
    diff_id: str = ""
    parent: str = ""
    seconds: float = 0.0
    size: int = 0
    made: float = 0.0


def recall_step(root: str, key: str) -> BuiltStep | None:
    """What the step ``key`` made, as it was noted; whether its layer is there must be looked for."""
    try:
        data = read_small(_path(root, key))
        if data is None:
            return None
        found = msgspec.json.decode(data, type=_OnDisk)
        if found.layer and not (len(found.layer) >= 64 and _DIGITS.issuperset(found.layer) and found.diff_id):
            return None
        return BuiltStep(
            key=key,
            layer=found.layer,
            diff_id=Digest.parse(found.diff_id) if found.diff_id else None,
            parent=found.parent,
            seconds=found.seconds,
            size=found.size,
            made=found.made,
            used=os.stat(_path(root, key)).st_mtime,
        )
    except (OSError, ValueError, InvalidName):
        return None


def remember_step(root: str, step: BuiltStep) -> None:
    """Note it, in place of what was noted before."""
    line = _OnDisk(step.layer, str(step.diff_id or ""), step.parent, round(step.seconds, 3), step.size, step.made)
    with reported("remember a step of the build", root):
        write_file(root, _path(root, step.key), msgspec.json.encode(line), sync=False)


def touch_step(root: str, step: BuiltStep) -> None:
    """It was used now. Never fails: without it the step is only forgotten earlier."""
    if abs(time.time() - step.used) < _USED_AGAIN:
        return
    try:
        os.utime(_path(root, step.key))
    except OSError:
        return


def built_steps(root: str) -> list[BuiltStep]:
    """Every step that is remembered."""
    try:
        names = os.listdir(f"{root}/built")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [step for name in sorted(names) if (step := recall_step(root, name)) is not None]


def forget_steps(root: str, keys: Iterable[str]) -> None:
    """Remember these no longer."""
    unlink_all(_path(root, key) for key in keys)


def _path(root: str, key: str) -> str:
    return f"{root}/built/{key}"
