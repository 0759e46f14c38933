"""Commands of an image as programs of the host: small scripts that start them as if they were installed here.

A script names the image by its digest, so that a command stays what it is until it is updated.
"""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import Conflict, NotFound, RegistryError, UsageError, WherryError, reason
from wherry.base.progress import Event, Progress, silent
from wherry.containers.changes import Change
from wherry.containers.commandfiles import Exposed, commands_in, read_command, write_command
from wherry.containers.holding import hold
from wherry.containers.modules import HIDDEN, Module, module_files, remove_module, write_module
from wherry.containers.placing import absolute, found_programs, home_folder, search_path
from wherry.containers.resolving import MissingImage, Resolved, file_meant, resolve, source_meant
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.image import Image

__all__ = [
    "Exposed",
    "Exposing",
    "expose",
    "exposed",
    "hidden_by",
    "plan_expose",
    "plan_unexpose",
    "plan_update_exposed",
    "unexpose",
    "update_exposed",
]


class Exposing(msgspec.Struct, frozen=True, kw_only=True):
    """What to expose: ``names`` are programs of the image, ``commands`` NAME=COMMAND, ``everything`` all programs
    of its PATH but those of the system. ``folder`` is where the scripts go, ``modules`` where modulefiles do,
    ``module`` how theirs is called (NAME/VERSION); each may be empty. ``volumes`` and ``env`` are as for ``run``."""

    image: str
    names: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    everything: bool = False
    folder: str = ""
    modules: str = ""
    module: str = ""
    volumes: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


def expose(wanted: Exposing, *, progress: Progress = silent, world: World | None = None) -> tuple[Exposed, ...]:
    """Make the commands; the image is pulled when it is missing.

    Raises :class:`NotFound` for a program that the image lacks, :class:`Conflict` where another program is; nothing is
    made then.
    """
    world = world or World()
    image = _image(world, wanted.image, progress=progress)
    found, module = _exposed(world, wanted, image)
    _check(found)
    if module is not None:
        module_files(module)
    hold(world, image.digest, image.reference)
    for each in found:
        write_command(each, world)
    if module is not None:
        write_module(module)
    return found


def plan_expose(wanted: Exposing, *, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`expose` would do; an image that would have to be pulled is not looked into."""
    world = world or World(make_store=False)
    resolved = resolve(world, wanted.image, dry_run=True)
    if isinstance(resolved, MissingImage):
        return (Change("pull", "image", wanted.image),)
    found, module = _exposed(world, wanted, resolved.image)
    _check(found)
    made = [Change(_action(each.path), "command", each.path, each.word) for each in found]
    files = module_files(module) if module else ()
    return (*made, *(Change(_action(path), "modulefile", path, wanted.image) for path in files))


def exposed(folder: str = "", names: Iterable[str] = (), *, world: World | None = None) -> tuple[Exposed, ...]:
    """The commands in a folder (default: all of PATH, and where they are put); only those of these names, if any.

    Raises :class:`NotFound` for a name that is none.
    """
    world = world or World(make_store=False)
    folders = [absolute(folder, world)] if folder else list(dict.fromkeys([home_folder(world), *search_path(world)]))
    found = [each for place in folders for each in commands_in(place)]
    wanted = tuple(names)
    for name in wanted:
        if not any(each.name == name for each in found):
            raise NotFound(f"'{name}' is no exposed command", why=f"none in {_told(folders)}", hint="--dir DIR")
    return tuple(each for each in found if not wanted or each.name in wanted)


def update_exposed(
    names: Iterable[str] = (), folder: str = "", *, progress: Progress = silent, world: World | None = None
) -> tuple[tuple[Exposed, Exposed], ...]:
    """Let the commands run what their images' names lead to now, asking the registry; before and after of each.

    Raises what :func:`expose` raises; then none is changed.
    """
    world = world or World()
    before = exposed(folder, names, world=world)
    images = {text: _newest(world, text, progress) for text in {each.image: None for each in before}}
    after = []
    for each in before:
        image = images[each.image]
        _require_program(image, each.command[0])
        after.append(msgspec.structs.replace(each, word=_word(world, each.image, image)))
    for image in images.values():
        hold(world, image.digest, image.reference)
    for old, new in zip(before, after, strict=True):
        if old != new:
            write_command(new, world)
    return tuple(zip(before, after, strict=True))


def plan_update_exposed(
    names: Iterable[str] = (), folder: str = "", *, world: World | None = None
) -> tuple[Change, ...]:
    """What :func:`update_exposed` would change; registries are asked, nothing is fetched."""
    from wherry.base.outside import Outside
    from wherry.containers.naming import is_digits, reference_of
    from wherry.image import preview_pull
    from wherry.registry import connect

    world = world or World(make_store=False)
    found = []
    with connect(world.settings, Outside()) as registry:
        for each in exposed(folder, names, world=world):
            if _elsewhere(world, each.image) or is_digits(each.image):
                continue
            reference = reference_of(world, each.image)
            try:
                digest = preview_pull(world.store, registry, reference).digest
            except RegistryError:
                held = world.store.name(reference)
                if held is None:
                    raise
                digest = held.digest
            word = str(reference.at(digest))
            if word != each.word:
                found.append(Change("update", "command", each.path, word))
    return tuple(found)


def unexpose(names: Iterable[str], folder: str = "", *, world: World | None = None) -> tuple[Exposed, ...]:
    """Remove commands, and their modulefile with the last one that it leads to."""
    world = world or World(make_store=False)
    found = _named(names, folder, world)
    for each in found:
        try:
            os.unlink(each.path)
        except OSError as error:
            raise WherryError(f"cannot remove '{each.path}'", why=reason(error)) from None
        place = os.path.dirname(each.path)
        if each.module and not any(other.module == each.module for other in commands_in(place)):
            remove_module(each.module, place)
    return found


def plan_unexpose(names: Iterable[str], folder: str = "", *, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`unexpose` would remove."""
    world = world or World(make_store=False)
    return tuple(Change("remove", "command", each.path, each.word) for each in _named(names, folder, world))


def hidden_by(each: Exposed, world: World | None = None) -> str | None:
    """The program that a shell finds in place of the command; empty where it finds none, None where it finds it."""
    first = next(found_programs(each.name, world or World(make_store=False)), "")
    return None if first and os.path.samefile(first, each.path) else first


def _named(names: Iterable[str], folder: str, world: World) -> tuple[Exposed, ...]:
    wanted = tuple(names)
    if not wanted:
        raise UsageError("no command is named", hint="wherry expose --list shows them")
    return exposed(folder, wanted, world=world)


def _image(world: World, text: str, *, pull: str | None = None, progress: Progress = silent) -> Image:
    found = resolve(world, text, pull=None if _elsewhere(world, text) else pull, progress=progress)
    assert isinstance(found, Resolved)
    return found.image


def _newest(world: World, text: str, progress: Progress) -> Image:
    """What the registry has by that name; what is held here, where it does not say (as of images that are loaded)."""
    try:
        return _image(world, text, pull="always", progress=progress)
    except RegistryError as error:
        try:
            held = _image(world, text, pull="never", progress=progress)
        except NotFound:
            raise error from None
        progress(Event(text, "as held here", message=error.what))
        return held


def _exposed(world: World, wanted: Exposing, image: Image) -> tuple[tuple[Exposed, ...], Module | None]:
    commands = _commands(wanted, image)
    module, folder = _placed(world, wanted, image, [name for name, _ in commands])
    word = _word(world, wanted.image, image)
    options = _options(world, wanted)
    name = _elsewhere(world, wanted.image) or wanted.image
    path = module.path if module else ""
    made = (Exposed(each, f"{folder}/{each}", name, word, command, options, path) for each, command in commands)
    return tuple(made), module


def _commands(wanted: Exposing, image: Image) -> list[tuple[str, tuple[str, ...]]]:
    """Names with what is run by them, checked."""
    found: dict[str, tuple[str, ...]] = {posixpath.basename(text): (text,) for text in wanted.names}
    for text in wanted.commands:
        name, equals, command = text.partition("=")
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise UsageError(f"'--as {text}' is not understood", why=str(error), hint="--as NAME=COMMAND") from None
        if not equals or not name or not words:
            raise UsageError(f"'--as {text}' is not understood", hint="--as NAME=COMMAND, as --as py=python3")
        found[name] = words
    if wanted.everything:
        from wherry.containers.imageprograms import own_programs

        found = {**{name: (name,) for name in own_programs(image)}, **found}
        if not found:
            raise NotFound(f"'{wanted.image}' has no programs but those of the system", hint="name the ones you want")
    if not found:
        raise UsageError("no command is named", hint="wherry expose IMAGE COMMAND..., or --all")
    for name, words in found.items():
        if not name or "/" in name or name.startswith(("-", ".")) or not name.isprintable():
            raise UsageError(f"{name!r} cannot be a command's name", hint="--as NAME=COMMAND gives it another")
        _require_program(image, words[0])
    return sorted(found.items())


def _require_program(image: Image, name: str) -> None:
    from wherry.containers.imageprograms import require_program

    require_program(image, name)


def _placed(world: World, wanted: Exposing, image: Image, names: list[str]) -> tuple[Module | None, str]:
    """The modulefile, if one is wanted, and the folder of the scripts."""
    if not wanted.modules:
        if wanted.module:
            raise UsageError("a module's name is given, and no folder for modulefiles", hint="--module DIR")
        return None, absolute(wanted.folder, world) if wanted.folder else home_folder(world)
    modules = absolute(wanted.modules, world)
    name, slash, version = (wanted.module or _module_name(image)).partition("/")
    if not slash or not name or not version or "/" in version or name.startswith(".") or version.startswith("."):
        raise UsageError(f"'{wanted.module}' is not a module's name", hint="--module-name NAME/VERSION")
    folder = absolute(wanted.folder, world) if wanted.folder else f"{modules}/{HIDDEN}/{name}/{version}"
    described = f"{', '.join(names[:8])}{' ...' if len(names) > 8 else ''} of {wanted.image}"
    return Module(f"{modules}/{name}/{version}", folder, described), folder


def _module_name(image: Image) -> str:
    """``montage/6.0`` of ``quay.io/team/montage:6.0``; of a file its name and the digest's beginning."""
    name, _, _ = image.reference.partition("@")
    if name.startswith("/"):
        return f"{posixpath.basename(name.rstrip('/')).rpartition('.')[0] or posixpath.basename(name.rstrip('/'))}/1"
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, image.digest.short
    return f"{posixpath.basename(repository)}/{tag}"


def _word(world: World, text: str, image: Image) -> str:
    """What makes ``run`` start exactly this image: its name with its digest, or the path of what is used in place."""
    from wherry.containers.naming import is_digits, reference_of
    from wherry.image import directory_of

    elsewhere = _elsewhere(world, text)
    if elsewhere is not None and directory_of(image):
        return elsewhere
    if elsewhere is not None or is_digits(text):
        return str(image.digest)
    return str(reference_of(world, text).at(image.digest))


def _elsewhere(world: World, text: str) -> str | None:
    """The text, paths made absolute, when it means a file or another place; None for a registry's name."""
    path = file_meant(world, text)
    if path is not None:
        return f"{path}/" if os.path.isdir(path) else path
    source = source_meant(text)
    if source is None or not source.is_path:
        return None if source is None else text
    return str(msgspec.structs.replace(source, place=absolute(source.place, world)))


def _options(world: World, wanted: Exposing) -> tuple[str, ...]:
    from wherry.containers.binding import volume

    found: list[str] = []
    for text in wanted.volumes:
        bind = volume(text, world.outside)
        found += ["-v", f"{bind.source}:{bind.target}{':ro' if bind.read_only else ''}"]
    for text in wanted.env:
        found += ["-e", text]
    return tuple(found)


def _check(found: tuple[Exposed, ...]) -> None:
    for each in found:
        if os.path.lexists(each.path) and read_command(each.path) is None:
            why = "it was not made by 'wherry expose', and would be lost"
            raise Conflict(f"'{each.path}' is another program", why=why, hint="--dir DIR, or --as NAME=COMMAND")


def _action(path: str) -> str:
    return "replace" if os.path.lexists(path) else "write"


def _told(folders: list[str]) -> str:
    return f"'{folders[0]}'" if len(folders) == 1 else f"'{folders[0]}' and the other folders of PATH"
