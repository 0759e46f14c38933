"""``ch-image`` and ``ch-convert``: images by name in Wherry's store, and from one form to another."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, TYPE_CHECKING, cast

from wherry.base.errors import Conflict, NotFound, UsageError

if TYPE_CHECKING:
    from wherry.containers import World

__all__ = ["convert", "image"]

_TAKES = ("-a", "--arch", "-s", "--storage", "--cache-large", "-i", "--in-fmt", "-o", "--out-fmt", "--tmp", "--xattrs")
_HARMLESS = (
    *("--auth", "--cache", "--debug", "--dependencies", "--no-cache", "--no-lock", "--no-xattrs", "--password-many"),
    *("--profile", "--quiet", "--rebuild", "--verbose", "-q", "-v", "--last-layer", "--parse-only", "-l", "--long"),
    *("--no-clobber", "-n"),
)
_SUFFIXES = ((".sqfs", "squash"), (".tar", "tar"), (".tar.gz", "tar"), (".tgz", "tar"))
_FORMS = ("ch-image", "dir", "squash", "tar")


def image(words: list[str]) -> int:
    """``ch-image``: build, pull, list, delete, push, import, storage-path."""
    place = _verb_at(words)
    if words[place : place + 1] == ["build"]:
        from wherry.shims.charliecloud.building import build

        return build([*words[:place], *words[place + 1 :]], words)
    options, plain = _split("ch-image", words)
    verb, rest = (plain[0], plain[1:]) if plain else ("", [])
    verbs = {"pull": _pull, "list": _list, "delete": _delete, "push": _push, "import": _import}
    if verb == "storage-path":
        from wherry.containers import World

        print(World().store.path)
        return 0
    if verb not in verbs:
        known = ", ".join(("build", *verbs, "storage-path"))
        what = f"'{f'ch-image {verb}'.strip()}' cannot be honoured"
        raise UsageError(what, why="Wherry has no such thing", hint=f"there are {known}")
    return verbs[verb](options, rest)


def convert(words: list[str]) -> int:
    """``ch-convert IN OUT``."""
    options, plain = _split("ch-convert", words)
    if len(plain) != 2:
        raise UsageError("ch-convert takes IN and OUT", hint="ch-convert IMAGE FILE.sqfs")
    source, target = plain
    given = options.get("-i") or options.get("--in-fmt") or _form(source)
    wanted = options.get("-o") or options.get("--out-fmt") or _form(target)
    for form in (given, wanted):
        if form not in _FORMS:
            hint = f"{', '.join(_FORMS)}; 'wherry load' takes what 'docker save' writes"
            raise UsageError(f"the format '{form}' cannot be honoured", hint=hint)
    if given == wanted:
        raise UsageError("input and output are of the same format", why=given, hint="copy it")
    if wanted != "ch-image" and os.path.lexists(target) and ("--no-clobber" in options or "-n" in options):
        raise Conflict(f"'{target}' exists", hint="leave out --no-clobber, or name another")
    _write(_readable(source, given), target, given, wanted)
    return 0


def _write(source: str, target: str, given: str, wanted: str) -> None:
    from wherry import containers
    from wherry.cli.moving import shown

    world = containers.World()
    with shown(quiet=False) as progress:
        if wanted == "squash":
            containers.pack(source, target, form="squashfs", world=world, progress=progress)
        elif wanted == "ch-image" and given == "squash":
            containers.tag(str(containers.load(source, world=world, progress=progress)[0].digest), target, world=world)
        elif wanted == "ch-image":
            containers.import_image(source, target, world=world, progress=progress)
        else:
            found = source if given in ("ch-image", "dir", "squash") else _imported(world, source)
            _write_root(world, found, target, wanted)


def _imported(world: World, source: str) -> str:
    from wherry import containers

    return str(containers.import_image(source, world=world).digest)


def _write_root(world: World, source: str, target: str, wanted: str) -> None:

    if wanted == "tar":
        _write_tar(world, source, target)
        return
    from wherry.containers import Resolved, resolve
    from wherry.image import write_out
    from wherry.shims.charliecloud.places import make_places

    found = resolve(world, source, pull="never")
    assert isinstance(found, Resolved)
    if os.path.lexists(target):
        raise Conflict(f"'{target}' exists", hint="remove it, or name another")
    write_out(found.image, target)
    os.chmod(target, 0o755)
    make_places(target, found.image.config.config.env or ())


def _write_tar(world: World, source: str, target: str) -> None:
    import gzip

    from wherry import containers

    work = f"{target}.partial-{os.getpid()}"
    try:
        with open(work, "wb") as file:
            if target.endswith("gz"):
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    containers.export_root(source, cast("IO[bytes]", packed), world=world)
            else:
                containers.export_root(source, file, world=world)
        os.rename(work, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(work)


def _pull(options: dict[str, str], words: list[str]) -> int:
    from wherry import containers
    from wherry.cli.moving import shown

    source, target = _one_or_two(words, "ch-image pull IMAGE [NAME]")
    world = containers.World()
    architecture = options.get("-a") or options.get("--arch") or ""
    with shown(quiet=False) as progress:
        platform = f"linux/{architecture}" if architecture not in ("", "yolo", "host") else None
        containers.fetch(world, containers.reference_of(world, source), platform=platform, progress=progress)
    if target:
        containers.tag(source, target, world=world)
    return 0


def _list(options: dict[str, str], words: list[str]) -> int:
    from wherry.containers import World, reference_of
    from wherry.store import listed

    world = World()
    names = sorted(reference.familiar for reference, _ in listed(world.store).names)
    if words:
        wanted = reference_of(world, words[0]).familiar
        print(f"details of image:    {words[0]}\nin local storage:    {'yes' if wanted in names else 'no'}")
        return 0
    print("".join(f"{name}\n" for name in names), end="")
    return 0


def _delete(options: dict[str, str], words: list[str]) -> int:
    from wherry import containers

    if not words:
        raise UsageError("no image is named", hint="ch-image delete IMAGE")
    for word in words:
        containers.rmi(word)
    return 0


def _push(options: dict[str, str], words: list[str]) -> int:
    from wherry import containers
    from wherry.cli.moving import shown

    source, target = _one_or_two(words, "ch-image push IMAGE [DESTINATION]")
    with shown(quiet=False) as progress:
        if target:
            containers.tag(source, target)
        containers.push(target or source, progress=progress)
    return 0


def _import(options: dict[str, str], words: list[str]) -> int:
    from wherry import containers
    from wherry.cli.moving import shown

    source, target = _one_or_two(words, "ch-image import PATH IMAGE")
    with shown(quiet=False) as progress:
        containers.import_image(_readable(source, _form(source)), target, progress=progress)
    return 0


def _verb_at(words: list[str]) -> int:
    """Where the verb stands behind the options that all verbs have."""
    place = 0
    while place < len(words) and words[place][:1] == "-":
        place += 2 if words[place] in _TAKES else 1
    return place


def _split(program: str, words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options by their spelling, and the other words."""
    options: dict[str, str] = {}
    plain: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word[:1] != "-" or word == "-":
            plain.append(word)
        elif name in _TAKES:
            options[name] = value if equals else next(rest, "")
            if name in ("-s", "--storage"):
                why = "its images are Wherry's own, in the store"
                raise UsageError(f"'{name}' cannot be honoured", why=why, hint="WHERRY_STORE names another store")
        elif name in _HARMLESS:
            options[name] = value
        elif name == "--version":
            print("0.31", file=sys.stderr)
            options[name] = ""
        else:
            raise UsageError(f"{program} has no option '{name}' that can be honoured", hint="leave it out")
    return options, plain


def _form(path: str) -> str:
    for suffix, form in _SUFFIXES:
        if path.endswith(suffix):
            return form
    return "dir" if path.startswith(("/", "./", "../")) or path.endswith("/") else "ch-image"


def _readable(path: str, form: str) -> str:
    """As Wherry's functions tell a file from a name."""
    if form == "ch-image":
        return path
    if not os.path.exists(path):
        raise NotFound(f"can't stat: {path}: No such file or directory", hint="check the spelling")
    return f"{os.path.abspath(path)}/" if form == "dir" else os.path.abspath(path)


def _one_or_two(words: list[str], usage: str) -> tuple[str, str]:
    if not 1 <= len(words) <= 2:
        raise UsageError("wrong number of arguments", hint=usage)
    return words[0], words[1] if len(words) > 1 else ""
