"""A step's key: the digest of what it means. What changes nothing of what a step makes is not in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wherry.base.digest import Digest
from wherry.build.graph import CopyStep, Files, MetaStep, MountFrom, RunStep, SourceStep, Step

__all__ = ["step_key"]

_VERSION = 1
"""Counts the changes of what a key or a layer is made of: a step that an older Wherry did is done anew."""


def step_key(step: Step, parent: tuple[Digest, ...], inputs: tuple[Digest, ...], rules: bytes) -> Digest:
    """The key of ``step`` done on the layers ``parent`` (diff ids, lowest first).

    ``inputs`` are digests of the contents of what it reads, in order: each of :attr:`CopyStep.sources`, or of the
    mounts that have files. ``rules`` is what else decides about bytes: the times and the rules that normalise them.

    Not in it: where and how the step is written, what its stage is called, which context or step files come from (their
    content counts), what proxies there are, and the values of secrets.
    """
    meaning = {
        "version": _VERSION,
        "step": _meaning(step),
        "parent": [str(digest) for digest in parent],
        "inputs": [str(digest) for digest in inputs],
        "rules": Digest.of(rules).hex,
    }
    return Digest.of(_canonical(meaning))


def _meaning(step: Step) -> Mapping[str, Any]:
    if isinstance(step, RunStep):
        return _run(step)
    if isinstance(step, CopyStep):
        return _copy(step)
    if isinstance(step, MetaStep):
        return {"kind": "meta", "directory": step.directory, "user": step.user}
    return _source(step)


def _source(step: SourceStep) -> Mapping[str, Any]:
    name = {"digest": step.digest} if step.digest else {"reference": step.reference}
    return {"kind": "source", "platform": step.platform, **name}


def _run(step: RunStep) -> Mapping[str, Any]:
    return {
        "kind": "run",
        "command": step.command,
        "env": step.env,
        "user": step.user,
        "directory": step.directory,
        "mounts": [_mount(mount) for mount in step.mounts],
        "network": step.network,
        "platform": step.platform,
        "files": [(path, Digest.of(content).hex) for path, content in step.files],
    }


def _copy(step: CopyStep) -> Mapping[str, Any]:
    return {
        "kind": "copy",
        "sources": [_files(files) for files in step.sources],
        "target": step.target,
        "owner": step.owner,
        "mode": step.mode,
        "link": step.link,
        "parents": step.parents,
        "exclude": step.exclude,
        "checksum": step.checksum,
        "keep_git_dir": step.keep_git_dir,
        "unpack": step.unpack,
    }


def _files(files: Files) -> Mapping[str, Any]:
    """A name counts where it decides what files are called; whose files a context and a step have differs."""
    named = {"name": files.name} if files.kind in ("inline", "url", "git") else {}
    content = {"content": Digest.of(files.content).hex} if files.kind == "inline" else {}
    return {"kind": files.kind, "paths": files.paths, **named, **content}


def _mount(mount: MountFrom) -> Mapping[str, Any]:
    """Without what decides only who waits for whom (``sharing``)."""
    return {
        "type": mount.type,
        "target": mount.target,
        "files": None if mount.files is None else _files(mount.files),
        "read_only": mount.read_only,
        "id": mount.id,
        "mode": mount.mode,
        "uid": mount.uid,
        "gid": mount.gid,
        "size": mount.size,
        "required": mount.required,
        "env": mount.env,
    }


def _canonical(value: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(value, order="sorted")
    except UnicodeEncodeError:  # bytes that are no UTF-8 came as halves of characters
        import json

        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
