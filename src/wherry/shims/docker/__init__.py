"""``docker`` and ``podman``: their verbs, options and output, on Wherry's containers and images.

A *command* is one verb as data (:class:`~wherry.shims.docker.command.Command`); ``table`` says in which module each
lies, so that a call imports no more than its own. Options are honoured, accepted with a note, or refused by name.
"""

from __future__ import annotations

from wherry.shims.docker.call import Call

__all__ = ["main"]


def main(face: str, words: list[str]) -> int:
    """Do what ``docker WORDS`` says; return the status for the shell."""
    from wherry.shims.docker.table import serve

    return serve(Call(face), words)
