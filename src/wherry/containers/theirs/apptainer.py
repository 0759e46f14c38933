"""Apptainer and Singularity: a cache with files (``oci-tmp``, ``library``, ``oras``, ``shub``, ``net``) and, as an OCI
layout, the layers that they were made of (``blob``; ``oci`` in old versions).

An image that is there with its layers is taken by these; the file that was made of it has the layers' digest as name,
and says what it was pulled as.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import InvalidName, NotFound, WherryError
from wherry.base.reference import Reference
from wherry.containers.theirs.held import Theirs, blobs_of, folders_below, is_ours, not_ours, of_layers
from wherry.image import Index, PackedImage, is_packed, packed_facts, read_document

if TYPE_CHECKING:
    from wherry.containers.world import World

__all__ = ["found"]

_OWN = "oci-tmp"
_FILES = (_OWN, "library", "oras", "shub", "net")
_BLOBS = ("blob", "oci")
_FROM = re.compile(r"^\s*from:\s*(\S+)\s*$", re.IGNORECASE | re.MULTILINE)
_BOOTSTRAP = re.compile(r"^\s*bootstrap:\s*docker\s*$", re.IGNORECASE | re.MULTILINE)
_NAMED = re.compile(r"(.+)_([A-Za-z0-9._-]+)\.sif")


def found(path: str, world: World) -> Iterator[Theirs]:
    """All images of the caches; those of the variables and of the home unless a path is given."""
    usual = _usual(world)
    tops = [path] if path else [*_named(world), *usual]
    if path and not any(os.path.isdir(f"{path}/{name}") for name in (*_FILES, *_BLOBS)):
        raise NotFound(f"'{path}' is no cache of Apptainer", why=f"it has none of {', '.join((*_FILES, *_BLOBS))}")
    for top in dict.fromkeys(tops):
        if not path and top in usual and (left := not_ours("apptainer", top)) is not None:
            yield left
            continue
        files = list(_files(top))
        names = {os.path.basename(item.place): item.references for item in files}
        layers = [item for name in _BLOBS for item in _layers(f"{top}/{name}", names)]
        whole = {item.name for item in layers if not item.why}
        yield from (item for item in layers if not item.why or item.name not in names)
        yield from (item for item in files if os.path.basename(item.place) not in whole)


def _named(world: World) -> list[str]:
    variables = (world.outside.env(name) for name in ("APPTAINER_CACHEDIR", "SINGULARITY_CACHEDIR"))
    return [folder for value in variables if value for folder in (f"{value}/cache", value)]


def _usual(world: World) -> list[str]:
    home = world.outside.home()
    return [f"{home}/.apptainer/cache", f"{home}/.singularity/cache"]


def _files(top: str) -> Iterator[Theirs]:
    for kind in _FILES:
        for folder, names in folders_below(f"{top}/{kind}"):
            for name in names:
                if is_packed(f"{folder}/{name}"):
                    yield _file(f"{folder}/{name}", kind)


def _file(path: str, kind: str) -> Theirs:
    common = Theirs(
        program="apptainer", name=os.path.basename(path), kind="packed", place=path, size=os.path.getsize(path)
    )
    try:
        facts = packed_facts(path)
    except WherryError as error:
        return msgspec.structs.replace(common, why=error.why or error.what)
    return msgspec.structs.replace(common, references=_references(facts, path, kind) if is_ours(path) else ())


def _references(facts: PackedImage, path: str, kind: str) -> tuple[str, ...]:
    """What the file was pulled as: by the definition in what Apptainer itself made of a registry's image, else by the
    name in old caches (``whalesay_latest.sif``). The definition in a file that somebody else made says what they like.
    """
    if kind == _OWN:
        origin = _FROM.search(facts.definition)
        if origin and _BOOTSTRAP.search(facts.definition):
            return _good(origin[1])
    named = _NAMED.fullmatch(os.path.basename(path))
    return _good(f"localhost/{kind}/{named[1].lower()}:{named[2]}") if named else ()


def _good(text: str) -> tuple[str, ...]:
    try:
        reference = Reference.parse(text)
    except InvalidName:
        return ()
    return () if reference.digest else (text,)


def _layers(folder: str, names: dict[str, tuple[str, ...]]) -> Iterator[Theirs]:
    """The images of the layout, each under its digest: what they were pulled as is not in it."""
    blobs = blobs_of(f"{folder}/blobs/sha256")
    try:
        with open(f"{folder}/index.json", "rb") as file:
            index = read_document(file.read(), "application/vnd.oci.image.index.v1+json", folder)
    except (OSError, WherryError):
        return
    for item in index.manifests if isinstance(index, Index) else ():
        data = _read(blobs.get(str(item.digest), ""))
        if data is None:
            continue
        taken = of_layers("apptainer", item.digest.hex, names.get(item.digest.hex, ()), data, blobs)
        yield taken


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
