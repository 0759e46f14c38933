"""``prune`` and ``df``: what is stopped or unused goes when one says so, and what is there takes how much room."""

from __future__ import annotations

import sys
from typing import Any

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli import listing
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import MANY, TEXT, Asked, Command, done
from wherry.shims.docker.showing import show as show_rows

__all__ = ["COMMANDS"]


def _containers(call: Call, given: Given) -> int:
    if not _may(call, given, "all stopped containers"):
        return 0
    world = containers.World()
    gone, size = _stopped(world, given.many("filter"))
    _tell(call, gone, size, "Deleted Containers:")
    return 0


def _stopped(world: containers.World, filters: tuple[str, ...]) -> tuple[list[str], int]:
    """Remove those that do not run; their ids and bytes."""
    from wherry.cli.containerrows import container_rows

    options: dict[str, bool | str | tuple[str, ...]] = {"all": True, "no_trunc": True}
    labels = tuple(text for text in filters if text.startswith("label="))
    if len(labels) < len(filters):
        raise UsageError(f"the filter '{filters[0]}' is not possible here", hint="label=NAME[=VALUE]")
    gone, size = [], 0
    for row in container_rows(Given({**options, "filter": labels}, ())):
        if row["State"] in ("exited", "created", "lost"):
            size += containers.scratch_size(
                tuple(f"{parent}/{row['ID']}" for parent in dict.fromkeys(world.kept_parents))
            )
            containers.rm(row["ID"], world=world)
            gone.append(str(row["ID"]))
    return gone, size


def _images(call: Call, given: Given) -> int:
    if not _may(
        call, given, "all images without at least one container" if given.flag("all") else "all dangling images"
    ):
        return 0
    if _spares(call, given):
        _tell(call, [], 0, "Deleted Images:")
        return 0
    gone, size = _unused(containers.World(), everything=given.flag("all"))
    _tell(call, gone, size, "Deleted Images:")
    return 0


def _spares(call: Call, given: Given) -> bool:
    """Whether a filter may spare images: which ones is not known here, so all of them stay."""
    filters = [text for text in given.many("filter") if text not in ("dangling=true", "dangling=1")]
    if filters:
        call.note(f"'--filter {filters[0]}' is not possible here: nothing is removed")
    return bool(filters)


def _unused(world: containers.World, *, everything: bool, builds: bool = False) -> tuple[list[str], int]:
    """As ``wherry prune``: what a container needs stays."""
    result = containers.prune(everything=everything, builds=builds, world=world)
    lines = [f"untagged: {reference.familiar}" for reference in result.store.names]
    return [*lines, *(f"deleted: {digest}" for digest in result.store.images)], result.bytes


def _system(call: Call, given: Given) -> int:
    what = (
        "all stopped containers, all unused images" if given.flag("all") else "all stopped containers, dangling images"
    )
    if not _may(call, given, what):
        return 0
    world = containers.World()
    gone, size = _stopped(world, given.many("filter"))
    if gone and not call.is_podman:
        print("Deleted Containers:\n" + "\n".join(gone) + "\n")
    if given.flag("volumes"):
        for volume in containers.all_volumes(world):
            if not containers.users_of_volume(world, volume):
                containers.remove_volume(world, volume.name)
                print(f"Deleted volume: {volume.name}")
    images, more = _unused(world, everything=given.flag("all"), builds=True)
    _tell(call, images, size + more, "Deleted Images:")
    return 0


def _builder(call: Call, given: Given) -> int:
    """podman's is ``image prune``; what builds left goes with it here."""
    if not _may(call, given, "all dangling images" if call.is_podman else "all build cache"):
        return 0
    if call.is_podman:
        if not _spares(call, given):
            gone, size = _unused(containers.World(), everything=given.flag("all"), builds=True)
            _tell(call, gone, size, "Deleted Images:")
        return 0
    from wherry.shims.docker.builders import prune

    return prune(call, given)


def _may(call: Call, given: Given, what: str) -> bool:
    if given.flag("force"):
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"'{call.verb}' asks before it removes", why="standard input is no terminal", hint="-f")
    print(
        f"WARNING! This will remove {what}.\nAre you sure you want to continue? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tell(call: Call, gone: list[str], size: int, heading: str) -> None:
    if call.is_podman:
        removed = [line.removeprefix("deleted: ") for line in gone if not line.startswith("untagged: ")]
        print("".join(f"{line.removeprefix('sha256:')}\n" for line in removed), end="")
        return
    if gone:
        print(f"{heading}\n" + "\n".join(gone) + "\n")
    print(f"Total reclaimed space: {listing.bytes_for_people(size)}")


def _df(call: Call, given: Given) -> int:
    from wherry.store import listed, usage

    world = containers.World()
    records = listed(world.store).records
    kept = containers.ps(all=True, world=world)
    used = {summary.image_digest for summary in kept}
    active = [record for record in records if str(record.digest) in used]
    sizes = {
        summary.id: containers.scratch_size(
            tuple(f"{parent}/{summary.id}" for parent in dict.fromkeys(world.kept_parents))
        )
        for summary in kept
    }
    stopped = sum(sizes[summary.id] for summary in kept if summary.state != "running")
    volumes = containers.all_volumes(world)
    held = sum(containers.scratch_size((volume.path,)) for volume in volumes)
    total, unused = sum(r.size for r in records), sum(r.size for r in records if r not in active)
    running = sum(summary.state == "running" for summary in kept)
    rows = [
        _room("Images", len(records), len(active), total, unused),
        _room("Containers", len(kept), running, sum(sizes.values()), stopped),
        _room(
            "Local Volumes", len(volumes), sum(bool(containers.users_of_volume(world, one)) for one in volumes), held, 0
        ),
    ]
    if not call.is_podman:
        found = usage(world.store)
        rows.append(_room("Build Cache", found.steps + found.mounts, 0, found.cache_size, found.cache_size))
    columns = (
        ("TYPE", "Type"),
        ("TOTAL", "TotalCount"),
        ("ACTIVE", "Active"),
        ("SIZE", "Size"),
        ("RECLAIMABLE", "Reclaimable"),
    )
    show_rows(call, rows, columns, given.text("format"))
    return 0


def _room(kind: str, count: int, active: int, size: int, unused: int) -> dict[str, Any]:
    percent = f" ({100 * unused // size}%)" if size else ""
    shown = listing.bytes_for_people
    return {
        "Type": kind,
        "TotalCount": str(count),
        "Active": str(active),
        "Size": shown(size),
        "Reclaimable": shown(unused) + percent,
    }


_EXTERNAL = Asked(("--external",), "flag", "idle", only="podman")
_COMMON = (done("-f", "--force"), done("--filter", kind=MANY))

COMMANDS = {
    "container prune": Command(_containers, "[OPTIONS]", "Remove all stopped containers", _COMMON),
    "image prune": Command(_images, "[OPTIONS]", "Remove unused images", (*_COMMON, done("-a", "--all"), _EXTERNAL)),
    "builder prune": Command(
        _builder,
        "[OPTIONS]",
        "Remove build cache",
        (
            *_COMMON,
            done("-a", "--all"),
            *(
                done(name, kind=TEXT, only="docker")
                for name in ("--keep-storage", "--max-used-space", "--reserved-space")
            ),
            *(Asked((name,), TEXT, "idle", only="docker") for name in ("--builder", "--min-free-space")),
            Asked(("--verbose",), "flag", "idle", only="docker"),
            _EXTERNAL,
        ),
    ),
    "system prune": Command(
        _system,
        "[OPTIONS]",
        "Remove unused data",
        (*_COMMON, done("-a", "--all"), done("--volumes"), _EXTERNAL),
    ),
    "system df": Command(
        _df, "[OPTIONS]", "Show disk usage", (done("--format", kind=TEXT), Asked(("-v", "--verbose"), "flag", "idle"))
    ),
}
