"""``df``: what lies in the store, what could go, what room is left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from wherry.cli import listing

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.store import Usage

__all__ = ["show_usage"]


def show_usage(form: str | None) -> int:
    """Print one row a kind of content; below the table the store's folder, free space, quota and limit."""
    from wherry.containers import World
    from wherry.store import usage

    world = World()
    found = usage(world.store)
    rows = [
        _row("layers", found.layers, found.layers_size),
        _row("manifests and configurations", found.blobs, found.blobs_size),
        _row("flattened trees", found.flat, found.flat_size),
        _row("interrupted downloads", found.partial, found.partial_size),
        _row("steps of builds", found.steps, found.cache_size - found.mounts_size),
        _row("cache mounts of builds", found.mounts, found.mounts_size),
        _containers(world),
        _abandoned(world),
        _records(world),
    ]
    if form in (None, "table"):
        listing.show(rows, (("KIND", "Type"), ("COUNT", "TotalCount"), ("SIZE", "Size")), None)
        print(_foot(world, found))
        return 0
    summary = {"Type": "store", "TotalCount": found.images, "Size": listing.bytes_for_people(found.total)}
    summary |= {"Bytes": found.total, "Path": found.path, "Images": found.images, "Reclaimable": found.reclaimable}
    summary |= {"BuildCache": found.cache_size}
    summary |= {"Free": found.free, "QuotaUsed": found.quota_used, "QuotaLimit": found.quota_limit}
    listing.show([*rows, summary] if form == "json" else rows, (), form)
    return 0


def _row(kind: str, count: int, size: int) -> dict[str, Any]:
    return {"Type": kind, "TotalCount": count, "Size": listing.bytes_for_people(size), "Bytes": size}


def _containers(world: World) -> dict[str, Any]:
    """Kept containers and the files in their writable layers (these are walked: nobody else counts them)."""
    from wherry.containers import scratch_size

    folders = list(_folders(world.containers))
    return _row("kept containers", len(folders), scratch_size(folders))


def _abandoned(world: World) -> dict[str, Any]:
    """What killed launchers left of containers that are not kept; 'wherry prune' removes it."""
    from wherry.containers import abandoned_scratch, scratch_size

    left = abandoned_scratch(world)
    return _row("scratch of ended containers", len(left), scratch_size(left))


def _records(world: World) -> dict[str, Any]:
    """Days of records, on all nodes; 'wherry prune' removes those that record.keep_days does not keep."""
    from wherry.containers import record_files, scratch_size

    files = record_files(world.state)
    return _row("records of executions", len(files), scratch_size(files))


def _folders(containers: str) -> list[str]:
    try:
        return [f"{containers}/{name}" for name in os.listdir(containers) if len(name) == 64]
    except OSError:
        return []


def _foot(world: World, found: Usage) -> str:
    lines = [
        "",
        f"{'1 image' if found.images == 1 else f'{found.images} images'} in {found.path}: "
        f"{listing.bytes_for_people(found.total)}, "
        f"of which 'wherry prune' frees {listing.bytes_for_people(found.reclaimable)}"
        + (f", with --build {listing.bytes_for_people(found.cache_size)} more" if found.cache_size else ""),
        f"free there: {listing.bytes_for_people(found.free)}",
        "sizes are what lies on the disk; 'wherry images' counts the files' contents",
    ]
    if found.quota_limit:
        used, limit = listing.bytes_for_people(found.quota_used), listing.bytes_for_people(found.quota_limit)
        lines.append(f"quota: {used} of {limit} used")
    cap = world.settings.number("store.max_size")
    lines.append(f"limit (store.max_size): {listing.bytes_for_people(cap) if cap else 'none'}")
    for site in world.store.site:
        lines.append(f"also read: {site.path} (site)")
    return "\n".join(lines)
