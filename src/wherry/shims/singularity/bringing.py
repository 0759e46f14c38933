"""``pull``, ``build`` and ``push``: images as files and directories, made from wherever they are."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import Conflict, NotFound, UsageError, reason, remedy
from wherry.cli.grammar import Given
from wherry.shims.singularity.given import Asked, tell
from wherry.shims.singularity.images import Meant, allow_http, image_meant, scheme_of

if TYPE_CHECKING:
    from wherry.base.progress import Progress
    from wherry.containers import World

__all__ = ["credentials", "do_build", "do_pull", "do_push", "fetch_as", "fetch_missing"]


def do_pull(face: str, given: Given, *, quiet: bool) -> int:
    """``pull [NAME] URI``: the image of a registry or of a web server, as a file."""
    from wherry.containers import World

    world = World()
    uri = given.words[-1]
    if not scheme_of(uri):
        raise UsageError(f"'{uri}' names no place to pull from", hint=f"{face} pull docker://{uri}")
    meant = image_meant(uri, world.outside)
    name = given.text("name") or (given.words[0] if len(given.words) > 1 else _file_name(uri))
    folder = given.text("dir") or _variable(world, "PULLDIR") or _variable(world, "PULLFOLDER")
    target = os.path.join(folder, name) if folder else name
    _make(face, given, meant, target, world, sandbox=given.flag("sandbox"), quiet=quiet)
    return 0


def do_build(face: str, given: Given, *, quiet: bool) -> int:
    """``build TARGET SOURCE``: another form of an image; definition files are not followed yet."""
    from wherry.containers import World

    world = World()
    target, source = given.words
    for name in ("remote", "encrypt", "passphrase", "pem_path", "update"):
        if given.options.get(name):
            raise UsageError(
                f"'--{name.replace('_', '-')}' is not possible",
                why="images are not built yet, only made from others",
                hint="leave it out",
            )
    meant = image_meant(source, world.outside)
    if not scheme_of(source):
        _check_source(source, meant)
    _make(face, given, meant, target, world, sandbox=given.flag("sandbox"), quiet=quiet)
    return 0


def do_push(face: str, given: Given, *, quiet: bool) -> int:
    """``push FILE.sif oras://NAME``: a SIF file to a registry."""
    from wherry import containers
    from wherry.cli.moving import shown

    path, uri = given.words
    if scheme_of(uri) != "oras":
        hint = "an image that others run by docker://: wherry load -i FILE, wherry tag, wherry push"
        raise UsageError(f"cannot push to '{uri}'", why="a file goes to a registry by oras:// alone", hint=hint)
    world = containers.World()
    place = path if path.startswith(("/", "./", "../")) else f"./{path}"
    with shown(quiet) as progress, credentials(world, _Login.of(given, world), uri) as auth_file:
        containers.push_artifact(place, uri, auth_file=auth_file, progress=progress, world=world)
    return 0


def _check_source(source: str, meant: Meant) -> None:
    from wherry.image import form_of

    if os.path.isdir(meant.name) or form_of(meant.shown).kind:
        return
    raise UsageError(
        f"cannot build from '{source}'",
        why="it is no image, and definition files are not followed yet",
        hint="build it with the peer's own program, and run the file; or from docker://IMAGE",
    )


def _make(face: str, given: Given, meant: Meant, target: str, world: World, *, sandbox: bool, quiet: bool) -> None:
    """The image ``meant`` as a SIF file or as a directory."""
    from wherry import containers
    from wherry.cli.moving import shown

    if os.path.lexists(target.rstrip("/")) and not given.flag("force"):
        hint = f"{face} pull --force" if given.text("dir") is not None else "--force replaces it"
        raise Conflict(f"'{target}' exists", why="it will not be overwritten", hint=hint)
    if given.flag("nohttps"):
        allow_http(world, meant)
    with shown(quiet) as progress, credentials(world, _Login.of(given, world), meant.name) as auth_file:
        platform, scheme = _platform(given), scheme_of(meant.shown)
        if scheme == "docker":
            fetch_as(world, meant.name, auth_file, platform, progress)
        if sandbox:
            _unpack(world, meant, target.rstrip("/"), platform, progress)
        elif scheme == "oras":
            containers.copy_artifact(world, meant.name, target, auth_file=auth_file, progress=progress)
        elif scheme in ("http", "https"):
            _download(world, meant.name, target, progress)
        else:
            containers.pack(meant.name, target, world=world, progress=progress, form="sif", platform=platform)


def _download(world: World, url: str, target: str, progress: Progress) -> None:
    """The file as the server has it; with ``#sha256=...`` behind its address as it is meant to be."""
    from wherry.image import parse_source
    from wherry.registry import download

    source = parse_source(url)
    assert source is not None
    making = f"{target}.{os.getpid()}.partial"
    try:
        download(
            source.place, making, source.checksum, settings=world.settings, outside=world.outside, progress=progress
        )
        os.rename(making, target)
    except OSError as error:
        raise UsageError(f"cannot write '{target}'", why=reason(error), hint=remedy(error, write=True)) from None
    finally:
        if os.path.lexists(making):
            os.unlink(making)


def fetch_missing(words: Asked, meant: Meant) -> None:
    """The image of a start, with the credentials that its command line gives; nothing where it gives none."""
    from wherry import containers
    from wherry.cli.moving import shown

    world = containers.World()  # what is looked at here says nothing of the plan
    login = _Login(*(words.text(key) for key in ("docker_username", "docker_password", "authfile")))
    if scheme_of(meant.shown) != "docker" or not (login.name or login.auth_file):
        return
    if isinstance(containers.resolve(world, meant.name, dry_run=True), containers.MissingImage):
        with shown(False) as progress, credentials(world, login, meant.name) as auth_file:
            fetch_as(world, meant.name, auth_file, None, progress)


def fetch_as(world: World, name: str, auth_file: str, platform: str | None, progress: Progress) -> None:
    """The image of a registry, as it is there now."""
    from wherry import containers

    reference = containers.reference_of(world, name)
    containers.fetch(world, reference, platform=platform, auth_file=auth_file, progress=progress)


def _unpack(world: World, meant: Meant, target: str, platform: str | None, progress: Progress) -> None:
    from wherry import containers

    making = f"{target}.making-{os.getpid()}"
    try:
        containers.unpack(meant.name, making, world=world, platform=platform, progress=progress)
        if os.path.isdir(target) and not os.path.islink(target):
            containers.remove_tree(target)
        elif os.path.lexists(target):
            os.unlink(target)
        os.rename(making, target)
    except OSError as error:
        raise UsageError(f"cannot write '{target}'", why=reason(error), hint=remedy(error, write=True)) from None
    finally:
        if os.path.isdir(making):
            with contextlib.suppress(OSError):
                containers.remove_tree(making)


def _platform(given: Given) -> str | None:
    architecture = given.text("arch")
    if given.text("platform") or not architecture:
        return given.text("platform")
    variant = given.text("arch_variant")
    return f"linux/{architecture}" + (f"/{variant}" if variant else "")


def _file_name(uri: str) -> str:
    """What the peer calls the file of an image: ``debian_12.sif`` of ``docker://debian:12``."""
    place = uri.partition(":")[2].lstrip("/")
    last = place.rstrip("/").rpartition("/")[2].partition("@")[0]
    if scheme_of(uri) in ("http", "https"):
        return last
    name, _, tag = last.partition(":")
    if not name:
        raise NotFound(f"'{uri}' names no image")
    return f"{name}_{tag or 'latest'}.sif"


def _variable(world: World, name: str) -> str:
    return world.outside.env(f"APPTAINER_{name}") or world.outside.env(f"SINGULARITY_{name}") or ""


class _Login(msgspec.Struct, frozen=True):
    """What a command line or the variables beside it say of credentials; all empty: those that everybody uses."""

    name: str
    password: str
    auth_file: str

    @classmethod
    def of(cls, given: Given, world: World) -> _Login:
        if given.flag("docker_login"):
            raise UsageError(
                "'--docker-login' is not possible", why="no password is asked for here", hint="wherry login"
            )
        if given.text("docker_host"):
            tell("'--docker-host' is passed over: DOCKER_HOST names a docker daemon")
        name = given.text("docker_username") or _variable(world, "DOCKER_USERNAME")
        password = given.text("docker_password") or _variable(world, "DOCKER_PASSWORD")
        return cls(name, password, given.text("authfile") or _variable(world, "AUTHFILE"))


@contextmanager
def credentials(world: World, login: _Login, name: str) -> Iterator[str]:
    """The file of credentials to use: the one that is named, or one with the name and password that were given, which
    is there for this command alone; empty for those that everybody uses."""
    if not (login.name and login.password):
        yield login.auth_file
        return
    import tempfile

    from wherry import containers

    host = containers.reference_of(world, name.removeprefix("oras://")).registry
    secret = base64.b64encode(f"{login.name}:{login.password}".encode()).decode()
    with tempfile.NamedTemporaryFile("w", dir=world.runtime, prefix="auth-") as file:  # only its owner may read it
        json.dump({"auths": {host: {"auth": secret}}}, file)
        file.flush()
        yield file.name
