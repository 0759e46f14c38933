"""From what the user typed to an image in the store: a file, a name that is held, or one to pull."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks, InvalidName, NotFound, RegistryError, UsageError, WherryError, reason
from wherry.base.reference import TRANSPORTS

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.base.progress import Progress
    from wherry.base.reference import Reference
    from wherry.containers.kept import Container
    from wherry.containers.world import World
    from wherry.image import Image, Source

__all__ = [
    "MissingImage",
    "NotTakenIn",
    "Resolved",
    "file_meant",
    "image_named",
    "image_of",
    "not_in_registry",
    "resolve",
    "source_meant",
]


_LEAST_SCRATCH = 1000**2
"""Bytes; how much a command will write is not known, but below this hardly anything starts."""


class Resolved(msgspec.Struct, frozen=True):
    """What was found: ``shown`` is what the user calls it, ``pulled`` says that it had to be fetched."""

    image: Image
    shown: str
    pulled: bool = False


class NotTakenIn(Exception):
    """Where nothing may be changed: what would have to be fetched, or read into the store, first."""

    def __init__(self, source: Source) -> None:
        super().__init__(str(source))
        self.source = source


class MissingImage(msgspec.Struct, frozen=True):
    """What a dry run finds when nothing is held: the reference that would be pulled, or what would be taken in."""

    reference: Reference | Source


def resolve(
    world: World,
    text: str,
    *,
    pull: str | None = None,
    platform: str | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> Resolved | MissingImage:
    """The image that ``text`` (empty: the setting ``run.image``) means, fetched when it has to be.

    A name that is held locally is used without any contact to the registry; ``pull`` (``missing``, ``always``,
    ``never``; None: the setting) says otherwise. Raises what the registry or the store raise, with both readings of
    the name when it could have been a file.
    """
    named = text or image_named(world)
    found = _elsewhere(world, named, platform, progress, dry_run=dry_run)
    if found is not None:
        return found
    when = pull or world.settings.text("run.pull")
    if when not in ("missing", "always", "never"):
        raise UsageError(f"'--pull {when}' is not known", hint="missing, always or never")
    try:
        return _by_name(world, named, when, platform, progress, dry_run=dry_run)
    except (RegistryError, InvalidName, NotFound) as error:
        raise _with_near_names(world, _with_readings(error, named), named) from error.__cause__


def image_named(world: World) -> str:
    """The image of this directory, from the setting ``run.image``; raise :class:`UsageError` when there is none."""
    named = world.settings.text("run.image")
    if named:
        return named
    raise UsageError(
        "no image is named",
        why="and no wherry.toml in this directory or above it names one",
        hint='wherry run IMAGE COMMAND, or a wherry.toml with: [run] image = "debian:12"',
    )


def file_meant(world: World, text: str) -> str | None:
    """The absolute path when ``text`` means a file or folder, None when it is an image's name.

    A bare name is an image's name unless a regular file of that name is an image; where everybody may write, one that
    is neither ours nor root's is none. A directory needs a slash.
    """
    if text.startswith(("/", "./", "../")) or text.endswith("/"):
        path = text if text.startswith("/") else f"{world.outside.cwd()}/{text}"
        path = os.path.normpath(path)
        world.outside.stat(path)
        return path
    if not world.files or "@" in text or not world.outside.local_file(text):
        return None
    from wherry.image import form_of

    path = os.path.normpath(f"{world.outside.cwd()}/{text}")
    world.outside.stat(path)
    try:
        return path if _is_trusted(path) and form_of(path).kind else None
    except OSError:
        return None


def _is_trusted(path: str) -> bool:
    return os.stat(path).st_uid in (0, os.geteuid()) or not os.stat(os.path.dirname(path)).st_mode & 0o002


def source_meant(text: str) -> Source | None:
    """The source when ``text`` names one with a transport or as a URL; None for a path or a registry's name."""
    if text[:1] in "./" or text.partition(":")[0] not in TRANSPORTS:
        return None
    from wherry.image import parse_source

    source = parse_source(text)
    return None if source is None or source.transport == "docker" else source


def not_in_registry(
    world: World,
    text: str,
    *,
    platform: str | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> Image | None:
    """The image when ``text`` means a file, a folder, a URL or another program's store; None for a registry's name."""
    from wherry.base.progress import silent

    source = source_meant(text)
    if source is not None:
        from wherry.containers.bringing import open_source

        return open_source(world, source, platform=platform, progress=progress or silent, dry_run=dry_run)
    path = file_meant(world, text)
    if path is None:
        return None
    from wherry.containers.bringing import open_file

    return open_file(world, text, path, platform=platform, progress=progress or silent, dry_run=dry_run)


def image_of(world: World, container: Container) -> Image:
    """A kept container's image, by the name that the user knows; raises :class:`NotFound` when it is gone."""
    from wherry.image import is_unpacked, open_directory, open_image

    if container.image.endswith("/"):  # unpacked, and used where it lies
        if not is_unpacked(container.image):
            raise NotFound(f"there is no '{container.image}' any more", why="the container's image lay there")
        return open_directory(container.image.rstrip("/"))
    if container.stamp:
        from wherry.containers.packed import image_of_file

        return image_of_file(world, container)
    return msgspec.structs.replace(open_image(world.store, container.image_digest), reference=container.image)


def _elsewhere(
    world: World, text: str, platform: str | None, progress: Progress | None, *, dry_run: bool
) -> Resolved | MissingImage | None:
    """As :func:`not_in_registry`; a dry run takes nothing in, and finds what is missing."""
    if not dry_run:
        image = not_in_registry(world, text, platform=platform, progress=progress)
        return None if image is None else Resolved(image, text)
    try:
        image = not_in_registry(world, text, platform=platform, dry_run=True)
    except NotTakenIn as absent:
        return MissingImage(absent.source)
    return None if image is None else Resolved(image, text)


def _by_name(
    world: World, text: str, when: str, platform: str | None, progress: Progress | None, *, dry_run: bool
) -> Resolved | MissingImage:
    from wherry.registry import parse_reference

    by_id = _by_id(world, text)
    if by_id is not None:
        return Resolved(by_id, text)
    reference = parse_reference(text, world.settings, world.outside)
    if when != "always":
        held = _held(world, reference, platform)
        if held is not None:
            return Resolved(held, text)
        if when == "never":
            raise NotFound(
                f"image '{reference.familiar}' is not held here" + (f" for {platform}" if platform else ""),
                why="and the registry may not be asked (--pull never)",
                hint=f"wherry pull {reference.familiar}",
            )
    if when != "always" and platform is None:
        from wherry.containers.unpacked import open_unpacked

        unpacked = open_unpacked(world, reference)
        if unpacked is not None:
            return Resolved(unpacked, text)
    if dry_run:
        return MissingImage(reference)
    from wherry.base.progress import silent
    from wherry.containers.pulling import fetch

    _require_scratch(world)
    fetch(world, reference, platform=platform, progress=progress or silent)
    pulled = _held(world, reference, platform)
    if pulled is None:
        raise NotFound(f"image '{reference.familiar}' was removed while it was pulled", hint="pull it again")
    return Resolved(pulled, text, pulled=True)


def _require_scratch(world: World) -> None:
    """Raise before a long pull what would stop the start after it: no room for a writable layer."""
    from wherry.store import require

    hint = "free space there, or name a folder of yours on another disk of this node: export WHERRY_SCRATCH=/a/folder"
    try:
        place = world.scratch[0]
    except HostLacks:
        return  # the start will say so, if it needs one
    require(place, _LEAST_SCRATCH, "the container's writable layer", hint)


def _by_id(world: World, text: str) -> Image | None:
    """The image of which ``text`` is the digest or its beginning (six digits or more), unless a name reads so too."""
    digits = text.removeprefix("sha256:")
    if not 6 <= len(digits) <= 64 or not set(digits) <= set("0123456789abcdef"):
        return None
    from wherry.image import open_image

    try:
        image = open_image(world.store, text)
    except NotFound:
        return None
    _watch(world, image.digest)
    return image


def _held(world: World, reference: Reference, platform: str | None) -> Image | None:
    """The image that the store holds under this name, after noting what tells that the name has moved."""
    from wherry.image import open_image

    names = () if reference.digest else world.store.name_paths(reference)
    if reference.digest is not None:
        _watch(world, reference.digest)
    for path in names:
        if world.outside.stat(path).exists:
            break
    try:
        return open_image(world.store, str(reference), platform=platform)
    except NotFound:
        for path in names:  # it is about to be pulled: what was just seen will not hold
            world.outside.forget(path)
        return None


def _watch(world: World, digest: Digest) -> None:
    path = world.store.blob_path(digest)
    if path is not None:
        world.outside.stat(path)


def _with_near_names(world: World, error: WherryError, text: str) -> WherryError:
    """The same error; where the text may be a mistyped name of an image that is held, it says so first."""
    from wherry.image import near_names
    from wherry.registry import parse_reference

    try:
        near = near_names(world.store, parse_reference(text, world.settings, world.outside))
    except WherryError:
        return error
    if near:
        error.hint = f"did you mean {' or '.join(near)}, held here?" + (f" else: {error.hint}" if error.hint else "")
    return error


def _with_readings(error: WherryError, text: str) -> WherryError:
    """The same error; where the text could have been a path, it says that both readings were tried."""
    folder = os.path.dirname(text)
    if folder and os.path.isdir(folder) and not os.path.exists(text):
        first = f"there is no file '{text}' here"
    elif os.path.isdir(text):
        first = f"'{text}' here is a directory (written './{text}/' it would be read as an image)"
    elif os.path.isfile(text):
        first = f"the file '{text}' here is not an image, but {_looks(text)}"
    elif text.lower().endswith((".tar", ".tar.gz", ".tgz", ".oci", ".sif", ".sqsh", ".squashfs", ".img")):
        first = f"there is no file '{text}' here"
    else:
        return error
    why = f"{first}; read as an image's name: {error.why or error.what}"
    return type(error)(error.what, why=why, hint=error.hint)


def _looks(text: str) -> str:
    from wherry.image import form_of

    try:
        return form_of(text).looks or "an image: write its path"
    except OSError as error:
        return f"cannot be read ({reason(error)})"
