"""``oras://``: SIF files in registries, fetched, used where the store has them, sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.errors import ImageError, NotFound, UsageError, reason, remedy
from wherry.base.outside import Outside
from wherry.base.progress import Progress, silent
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.base.reference import Reference

__all__ = ["artifact_of", "copy_artifact", "fetch_artifact", "push_artifact"]

_PREFIX = "oras://"


def artifact_of(text: str) -> str:
    """The registry's name in ``oras://NAME``; empty for any other text."""
    return text.removeprefix(_PREFIX) if text.startswith(_PREFIX) else ""


def fetch_artifact(
    world: World,
    name: str,
    *,
    pull: str = "missing",
    auth_file: str = "",
    progress: Progress = silent,
) -> str:
    """The path of the SIF file of that name (``host/lab:1``, with or without ``oras://``) in the store.

    One that is held is used without any contact to the registry; ``pull`` (``missing``, ``always``, ``never``) says
    otherwise. Raises what registries raise, and :class:`UnsupportedImage` for what is no SIF file.
    """
    from wherry.containers.images import chosen_auth_file
    from wherry.image import held_artifact, pull_artifact
    from wherry.registry import connect

    reference = _reference(world, name)
    for path in () if reference.digest else world.store.name_paths(reference):
        world.outside.stat(path)
    held = held_artifact(world.store, reference) if pull != "always" else None
    if held is not None:
        return held
    if pull == "never":
        raise NotFound(
            f"'{reference.familiar}' is not held here",
            why="and the registry may not be asked (--pull never)",
            hint=f"wherry pull {_PREFIX}{reference.familiar}",
        )
    for path in () if reference.digest else world.store.name_paths(reference):
        world.outside.forget(path)  # it is about to change
    auth_file = chosen_auth_file(world, auth_file)
    with connect(world.settings, Outside(), auth_file=auth_file, progress=progress) as registry:
        return pull_artifact(world.store, registry, reference, progress)


def copy_artifact(world: World, name: str, target: str, *, auth_file: str = "", progress: Progress = silent) -> str:
    """Fetch the SIF file as it is in the registry now, and write it to ``target``; that path."""
    import shutil

    source = fetch_artifact(world, name, pull="always", auth_file=auth_file, progress=progress)
    making = f"{target}.{os.getpid()}.partial"
    try:
        try:
            shutil.copyfile(source, making)
            os.chmod(making, 0o777 & ~_umask())
            os.rename(making, target)
        finally:
            if os.path.lexists(making):
                os.unlink(making)
    except OSError as error:
        raise ImageError(f"'{target}' cannot be written", why=reason(error), hint=remedy(error, write=True)) from error
    return target


def push_artifact(
    path: str, name: str, *, auth_file: str = "", progress: Progress = silent, world: World | None = None
) -> tuple[Reference, Digest]:
    """Send a SIF file to a registry; what it is called there, and the digest of its manifest."""
    from wherry.containers.images import chosen_auth_file
    from wherry.containers.resolving import file_meant
    from wherry.image import push_artifact as push
    from wherry.registry import connect

    world = world or World()
    reference = _reference(world, name)
    if reference.digest is not None:
        raise UsageError(f"'{name}' cannot be given as a name", why="a digest follows from the content")
    place = file_meant(world, path)
    if place is None:
        raise UsageError(
            f"'{path}' is no SIF file", why="registries hold these under 'oras://'", hint=f"wherry pack {path} FILE.sif"
        )
    auth_file = chosen_auth_file(world, auth_file)
    with connect(world.settings, Outside(), auth_file=auth_file, progress=progress) as registry:
        return reference, push(registry, place, reference, progress)


def _reference(world: World, name: str) -> Reference:
    from wherry.containers.naming import reference_of

    return reference_of(world, artifact_of(name) or name)


def _umask() -> int:
    with open("/proc/self/status") as file:
        return next((int(line.split()[1], 8) for line in file if line.startswith("Umask:")), 0o022)
