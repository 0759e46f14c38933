"""Building for programs: ``wherry.build_image``; the command line calls the same function underneath."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.build.made import Event
    from wherry.image import Image

__all__ = ["build_image"]


def build_image(
    context: str | os.PathLike[str] = ".",
    *,
    recipe: str | os.PathLike[str] | None = None,
    names: str | Sequence[str] = (),
    target: str = "",
    build_args: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    platform: str = "",
    secrets: Sequence[str] = (),
    pull: bool = False,
    no_cache: bool = False,
    output: Callable[[str], None] | None = None,
) -> Image:
    """Build the image of a Dockerfile and give it its names, as ``wherry build`` does.

    ``context`` is a directory, a tar or a URL; ``recipe`` a path, by default the ``Dockerfile`` of the context;
    ``secrets`` are as ``id=ID,src=FILE``. ``output`` is given each line that a step writes.
    Raises :class:`wherry.CommandFailed` for a step that fails, with its status, and other :class:`wherry.WherryError`.
    """
    from wherry.build.building import build
    from wherry.build.request import BuildOptions

    def take(event: Event) -> None:
        if output is not None and event.kind == "output":
            output(event.text)

    options = BuildOptions(
        context=os.fspath(context),
        recipe=None if recipe is None else os.fspath(recipe),
        names=(names,) if isinstance(names, str) else tuple(names),
        target=target,
        build_args=tuple((build_args or {}).items()),
        labels=tuple((labels or {}).items()),
        platform=platform,
        secrets=tuple(secrets),
        pull=pull,
        no_cache=no_cache,
    )
    return build(options, report=take).image
