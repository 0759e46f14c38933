"""An image that another program keeps, as a value, and what reading several of their stores has in common."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName, NotFound, WherryError, reason
from wherry.image import read_manifest

if TYPE_CHECKING:
    from wherry.containers.world import World

__all__ = ["Theirs", "blobs_of", "command_changes", "find_theirs", "folders_below", "is_ours", "not_ours", "of_layers"]
__all__ += ["place_of", "tree_bytes"]


class Theirs(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` as its program calls it, ``references`` what it shall be called here (perhaps nothing).

    ``kind`` says what there is: ``layers`` (a manifest, and in ``blobs`` the file of each digest), ``tree`` (a folder
    with its files, ``changes`` being what is known of its configuration), ``packed`` (one file), or ``program`` (the
    program itself gives it out). ``place`` is a path, or the program's id; ``config`` the configuration's digest, by
    which it is known again. ``why`` says why it cannot be had.
    """

    program: str
    name: str
    kind: str
    place: str
    references: tuple[str, ...] = ()
    size: int = 0
    manifest: bytes = b""
    blobs: dict[str, str] = {}
    config: str = ""
    changes: tuple[str, ...] = ()
    why: str = ""


def find_theirs(program: str, path: str, world: World) -> tuple[Theirs, ...]:
    """The images of a program, at ``path`` or where they usually are; none where there are none.

    What is somebody else's gives images, but no names: it could call itself anything.

    Raises :class:`NotFound` for a ``path`` that is no store of that program, :class:`WherryError`.
    """
    found: Iterator[Theirs] = import_module(f"wherry.containers.theirs.{program}").found(path, world)
    if path and not is_ours(path):
        found = (msgspec.structs.replace(item, references=()) for item in found)
    return tuple(sorted(found, key=lambda item: (item.name, item.place)))


def is_ours(path: str) -> bool:
    """Whether who runs this, or root, has made it."""
    try:
        return os.stat(path).st_uid in (0, os.geteuid())
    except OSError:
        return True  # there is nothing of anybody's


def place_of(program: str, path: str, named: str | None, usual: str, *, inner: str) -> str | Theirs:
    """Where a store is: at the ``path`` that somebody gave, which has the folder ``inner``, else where the program's
    variable says (``named``), else at the usual place, or why that is left."""
    if path and not os.path.isdir(f"{path}/{inner}"):
        raise NotFound(f"'{path}' is no store of {program}", why=f"there is no folder '{inner}' in it")
    return path or named or not_ours(program, usual) or usual


def not_ours(program: str, path: str) -> Theirs | None:
    """Why a store is left that nobody named, but that lies where it usually does; None for one that may be read.

    Some of these places are for everybody (``/var/tmp``), so that anybody can be there first.
    """
    try:
        own, found = os.lstat(path), os.stat(path)
    except FileNotFoundError:
        return None  # its reader finds nothing either
    except OSError as error:
        why = reason(error)
    else:
        if {own.st_uid, found.st_uid} != {os.geteuid()}:
            why = "it is somebody else's"
        elif stat.S_ISDIR(found.st_mode) and found.st_mode & 0o022:
            why = "others can write there"
        else:
            return None
    why += f"; if you trust it: wherry import-store --from {program} {path}"
    return Theirs(program=program, name=path, kind="tree", place=path, why=why)


def of_layers(program: str, name: str, references: tuple[str, ...], manifest: bytes, blobs: dict[str, str]) -> Theirs:
    """An image by its manifest; ``blobs`` are all files that there are, by digest. Says what is missing."""
    common = Theirs(program=program, name=name, references=references, kind="layers", place="", manifest=manifest)
    try:
        document = read_manifest(manifest, "", name)
    except WherryError as error:
        return msgspec.structs.replace(common, why=error.why or error.what)
    needed = [str(item.digest) for item in (document.config, *document.layers)]
    present = {digest: blobs[digest] for digest in needed if digest in blobs and os.path.isfile(blobs[digest])}
    missing = [digest for digest in needed if digest not in present]
    return msgspec.structs.replace(
        common,
        blobs=present,
        size=sum(os.path.getsize(path) for path in set(present.values())),
        config=str(document.config.digest),
        why=f"'{missing[0][:19]}...' of it is gone there" if missing else "",
    )


def blobs_of(folder: str, prefix: str = "", suffix: str = "") -> dict[str, str]:
    """The files of a folder that are named by their digests, between a prefix and a suffix."""
    found = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    for name in names:
        if not name.startswith(prefix) or not name.endswith(suffix):
            continue
        try:
            digest = Digest.parse(f"sha256:{name[len(prefix) : len(name) - len(suffix)]}")
        except InvalidName:
            continue
        found[str(digest)] = f"{folder}/{name}"
    return found


def folders_below(top: str) -> Iterator[tuple[str, list[str]]]:
    """Each folder with the names of what in it is none, sorted; a loop, as there may be more levels than calls nest."""
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        pending += [entry.path for entry in reversed(found) if entry.is_dir(follow_symlinks=False)]
        yield folder, [entry.name for entry in found if not entry.is_dir()]


def tree_bytes(path: str) -> int:
    """The bytes of the files below a folder, hard links counted once; what cannot be read counts nothing."""
    total = 0
    seen: set[tuple[int, int]] = set()
    pending = [path]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif (found.st_dev, found.st_ino) not in seen:
                        seen.add((found.st_dev, found.st_ino))
                        total += found.st_size if entry.is_file(follow_symlinks=False) else 0
        except OSError:
            continue
    return total


def command_changes(config: dict[str, object]) -> tuple[str, ...]:
    """What an OCI configuration's ``config`` says, as the instructions that a tree is given (``wherry import``)."""
    found = [f"ENV {_variable(text)}" for text in _texts(config.get("Env")) if "=" in text]
    for key, name in (("Entrypoint", "ENTRYPOINT"), ("Cmd", "CMD")):
        words = _texts(config.get(key))
        if words:
            found.append(f"{name} {msgspec.json.encode(words).decode()}")
    for key, name in (("WorkingDir", "WORKDIR"), ("User", "USER")):
        value = config.get(key)
        if isinstance(value, str) and value:
            found.append(f"{name} {value}")
    return tuple(found)


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _variable(text: str) -> str:
    """``NAME="value"``, in which nothing is taken apart."""
    name, _, value = text.partition("=")
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{quoted}"'
