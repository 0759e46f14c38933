"""Images and their layers as rows, with Docker's field names and, for programs, plain numbers."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from wherry.cli import listing

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.base.reference import Reference
    from wherry.containers import World
    from wherry.image import Step
    from wherry.store import ImageRecord, Name, Store

__all__ = ["history_rows", "image_rows"]


def image_rows(
    store: Store, pattern: str, *, filters: tuple[str, ...] = (), whole: bool = False
) -> list[dict[str, Any]]:
    """All names of the store and images without a name, newest image first; those that fit ``pattern`` and filters."""
    from wherry.cli.imagefilters import read_filter, tester
    from wherry.store import listed

    chosen = [read_filter(text) for text in filters]
    wanted = [text for text in (pattern, *(value for key, value in chosen if key == "reference")) if text]
    dangling = next((value for key, value in chosen if key == "dangling"), "")
    found = listed(store)
    records = {record.digest: record for record in found.records}
    holds = tester(store, chosen) if chosen else lambda record: True
    rows = []
    if dangling != "true":
        for reference, name in found.names:
            record = records.get(name.digest)
            if all(_fits(reference, text) for text in wanted) and holds(record):
                rows.append(_row(reference, name, record, whole=whole))
    if not wanted and dangling != "false":
        named = {name.digest for _, name in found.names}
        nameless = (record for record in found.records if record.digest not in named and holds(record))
        rows += [_unnamed(record, whole=whole) for record in nameless]
    rows.sort(key=lambda row: f"{row['Repository']}:{row['Tag']}")
    rows.sort(key=itemgetter("CreatedAt"), reverse=True)
    return rows


def _fits(reference: Reference, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    familiar = reference.familiar
    repository = familiar.removesuffix(f":{reference.tag}")
    return any(fnmatchcase(text, pattern) for text in (repository, familiar, reference.name, str(reference)))


def _row(reference: Reference, name: Name, record: ImageRecord | None, *, whole: bool) -> dict[str, Any]:
    repository = reference.familiar.removesuffix(f":{reference.tag}")
    return _fields(repository, reference.tag, name.digest, name.platform, record, whole=whole)


def _unnamed(record: ImageRecord, *, whole: bool) -> dict[str, Any]:
    repository = record.reference.partition("@")[0] or "<none>"
    return _fields(repository, "<none>", record.digest, "", record, whole=whole)


def _fields(
    repository: str, tag: str, digest: Digest, platform: str, record: ImageRecord | None, *, whole: bool
) -> dict[str, Any]:
    created = record.created if record else ""
    return {
        "Repository": repository,
        "Tag": tag,
        "ID": str(digest) if whole else digest.short,
        "Digest": str(digest),
        "CreatedSince": listing.since(created),
        "CreatedAt": created,
        "Size": listing.bytes_for_people(record.size) if record else "",
        "Bytes": record.size if record else 0,
        "Platform": platform,
        "PulledAt": record.pulled if record else "",
    }


def history_rows(world: World, text: str, *, whole: bool) -> list[dict[str, Any]]:
    """The steps by which an image was made, the last first: command, time, and what its layer takes unpacked."""
    from wherry.containers import held_image
    from wherry.image import history

    return [_step(step, whole=whole) for step in reversed(tuple(history(held_image(world, text))))]


def _step(step: Step, *, whole: bool) -> dict[str, Any]:
    layer = step.layer.key if step.layer else ""
    command = " ".join(step.created_by.removeprefix("/bin/sh -c ").removeprefix("#(nop) ").split())
    return {
        "ID": layer if whole else layer[:12],
        "CreatedSince": listing.since(step.created),
        "CreatedAt": step.created,
        "CreatedBy": step.created_by if whole else command if len(command) <= 45 else command[:44] + "…",
        "Size": listing.bytes_for_people(step.size),
        "Bytes": step.size,
        "Comment": step.comment,
    }
