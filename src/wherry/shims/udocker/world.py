"""What udocker's variables and general options say of the place where all is kept, and names as udocker writes them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from wherry.base.errors import Conflict, NotFound, UsageError, WherryError

if TYPE_CHECKING:
    from wherry.cli.grammar import Given
    from wherry.containers import Found, World

__all__ = ["container", "find", "from_registry", "image_shown", "open_world", "repository", "uuid"]

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def open_world(general: Given) -> World:
    """Wherry's store, or the one in the folder that ``--repo`` or ``UDOCKER_DIR`` names.

    The variable counts only where no setting of Wherry's says where the store is: it may be older than these.
    """
    from wherry.base.outside import Outside
    from wherry.base.settings import load
    from wherry.containers import World

    outside = Outside()
    settings, named = load(outside), general.text("repo")
    folder = outside.env("UDOCKER_DIR")
    if named:
        store = f"{os.path.join(outside.cwd(), named)}/wherry"
        if not outside.stat(store).exists:
            raise UsageError(f"invalid udocker repository: {named}", hint=f"udocker mkrepo {named} makes one")
        settings = settings.with_flag("store.path", store, "--repo")
    elif folder and not settings.has("store.path"):
        store = f"{os.path.join(outside.cwd(), folder)}/wherry"
        settings = settings.with_flag("store.path", store, "UDOCKER_DIR")
    return World(outside, settings, files=False)


def uuid(container_id: str) -> str:
    """The id of a container in udocker's form, which is found again by its digits."""
    digits = container_id[:32]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def find(world: World, text: str) -> Found | None:
    """The container of that name or id; None where there is none. The beginning of an id is not enough: it may be an
    image's name."""
    from wherry.containers import find_container

    is_id = _UUID.fullmatch(text) is not None
    try:
        found = find_container(world, text.replace("-", "") if is_id else text)
    except (NotFound, Conflict):
        return None
    named = found.kept is not None and text in found.kept.names
    return found if is_id or named or found.id == text else None


def container(world: World, text: str) -> Found:
    """The same; raises :class:`NotFound`."""
    found = find(world, text)
    if found is None or found.kept is None:
        raise NotFound(f"invalid container id {text}", hint="'udocker ps' lists them")
    return found


def repository(world: World, image: str, registry: str) -> str:
    """``image`` with the registry in front that an option or ``UDOCKER_REGISTRY`` names, where it names none itself."""
    from wherry.containers import reference_of

    host = registry or world.outside.env("UDOCKER_REGISTRY") or ""
    host = host.partition("://")[2] if "://" in host else host
    host = host.partition("/")[0]
    if not host or host in ("registry-1.docker.io", "registry.hub.docker.com", "index.docker.io"):
        return image
    reference = reference_of(world, image)
    first = image.partition("/")[0]
    if first != image and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"{host}/{image}" if reference.digest or reference.tag else f"{host}/{image}:latest"


def from_registry(world: World, image: str, given: Given) -> str:
    """The name to pull: raises :class:`UsageError` for what cannot be a name."""
    _use_proxy(given.text("httpproxy") or "")
    try:
        return repository(world, image, given.text("registry") or "")
    except WherryError as error:
        what = "must specify image:tag or repository/image:tag"
        raise UsageError(what, why=error.why or error.what, hint=error.hint) from None


def image_shown(image: str) -> str:
    """The image of a container as udocker names it: without the registry that is the default."""
    from wherry.base.reference import Reference

    try:
        return Reference.parse(image).familiar
    except WherryError:
        return image


def _use_proxy(proxy: str) -> None:
    if not proxy:
        return
    scheme = proxy.partition("://")[0]
    if scheme not in ("http", "https"):
        hint = "--httpproxy=http://HOST:PORT"
        raise UsageError(f"--httpproxy={proxy} cannot be used", why=f"'{scheme}' proxies are not known", hint=hint)
    for name in ("http_proxy", "https_proxy"):
        os.environ[name] = proxy
