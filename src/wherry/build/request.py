"""What the user asked of a build, before anything is read or looked up: docker's names."""

from __future__ import annotations

import msgspec

__all__ = ["BuildOptions", "Output"]


class Output(msgspec.Struct, frozen=True):
    """``--output type=TYPE,dest=PATH``: oci, docker, sif, squashfs, dir, or image (the store, as without it)."""

    type: str
    dest: str
    compression: str = ""


class BuildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``build``, parsed and checked in form.

    ``context`` is a directory, a tar, a URL, ``-`` or empty (no context: only the recipe). ``recipe`` is a path, ``-``
    for standard input, None for ``Dockerfile`` (or ``Containerfile``) of the context. ``build_args`` without a value
    (None) take the caller's variable.
    """

    context: str = "."
    recipe: str | None = None
    names: tuple[str, ...] = ()
    target: str = ""
    build_args: tuple[tuple[str, str | None], ...] = ()
    contexts: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    platform: str = ""
    network: str = ""
    pull: bool = False
    no_cache: bool = False
    cache_to: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    squash: bool = False
    check: bool = False
    debug: bool = False  # --debug-on-failure
    outputs: tuple[Output, ...] = ()
    push: bool = False
    iidfile: str = ""
    rules_off: tuple[str, ...] = ()
    conda: str = ""
    owners: str = ""  # supervisor, range, proot, pretend; empty: what this machine does best
    jobs: int = 0  # stages side by side; 0: as many as there are processors
    pids_limit: int | None = None
    memory: int | None = None
    hosts: tuple[str, ...] = ()
