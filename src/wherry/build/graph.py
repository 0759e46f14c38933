"""The graph of a build: what will be done, as frozen values. Made by a front end, carried out by the executor.

A step names the steps that it needs by their place in :attr:`Graph.steps`, which are in an order in which they can be
done. All variables are expanded, all configurations of base images known; what is not known before a step runs is only
what it makes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.build.dockerfile.instructions import Position

__all__ = [
    "CopyStep",
    "Files",
    "Graph",
    "HistoryLine",
    "MetaStep",
    "MountFrom",
    "Origin",
    "RunStep",
    "SourceStep",
    "Step",
]


class Origin(msgspec.Struct, frozen=True):
    """Where a step was written: ``text`` is the instruction after expansion, as history and progress show it."""

    position: Position
    text: str
    stage: str


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Where files come from: ``kind`` is step (``step``: its place), context (``name``; empty: the main one), inline
    (``content``, named ``name``), url (``name``: http or https) or git (``name``: URL#ref:dir).

    ``paths`` are patterns below its root; for url and inline there are none.
    """

    kind: str
    step: int = -1
    name: str = ""
    content: bytes = b""
    paths: tuple[str, ...] = ()


class MountFrom(msgspec.Struct, frozen=True, kw_only=True):
    """A ``RUN --mount``, expanded and checked. ``files`` is for bind (one path) and a cache's first content."""

    type: str
    target: str
    files: Files | None = None
    read_only: bool = False
    id: str = ""
    sharing: str = "shared"
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    size: int | None = None
    required: bool = False
    env: str = ""


class SourceStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="source"):
    """Begin with an image; ``reference`` ``scratch`` is the empty one. ``digest`` is its manifest's where known."""

    origin: Origin
    reference: str
    platform: str = ""
    digest: str = ""


class RunStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="run"):
    """Run ``command`` in what ``parent`` made. ``env`` is all that it is given (NAME=value): the image's variables,
    then build arguments, whose names are ``arguments``; ``quiet_env`` are those that change nothing of its meaning
    (proxies)."""

    origin: Origin
    parent: int
    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    quiet_env: tuple[str, ...] = ()
    user: str = ""
    directory: str = "/"
    platform: str = "linux/amd64"
    mounts: tuple[MountFrom, ...] = ()
    network: str = "host"
    files: tuple[tuple[str, bytes], ...] = ()  # heredocs that are scripts: (path inside, content)


class CopyStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="copy"):
    """Copy ``sources`` to ``target`` (absolute; with a slash at its end it is a directory).

    ``owner`` is as written (``user:group``, looked up in the parent's files), ``mode`` octal or symbolic; empty: as
    it is (the context's files belong to root). ``unpack``: local archives are unpacked.
    """

    origin: Origin
    parent: int
    sources: tuple[Files, ...]
    target: str
    owner: str = ""
    mode: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool = False
    unpack: bool | None = False


class MetaStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="meta"):
    """Changes the configuration only; or makes ``directory`` where it is missing (WORKDIR), owned by ``user``."""

    origin: Origin
    parent: int
    directory: str = ""
    user: str = ""


Step = SourceStep | RunStep | CopyStep | MetaStep


class HistoryLine(msgspec.Struct, frozen=True):
    """One line of the image's history: ``step`` made its layer, -1: none could be made."""

    created_by: str
    step: int = -1
    comment: str = ""


class Graph(msgspec.Struct, frozen=True):
    """``steps`` in order; ``target`` is the last one's place; ``config`` the OCI configuration but for its ``rootfs``,
    ``history`` and ``created``; ``history`` is of the steps made here (the base's comes before)."""

    steps: tuple[Step, ...]
    target: int
    config: dict[str, Any]
    history: tuple[HistoryLine, ...] = ()
    platform: str = ""
    notes: tuple[str, ...] = ()
