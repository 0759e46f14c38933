"""``python -m wherry``, and what the C front hands over to: the face by which it was called, its own or a peer's."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys

__all__ = ["main"]

_RARELY = 50_000
"""Objects between two looks for garbage: a start makes a tenth of that, and the looks would be 4 % of its time."""


def main() -> int:
    """Serve the command line of this process; return the status for the shell."""
    gc.set_threshold(_RARELY)
    ended: list[int] = []
    atexit.register(_end, ended)  # the first to be registered is the last to be called
    ended.append(_serve())
    return ended[0]


def _end(ended: list[int]) -> None:
    """End at once: the kernel frees a process's memory faster than Python, which takes a tenth of a short command."""
    if not ended:
        return  # something else ends the process: it goes the usual way
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(ended[0])


def _serve() -> int:
    face = os.environ.get("WHERRY_FACE", "wherry")
    if face != "wherry":
        from wherry.shims import serves

        if serves(face):
            from wherry.shims import main as serve

            return serve(face, sys.argv[1:])
    from wherry.cli.main import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
