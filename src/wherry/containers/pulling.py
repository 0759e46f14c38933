"""Fetching an image as the settings say: with compressed layers kept or not; and keeping the store below its limit,
wherever images come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wherry.base.outside import Outside
from wherry.base.progress import Event, Progress, silent
from wherry.base.reference import Reference

if TYPE_CHECKING:
    from wherry.containers.world import World
    from wherry.image import Image

__all__ = ["fetch", "keep_within"]


def fetch(
    world: World,
    reference: Reference,
    *,
    platform: str | None = None,
    auth_file: str = "",
    progress: Progress = silent,
) -> Image:
    """Pull, then :func:`keep_within`; raises what pulling raises.

    How a registry is reached does not matter to a plan, so it is looked up with an :class:`Outside` of its own.
    """
    from wherry.containers.images import chosen_auth_file
    from wherry.image import pull
    from wherry.registry import connect

    auth_file = chosen_auth_file(world, auth_file)
    keep_blobs = world.settings.flag("store.keep_blobs")
    with connect(world.settings, Outside(), auth_file=auth_file, progress=progress) as registry:
        image = pull(world.store, registry, reference, platform=platform, progress=progress, keep_blobs=keep_blobs)
    keep_within(world, (image,), progress)
    return image


def keep_within(world: World, came: Iterable[Image], progress: Progress) -> None:
    """Remove the least recently used images above ``store.max_size``, but not those that just came.

    Without such a limit one is suggested when the quota is nearly used up. Called when nothing is held any more that
    keeps others from removing.
    """
    limit = world.settings.number("store.max_size")
    if limit:
        _enforce_limit(world, came, limit, progress)
    _tell_quota(world, progress, has_limit=bool(limit))


def _enforce_limit(world: World, came: Iterable[Image], limit: int, progress: Progress) -> None:
    from wherry.containers.running import running_images
    from wherry.store import enforce_limit, human

    result = enforce_limit(
        world.store,
        limit,
        lambda digest: running_images(world.runtime).get(str(digest), []),
        keep=[image.digest for image in came],
        runtime=world.runtime,
    )
    if result.images:
        text = f"removed {len(result.images)} least recently used images ({human(result.bytes)}): store.max_size"
        progress(Event("", "removed", message=text))
    if result.over:
        text = f"the store is {human(result.over)} above store.max_size, and all the rest is in use"
        progress(Event("", "quota", message=text))


def _tell_quota(world: World, progress: Progress, *, has_limit: bool) -> None:
    from wherry.store import suggestion, usage

    text = suggestion(world.store.path, lambda: usage(world.store).total, has_limit=has_limit)
    if text:
        progress(Event("", "quota", message=text))
