"""``udocker pull``, ``load``, ``save``, ``import``, ``rmi``, ``tag``, ``login`` and the like: images in and out."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING

from wherry.base.errors import Conflict, UsageError
from wherry.cli.grammar import Given
from wherry.launch.options import RunOptions
from wherry.shims.udocker import protected
from wherry.shims.udocker import world as places

if TYPE_CHECKING:
    from wherry.containers import World

__all__ = [
    "do_export",
    "do_import_",
    "do_install",
    "do_load",
    "do_login",
    "do_logout",
    "do_mkrepo",
    "do_pull",
    "do_rmi",
    "do_save",
    "do_tag",
]


_CLONE = "what udocker notes beside a container's files is its own"


def do_pull(given: Given, general: Given) -> int:
    """Fetch an image. One of a registry that only an option names is held by the plain name too."""
    from wherry import containers
    from wherry.cli.moving import shown

    world = places.open_world(general)
    image = _one(given)
    named = places.from_registry(world, image, given)
    reference = containers.reference_of(world, named)
    with shown(general.flag("quiet")) as progress:
        containers.fetch(world, reference, platform=given.text("platform") or None, progress=progress)
    if named != image:
        containers.tag(named, image, world=world)
    return 0


def do_load(given: Given, general: Given) -> int:
    """Take images out of a file or standard input, under NAME where one is given; print their names."""
    from wherry import containers
    from wherry.cli.archives import load

    world = _set_store(general)
    words = [word for word in given.words if word != "-"]
    if len(words) > 1:
        raise UsageError(f"syntax error at: {words[1]}", hint="udocker load -i FILE [NAME]")
    before = {str(reference) for reference, _ in world.store.names()}
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = load(Given({"input": given.text("input") or "-"}, ()))
    for line in told.getvalue().splitlines():
        name = line.removeprefix("loaded: ")
        if words:
            containers.tag(name, words[0], world=world)
            target = str(containers.reference_of(world, words[0]))
            if name != target and name not in before and not name.startswith("sha256:"):
                containers.rmi(name, world=world)  # the name in the file was not asked for
            name = words[0]
        print([name if name.startswith("sha256:") else containers.reference_of(world, name).familiar])
    return status


def do_save(given: Given, general: Given) -> int:
    """Write images into a file or standard output."""
    from wherry.cli.archives import save

    _set_store(general)
    path, words = given.text("output") or "-", tuple(word for word in given.words if word != "-")
    if not words:
        raise UsageError("must specify image:tag or repository/image:tag")
    if path != "-" and os.path.exists(path):
        raise Conflict(f"output file already exists: {path}", hint="remove it, or name another")
    return save(Given({"output": path, "quiet": True}, words))


def do_rmi(given: Given, general: Given) -> int:
    """Remove an image's name and, with the last one, the image; a container that was made from it stays whole."""
    from wherry import containers

    world, image = places.open_world(general), _one(given)
    reference = containers.reference_of(world, image)
    if str(reference) in protected.names(world):
        raise Conflict("image repository is protected", hint=f"udocker unprotect {image}")
    if not general.flag("quiet"):
        print(f"Info: deleting image: {image}")
    name = world.store.name(reference)
    needed = {container.image_digest for container in containers.kept_containers(world.containers)}
    if name is not None and str(name.digest) in needed:
        world.store.remove_name(reference)
    else:
        containers.rmi(image, force=given.flag("force"), world=world)
    return 0


def do_tag(given: Given, general: Given) -> int:
    """One more name for an image."""
    from wherry import containers

    world = places.open_world(general)
    if len(given.words) != 2:
        raise UsageError("target name is invalid", hint="udocker tag SOURCE TARGET")
    source, target = given.words
    if world.store.name(containers.reference_to_name(world, target)) is not None:
        raise Conflict("target already exists", hint=f"udocker rmi {target}")
    containers.tag(source, target, world=world)
    return 0


def do_import_(given: Given, general: Given) -> int:
    """Make an image of the tar of a root directory; with ``--tocontainer`` a container, and print its id."""
    from wherry import containers
    from wherry.cli.archives import import_

    world = _set_store(general)
    if given.flag("clone"):
        raise UsageError("import --clone cannot be honoured", why=_CLONE, hint="export and import without --clone")
    to_container = given.flag("tocontainer")
    if not given.words or len(given.words) != (1 if to_container and len(given.words) == 1 else 2):
        raise UsageError("must specify tar filename and image:tag", hint="udocker import FILE NAME:TAG")
    platform = given.text("platform")
    options: dict[str, bool | str | tuple[str, ...]] = {"quiet": True, **({"platform": platform} if platform else {})}
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = import_(Given(options, given.words))
    if to_container and status == 0:
        digest = told.getvalue().strip()
        made = RunOptions(image=digest, name=given.text("name") or None, pull="never", user="image", log=False)
        print(places.uuid(containers.create(made, world=world)))
    return status


def do_export(given: Given, general: Given) -> int:
    """Write a container's root as a tar, to standard output or with ``-o`` to the file named first."""
    from wherry.cli.exporting import export

    world = _set_store(general)
    if given.flag("clone"):
        raise UsageError("export --clone cannot be honoured", why=_CLONE, hint="leave out --clone")
    words = given.words if given.flag("o") else ("-", *(word for word in given.words if word != "-"))
    if len(words) != 2:
        raise UsageError("invalid container id", hint="udocker export -o FILE CONTAINER")
    found = places.container(world, words[1])
    if words[0] != "-":
        print(f"Info: exporting to file {words[0]}")
    return export(Given({"output": words[0], "quiet": True}, (found.id,)))


def do_login(given: Given, general: Given) -> int:
    """Keep credentials, where Docker keeps them too."""
    from wherry.cli.credentials import login

    return login(_account(given))


def do_logout(given: Given, general: Given) -> int:
    """Forget them."""
    from wherry.cli.credentials import logout

    if given.flag("a"):
        why = "they are shared with docker and podman"
        raise UsageError("logout -a cannot be honoured", why=why, hint="udocker logout --registry=HOST")
    return logout(_account(given))


def do_mkrepo(given: Given, general: Given) -> int:
    """Make a folder in which all can be kept: for ``--repo`` and ``UDOCKER_DIR``."""
    from wherry.base.outside import Outside
    from wherry.base.settings import load
    from wherry.containers import World

    if len(given.words) != 1:
        raise UsageError("must specify a directory", hint="udocker mkrepo DIRECTORY")
    outside = Outside()
    folder = os.path.join(outside.cwd(), given.word)
    if os.path.lexists(folder):
        raise Conflict(f"localrepo directory already exists: {given.word}", hint="name one that is to be made")
    os.makedirs(folder, 0o700)
    settings = load(outside).with_flag("store.path", f"{folder}/wherry", "mkrepo")
    return 0 if World(outside, settings).store.path else 1


def do_install(given: Given, general: Given) -> int:
    """Nothing: Wherry brings what it needs."""
    return 0


def _account(given: Given) -> Given:
    """For Wherry's own verbs: the registry as a word, without ``https://`` and path."""
    url = given.text("registry") or ""
    host = (url.partition("://")[2] if "://" in url else url).partition("/")[0]
    host = "docker.io" if host in ("registry-1.docker.io", "index.docker.io") else host
    wanted = ("username", "password", "password_stdin")
    return Given({key: value for key, value in given.options.items() if key in wanted}, (host,) if host else ())


def _one(given: Given) -> str:
    if len(given.words) != 1:
        raise UsageError("must specify image:tag or repository/image:tag")
    return given.word


def _set_store(general: Given) -> World:
    """For functions of the command line's room, which open the world by themselves."""
    world = places.open_world(general)
    os.environ["WHERRY_STORE"] = world.store.path
    return world
