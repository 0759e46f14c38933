"""Charliecloud: ``img/NAME`` are unpacked; ``dlcache`` has the manifests and layers of those that were pulled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from wherry.containers.theirs.held import (
    Theirs,
    blobs_of,
    command_changes,
    is_ours,
    of_layers,
    place_of,
    tree_bytes,
)

if TYPE_CHECKING:
    from wherry.containers.world import World

__all__ = ["found"]


def found(path: str, world: World) -> Iterator[Theirs]:
    """All images; ``$CH_IMAGE_STORAGE`` or ``/var/tmp/$USER.ch`` unless a path is given."""
    named, usual = world.outside.env("CH_IMAGE_STORAGE"), f"/var/tmp/{world.host.user}.ch"
    top = place_of("charliecloud", path, named, usual, inner="img")
    if isinstance(top, Theirs):
        yield top
        return
    cache = f"{top}/dlcache"
    blobs = {**blobs_of(cache, suffix=".tar.gz"), **blobs_of(cache, suffix=".json")}
    try:
        names = sorted(os.listdir(f"{top}/img"))
    except OSError:
        return
    for name in names:
        if os.path.isdir(f"{top}/img/{name}"):
            yield _image(f"{top}/img/{name}", name, cache, blobs, world.host.architecture)


def _image(tree: str, folder: str, cache: str, blobs: dict[str, str], architecture: str) -> Theirs:
    """By its layers where all are in the cache still, else by its files."""
    name = folder.replace("%", "/").replace("+", ":")
    references = (name,) if is_ours(tree) else ()
    if os.path.exists(f"{tree}/ch/config.pulled.json"):  # what 'ch-image build' made has none
        for kind in (f"%{architecture}", "%skinny", ""):
            try:
                with open(f"{cache}/{folder}{kind}.manifest.json", "rb") as file:
                    pulled = of_layers("charliecloud", name, references, file.read(), blobs)
            except OSError:
                continue
            if not pulled.why:
                return pulled
    why = "" if os.path.isdir(f"{tree}/bin") or os.path.isdir(f"{tree}/usr/bin") else "it is no root file system"
    return Theirs(
        program="charliecloud",
        name=name,
        kind="tree",
        place=tree,
        references=references,
        size=tree_bytes(tree),
        changes=_changes(tree),
        why=why,
    )


def _changes(tree: str) -> tuple[str, ...]:
    """Charliecloud runs no entry point, so it keeps variables and the directory."""
    try:
        with open(f"{tree}/ch/metadata.json", "rb") as file:
            document = msgspec.json.decode(file.read(), type=dict[str, object])
    except (OSError, msgspec.MsgspecError):
        return ()
    variables = document.get("env")
    env = [f"{key}={value}" for key, value in variables.items()] if isinstance(variables, dict) else []
    return command_changes({"Env": env, "WorkingDir": document.get("cwd"), "Cmd": ["/bin/sh"]})
