"""``export``: from what was given to a bundle on the disk, or to the tar of a root file system."""

from __future__ import annotations

import contextlib
import os
import sys

from wherry import containers
from wherry.base.errors import ImageError, UsageError, reason, remedy
from wherry.cli.foreseeing import foresee
from wherry.cli.grammar import Given
from wherry.cli.moving import shown
from wherry.cli.start import run_options

__all__ = ["export"]


def export(given: Given) -> int:
    """Write the bundle and print its directory; without one, the tar."""
    folder = given.text("bundle")
    if folder is None:
        return _root(given)
    if given.text("output") is not None:
        raise UsageError("'--bundle' and '-o' exclude each other", hint="a bundle is a folder: --bundle DIR IMAGE")
    world = containers.World(make_store=not given.flag("dry_run"))
    options = run_options(given, world.outside)
    place = os.path.abspath(folder)
    if given.flag("dry_run"):
        return foresee(containers.plan_export(options, place), given.text("format"))
    with shown(given.flag("quiet")) as progress:
        containers.export_bundle(options, place, world=world, progress=progress)
    print(place)
    return 0


def _root(given: Given) -> int:
    name, path = given.word, _output(given)
    if given.flag("dry_run"):
        return foresee(containers.plan_export_root(name, path), given.text("format"))
    if path == "-":
        if sys.stdout.isatty():
            raise UsageError("a tar would be written to the terminal", hint=f"wherry export -o FILE {name}")
        with shown(given.flag("quiet")) as progress:
            containers.export_root(name, sys.stdout.buffer, progress=progress)
        return 0
    work = f"{path}.partial-{os.getpid()}" if os.path.isfile(path) or not os.path.lexists(path) else path
    try:
        with shown(given.flag("quiet")) as progress, open(work, "wb", buffering=1 << 20) as file:
            containers.export_root(name, file, progress=progress)
        if work != path:
            os.rename(work, path)
    except OSError as error:
        raise ImageError(f"'{path}' cannot be written", why=reason(error), hint=remedy(error, write=True)) from None
    finally:
        if work != path:
            with contextlib.suppress(OSError):
                os.unlink(work)
    return 0


def _output(given: Given) -> str:
    """The file, also where ``-o`` comes after the name: only a bundle has a command there."""
    rest = given.words[1:]
    if not rest:
        return given.text("output") or "-"
    first, equals, value = rest[0].partition("=")
    if len(rest) == 2 and first in ("-o", "--output") and not equals:
        return rest[1]
    if len(rest) == 1 and first == "--output" and value:
        return value
    hint = "wherry export -o FILE NAME, or with a command: wherry export --bundle DIR IMAGE COMMAND"
    raise UsageError(f"'wherry export' does not take '{rest[0]}' after the name", hint=hint)
