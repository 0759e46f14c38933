"""``import-store``: bringing over what other container programs keep, without downloading it again.

What is there with its layers is unpacked from the files where they lie: every byte is compared with its digest. Images
that are here already, by the digest of their configuration or by what was read of their files, are only named.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import HostLacks, InvalidName, NotFound, UsageError, WherryError
from wherry.base.progress import Progress, silent
from wherry.containers.changes import Change
from wherry.containers.holding import hold
from wherry.containers.naming import reference_to_name
from wherry.containers.theirs import PROGRAMS, Theirs, find_theirs, save_to
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.base.reference import Reference
    from wherry.image import Image

__all__ = ["Brought", "import_store", "plan_import_store"]


class Brought(msgspec.Struct, frozen=True):
    """What became of an image of another program's. ``state`` is ``brought``, ``here`` (it was here already) or
    ``left``, with ``why``; ``names`` are what it is called here now. ``silent``: not an image, but a program that does
    not say which it has."""

    theirs: Theirs
    state: str
    digest: str = ""
    names: tuple[str, ...] = ()
    why: str = ""


def import_store(
    program: str = "auto", path: str = "", *, progress: Progress = silent, world: World | None = None
) -> Iterator[Brought]:
    """Bring over all images of a program (``auto``: of all that are found), one after the other, each when it is asked
    for; what cannot be had is told and left. Doing it again brings what is new.

    Raises :class:`NotFound` for a ``path`` that is no such store, :class:`UsageError` for an unknown program.
    """
    world = world or World()
    held = _held(world)
    for theirs in _found(world, program, path):
        yield _bring(world, theirs, held, progress)


def plan_import_store(program: str = "auto", path: str = "", *, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`import_store` would bring, with the bytes that it would read."""
    world = world or World(make_store=False)
    held = _held(world, keep=False)
    return tuple(_change(world, theirs, held) for theirs in _found(world, program, path))


def _found(world: World, program: str, path: str) -> tuple[Theirs, ...]:
    """In ``auto`` a program that is not here, or has nothing, is passed over; of one that does not answer why."""
    if program != "auto":
        if program not in PROGRAMS:
            raise UsageError(f"nothing is known of a store of '{program}'", hint=f"--from {', '.join(PROGRAMS)}")
        return find_theirs(program, _absolute(world, path), world)
    found: list[Theirs] = []
    for each in PROGRAMS:
        try:
            found += find_theirs(each, _absolute(world, path), world)
        except (NotFound, HostLacks):
            continue
        except WherryError as error:
            found.append(Theirs(program=each, name="", kind="", place="", why=f"{error.what}: {error.why}"))
    if path and not found:
        raise NotFound(f"nothing was found in '{path}'", why=f"it is no store of {', '.join(PROGRAMS)}")
    return tuple(found)


def _absolute(world: World, path: str) -> str:
    return os.path.normpath(os.path.join(world.outside.cwd(), os.path.expanduser(path))) if path else ""


def _held(world: World, *, keep: bool = True) -> dict[str, Digest]:
    """The images that are here, by the digests of all that their records name: a configuration is one."""
    from wherry.store import listed

    return {str(blob): record.digest for record in listed(world.store, keep=keep).records for blob in record.blobs}


def _known(world: World, theirs: Theirs, held: dict[str, Digest]) -> Digest | None:
    """The image here that this one is."""
    found = held.get(theirs.config) if theirs.config else None
    if found is None and theirs.kind in ("tree", "packed"):
        recalled = world.store.image_of_file(_key(theirs))
        found = recalled[0] if recalled else None
    return found if found is not None and world.store.image_record(found) is not None else None


def _key(theirs: Theirs) -> Digest:
    """What says that the same files were read: a file's stamp, or a tree's place and size."""
    try:
        found = os.stat(theirs.place)
    except OSError:
        return Digest.of(theirs.place.encode())
    stamp = f"{found.st_dev} {found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns} {theirs.size}"
    return Digest.of(f"import-store\0{theirs.place}\0{stamp}\0{theirs.changes}".encode("utf-8", "surrogateescape"))


def _change(world: World, theirs: Theirs, held: dict[str, Digest]) -> Change:
    name, size = f"{theirs.program}: {theirs.name}", theirs.size
    if theirs.why:
        return Change("leave", "image" if theirs.kind else "program", name, theirs.why, theirs.config, size)
    known = _known(world, theirs, held)
    missing = [each for each in _references(world, theirs) if known is None or not _leads(world, each, known)]
    target = ", ".join(each.familiar for each in missing)
    if known is None:
        return Change("bring", "image", name, target or "(no name)", theirs.config, size)
    return (
        Change("name", "image", name, target, str(known)) if missing else Change("keep", "image", name, "", str(known))
    )


def _bring(world: World, theirs: Theirs, held: dict[str, Digest], progress: Progress) -> Brought:
    if theirs.why:
        return Brought(theirs, "left" if theirs.kind else "silent", why=theirs.why)
    try:
        known = _known(world, theirs, held)
        digest = known or _taken(world, theirs, progress).digest
        held[theirs.config] = digest
        names = tuple(each.familiar for each in _named(world, theirs, digest))
        if not names:
            hold(world, digest, theirs.program)
    except WherryError as error:
        return Brought(theirs, "left", why=f"{error.what}: {error.why}" if error.why else error.what)
    if known is None and theirs.kind in ("tree", "packed"):
        world.store.remember_file(_key(theirs), digest, names[0] if names else theirs.name)
    return Brought(theirs, "here" if known else "brought", str(digest), names)


def _taken(world: World, theirs: Theirs, progress: Progress) -> Image:
    """The image, in the store, without a name."""
    from wherry import image

    if theirs.kind == "layers":
        with _layout(world, theirs) as folder:
            return image.load_images(world.store, folder, name=False, progress=progress)[0]
    if theirs.kind == "packed":
        return image.unpack_packed(world.store, theirs.place, progress)
    if theirs.kind == "tree":
        told = image.Imported(theirs.changes, f"from {theirs.program}, {theirs.place}")
        return image.import_folder(world.store, theirs.place, told, progress, share=True)
    with _work(world) as folder:
        save_to(theirs.program, theirs.place, f"{folder}/archive")
        return image.load_images(world.store, f"{folder}/archive", name=False, progress=progress)[0]


@contextmanager
def _work(world: World) -> Iterator[str]:
    """A folder beside the store's layers, until the block ends."""
    work = world.store.new_work()
    try:
        yield work
    finally:
        world.store.discard(work)


@contextmanager
def _layout(world: World, theirs: Theirs) -> Iterator[str]:
    """The image as an OCI layout of links to its files: they are read where they lie."""
    with _work(world) as work:
        digest = Digest.of(theirs.manifest)
        os.makedirs(f"{work}/blobs/sha256")
        for name, path in theirs.blobs.items():
            os.symlink(path, f"{work}/blobs/sha256/{name.removeprefix('sha256:')}")
        document = msgspec.json.decode(theirs.manifest, type=dict[str, object])
        kind = document.get("mediaType") or "application/vnd.oci.image.manifest.v1+json"
        entry = {"mediaType": kind, "digest": str(digest), "size": len(theirs.manifest)}
        for name, content in (
            (f"blobs/sha256/{digest.hex}", theirs.manifest),
            ("index.json", msgspec.json.encode({"schemaVersion": 2, "manifests": [entry]})),
            ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        ):
            if not os.path.lexists(f"{work}/{name}"):
                with open(f"{work}/{name}", "xb") as file:
                    file.write(content)
        yield work


def _named(world: World, theirs: Theirs, digest: Digest) -> list[Reference]:
    """Give the image its names; one that leads to another image here keeps leading there. All that lead to it now."""
    from wherry.store import Name

    found = []
    for reference in _references(world, theirs):
        if world.store.name(reference) is None:
            world.store.set_name(reference, Name(digest))
        if _leads(world, reference, digest):
            found.append(reference)
    return found


def _leads(world: World, reference: Reference, digest: Digest) -> bool:
    name = world.store.name(reference)
    return name is not None and name.digest == digest


def _references(world: World, theirs: Theirs) -> list[Reference]:
    found = []
    for text in theirs.references:
        try:
            found.append(reference_to_name(world, text))
        except (InvalidName, UsageError):
            continue
    return found
