"""What ``--cache-from`` and ``--cache-to`` say, and the form in which a cache travels.

It is an OCI artifact: a manifest (its ``artifactType`` is :data:`ARTIFACT`) whose layers are those of the steps,
compressed as an image's are, and whose configuration says which step made which. In a directory it lies in an OCI image
layout. An image can have the same said in its own configuration (``type=inline``).
"""

from __future__ import annotations

import os

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName, UsageError
from wherry.build.secrets import fields_of
from wherry.store import BuiltStep

__all__ = [
    "ARTIFACT",
    "CONFIG",
    "INLINE",
    "LARGEST",
    "CachePlace",
    "Travelling",
    "decode",
    "encode",
    "parse_cache_option",
]

ARTIFACT = "application/vnd.wherry.buildcache.v1"
CONFIG = "application/vnd.wherry.buildcache.config.v1+json"
INLINE = "wherry.buildcache"
"""The member of an image's configuration."""

LARGEST = 16 << 20
"""Bytes of a configuration that is read: what a hundred thousand steps take."""

_VERSION = 1


class CachePlace(msgspec.Struct, frozen=True):
    """``type`` is registry, local or inline; ``name`` the reference or the directory; ``mode`` min (the steps of the
    image) or max (all that were done or found)."""

    type: str
    name: str
    mode: str = "min"


class Travelling(msgspec.Struct, frozen=True):
    """A step, and which of the layers it comes with is its own (-1: it changed no file)."""

    step: BuiltStep
    layer: int = -1


class _Step(msgspec.Struct, omit_defaults=True):
    key: str
    layer: int = -1
    diff_id: str = ""
    parent: str = ""
    seconds: float = 0.0
    size: int = 0
    made: float = 0.0


class _Document(msgspec.Struct):
    version: int
    steps: list[_Step]


def parse_cache_option(option: str, text: str) -> CachePlace:
    """``type=registry,ref=NAME``, ``type=local,dest=DIR`` (src=DIR), ``type=inline``; a bare NAME is a registry's."""
    if "=" not in text and text:
        return CachePlace("registry", text)
    fields = fields_of(option, text, ("type", "ref", "dest", "src", "mode"))
    kind, mode = fields.get("type", ""), fields.get("mode", "min")
    what = f"'{option} {text}' cannot be"
    if mode not in ("min", "max"):
        raise UsageError(what, why=f"there is no mode '{mode}'", hint="mode=min or mode=max")
    wanted = {"registry": "ref", "local": "dest" if option == "--cache-to" else "src", "inline": ""}.get(kind)
    if wanted is None or (kind == "inline" and option != "--cache-to"):
        hint = f"type=registry,ref=NAME or type=local,{'dest' if option == '--cache-to' else 'src'}=DIRECTORY"
        raise UsageError(what, why=f"there is no type '{kind}'" if kind else "it has no type", hint=hint)
    if wanted and not fields.get(wanted):
        raise UsageError(what, why=f"'{wanted}=' is missing", hint=f"type={kind},{wanted}=...")
    name = fields.get(wanted, "") if wanted else ""
    return CachePlace(kind, os.path.abspath(name) if kind == "local" else name, mode)


def encode(steps: tuple[Travelling, ...], *, plain: bool = False) -> bytes:
    """The configuration; ``plain`` without times, so that the same image has the same bytes."""
    found = [
        _Step(
            key=one.step.key,
            layer=one.layer,
            diff_id=str(one.step.diff_id or ""),
            parent=one.step.parent,
            size=one.step.size,
            seconds=0.0 if plain else one.step.seconds,
            made=0.0 if plain else one.step.made,
        )
        for one in steps
    ]
    return msgspec.json.encode(_Document(_VERSION, found))


def decode(data: bytes, layers: int) -> dict[str, Travelling]:
    """The steps by their keys; what another version wrote, or makes no sense, is none. Raises :class:`ValueError` for
    what is no such configuration."""
    document = msgspec.json.decode(data, type=_Document)
    found: dict[str, Travelling] = {}
    for one in document.steps if document.version == _VERSION else ():
        if not _is_key(one.key) or not -1 <= one.layer < layers or (one.layer >= 0) != bool(one.diff_id):
            continue
        try:
            diff_id = Digest.parse(one.diff_id) if one.diff_id else None
        except InvalidName:
            continue
        step = BuiltStep(
            key=one.key, diff_id=diff_id, parent=one.parent, seconds=one.seconds, size=one.size, made=one.made
        )
        found[one.key] = Travelling(step, one.layer)
    return found


def _is_key(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
