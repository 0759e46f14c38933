"""Keeping an image that no name leads to, or may soon lead to, from being taken for a left-over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.containers.world import World

__all__ = ["hold"]


def hold(world: World, digest: Digest, reference: str) -> None:
    """Let ``prune`` spare the image, as one that was pulled by its digest; ``reference`` is what it is called, or a
    path, which names nothing. Nothing changes for an image of the site's store, or one that is held already."""
    record = world.store.image_record(digest)
    held = record is not None and "@" in record.reference and not record.reference.startswith("/")
    if record is None or held or not world.store.writable or not os.path.exists(world.store.record_path(digest)):
        return
    name = reference.partition("@")[0]
    repository, colon, tag = name.rpartition(":")
    called = repository if colon and "/" not in tag else name
    called = "unnamed" if called.startswith("/") or not called else called
    world.store.put_image_record(msgspec.structs.replace(record, reference=f"{called}@{digest}"))
