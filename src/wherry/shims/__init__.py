"""The peers' command lines: ``docker``, ``podman``, ``udocker``, ``singularity``, ``apptainer``, ``ch-run``.

A *shim* is a link to ``wherry`` by the peer's name (``wherry shim install``). It reads the peer's words, keeps the
peer's defaults, calls the same functions of :mod:`wherry.containers` as Wherry's own verbs, and shows the result in the
form that scripts parse. What cannot be honoured is refused by name; what is harmless to ignore is passed over.

No logic: what a shim needs and Wherry lacks is a function of a room below. It may import :mod:`wherry.cli` and below.
"""

from __future__ import annotations

from wherry.containers import PEERS

__all__ = ["main", "serves"]


def serves(face: str) -> bool:
    """Whether there is a shim of that name; any other name is Wherry's own under a link of the user's."""
    return face in PEERS


def main(face: str, words: list[str]) -> int:
    """Do what the peer's command line says; return the status for the shell."""
    from importlib import import_module

    from wherry.cli.main import serve

    shim = import_module(f"wherry.shims.{PEERS[face]}")
    return serve(lambda given: int(shim.main(face, given)), words)
