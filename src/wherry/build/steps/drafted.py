"""A step in a tree of its own, where no overlay can be laid over the files so far: a copy, which later steps use too.

Nothing is mounted: what a start shows as layers is laid into the tree, memory is a folder, and what shall only be read
is a copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import HostLacks, StoreError, reason, remedy
from wherry.store import Layer, LayerMeta

if TYPE_CHECKING:
    from wherry.build.drafts import Drafts
    from wherry.build.graph import RunStep
    from wherry.containers import Start
    from wherry.image import Image, Tree
    from wherry.launch import RunOptions

__all__ = ["drafted", "show_names", "take_changes", "unmounted"]


def drafted(drafts: Drafts, image: Image, options: RunOptions, work: str) -> tuple[RunOptions, Image]:
    """Options and image for a start in the draft that belongs to ``work``; a second start finds it as the first left
    it."""
    draft = drafts.find(work)
    if draft is None:
        with _told("the files so far cannot be copied"):
            draft = drafts.borrow(work, image.layers)
            for folder in options.extra_layers:
                draft.lay(folder)
    meta = LayerMeta(Digest.of(b""), 0, 0, 0, overlay=True, rebuildable=False)
    shown = msgspec.structs.replace(image, reference=f"{draft.root}/", layers=(Layer("", draft.root, "", meta),))
    return msgspec.structs.replace(unmounted(options, work), upper=None, extra_layers=(), hostname=None), shown


def show_names(drafts: Drafts, start: Start, work: str) -> None:
    """Lay what says which host this is into the draft, and the places of mounts."""
    draft = drafts.find(work)
    assert draft is not None
    with _told("the names of host and users cannot be shown"):
        if not draft.shown and start.plan.files:
            draft.lay(start.plan.files[0].path)
        draft.shown = True
        draft.settle()


def take_changes(drafts: Drafts, step: RunStep, below: Tree, work: str) -> None:
    """Move what the step changed into the upper directory in ``work``."""
    from wherry.build.drafts import take
    from wherry.build.who import Ids, ids_of

    draft = drafts.find(work)
    assert draft is not None
    with _told("what the step changed cannot be kept"):
        take(draft, f"{work}/upper", ids_of(step.user, below) if step.user else Ids(0, 0))
    drafts.give_back(work)


def unmounted(options: RunOptions, work: str) -> RunOptions:
    """The same without mounts: ``tmpfs`` is a folder in ``work``, and all that is bound can be written to.

    Raises :class:`HostLacks` for a limit, which a folder has not.
    """
    from wherry.launch import Bind

    binds = [msgspec.structs.replace(bind, read_only=False) for bind in options.binds]
    for target, text in options.tmpfs:
        given = dict(part.partition("=")[::2] for part in text.split(","))
        if "size" in given:
            raise HostLacks(
                f"--mount=type=tmpfs,target={target},size=... is not possible under proot",
                why="it makes no mounts, and a folder has no limit",
                hint="leave size= out",
            )
        place = f"{work}/memory-{len(os.listdir(work))}"
        os.mkdir(place)
        os.chmod(place, int(given.get("mode", "1777"), 8))
        binds.append(Bind(place, target))
    return msgspec.structs.replace(options, binds=tuple(binds), tmpfs=())


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Errors of the file system, as such of the store's."""
    try:
        yield
    except OSError as error:
        raise StoreError(what, why=reason(error), hint=remedy(error, write=True)) from error
