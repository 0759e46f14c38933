"""From ``ch-run``'s options to a start: the image's directory as root, read-only unless asked, /dev and /tmp of the
host, and the caller's variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from wherry.base.decimals import decimal
from wherry.base.errors import Conflict, NotFound, UsageError, reason
from wherry.launch.options import Bind, RunOptions
from wherry.shims.charliecloud.variables import environment

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.shims.charliecloud.words import Line

__all__ = ["run"]

FAILED = 1
_PRIVATE = (("/home", "mode=755,exec", "home"), ("/tmp", "mode=1777,exec", "private_tmp"))
_OPTIONAL = ("/etc/machine-id", "/var/opt/cray/alps/spool")
_CRAY = ("/var/lib/hugetlbfs", "/var/opt/cray/hugetlbfs")


def run(given: Line) -> NoReturn:
    """Become the container."""
    from wherry.cli.becoming import become
    from wherry.containers import World

    world = World()
    if len(given.words) < 2:
        raise UsageError("IMAGE and/or CMD not specified", hint="ch-run IMAGE -- COMMAND")
    image, folder = _image(given, world)
    names = world.outside.envs
    made = environment(
        given.steps, world.outside.env, lambda: names("").keys(), lambda path: _lines(world, image, folder, path)
    )
    options = RunOptions(
        image=image,
        command=given.words[1:],
        entrypoint=(),
        env=(*made.made, *_home_variable(given, world)),
        pass_env=made.passed,
        bare_env=True,
        binds=_binds(given, world, folder),
        tmpfs=tuple((path, mode) for path, mode, asked in _PRIVATE if given.flag(asked)),
        workdir=given.text("cd") or "/",
        user=_user(given, world),
        home_path="/",
        here=False,
        home=False,
        interactive=True,
        if_terminal=True,
        read_only=not (given.flag("write") or given.flag("write_fake")),
        in_place=given.flag("write"),
        pull="never",
        keep_dashes=True,
        shared_ipc=True,
        failed_status=FAILED,
    )
    prefix = ("ch-run", *given.prefix) if made.lasting and given.prefix else ()
    become(options, world, prefix, quiet=given.flag("quiet"))


def _image(given: Line, world: World) -> tuple[str, str]:
    """What to run, and its directory where it is one: a path, a name of ``ch-image``'s storage, a name in the store."""
    text = given.word
    path = os.path.normpath(os.path.join(world.outside.cwd(), text))
    if world.outside.stat(path).exists:
        folder = path if os.path.isdir(path) else ""
    elif text.startswith(("/", "./", "../")):
        raise NotFound(f"can't stat: {text}: No such file or directory", hint="check the spelling")
    else:
        folder = path = _stored(given, world)
        if not path:
            if given.flag("write"):
                why = "an image of the store is the same for all its containers"
                hint = "--write-fake, or wherry export it to a directory"
                raise Conflict(f"'{text}' cannot be written", why=why, hint=hint)
            return text, ""
    if given.flag("write") and not folder:
        raise Conflict(f"'{text}' cannot be written", why="it is a file of an image", hint="--write-fake")
    return (f"{folder}/", folder) if folder else (path, "")


def _stored(given: Line, world: World) -> str:
    """The directory of ``ch-image``'s image of that name, empty where there is none."""
    user = world.outside.env("USER") or world.host.user
    storage = given.text("storage") or world.outside.env("CH_IMAGE_STORAGE") or f"/var/tmp/{user}.ch"
    path = f"{storage}/img/{given.word.replace('/', '%').replace(':', '+')}"
    return path if world.outside.stat(path).exists else ""


def _binds(given: Line, world: World, folder: str) -> tuple[Bind, ...]:
    found = {"/dev": Bind("/dev", "/dev"), _CRAY[1]: Bind(*_CRAY, optional=True)}
    found.update({path: Bind(path, path, optional=True) for path in _OPTIONAL})
    for target in (_CRAY[1], *_OPTIONAL):
        if not (folder and world.outside.stat(folder + target).exists):  # nothing of these is made
            del found[target]
    if not given.flag("private_tmp"):
        found["/tmp"] = Bind(world.outside.env("TMPDIR") or "/tmp", "/tmp")
    if given.flag("home"):
        home, user = _home(world)
        found[f"/home/{user}"] = Bind(home, f"/home/{user}")
    if given.flag("no_passwd"):
        if not folder:
            raise UsageError("'--no-passwd' cannot be honoured", why="the image is no directory", hint="leave it out")
        places = {name: _inside(folder, name) for name in ("/etc/passwd", "/etc/group")}
        found.update({name: Bind(real, name) for name, real in places.items() if world.outside.stat(real).exists})
    for text in given.many("bind"):
        source, _, target = text.partition(":")
        if not source or not os.path.exists(os.path.join(world.outside.cwd(), source)):
            raise NotFound(f"can't bind: source not found: {source}", hint="check the spelling")
        source = os.path.join(world.outside.cwd(), source)
        target = os.path.normpath(target or source)
        found[target] = Bind(source, target)
    return tuple(found.values())


def _inside(folder: str, path: str) -> str:
    """Where a file of the image's directory is: its links lead there as they do in the container, never to the host's
    files."""
    parent = path.rpartition("/")[0]
    if not (os.path.islink(folder + parent) or os.path.islink(folder + path)):
        return folder + path
    from wherry.image import Tree

    return folder + Tree([folder]).resolve(path)


def _home(world: World) -> tuple[str, str]:
    home, user = world.outside.env("HOME"), world.outside.env("USER")
    if not (home and user):
        raise UsageError("--home failed", why="$HOME or $USER is not set", hint="export both")
    return home, user


def _home_variable(given: Line, world: World) -> tuple[str, ...]:
    return (f"HOME=/home/{_home(world)[1]}",) if given.flag("home") else ()


def _user(given: Line, world: World) -> str | None:
    uid, gid = (_number(given, name) for name in ("uid", "gid"))
    if uid is None and gid is None:
        return None
    return f"{world.host.uid if uid is None else uid}:{world.host.gid if gid is None else gid}"


def _number(given: Line, name: str) -> int | None:
    text = given.text(name)
    if text is None:
        return None
    number = decimal(text)
    if number is None:
        raise UsageError(f"--{name}: '{text}' is no number", hint=f"as --{name}=1000")
    return number


def _lines(world: World, image: str, folder: str, path: str | None) -> list[str]:
    """Of a file of the host, or of the image's ``/ch/environment``: what its configuration says, where it has none."""
    if path is None and not folder:
        from wherry.containers import held_image
        from wherry.image import view

        found = held_image(world, image)
        content = view(found).read("/ch/environment", 1 << 20)
        return (
            content.decode(errors="surrogateescape").splitlines()
            if content is not None
            else list(found.config.config.env or ())
        )
    path = _inside(folder, "/ch/environment") if path is None else os.path.join(world.outside.cwd(), path)
    try:
        content = world.outside.read(path)
    except OSError as error:
        raise UsageError(f"can't open: {path}", why=reason(error), hint="--set-env=FILE names a file") from None
    if content is None:
        raise NotFound(f"can't open: {path}: No such file or directory", hint="check the spelling")
    return content.decode(errors="surrogateescape").splitlines()
