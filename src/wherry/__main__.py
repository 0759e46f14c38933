"""``python -m wherry``, and what the C front hands over to: the face by which it was called, its own or a peer's."""

from __future__ import annotations

import gc
import os
import sys

__all__ = ["main"]

_RARELY = 50_000
"""Objects between two looks for garbage: a start makes a tenth of that, and the looks would be 4 % of its time."""


def main() -> int:
    """Serve the command line of this process; return the status for the shell."""
    gc.set_threshold(_RARELY)
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
