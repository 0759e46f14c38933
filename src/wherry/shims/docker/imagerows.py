"""Images as ``docker images`` shows them: the ID is the digest of the configuration, sizes are those of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli import listing
from wherry.shims.docker.call import Call
from wherry.shims.docker.showing import wall_time

if TYPE_CHECKING:
    from wherry.base.reference import Reference
    from wherry.containers import World
    from wherry.store import ImageRecord

__all__ = ["image_rows", "shown_repository"]

_NONE = "<none>"


def image_rows(
    call: Call, world: World, patterns: tuple[str, ...], filters: tuple[str, ...], *, whole: bool, digests: bool = False
) -> list[dict[str, Any]]:
    """One row a name, and one for each image without; newest first. Raise :class:`UsageError` for a bad filter."""
    from wherry.store import listed

    wanted = [_filter(text) for text in filters]
    names = (*patterns, *(value for key, value in wanted if key == "reference"))
    dangling = next((value for key, value in wanted if key == "dangling"), None)
    found = listed(world.store)
    records = {record.digest: record for record in found.records}
    rows, named = [], set()
    for reference, name in found.names:
        named.add(name.digest)
        record = records.get(name.digest)
        if record is None or dangling == "true" or not _fits(reference, names):
            continue
        rows.append(_row(shown_repository(call, reference), reference.tag, record, whole=whole))
    if dangling != "false" and not names:
        for record in found.records:
            if record.digest not in named:
                repository = record.reference.partition("@")[0]
                rows.append(_row(_familiar(call, repository) or _NONE, _NONE, record, whole=whole))
    rows = [row for row in rows if all(_holds(world, row, key, value, found.records) for key, value in wanted)]
    rows.sort(key=lambda row: (row["Repository"], row["Tag"]))
    rows.sort(key=lambda row: str(row["Created"]), reverse=True)
    return rows


def shown_repository(call: Call, reference: Reference) -> str:
    """podman shows a name whole; Docker without what it adds by itself."""
    return reference.name if call.is_podman else reference.familiar.removesuffix(f":{reference.tag}")


def _familiar(call: Call, repository: str) -> str:
    return repository if call.is_podman else repository.removeprefix("docker.io/").removeprefix("library/")


_KEYS = ("reference", "dangling", "label", "before", "since", "id", "readonly", "intermediate", "containers", "until")


def _filter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    key = {"after": "since"}.get(key, key)
    if key not in _KEYS or not equals:
        raise UsageError(f"invalid filter '{text}'", hint=f"KEY=VALUE, KEY one of {', '.join(_KEYS)}")
    if key in ("containers", "until", "readonly", "intermediate"):
        raise UsageError(f"the filter '{key}' is not possible here", hint="reference, dangling, label, before, since")
    if key == "dangling":
        value = {"1": "true", "0": "false"}.get(value, value)
    return key, value


def _fits(reference: Reference, patterns: tuple[str, ...]) -> bool:
    from fnmatch import fnmatchcase

    familiar = reference.familiar
    repository = familiar.removesuffix(f":{reference.tag}")
    known = (repository, familiar, reference.name, str(reference))
    return all(any(fnmatchcase(text, pattern) for text in known) for pattern in patterns)


def _holds(world: World, row: dict[str, Any], key: str, value: str, records: tuple[ImageRecord, ...]) -> bool:
    if key == "label":
        from wherry.image import open_image

        labels = open_image(world.store, row["_Manifest"]).config.config.labels
        name, equals, wanted = value.partition("=")
        return name in labels and (not equals or labels[name] == wanted)
    if key == "id":
        return str(row["_ID"]).removeprefix("sha256:").startswith(value.removeprefix("sha256:"))
    if key in ("before", "since"):
        from wherry.shims.docker.finding import image

        other = image(world, value).config.created
        return bool(row["Created"] < other if key == "before" else row["Created"] > other)
    return True


def _row(repository: str, tag: str, record: ImageRecord, *, whole: bool) -> dict[str, Any]:
    identity = containers.config_id(record)
    return {
        "Repository": repository,
        "Tag": tag,
        "ID": str(identity) if whole else identity.short,
        "Digest": str(record.digest),
        "CreatedSince": listing.since(record.created),
        "CreatedAt": wall_time(record.created),
        "Created": record.created,
        "Size": listing.bytes_for_people(record.size),
        "VirtualSize": listing.bytes_for_people(record.size),
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
        "Containers": "N/A",
        "_ID": str(identity),
        "_Manifest": str(record.digest),
    }
