"""Who is spoken to, and with which words so far."""

from __future__ import annotations

import sys

import msgspec

__all__ = ["Call"]


class Call(msgspec.Struct, frozen=True):
    """``face`` is ``docker`` or ``podman``; ``words`` are all that came before the verb's own options, the verb too.

    ``verb`` is as the user wrote it, as ``image ls``.
    """

    face: str
    words: tuple[str, ...] = ()
    verb: str = ""

    @property
    def is_podman(self) -> bool:
        return self.face == "podman"

    def note(self, text: str) -> None:
        """Tell what is accepted and has no effect here, in one line."""
        sys.stderr.write(f"{self.face}: note: {text}\n")
