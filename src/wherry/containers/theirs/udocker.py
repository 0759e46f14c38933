"""udocker: ``repos/NAME/TAG`` has a manifest, ``layers`` the blobs; ``containers/ID/ROOT`` are unpacked, and changed.

A container becomes an image ``localhost/udocker/NAME``: its files as they are now.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import reason
from wherry.containers.theirs.held import (
    Theirs,
    blobs_of,
    command_changes,
    folders_below,
    is_ours,
    of_layers,
    place_of,
    tree_bytes,
)

if TYPE_CHECKING:
    from wherry.containers.world import World

__all__ = ["found"]


def found(path: str, world: World) -> Iterator[Theirs]:
    """All images and containers; ``$UDOCKER_DIR`` or ``~/.udocker`` unless a path is given."""
    named, usual = world.outside.env("UDOCKER_DIR"), f"{world.outside.home()}/.udocker"
    top = place_of("udocker", path, named, usual, inner="repos")
    if isinstance(top, Theirs):
        yield top
        return
    blobs = blobs_of(f"{top}/layers", "sha256:")
    for folder, files in folders_below(f"{top}/repos"):
        if "TAG" not in files:
            continue
        repository, _, tag = os.path.relpath(folder, f"{top}/repos").rpartition("/")
        yield _image(folder, f"{repository}:{tag}", files, blobs)
    yield from _containers(f"{top}/containers")


def _image(folder: str, name: str, files: list[str], blobs: dict[str, str]) -> Theirs:
    if "manifest" not in files:
        why = "it is of the registries' first format, which no registry gives out any more" if "v1" in files else ""
        why = why or "its manifest is gone there"
        return Theirs(program="udocker", name=name, kind="layers", place=folder, why=why)
    try:
        with open(f"{folder}/manifest", "rb") as file:
            return of_layers("udocker", name, (name,) if is_ours(folder) else (), file.read(), blobs)
    except OSError as error:
        return Theirs(program="udocker", name=name, kind="layers", place=folder, why=reason(error))


def _containers(folder: str) -> Iterator[Theirs]:
    """Each by its names, which are links to it; by its id when it has none."""
    names: dict[str, list[str]] = {}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            names.setdefault(os.path.basename(os.readlink(entry.path)), []).append(entry.name)
    for entry in entries:
        if entry.is_symlink() or not os.path.isdir(f"{entry.path}/ROOT"):
            continue
        called = names.get(entry.name, [entry.name[:12]])
        root = f"{entry.path}/ROOT"
        yield Theirs(
            program="udocker",
            name=f"container {called[0]}",
            kind="tree",
            place=root,
            references=tuple(f"localhost/udocker/{name.lower()}:latest" for name in called if is_ours(root)),
            size=tree_bytes(root),
            changes=_changes(entry.path),
            why="" if os.listdir(root) else "it has no files: it was made without unpacking its image",
        )


def _changes(folder: str) -> tuple[str, ...]:
    try:
        with open(f"{folder}/container.json", "rb") as file:
            document = msgspec.json.decode(file.read(), type=dict[str, object])
    except (OSError, msgspec.MsgspecError):
        return ()
    config = document.get("config")
    return command_changes(config) if isinstance(config, dict) else ()
