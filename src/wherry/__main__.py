"""``python -m wherry``, and what the C front hands over to: the face by which it was called, its own or a peer's."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> int:
    """Serve the command line of this process; return the status for the shell."""
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
