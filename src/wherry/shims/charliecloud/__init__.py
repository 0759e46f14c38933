"""``ch-run``: a command in an unpacked image, with the caller's variables and the host's /tmp; ``ch-image``,
``ch-convert``.

It speaks the command line of Charliecloud 0.31, and the options that came later. What Charliecloud does by namespaces
is done by Wherry's own launcher, so processes inside have a process tree of their own.
"""

from __future__ import annotations

import sys

from wherry.base.errors import WherryError

__all__ = ["main"]

FAILED, USAGE = 1, 64
_VERSION = "0.31"


def main(face: str, words: list[str]) -> int:
    """Do what the command line says; errors are told in Charliecloud's form, with its statuses."""
    from wherry.shims.charliecloud.words import NotUnderstood, read

    try:
        if face != "ch-run":
            from wherry.shims.charliecloud import images

            return images.image(words) if face == "ch-image" else images.convert(words)
        given = read(words)
        if given.flag("version"):
            print(_VERSION, file=sys.stderr)  # as Charliecloud
            return 0
        if given.flag("help") or given.flag("usage"):
            from wherry.shims.charliecloud.texts import print_help

            return print_help()
        if given.text("feature") is not None:
            from wherry.shims.charliecloud.texts import feature

            return feature(given.text("feature") or "")
        from wherry.shims.charliecloud.running import run

        return run(given)
    except NotUnderstood as error:
        print(f"ch-run: {error}\nTry `ch-run --help' for more information.", file=sys.stderr)
        return USAGE
    except WherryError as error:
        shown = "".join(f"\n  {line}" for line in error.shown)
        print(f"{face}: error: {error}{shown}" + (f"\n  next: {error.hint}" if error.hint else ""), file=sys.stderr)
        return FAILED
