"""Wherry: rootless, daemonless containers for scientific computing.

The face for programs; the command line calls the same functions underneath::

    import wherry

    wherry.pull("debian:12")
    result = wherry.run("debian:12", ["cat", "/etc/os-release"], check=True)
    print(result.status, result.text, result.record.end.usage.wall_ms)

Errors are :class:`wherry.WherryError` and its kinds (:mod:`wherry.base.errors`). Importing this costs nothing: each
name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.base.errors import CommandFailed, WherryError
    from wherry.build.programs import build_image
    from wherry.containers.commandfiles import Exposed
    from wherry.containers.listing import ContainerSummary
    from wherry.containers.programs import (
        ContainerHandle,
        ImageSummary,
        Result,
        container,
        expose,
        images,
        pack,
        pull,
        run,
    )
    from wherry.containers.programs import containers as ps
    from wherry.containers.records import Record
    from wherry.image.local import Image
    from wherry.launch.options import Bind

__version__ = "0.1.0"

__all__ = [
    "Bind",
    "CommandFailed",
    "ContainerHandle",
    "ContainerSummary",
    "Exposed",
    "Image",
    "ImageSummary",
    "Record",
    "Result",
    "WherryError",
    "build_image",
    "container",
    "expose",
    "images",
    "pack",
    "ps",
    "pull",
    "run",
]

_HOMES = {
    "Bind": ("launch.options", "Bind"),
    "CommandFailed": ("base.errors", "CommandFailed"),
    "ContainerHandle": ("containers.programs", "ContainerHandle"),
    "ContainerSummary": ("containers.listing", "ContainerSummary"),
    "Exposed": ("containers.commandfiles", "Exposed"),
    "Image": ("image.local", "Image"),
    "ImageSummary": ("containers.programs", "ImageSummary"),
    "Record": ("containers.records", "Record"),
    "Result": ("containers.programs", "Result"),
    "WherryError": ("base.errors", "WherryError"),
    "build_image": ("build.programs", "build_image"),
    "container": ("containers.programs", "container"),
    "expose": ("containers.programs", "expose"),
    "images": ("containers.programs", "images"),
    "pack": ("containers.programs", "pack"),
    "ps": ("containers.programs", "containers"),
    "pull": ("containers.programs", "pull"),
    "run": ("containers.programs", "run"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'wherry' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    found = globals()[name] = getattr(import_module(f"wherry.{module}"), attribute)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
